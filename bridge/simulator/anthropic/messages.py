"""An answer as Anthropic's Messages API gives it: the events of its stream in their order, or the one body.

Shapes and order follow the API reference (platform.claude.com, "Messages" and "Streaming messages"). Comments to the
watcher and the answer are both `text` blocks. A free-form tool is called with an object of one member, `input`.
"""

from __future__ import annotations

from typing import Any

import orjson
from attrs import field, mutable

from bridge.simulator.answers import (
    Commentary,
    HiddenThought,
    Part,
    ScriptedAnswer,
    ScriptedFailure,
    ScriptedThought,
    Text,
    ToolCall,
)
from bridge.simulator.chance import Chance
from bridge.simulator.estimate import estimated, tokens
from bridge.simulator.request import (
    JsonObject,
    ModelRequest,
    Refusal,
    Trouble,
    read_object,
    size_of,
    text_of,
    trouble_of,
)
from bridge.simulator.streaming import StreamEvent, find, named_event
from bridge.simulator.tools import OfferedTool, chosen

OPENING = 1  # message_start

_BASH = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}
"""What Anthropic's own kind of shell tool takes; it is offered without a schema."""

_ERROR_TYPES = {
    Trouble.REQUESTS_LIMITED: "rate_limit_error",
    Trouble.QUOTA: "rate_limit_error",
    Trouble.OVERLOADED: "overloaded_error",
}


def read(body: bytes, encoding: str) -> ModelRequest:
    """What a body asks for. Raises Refusal as Anthropic answers 400."""
    fields = _read(body, encoding)
    _require(fields, "max_tokens", int, "an integer")
    messages = [message for message in fields["messages"] if isinstance(message, dict)]
    content = messages[-1].get("content") if messages else None
    results = [block for block in _blocks(content) if block.get("type") == "tool_result"]
    return ModelRequest(
        model=fields["model"],
        stream=fields.get("stream") is True,
        text=text_of(results[-1].get("content") if results else content, "text"),
        tools_answered=bool(results),
        goes_on=any(message.get("role") == "assistant" for message in messages),
        size=size_of(fields, "system", "tools", "messages"),
        tools=chosen(_tools(fields), fields.get("tool_choice")),
        fields=fields,
    )


def count_tokens(body: bytes, encoding: str) -> bytes:
    """The body of `POST /v1/messages/count_tokens`."""
    fields = _read(body, encoding)
    return orjson.dumps({"input_tokens": estimated(size_of(fields, "system", "tools", "messages"))})


def stream(answer: ScriptedAnswer, request: ModelRequest, chance: Chance, created_at: int) -> list[StreamEvent]:  # noqa: ARG001 - same for all APIs; a message has no time
    """The events of the answer. A failure of any kind is an `error` event, which ends the stream."""
    message = _Message(answer, request, chance)
    failure = answer.mishap.failed or answer.mishap.error
    if failure is not None:
        del message.events[find([event["type"] for event, _ in message.events], failure.at, OPENING) :]
        message.events.append(({"type": "error", "error": _error(failure)}, False))
    return [named_event(event["type"], event, token=token) for event, token in message.events]


def body(answer: ScriptedAnswer, request: ModelRequest, chance: Chance, created_at: int) -> bytes:  # noqa: ARG001 - as above
    """The answer in one body. Raises Refusal for a failure: there is no stream to put it into."""
    if failure := answer.mishap.failed or answer.mishap.error:
        raise Refusal(trouble_of(failure.code), failure.message)
    message = _Message(answer, request, chance)
    ending = {"content": message.content, "stop_reason": message.stop_reason, "usage": message.usage()}
    return orjson.dumps({**message.opening(), **ending})


