"""A message, or a system prompt, without what says nothing of its content, so that the same content is known again.

Agents mark where a cache ends, and move the mark with every turn; a message that bears it is written as a list of
blocks where it was a plain text before. Claude Code begins its system prompt with a line on its own version and bill.
"""

from __future__ import annotations

from typing import Any

_MARK = "cache_control"
_BILL = "x-anthropic-billing-header:"


def plain(part: Any) -> Any:
    """What is compared in the place of a message, of a list of blocks, or of anything else. Changes nothing in it."""
    if isinstance(part, list):
        return _content([block for block in part if not _is_bill(block)])
    if not isinstance(part, dict) or not isinstance(part.get("content"), list):
        return part
    content = _content(part["content"])
    return part if content is part["content"] else {**part, "content": content}


def _content(blocks: list[Any]) -> Any:
    if any(isinstance(block, dict) and _MARK in block for block in blocks):
        blocks = [_unmarked(block) for block in blocks]
    match blocks:
        case [{"type": "text", "text": str(text), **rest}] if not rest:
            return text
        case _:
            return blocks


def _unmarked(block: Any) -> Any:
    if not isinstance(block, dict) or _MARK not in block:
        return block
    return {name: value for name, value in block.items() if name != _MARK}


def _is_bill(block: Any) -> bool:
    return isinstance(block, dict) and isinstance(block.get("text"), str) and block["text"].startswith(_BILL)
