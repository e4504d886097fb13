"""Content blocks of an answer of Anthropic Messages, as a request may repeat them."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.apis.json_text import loads_object
from bridge.apis.raw_json import array, with_member


def repeated(blocks: Iterable[bytes]) -> bytes:
    """An assistant message's content, of these blocks as they came but for what the API refuses: texts without a
    character are left out, and the arguments of a call that are no object become an empty one."""
    return array(block for given in blocks if (block := _repeated(given)) is not None)


def _repeated(block: bytes) -> bytes | None:
    fields = loads_object(block) or {}
    if fields.get("type") == "text" and not fields.get("text"):
        return None
    if fields.get("type") == "tool_use" and not isinstance(fields.get("input"), dict):
        return with_member(block, "input", b"{}")
    return block
