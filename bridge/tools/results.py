"""What a server answered to a call, made small enough for a model."""

from __future__ import annotations

from typing import Any

import orjson

from bridge.apis.injection import ToolResult
from bridge.events.size import clip, clip_json
from bridge.limits import KIB, LIMITS

NOTE_ROOM = KIB
"""Bytes that are left for the note, and for what stands around the blocks."""
BLOCK_ROOM = 64
"""Bytes that stand around the text of a block that is cut."""


def tool_result(answer: dict[str, Any]) -> ToolResult:
    """The result in an answer, with what is beyond `LIMITS.tool_result_bytes` cut and said so."""
    if answer.get("resultType", "complete") != "complete":
        return ToolResult(error="the tool asks for input that only a person could give")
    try:
        size = len(orjson.dumps(answer))
    except orjson.JSONEncodeError:  # numbers beyond 64 bits, nested too deep
        return ToolResult(error="the tool's result can't be written as JSON")
    return ToolResult(answer if size <= LIMITS.tool_result_bytes else _cut(answer, size))


def _cut(answer: dict[str, Any], size: int) -> dict[str, Any]:
    """As many blocks as there is room for, of a text its beginning, and a note."""
    room = LIMITS.tool_result_bytes - NOTE_ROOM
    kept: list[Any] = []
    content = answer.get("content")
    for block in content if isinstance(content, list) else []:
        text = block.get("text") if isinstance(block, dict) else None
        too_long = isinstance(text, str) and len(text) > room  # which need not be written to be known
        need = room + 1 if too_long else len(orjson.dumps(block)) + 1
        if need > room:
            if isinstance(text, str):
                space = max(room - BLOCK_ROOM, 0)
                kept.append({"type": "text", "text": clip_json(clip(text, space), space)})
            break
        kept.append(block)
        room -= need
    note = f"[cut: the result had {size} bytes, and no more than {LIMITS.tool_result_bytes} are passed on]"
    cut = {"content": [*kept, {"type": "text", "text": note}]}
    return {**cut, "isError": True} if answer.get("isError") else cut