@mutable
class _Message:
    """The message as the events of its stream, each with whether it took a token, and as the blocks they make."""

    answer: ScriptedAnswer
    request: ModelRequest
    chance: Chance
    id: str = field(init=False)
    events: list[tuple[JsonObject, bool]] = field(init=False, factory=list)
    content: list[JsonObject] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        self.id = f"msg_01{self.chance.alphanumeric(22)}"
        self._add("message_start", message=self.opening())
        for number, part in enumerate(self.answer.parts, 1):
            self._block(part, cut=self.answer.mishap.incomplete is not None and number == len(self.answer.parts))
        usage = {name: count for name, count in self.usage().items() if name.endswith("_tokens")}
        self._add("message_delta", delta={"stop_reason": self.stop_reason, "stop_sequence": None}, usage=usage)
        self._add("message_stop")

    @property
    def stop_reason(self) -> str:
        """Why the message ends."""
        match self.answer.mishap.incomplete:
            case "max_output_tokens":
                return "max_tokens"
            case "content_filter":
                return "refusal"
            case _:
                called = any(isinstance(part, ToolCall) for part in self.answer.parts)
                return "tool_use" if called else "end_turn"

    def opening(self) -> JsonObject:
        """The message before its first block."""
        return {
            "model": self.request.model,
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**self.usage(), "output_tokens": 1},
        }

    def usage(self) -> JsonObject:
        """The tokens of the whole message."""
        count = tokens(self.answer, self.request)
        return {
            "input_tokens": max(count.input - count.cached - count.cache_write, 0),
            "cache_creation_input_tokens": count.cache_write,
            "cache_read_input_tokens": count.cached,
            "cache_creation": {
                "ephemeral_5m_input_tokens": count.cache_write,
                "ephemeral_1h_input_tokens": 0,
            },
            "output_tokens": count.output,
            "service_tier": "standard",
        }

    def _block(self, part: Part, *, cut: bool) -> None:
        match part:
            case ScriptedThought(text):
                self._thinking(self.chance.pieces(text, cut=cut), len(text))
            case HiddenThought(length, True):
                self._thinking([], length)
            case HiddenThought(length, _):
                self._start({"type": "redacted_thinking", "data": self._sealed(length)})
                self._stop()
            case Commentary(text) | Text(text):
                block = self._start({"type": "text", "text": ""})
                for piece in self.chance.pieces(text, cut=cut):
                    self._delta("text_delta", text=piece)
                    block["text"] += piece
                self._stop()
            case ToolCall() as call:
                self._tool_use(call, cut=cut)

    def _thinking(self, pieces: list[str], length: int) -> None:
        block = self._start({"type": "thinking", "thinking": "", "signature": ""})
        for piece in pieces:
            self._delta("thinking_delta", thinking=piece)
        block["thinking"] = "".join(pieces)
        block["signature"] = self._sealed(length)
        self._delta("signature_delta", signature=block["signature"])
        self._stop()

    def _tool_use(self, call: ToolCall, *, cut: bool) -> None:
        block = self._start(
            {"type": "tool_use", "id": f"toolu_01{self.chance.alphanumeric(22)}", "name": call.tool, "input": {}}
        )
        self._delta("input_json_delta", partial_json="")
        for piece in self.chance.pieces(call.written, cut=cut):
            self._delta("input_json_delta", partial_json=piece)
        block["input"] = {} if cut or call.broken is not None else orjson.loads(call.written)
        self._stop()

    def _start(self, block: JsonObject) -> JsonObject:
        self._add("content_block_start", index=len(self.content), content_block=dict(block))
        if not self.content:
            self._add("ping")
        self.content.append(block)
        return block

    def _delta(self, kind: str, **delta: str) -> None:
        fields = {"type": kind, **delta}
        self._add("content_block_delta", token=True, index=len(self.content) - 1, delta=fields)

    def _stop(self) -> None:
        self._add("content_block_stop", index=len(self.content) - 1)

    def _add(self, event: str, *, token: bool = False, **fields: Any) -> None:
        self.events.append(({"type": event, **fields}, token))

    def _sealed(self, length: int) -> str:
        return f"{self.chance.alphanumeric(max(length, 64))}=="


def _error(failure: ScriptedFailure) -> JsonObject:
    return {"type": _ERROR_TYPES.get(trouble_of(failure.code), "api_error"), "message": failure.message}


def _read(body: bytes, encoding: str) -> JsonObject:
    fields = read_object(body, encoding)
    _require(fields, "model", str, "a valid string")
    _require(fields, "messages", list, "a valid array")
    return fields


def _tools(fields: JsonObject) -> list[OfferedTool]:
    """The tools that the client runs: its own, and its shell where it offers that as Anthropic's."""
    tools: list[OfferedTool] = []
    for tool in _blocks(fields.get("tools")):
        match tool:
            case {"defer_loading": True}:
                pass
            case {"name": str(name), "input_schema": dict(schema)}:
                tools.append(OfferedTool(name, schema))
            case {"name": str(name), "type": str(kind)} if kind.startswith("bash_"):
                tools.append(OfferedTool(name, _BASH))
    return tools


def _require(fields: JsonObject, name: str, kind: type, words: str) -> None:
    if name not in fields:
        raise Refusal(Trouble.INVALID, f"{name}: Field required")
    if not isinstance(fields[name], kind):
        raise Refusal(Trouble.INVALID, f"{name}: Input should be {words}")


def _blocks(content: Any) -> list[JsonObject]:
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
