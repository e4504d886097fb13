"""An answer as OpenAI's Chat Completions API gives it: the chunks of its stream in their order, or the one body.

Thoughts come as `reasoning_content`, as the providers send them that let reasoning out in this API. Comments to the
watcher and the answer are both `content`. A free-form tool is called as a function with one argument, `input`.
"""

from __future__ import annotations

import orjson
from attrs import field, mutable

from bridge.simulator.answers import Commentary, HiddenThought, ScriptedAnswer, ScriptedThought, Text, ToolCall
from bridge.simulator.chance import Chance
from bridge.simulator.estimate import tokens
from bridge.simulator.openai.request import optional, require
from bridge.simulator.openai.tools import of_chat_completions
from bridge.simulator.request import JsonObject, ModelRequest, Refusal, read_object, size_of, text_of, trouble_of
from bridge.simulator.streaming import StreamEvent, bare_event, find

OPENING = 1  # the chunk with the role

_DONE = StreamEvent("", b"data: [DONE]\n\n")


def read(body: bytes, encoding: str) -> ModelRequest:
    """What a body asks for. Raises Refusal as OpenAI answers 400."""
    fields = read_object(body, encoding)
    require(fields, "model", str, "a string")
    require(fields, "messages", list, "an array of messages")
    optional(fields, "stream_options", dict, "an object")
    messages = [message for message in fields["messages"] if isinstance(message, dict)]
    last = messages[-1] if messages else {}
    return ModelRequest(
        model=fields["model"],
        stream=optional(fields, "stream", bool, "a boolean") is True,
        text=text_of(last.get("content"), "text"),
        tools_answered=last.get("role") == "tool",
        goes_on=any(message.get("role") == "assistant" for message in messages),
        size=size_of(fields, "tools", "messages"),
        tools=of_chat_completions(fields),
        fields=fields,
    )


def stream(answer: ScriptedAnswer, request: ModelRequest, chance: Chance, created_at: int) -> list[StreamEvent]:
    """The chunks of the answer. A failure of any kind is a chunk with an `error`, and `failed` ends there."""
    choice = _ScriptedChoice(answer, chance)
    mishap = answer.mishap
    chunks = [
        ({"role": "assistant", "content": "", "refusal": None}, False),
        *((delta, True) for delta in choice.deltas),
    ]
    frame = {"object": "chat.completion.chunk", **_frame(choice.id, request, created_at)}
    counted = (request.fields.get("stream_options") or {}).get("include_usage") is True
    nothing: JsonObject = {"usage": None} if counted else {}
    events = [
        bare_event({**frame, "choices": [_chunk_choice(delta, None)], **nothing}, token=token)
        for delta, token in chunks
    ]
    if failure := mishap.failed or mishap.error:
        del events[find([event.name for event in events], failure.at, OPENING) :]
        error = {"message": failure.message, "type": failure.code, "param": None, "code": failure.code}
        return [*events, bare_event({"error": error}), *([] if mishap.failed else [_DONE])]
    events.append(bare_event({**frame, "choices": [_chunk_choice({}, choice.finish_reason)], **nothing}))
    if counted:
        events.append(bare_event({**frame, "choices": [], "usage": _usage(answer, request)}))
    return [*events, _DONE]


def body(answer: ScriptedAnswer, request: ModelRequest, chance: Chance, created_at: int) -> bytes:
    """The answer in one body. Raises Refusal for a failure: there is no stream to put it into."""
    if failure := answer.mishap.failed or answer.mishap.error:
        raise Refusal(trouble_of(failure.code), failure.message, code=failure.code)
    choice = _ScriptedChoice(answer, chance)
    message: JsonObject = {
        "role": "assistant",
        "content": choice.text("content") or None,
        "refusal": None,
        "annotations": [],
    }
    if thoughts := choice.text("reasoning_content"):
        message["reasoning_content"] = thoughts
    if calls := choice.calls():
        message["tool_calls"] = calls
    rendered = {"index": 0, "message": message, "logprobs": None, "finish_reason": choice.finish_reason}
    frame = {"object": "chat.completion", **_frame(choice.id, request, created_at)}
    return orjson.dumps({**frame, "choices": [rendered], "usage": _usage(answer, request)})


@mutable
class _ScriptedChoice:
    """The one choice of the answer, as the deltas of its stream."""

    answer: ScriptedAnswer
    chance: Chance
    id: str = field(init=False)
    deltas: list[JsonObject] = field(init=False, factory=list)
    _calls: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self.id = f"chatcmpl-{self.chance.alphanumeric(29)}"
        for number, part in enumerate(self.answer.parts, 1):
            cut = self.answer.mishap.incomplete is not None and number == len(self.answer.parts)
            match part:
                case ScriptedThought(text):
                    self._add_text("reasoning_content", text, cut=cut)
                case Commentary(text) | Text(text):
                    self._add_text("content", text, cut=cut)
                case ToolCall() as call:
                    self._call(call, cut=cut)
                case HiddenThought():
                    pass  # it shows only in the usage

    @property
    def finish_reason(self) -> str:
        """Why the choice ends."""
        match self.answer.mishap.incomplete:
            case "max_output_tokens":
                return "length"
            case "content_filter":
                return "content_filter"
            case _:
                return "tool_calls" if self._calls else "stop"

    def text(self, name: str) -> str:
        """All deltas of a kind put together."""
        return "".join(delta[name] for delta in self.deltas if name in delta)

    def calls(self) -> list[JsonObject]:
        """The tool calls put together."""
        calls: list[JsonObject] = []
        for delta in self.deltas:
            for piece in delta.get("tool_calls", ()):
                if "id" in piece:
                    calls.append({"id": piece["id"], "type": "function", "function": dict(piece["function"])})
                else:
                    calls[piece["index"]]["function"]["arguments"] += piece["function"]["arguments"]
        return calls

    def _add_text(self, name: str, text: str, *, cut: bool) -> None:
        apart = "\n\n" if self.text(name) else ""
        for piece in self.chance.pieces(text, cut=cut):
            self.deltas.append({name: apart + piece})
            apart = ""

    def _call(self, call: ToolCall, *, cut: bool) -> None:
        index, self._calls = self._calls, self._calls + 1
        opening = {"name": call.tool, "arguments": ""}
        call_id = f"call_{self.chance.alphanumeric(24)}"
        self.deltas.append({"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": opening}]})
        for piece in self.chance.pieces(call.written, cut=cut):
            self.deltas.append({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})


def _frame(id_: str, request: ModelRequest, created_at: int) -> JsonObject:
    return {
        "id": id_,
        "created": created_at,
        "model": request.model,
        "service_tier": "default",
        "system_fingerprint": "fp_simulated",
    }


def _chunk_choice(delta: JsonObject, finish_reason: str | None) -> JsonObject:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _usage(answer: ScriptedAnswer, request: ModelRequest) -> JsonObject:
    count = tokens(answer, request)
    return {
        "prompt_tokens": count.input,
        "completion_tokens": count.output,
        "total_tokens": count.total,
        "prompt_tokens_details": {"cached_tokens": count.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": count.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
