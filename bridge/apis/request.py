"""Facts from a request body. Only one that is no JSON object is refused; any other oddity means "not known"."""

from __future__ import annotations

from typing import Any

from bridge.apis.api import UnreadableRequest
from bridge.apis.json_text import loads


def request_object(body: bytes) -> dict[str, Any]:
    """The request as an object. Raises UnreadableRequest, whose text is for the person who sent it."""
    if not body.strip():
        raise UnreadableRequest("the request body is empty; a JSON object is needed")
    try:
        value = loads(body)
    except ValueError as error:
        raise UnreadableRequest(f"the request body is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise UnreadableRequest("the request body is JSON, but not an object")
    return value


def string(value: object) -> str | None:
    """The value where it is a text with something in it."""
    return value if isinstance(value, str) and value else None
