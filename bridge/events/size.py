"""How much a text or a value takes as JSON, and as much of a text as fits: what the picture's bounds are made of."""

from __future__ import annotations

from typing import Any

import orjson

FIXED = 256
"""Bytes that a thought, a tool call or an attempt takes beside its texts; at least as many as its field names have."""

_VALUE = 64
"""Bytes of memory that each small value inside a list or an object takes, about."""

_LONGEST_ESCAPE = 6
"""Bytes of `\\u001f`."""


def utf8_size(text: str) -> int:
    """Its bytes in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def json_size(text: str | None) -> int:
    """Its bytes in JSON without the quotes, so that the sizes of two pieces add up to that of both together."""
    return len(orjson.dumps(text)) - 2 if text else 0


def value_json(value: Any) -> bytes:
    """The value as JSON; `null` for one that JSON has no words for."""
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:
        return b"null"


def value_size(encoded: bytes) -> int:
    """What a value takes, given as JSON: in a snapshot, or in memory where it is many small ones."""
    return len(encoded) + _VALUE * sum(map(encoded.count, (b"[", b"{", b",")))


def clip(text: str, limit: int) -> str:
    """The text's beginning of at most `limit` bytes in UTF-8, well-formed."""
    if text.isascii():
        return text[:limit]
    return text[:limit].encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")


def clip_json(text: str, limit: int) -> str:
    """The beginning of a well-formed text that takes at most `limit` bytes in JSON."""
    encoded = orjson.dumps(text)[1:-1]
    if len(encoded) <= limit:
        return text
    for end in range(limit, max(limit - _LONGEST_ESCAPE, 0), -1):
        try:
            clipped: str = orjson.loads(b'"' + encoded[:end] + b'"')
        except orjson.JSONDecodeError:  # it would end inside an escape or a character
            continue
        return clipped
    return ""
