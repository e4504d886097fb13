"""Puts a little into a request's JSON, with every other byte as it was.

What a client wrote is sent as it wrote it: order, white space, the form of its numbers. So nothing is written anew; a
member is put in where its object begins.
"""

from __future__ import annotations

import json
import re
from typing import Any

from bridge.apis.json_text import TooCostly, loads_object, marks
from bridge.apis.shortening import shortened
from bridge.limits import LIMITS

_SPACE = re.compile(r"[ \t\n\r,]*")  # a comma separates members, and the body is known to be JSON
_REST = re.compile(rb"[ \t\n\r]*(\})?")


def parsed(body: bytes) -> dict[str, Any] | None:
    """What a body says, its long texts cut; None where it is no object or takes too long to read."""
    try:
        return loads_object(shortened(body), LIMITS.read_request_marks)
    except TooCostly:
        return None


def with_member(body: bytes, name: str, member: bytes) -> bytes | None:
    """The body with a member, such as `"a":1`, in the object that its top-level member `name` is.

    None where that is no object, or can't be found in a moment.
    """
    span = value_span(body, name)
    if span is None or body[span[0] : span[0] + 1] != b"{":
        return None
    start = span[0] + 1
    rest = _REST.match(body, start)
    empty = rest is not None and rest[1] is not None
    return body[:start] + member + (b"" if empty else b",") + body[start:]


def value_span(body: bytes, name: str) -> tuple[int, int] | None:
    """Where, in bytes, the value of a top-level member stands in a JSON object; of several the last, which counts.

    None where there is none, or to find it would take too long.
    """
    if len(body) > LIMITS.whole_request_bytes or marks(body) > LIMITS.lenient_marks:
        return None
    text = body.decode("utf-8", "surrogateescape")
    decoder = json.JSONDecoder()
    found: tuple[int, int] | None = None
    at = text.index("{") + 1
    try:
        while text[at := _skip_space(text, at)] != "}":
            key, at = decoder.raw_decode(text, at)
            start = _skip_space(text, text.index(":", at) + 1)
            _, at = decoder.raw_decode(text, start)
            if key == name:
                found = (start, at)
    except (ValueError, RecursionError):  # a number or a nesting that the faster parser took and this one does not
        return None
    if found is None:
        return None
    before = len(text[: found[0]].encode("utf-8", "surrogateescape"))
    return before, before + len(text[found[0] : found[1]].encode("utf-8", "surrogateescape"))


def _skip_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at
