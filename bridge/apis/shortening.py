"""Leaves the middle of long texts out of a large JSON text, so that parsing the rest holds nobody up.

While JSON is parsed no other thread runs, and copying a text of 60 MB alone takes a tenth of a second. What the bridge
reads of a request is in its structure and in short texts; so of a large one, texts are read as far as their first
64 KiB. The work is done in small pieces, between which other threads run. Bytes that are relayed are never these.
"""

from __future__ import annotations

import re

from bridge.apis.json_text import TooCostly
from bridge.limits import KIB, LIMITS

CUT = " … (cut)".encode()
"""Stands where a text was cut."""

_PIECE = 64 * KIB
_LATEST = 4 * KIB
_BOUNDARY = re.compile(rb"(?<=[^\\]{12})[\x00-\x7f\xc0-\xff]|(?<!\\)\\(?!u[dD][c-fC-F])")
"""What begins neither inside an escape, of which the longest is a pair of surrogates, nor inside a character of UTF-8:
12 bytes after the last backslash, or where an escape begins that is no second half."""


def shortened(raw: bytes) -> bytes:
    """The JSON text with its long texts cut; itself where it is not large.

    What is no JSON comes out as something else that is mostly none either. Raises TooCostly where the text is made so
    that it can't be cut, or is large without them.
    """
    if len(raw) <= LIMITS.whole_request_bytes:
        return raw
    kept: list[bytes] = []
    inside = False
    pieces = start = 0  # `pieces`: how many there were of the text that goes on
    while start < len(raw):
        end = _boundary(raw, start + _PIECE)
        piece = raw[start:end]
        quotes = piece.replace(b"\\\\", b"").replace(b'\\"', b"").count(b'"')  # those that begin or end a text
        if quotes or not inside:
            inside ^= bool(quotes % 2)
            pieces = 0
            kept.append(piece)
        else:
            pieces += 1
            if pieces <= 2:
                kept.append(piece if pieces == 1 else CUT)
        start = end
    short = b"".join(kept)
    if len(short) > LIMITS.shortened_request_bytes:
        raise TooCostly("too large, though not by its texts")
    return short


def _boundary(raw: bytes, after: int) -> int:
    """The first place from there on where the text can be taken apart."""
    if after >= len(raw):
        return len(raw)
    found = _BOUNDARY.search(raw, after, after + _LATEST)
    if found is not None:
        return found.start()
    if after + _LATEST < len(raw):
        raise TooCostly("a large text of backslashes alone")
    return len(raw)
