"""What a `noted` event says: an object of an answer in a few words, whatever fields it has.

Only what a person can read is taken: its type, then names with short values. What is encrypted, signed or redeemable is
left out, since nobody can read it, or everybody could spend it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

LONGEST_VALUE = 2048  # characters; more than any note tells
MOST_MEMBERS = 32  # of an object or a list that are looked at

LEFT_OUT = frozenset({"type", "id", "encrypted_content", "signature", "data", "fallback_credit_token", "cache_control"})


def words(value: object) -> str:
    """An object as `kind, name value, name value`; a text as it is."""
    if isinstance(value, str):
        return value[:LONGEST_VALUE]
    if not isinstance(value, dict):
        return _scalar(value)
    kind = value.get("type")
    return ", ".join([*([kind] if isinstance(kind, str) and kind else []), *_members(value)])


def content(value: dict[str, Any]) -> str:
    """The same for an item or a block, whose type is the note's kind already: its text alone where it has no more."""
    members = list(_members(value))
    if len(members) == 1:
        return members[0].partition(" ")[2]
    return ", ".join(members)


def _members(value: dict[str, Any]) -> Iterator[str]:
    for name in list(value)[:MOST_MEMBERS]:
        told = _told(value[name]) if name not in LEFT_OUT else ""
        if told:
            yield f"{name} {told}"


def _told(value: object) -> str:
    """A member's value: a text or number itself, an object by its name, a list by the names in it or their number."""
    if isinstance(value, dict):
        return _name(value) or words(value)
    if isinstance(value, list):
        names = [_name(item) if isinstance(item, dict) else _scalar(item) for item in value[:MOST_MEMBERS]]
        return " ".join(names) if all(names) and len(value) <= MOST_MEMBERS else str(len(value))
    return _scalar(value)


def _name(value: dict[str, Any]) -> str:
    for name in ("name", "model", "type"):
        if isinstance(value.get(name), str):
            return str(value[name])[:LONGEST_VALUE]
    return ""


def _scalar(value: object) -> str:
    match value:
        case str():
            return value[:LONGEST_VALUE]
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case _:
            return ""
