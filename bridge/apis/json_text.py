"""JSON from outside, read so that nothing in it can hurt later: what comes out can be encoded and stored again.

What would take long is not read at all: nested too deeply, or more brackets and commas than a limit (`bridge.limits`).
Nobody else is served while JSON is parsed, in whatever thread that happens, and these marks are what takes time.

RFC 8259 lets a text hold `"\\ud83d"` alone (half of a character outside the basic plane, as a cut between two stream
deltas leaves it) and numbers of any size. Python's strings take the first, and then neither UTF-8 nor SQLite takes the
string; so lone surrogates become U+FFFD here, and whole numbers beyond 64 bits become floats.
"""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Sequence
from enum import Enum
from typing import Any

import orjson

from bridge.limits import LIMITS

TOO_MANY_MARKS = "too many brackets and commas"
TOO_DEEP = "nested too deeply"

_MARKS = b"[]{},"
_PIECE = 256 * 1024
_NESTED = re.compile("depth limit|recursion limit", re.IGNORECASE)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_INTEGER_DIGITS = 18  # as many always fit into 64 bits


class CutText(str):
    """A text of a delta with half a character in it, well-formed as all others; `raw` has the half."""

    __slots__ = ("raw",)

    raw: str


class TooCostly(ValueError):
    """JSON, maybe, that would take too long to read; the text says why."""


def marks(raw: bytes) -> int:
    """How many brackets and commas are in a text, those in strings included."""
    pieces = (raw[start : start + _PIECE] for start in range(0, len(raw), _PIECE))
    return sum(len(piece) - len(piece.translate(None, _MARKS)) for piece in pieces)


def loads(raw: bytes, most_marks: int | None = None, *, cut: bool = False) -> Any:
    """The value of a JSON text in UTF-8, with so many marks at most; by default as many as an answer may have. With
    `cut`, texts with half a character in them are `CutText`: the other half may come with the next delta.

    Raises ValueError, and nothing else, where there is none; TooCostly where nobody knows.
    """
    limit = LIMITS.read_event_marks if most_marks is None else most_marks
    if len(raw) > limit and marks(raw) > limit:
        raise TooCostly(TOO_MANY_MARKS)
    try:
        return orjson.loads(raw) if len(raw) < _PIECE else _loads_undisturbed(raw)
    except orjson.JSONDecodeError as error:
        refusal = str(error)  # the error itself would hold this frame, and be garbage together with it
    if _NESTED.search(refusal):
        raise TooCostly(TOO_DEEP)
    # orjson refuses lone surrogates, NaN and broken UTF-8, which upstreams do send; the standard library reads them.
    if len(raw) > LIMITS.lenient_bytes or (len(raw) > LIMITS.lenient_marks and marks(raw) > LIMITS.lenient_marks):
        raise TooCostly(f"no plain JSON, and too large to look closer: {refusal}")
    try:
        return _well_formed(_LENIENT.decode(raw.decode("utf-8-sig", "replace")), cut=cut)
    except RecursionError:
        raise TooCostly(TOO_DEEP) from None
    except ValueError:
        raise ValueError(refusal) from None


def _loads_undisturbed(raw: bytes) -> Any:
    """Parses without the garbage collector, which would look at every new list again and again, and find nothing."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        return orjson.loads(raw)
    finally:
        if collecting:
            gc.enable()


def loads_object(raw: bytes, most_marks: int | None = None, *, cut: bool = False) -> dict[str, Any] | None:
    """The JSON object in a text, None where there is anything else or nothing; `cut` as for `loads`."""
    try:
        value = loads(raw, most_marks, cut=cut)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def well_formed(text: str) -> str:
    """The text with each lone surrogate replaced by U+FFFD, so that it can be UTF-8."""
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)


def join_halves(text: str) -> str:
    """The text with each two halves of a character that now stand side by side made one; what is still half stays."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


class Shape(Enum):
    """What becomes of a value in an event."""

    USUAL = "usual"  # told as it is
    WIDE = "wide"  # told as a text: so many values would take long on every way they go
    DEEP = "deep"  # could not be encoded


def shape(value: object, depth: int = 64) -> Shape:
    """Whether arrays and objects in the value nest deeper than that, or hold more than a few thousand values."""
    level: Sequence[object] = [value]
    count = 0
    for _ in range(depth + 1):
        level = [inner for outer in level for inner in _members(outer)]
        if not level:
            return Shape.WIDE if count > LIMITS.argument_values else Shape.USUAL
        count += len(level)
    return Shape.DEEP


def passed_on(value: object) -> object:
    """A value as an event may have it: as it is, as a text where it is wide, not at all where it is deep."""
    match shape(value):
        case Shape.USUAL:
            return value
        case Shape.WIDE:
            return orjson.dumps(value).decode()
        case Shape.DEEP:
            return None


def _members(value: object) -> Sequence[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else ()


def _well_formed(value: Any, *, cut: bool) -> Any:
    """The value with all its strings well-formed, keys included. May raise RecursionError."""
    if isinstance(value, str):
        return _cut_text(value) if cut else well_formed(value)
    if isinstance(value, list):
        return [_well_formed(item, cut=cut) for item in value]
    if isinstance(value, dict):
        return {well_formed(key): _well_formed(item, cut=cut) for key, item in value.items()}
    return value


def _cut_text(raw: str) -> str:
    formed = well_formed(raw)
    if formed == raw:
        return raw
    text = CutText(formed)
    text.raw = raw
    return text


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _INTEGER_DIGITS else float(digits)


_LENIENT = json.JSONDecoder(parse_int=_integer)
