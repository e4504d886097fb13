"""A tool's result as a `tool_result` block of Anthropic Messages, whatever kind of content its server gave."""

from __future__ import annotations

from typing import Any

from bridge.apis.injection import InjectedCall, ToolResult, invocation_error, json_text
from bridge.apis.json_text import well_formed

_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_NOTHING = "the tool returned nothing"


def result_block(call: InjectedCall, result: ToolResult) -> dict[str, Any]:
    """The block that answers that call."""
    return {
        "type": "tool_result",
        "tool_use_id": call.call_id,
        "is_error": result.is_error,
        "content": _content(result),
    }


def _content(result: ToolResult) -> list[dict[str, Any]]:
    if result.result is None:
        return [_text(invocation_error(result.error or _NOTHING))]
    given = result.result.get("content")
    blocks = [block for part in (given if isinstance(given, list) else ()) if (block := _block(part)) is not None]
    if not blocks and result.result.get("structuredContent") is not None:
        blocks = [_text(json_text(result.result["structuredContent"]))]
    return blocks or [_text(_NOTHING)]


def _block(part: Any) -> dict[str, Any] | None:
    """A part of a result, as MCP's specification has them ("Tools", Tool Result); None for a text without text."""
    match part:
        case {"type": "text", "text": str(text)}:
            return _text(text) if text else None  # the API refuses an empty one
        case {"type": "image", "data": str(data), "mimeType": str(mime)} if mime in _IMAGES:
            return {"type": "image", "source": {"type": "base64", "media_type": mime, "data": well_formed(data)}}
        case {"type": "resource", "resource": {"uri": str(uri), **resource}}:
            inner = resource.get("text")
            told = inner if isinstance(inner, str) else "its content is no text and can't be shown"
            return _text(f"resource {uri} ({resource.get('mimeType') or 'of unknown type'}):\n{told}")
        case {"type": str(kind), **more}:
            return _text(f"a result of type {kind} ({more.get('mimeType') or 'of unknown type'}) can't be shown")
        case _:
            return _text("a result without a type can't be shown")


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": well_formed(text)}
