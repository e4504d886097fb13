"""JSON from outside, read so that nothing in it can hurt later: what comes out can be encoded and stored again.

RFC 8259 lets a text hold `"\\ud83d"` alone (half of a character outside the basic plane, as a cut between two stream
deltas leaves it) and numbers of any size. Python's strings take the first, and then neither UTF-8 nor SQLite takes the
string; so lone surrogates become U+FFFD here, and whole numbers beyond 64 bits become floats.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import orjson

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_INTEGER_DIGITS = 18  # as many always fit into 64 bits


def loads(raw: bytes) -> Any:
    """The value of a JSON text in UTF-8. Raises ValueError, and nothing else, where there is none."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        refusal = error
    # orjson refuses lone surrogates, NaN and broken UTF-8, which upstreams do send; the standard library reads them.
    try:
        return _well_formed(_LENIENT.decode(raw.decode("utf-8-sig", "replace")))
    except (ValueError, RecursionError):
        raise ValueError(str(refusal)) from None


def loads_object(raw: bytes) -> dict[str, Any] | None:
    """The JSON object in a text, None where there is anything else or nothing."""
    try:
        value = loads(raw)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def well_formed(text: str) -> str:
    """The text with each lone surrogate replaced by U+FFFD, so that it can be UTF-8."""
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)


def is_shallow(value: object, depth: int = 64) -> bool:
    """Whether arrays and objects nest at most that deep, so that an event with the value in it can be encoded."""
    level: Sequence[object] = [value]
    for _ in range(depth + 1):
        level = [inner for outer in level for inner in _members(outer)]
        if not level:
            return True
    return False


def _members(value: object) -> Sequence[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else ()


def _well_formed(value: Any) -> Any:
    """The value with all its strings well-formed, keys included. May raise RecursionError."""
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, list):
        return [_well_formed(item) for item in value]
    if isinstance(value, dict):
        return {well_formed(key): _well_formed(item) for key, item in value.items()}
    return value


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _INTEGER_DIGITS else float(digits)


_LENIENT = json.JSONDecoder(parse_int=_integer)
