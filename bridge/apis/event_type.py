"""What kind of event an SSE event is, for the APIs that name each event twice: in its `event:` line and in its data."""

from __future__ import annotations

import re

from bridge.apis.json_text import loads_object

_LEADING = re.compile(rb'\s*\{\s*"type"\s*:\s*"([^"\\]*)"')  # the providers put `type` first


def event_type(name: bytes, data: bytes) -> bytes:
    """The event's SSE name; the data's `type` where the stream names no events. Empty where neither says."""
    if name and name != b"message":
        return name
    leading = _LEADING.match(data)
    if leading:
        return leading[1]
    value = loads_object(data)
    named = value.get("type") if value else None
    return named.encode() if isinstance(named, str) else b""
