"""Facts from a request body. Only one that is no JSON object is refused; any other oddity means "not known"."""

from __future__ import annotations

from typing import Any

from bridge.apis.json_text import TooCostly, loads, loads_object
from bridge.apis.protocol import UnreadableRequest
from bridge.apis.shortening import shortened
from bridge.limits import LIMITS


def request_object(body: bytes) -> dict[str, Any]:
    """The request as an object.

    Raises UnreadableRequest, whose text is for the person who sent it; TooCostly where it may be one, but is not read.
    """
    if not body.strip():
        raise UnreadableRequest("the request body is empty; a JSON object is needed")
    try:
        value = loads(shortened(body), LIMITS.read_request_marks)
    except TooCostly:
        raise
    except ValueError as error:
        raise UnreadableRequest(f"the request body is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise UnreadableRequest("the request body is JSON, but not an object")
    return value


def string(value: object) -> str | None:
    """The value where it is a text with something in it."""
    return value if isinstance(value, str) and value else None


def items_of(value: object) -> list[Any]:
    """A list as it is, an empty one where there is none; a text alone is the one item."""
    if isinstance(value, str):
        return [value]
    return value if isinstance(value, list) else []


def last_of(items: object) -> dict[str, Any]:
    """The last object of a list; an empty one where there is none."""
    last = items[-1] if isinstance(items, list) and items else None
    return last if isinstance(last, dict) else {}


def joined_texts(content: object, part_type: str) -> str | None:
    """A message's content as one text: itself, or its parts of that type joined by newlines, all others left out."""
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict) and part.get("type") == part_type]
        content = "\n".join(part["text"] for part in parts if isinstance(part.get("text"), str))
    return string(content)


def user_session(metadata: object) -> str | None:
    """The session in `metadata.user_id`, which Claude Code writes as JSON, and before as `user_…_session_…`."""
    user_id = string(metadata.get("user_id")) if isinstance(metadata, dict) else None
    if user_id is None:
        return None
    named = loads_object(user_id.encode())
    return string(user_id.partition("_session_")[2]) if named is None else string(named.get("session_id"))
