"""Tools of the bridge's own in Anthropic Messages: the request with them, its answers in one body, the next request.

An answer goes on with `stop_reason: tool_use` and an injected `tool_use` block. The next request repeats the round's
content as an assistant message and brings the results as a user's. Streams are in `injected_stream`. Shapes follow
Anthropic's API reference, "Messages", and "Tool use".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from bridge.apis.injection import (
    LAST_ROUND,
    NOTHING,
    Answered,
    BodyRound,
    Decision,
    InjectedCall,
    InjectedTool,
    Round,
    Turn,
    decide,
    forces_ours,
    without_namesakes,
)
from bridge.apis.json_text import TooCostly, loads_object
from bridge.apis.messages.content import repeated
from bridge.apis.messages.injected_stream import StreamedMessage, StreamState
from bridge.apis.messages.results import result_block
from bridge.apis.raw_json import ObjectText, array, elements, value_of, with_elements, with_member
from bridge.apis.request import request_object, string
from bridge.apis.usage import summed

ALONE = b'{"type":"auto","disable_parallel_tool_use":true}'
_FLAG = "disable_parallel_tool_use"
_CHOICES = ("auto", "any", "tool")
_SMALL_MODELS = "haiku"
"""In the name of a model that agents use for titles and the like, and that gets no tools."""


def inject(body: bytes, tools: Sequence[InjectedTool]) -> MessagesInjection | None:
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
    return MessagesInjection(text.text(), given, forced=forces_ours(choice, given))


class MessagesInjection:
    """The `Injection` of Messages. `forced`: the client wants a call, and one of ours is one."""

    end_mark = b""

    def __init__(self, request: bytes, tools: Mapping[str, InjectedTool], *, forced: bool) -> None:
        self.request = request
        self.tools = tools
        self._forced = forced
        self._state = StreamState()
        self._texts: tuple[bytes, ...] = ()
        self._usage: Any = None

    def stream(self, *, last: bool) -> Round:
        """For an answer that is a stream."""
        return StreamedMessage(self.tools, self._state, last=last)

    def body(self, *, last: bool) -> Round:
        """For an answer in one body."""
        return BodyRound(lambda body: self._whole(body, last=last))

    def answer(self, turn: Turn, results: Answered) -> None:
        """Puts the round's content and the results behind the messages there are."""
        self._texts += turn.shown_later
        self._usage = summed(self._usage, turn.usage)
        self._state.count(turn.usage)
        blocks = array(orjson.dumps(result_block(call, result)) for call, result in results)
        said = b'{"role":"assistant","content":' + turn.content + b"}"
        answered = b'{"role":"user","content":' + blocks + b"}"
        text = ObjectText(self.request)
        text.put("messages", with_elements(text.get("messages") or b"[]", last=(said, answered)))
        if self._forced:
            text.put("tool_choice", ALONE)
        self.request = text.text()

    def _whole(self, body: bytes, *, last: bool) -> tuple[bytes, Turn]:
        message = loads_object(body) or {}
        parsed = message.get("content")
        if not isinstance(parsed, list):
            return body, NOTHING
        blocks = elements(value_of(body, "content") or b"[]")
        names = [string(block.get("name")) or "" if _is_call(block) else None for block in parsed]
        named = [(raw, self.tools.get(name or "")) for raw, name in zip(blocks, names, strict=True)]
        calls = [_call(raw, tool) for raw, tool in named if tool is not None]
        own = any(name is not None and name not in self.tools for name in names)
        becomes = decide(asked=message.get("stop_reason") == "tool_use", own=own, last=last)
        texts = tuple(blocks[at] for at, block in enumerate(parsed) if _is_text(block))
        if calls and becomes.run:
            told = Turn(tuple(calls), content=repeated(blocks), shown_later=texts, usage=message.get("usage"))
            return b"", told
        kept = [block for block, name in zip(blocks, names, strict=True) if name not in self.tools]
        return self._shown(body, message, kept, becomes if calls else None), Turn(not_run=becomes.not_run)

    def _shown(self, body: bytes, message: dict[str, Any], kept: list[bytes], becomes: Decision | None) -> bytes:
        """The last body, with the texts of earlier rounds, the sum of all usage, and no injected call."""
        if becomes is not None or self._texts:
            body = with_member(body, "content", array((*self._texts, *kept)))
        if becomes is not None and becomes.not_run == LAST_ROUND:
            body = with_member(body, "stop_reason", b'"end_turn"')
        if self._usage is not None:
            body = with_member(body, "usage", orjson.dumps(summed(self._usage, message.get("usage"))))
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
