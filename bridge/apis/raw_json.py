"""Edits JSON as text: what is put in or taken out changes, and every other byte stays as it was.

Numbers, escapes, the order of members and what nobody knows of a request or an answer are not ours to write anew. So
these find where a value stands and splice. All of them take texts that are known to be JSON; where one is none after
all, they raise ValueError.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import orjson

from bridge.value_classes import frozen

_SPACE = re.compile(rb"[ \t\n\r]*")
_STRING = re.compile(rb'"[^"]*+"')
_SCALAR = re.compile(rb'[^\s,\[\]{}"]++')
_TO_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|"[^"]*+")*+(?:([\[{])|([\]}]))')
_BOM = b"\xef\xbb\xbf"


@frozen
class Member:
    """A member of an object: where its name begins, and where its value begins and ends."""

    name: str
    named_at: int
    start: int
    end: int


def members(text: bytes) -> list[Member]:
    """The members of an object, in order, those of the same name too."""
    found: list[Member] = []
    plain = _without_escapes(text)
    at = _enter(plain, b"{")
    while plain[at : at + 1] != b"}":
        name = _STRING.match(plain, at)
        if name is None:
            raise ValueError("a member without a name")
        colon = _skip(plain, name.end())
        if plain[colon : colon + 1] != b":":
            raise ValueError("a member without a value")
        start = _skip(plain, colon + 1)
        end = _end_of(plain, start)
        found.append(Member(_name(text[at : name.end()]), at, start, end))
        at = _next(plain, end)
    return found


class ObjectText:
    """An object's text that is looked through once, however much of it is asked for and changed."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._members = {member.name: member for member in members(text)}
        self._new: dict[str, bytes] = {}

    def get(self, name: str) -> bytes | None:
        """The text of a member's value, as it was; of several of that name the last, which is the one that counts."""
        found = self._members.get(name)
        return None if found is None else self._text[found.start : found.end]

    def put(self, name: str, value: bytes) -> None:
        """Gives a member that value: in the place of the one it has, else before all others."""
        self._new[name] = value

    def text(self) -> bytes:
        """The object as it is now."""
        text = self._text
        changed = [(self._members[name], value) for name, value in self._new.items() if name in self._members]
        parts: list[bytes] = []
        at = 0
        for member, value in sorted(changed, key=lambda change: change[0].start):
            parts += [text[at : member.start], value]
            at = member.end
        whole = b"".join([*parts, text[at:]])
        for name, value in self._new.items():
            whole = whole if name in self._members else _with_first(whole, name, value)
        return whole


def value_of(text: bytes, name: str) -> bytes | None:
    """The text of a member's value; of several of that name the last, which is the one that counts."""
    found = _last(text, name)
    return None if found is None else text[found.start : found.end]


def elements(text: bytes) -> list[bytes]:
    """The texts of an array's elements."""
    found: list[bytes] = []
    plain = _without_escapes(text)
    at = _enter(plain, b"[")
    while plain[at : at + 1] != b"]":
        end = _end_of(plain, at)
        found.append(text[at:end])
        at = _next(plain, end)
    return found


def with_member(text: bytes, name: str, value: bytes) -> bytes:
    """The object with that value for a member: in the place of the one it has, else before all others."""
    found = _last(text, name)
    if found is not None:
        return text[: found.start] + value + text[found.end :]
    return _with_first(text, name, value)


def without_member(text: bytes, name: str) -> bytes:
    """The object without a member, however often it has it."""
    listed = members(text)
    for place in range(len(listed) - 1, -1, -1):
        if listed[place].name != name:
            continue
        if place + 1 < len(listed):  # with the comma behind it
            text = text[: listed[place].named_at] + text[listed[place + 1].named_at :]
        else:
            before = listed[place - 1].end if place else text.index(b"{") + 1
            text = text[:before] + text[listed[place].end :]
        listed = members(text)
    return text


def with_elements(text: bytes, *, first: Iterable[bytes] = (), last: Iterable[bytes] = ()) -> bytes:
    """The array with further elements before and behind its own."""
    opened, closed = text.index(b"["), text.rindex(b"]")
    inner = text[opened + 1 : closed]
    parts = [*first, *([inner] if inner.strip() else []), *last]
    return text[: opened + 1] + b",".join(parts) + text[closed:] if parts else text


def array(parts: Iterable[bytes]) -> bytes:
    """An array of these."""
    return b"[" + b",".join(parts) + b"]"


def _with_first(text: bytes, name: str, value: bytes) -> bytes:
    at = text.index(b"{") + 1
    end = _skip(text, at)
    comma = b"" if text[end : end + 1] == b"}" else b","
    return text[:at] + orjson.dumps(name) + b":" + value + comma + text[at:]


def _without_escapes(text: bytes) -> bytes:
    """The text, as long as it was, in which every quote begins or ends a string: to look for them beside escapes takes
    six times as long."""
    return text.replace(b"\\\\", b"..").replace(b'\\"', b"..") if b"\\" in text else text


def _last(text: bytes, name: str) -> Member | None:
    return next((member for member in reversed(members(text)) if member.name == name), None)


def _name(raw: bytes) -> str:
    """A member's name. One with half a character in it is none that anybody looks for."""
    if b"\\" not in raw:
        return raw[1:-1].decode("utf-8", "replace")
    try:
        return str(orjson.loads(raw))
    except orjson.JSONDecodeError:
        return raw[1:-1].decode("utf-8", "replace")


def _enter(text: bytes, bracket: bytes) -> int:
    at = _skip(text, len(_BOM) if text.startswith(_BOM) else 0)
    if text[at : at + 1] != bracket:
        raise ValueError(f"no {bracket.decode()} where one should be")
    return _skip(text, at + 1)


def _next(text: bytes, end: int) -> int:
    """Where the next member or element begins, or the bracket that closes them stands."""
    at = _skip(text, end)
    if text[at : at + 1] == b",":
        return _skip(text, at + 1)
    if text[at : at + 1] not in (b"}", b"]"):
        raise ValueError("the text breaks off")
    return at


def _skip(text: bytes, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _end_of(text: bytes, at: int) -> int:
    """Where the value that begins there ends."""
    match text[at : at + 1]:
        case b'"':
            found = _STRING.match(text, at)
        case b"{" | b"[":
            return _end_of_brackets(text, at)
        case _:
            found = _SCALAR.match(text, at)
    if found is None:
        raise ValueError("no value where one should be")
    return found.end()


def _end_of_brackets(text: bytes, at: int) -> int:
    depth = 0
    for found in _TO_BRACKET.finditer(text, at):
        if found.start() != at:
            break
        at = found.end()
        depth += 1 if found.lastindex == 1 else -1
        if depth == 0:
            return at
    raise ValueError("the text breaks off")
