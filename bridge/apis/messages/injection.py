"""Tools of the bridge's own in Anthropic Messages: the request with them, its answers in one body, the next request.

An answer goes on with `stop_reason: tool_use` and an injected `tool_use` block. The next request repeats the round's
content as an assistant message and brings the results as a user's. Streams are in `injected_stream`. Shapes follow
Anthropic's API reference, "Messages", and "Tool use".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from bridge.apis.injection import (
    LAST_ROUND,
    NOTHING,
    Answered,
    Decision,
    InjectedCall,
    InjectedTool,
    Turn,
    decide,
    forces_ours,
    without_namesakes,
)
from bridge.apis.json_text import TooCostly, loads_object
from bridge.apis.messages.content import repeated
from bridge.apis.messages.injected_stream import SeenMessage, StreamedMessage
from bridge.apis.messages.results import result_block
from bridge.apis.raw_json import ObjectText, array, elements, value_of, with_elements, with_member
from bridge.apis.request import request_object, string
from bridge.apis.rounds import Injection, SoFar
from bridge.limits import Share

ALONE = b'{"type":"auto","disable_parallel_tool_use":true}'
_FLAG = "disable_parallel_tool_use"
_CHOICES = ("auto", "any", "tool")
_SMALL_MODELS = "haiku"
"""In the name of a model that agents use for titles and the like, and that gets no tools."""


def inject(body: bytes, tools: Sequence[InjectedTool]) -> Injection | None:
    """The request with these tools; None where it gets none (docs/behaviour.md, Injected tools)."""
    try:
        request = request_object(body)
    except TooCostly:
        return None
    own, choice = request.get("tools", []), request.get("tool_choice")
    if not isinstance(own, list) or not isinstance(request.get("messages"), list):
        return None
    if (isinstance(choice, dict) and choice.get("type") == "none") or _is_small(request.get("model")):
        return None
    given = without_namesakes(tools, own)
    if not given:
        return None
    text = ObjectText(body)
    text.put("tools", with_elements(text.get("tools") or b"[]", first=map(_offer, given.values())))
    _call_alone(text, choice)
    return Injection(text.text(), given, MessagesDialect(given), ALONE if forces_ours(choice, given) else None)


class MessagesDialect:
    """The `Dialect` of Messages."""

    end_mark = b""

    def __init__(self, tools: Mapping[str, InjectedTool]) -> None:
        self._tools = tools
        self._seen = SeenMessage()

    def stream(self, so_far: SoFar, held: Share, *, last: bool) -> StreamedMessage:
        """For an answer that is a stream."""
        return StreamedMessage(self._tools, so_far, held, self._seen, last=last)

    def go_on(self, request: ObjectText, turn: Turn, results: Answered) -> None:
        """Puts the round's content and the results behind the messages there are."""
        blocks = array(orjson.dumps(result_block(call, result)) for call, result in results)
        said = b'{"role":"assistant","content":' + turn.content + b"}"
        answered = b'{"role":"user","content":' + blocks + b"}"
        request.put("messages", with_elements(request.get("messages") or b"[]", last=(said, answered)))

    def whole(self, body: bytes, so_far: SoFar, *, last: bool) -> tuple[bytes, Turn]:
        """Of an answer in one body what the client gets, and what it asks for."""
        message = loads_object(body) or {}
        parsed = message.get("content")
        if not isinstance(parsed, list):
            return body, NOTHING
        blocks = elements(value_of(body, "content") or b"[]")
        names = [string(block.get("name")) or "" if _is_call(block) else None for block in parsed]
        named = [(raw, self._tools.get(name or "")) for raw, name in zip(blocks, names, strict=True)]
        calls = [_call(raw, tool) for raw, tool in named if tool is not None]
        own = any(name is not None and name not in self._tools for name in names)
        becomes = decide(asked=message.get("stop_reason") == "tool_use", own=own, last=last)
        texts = tuple(blocks[at] for at, block in enumerate(parsed) if _is_text(block))
        if calls and becomes.run:
            told = Turn(tuple(calls), content=repeated(blocks), shown_later=texts, usage=message.get("usage"))
            return b"", told
        kept = [block for block, name in zip(blocks, names, strict=True) if name not in self._tools]
        shown = _shown(body, kept, becomes if calls else None, so_far)
        return so_far.with_usage(shown, message.get("usage")), Turn(not_run=becomes.not_run)


def _shown(body: bytes, kept: list[bytes], becomes: Decision | None, so_far: SoFar) -> bytes:
    """The last body, with the texts of earlier rounds, and no injected call."""
    if becomes is not None or so_far.texts:
        body = with_member(body, "content", array((*so_far.texts, *kept)))
    if becomes is not None and becomes.not_run == LAST_ROUND:
        body = with_member(body, "stop_reason", b'"end_turn"')
    return body


def _is_call(block: object) -> bool:
    """Whether a content block calls a tool that somebody other than the provider runs."""
    return isinstance(block, dict) and block.get("type") == "tool_use"


def _is_text(block: object) -> bool:
    return isinstance(block, dict) and block.get("type") == "text" and bool(block.get("text"))


def _call(block: bytes, tool: InjectedTool) -> InjectedCall:
    fields = loads_object(block) or {}
    return InjectedCall(string(fields.get("id")) or "", tool, (value_of(block, "input") or b"").decode())


def _offer(tool: InjectedTool) -> bytes:
    return orjson.dumps(
        {"type": "custom", "name": tool.id, "description": tool.description, "input_schema": tool.input_schema}
    )


def _call_alone(text: ObjectText, choice: object) -> None:
    """Switches parallel calls off, so that a call of ours stands beside no call of the client's."""
    if choice is None:
        text.put("tool_choice", ALONE)
    elif isinstance(choice, dict) and choice.get("type") in _CHOICES:
        text.put("tool_choice", with_member(text.get("tool_choice") or ALONE, _FLAG, b"true"))


def _is_small(model: object) -> bool:
    return isinstance(model, str) and _SMALL_MODELS in model.lower()
