"""An answer as OpenAI's Responses API gives it: the events of its stream in their order, or the one body.

Shapes and order follow the API reference (developers.openai.com, "Responses" and "Responses streaming events"); the
tests validate every event with the `openai` package's own types.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import orjson
from attrs import field, mutable

from bridge.simulator.answers import (
    Commentary,
    HiddenThought,
    Mishap,
    Part,
    ScriptedAnswer,
    ScriptedFailure,
    ScriptedThought,
    Text,
    ToolCall,
)
from bridge.simulator.chance import Chance
from bridge.simulator.openai.request import optional, require
from bridge.simulator.openai.response import response_object, usage_object
from bridge.simulator.openai.tools import of_responses
from bridge.simulator.request import JsonObject, ModelRequest, Refusal, read_object, size_of, text_of, trouble_of
from bridge.simulator.streaming import StreamEvent, find, named_event

OPENING = 2  # response.created, response.in_progress


def read(body: bytes, encoding: str) -> ModelRequest:
    """What a body asks for. Raises Refusal as OpenAI answers 400."""
    fields = read_object(body, encoding)
    require(fields, "model", str, "a string")
    require(fields, "input", str | list, "a string or an array of input items")
    given = fields["input"]
    last = given[-1] if isinstance(given, list) and given and isinstance(given[-1], dict) else {}
    answered = last.get("type") in ("function_call_output", "custom_tool_call_output")
    content = given if isinstance(given, str) else last.get("output" if answered else "content")
    return ModelRequest(
        model=fields["model"],
        stream=optional(fields, "stream", bool, "a boolean") is True,
        text=text_of(content, "input_text", "output_text"),
        tools_answered=answered,
        goes_on=isinstance(given, list) and any(_is_answer(item) for item in given),
        size=size_of(fields, "instructions", "tools", "input"),
        tools=of_responses(fields),
        fields=fields,
    )


def stream(answer: ScriptedAnswer, request: ModelRequest, chance: Chance, created_at: int) -> list[StreamEvent]:
    """The events of the answer, the mishaps that are events included."""
    return [
        named_event(event["type"], event, token=token) for event, token in _events(answer, request, chance, created_at)
    ]


def body(answer: ScriptedAnswer, request: ModelRequest, chance: Chance, created_at: int) -> bytes:
    """The answer in one body. An `error` on the way raises Refusal: there is no stream to put it into."""
    if answer.mishap.error is not None:
        raise Refusal(trouble_of(answer.mishap.error.code), answer.mishap.error.message, code=answer.mishap.error.code)
    last, _ = _events(answer, request, chance, created_at)[-1]
    return orjson.dumps(last["response"])


def _events(
    answer: ScriptedAnswer, request: ModelRequest, chance: Chance, created_at: int
) -> list[tuple[JsonObject, bool]]:
    builder = _ResponseBuilder(request, chance, created_at)
    builder.add("response.created", response=builder.response("in_progress"))
    builder.add("response.in_progress", response=builder.response("in_progress"))
    mishap = answer.mishap
    groups = [list(group) for _, group in groupby(answer.parts, key=_grouped)]
    for number, group in enumerate(groups, 1):
        builder.item(group, cut=mishap.incomplete is not None and number == len(groups))
    if failure := mishap.failed or mishap.error:
        _give_up(builder, failure, as_error=mishap.failed is None)
    else:
        _end(builder, mishap, usage_object(answer, request))
    return builder.events


def _end(builder: _ResponseBuilder, mishap: Mishap, usage: JsonObject) -> None:
    status, details = "completed", None
    if mishap.incomplete is not None:
        status, details = "incomplete", {"reason": mishap.incomplete}
    response = builder.response(status, usage=usage, incomplete_details=details)
    if status == "completed":
        response["completed_at"] = builder.created_at + sum(token for _, token in builder.events) // 48 + 1
    builder.add(f"response.{status}", response=response)


def _give_up(builder: _ResponseBuilder, failure: ScriptedFailure, *, as_error: bool) -> None:
    builder.forget_from(find([event["type"] for event, _ in builder.events], failure.at, OPENING))
    words: JsonObject = {"code": failure.code, "message": failure.message}
    if as_error and failure.nested:
        builder.add("error", error={"type": failure.code, **words, "param": None})
    elif as_error:
        builder.add("error", **words, param=None)
    if failure.nested or not as_error:
        builder.add("response.failed", response=builder.response("failed", error=words))


@mutable
class _ResponseBuilder:
    """The events so far, each with whether it took a token, and the output items they made."""

    request: ModelRequest
    chance: Chance
    created_at: int
    id: str = field(init=False)
    events: list[tuple[JsonObject, bool]] = field(init=False, factory=list)
    output: list[JsonObject] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        self.id = self._id("resp")

    def add(self, event: str, *, token: bool = False, **fields: Any) -> None:
        self.events.append(({"type": event, "sequence_number": len(self.events), **fields}, token))

    def forget_from(self, place: int) -> None:
        """Takes back all but the first `place` events."""
        del self.events[place:]
        done = [event["item"] for event, _ in self.events if event["type"] == "response.output_item.done"]
        self.output = done

    def item(self, parts: Sequence[Part], *, cut: bool) -> None:
        """Adds one output item; `cut` stops it short."""
        index, status = len(self.output), "incomplete" if cut else "completed"
        match parts[0]:
            case ScriptedThought():
                texts = [part.text for part in parts if isinstance(part, ScriptedThought)]
                item = self._reasoning(index, texts, cut=cut)
            case HiddenThought(length, omitted):
                item = {"id": self._id("rs"), "type": "reasoning", "summary": []}
                self._item_added(index, item)
                if not omitted:
                    item = {**item, "encrypted_content": self._sealed(length)}
            case Commentary(text):
                item = self._message(index, text, "commentary", status)
            case Text(text):
                item = self._message(index, text, "final_answer", status)
            case ToolCall() as call:
                item = self._call(index, call, status)
        self.add("response.output_item.done", token=not item.get("summary", True), output_index=index, item=item)
        self.output.append(item)

    def _reasoning(self, index: int, texts: list[str], *, cut: bool) -> JsonObject:
        item: JsonObject = {"id": self._id("rs"), "type": "reasoning", "summary": []}
        self._item_added(index, item)
        summary: list[JsonObject] = []
        for number, text in enumerate(texts):
            place: JsonObject = {"item_id": item["id"], "output_index": index, "summary_index": number}
            empty = {"type": "summary_text", "text": ""}
            self.add("response.reasoning_summary_part.added", **place, part=empty)
            sent = self._deltas("response.reasoning_summary_text.delta", text, place, cut and number + 1 == len(texts))
            part = {"type": "summary_text", "text": sent}
            self.add("response.reasoning_summary_text.done", **place, text=sent)
            self.add("response.reasoning_summary_part.done", **place, part=part)
            summary.append(part)
        sealed = {}
        if "reasoning.encrypted_content" in (self.request.fields.get("include") or ()):
            sealed = {"encrypted_content": self._sealed(4 * sum(map(len, texts)) // 3)}
        return {**item, **sealed, "summary": summary}

    def _message(self, index: int, text: str, phase: str, status: str) -> JsonObject:
        item: JsonObject = {
            "id": self._id("msg"),
            "type": "message",
            "status": "in_progress",
            "content": [],
            "phase": phase,
            "role": "assistant",
        }
        self._item_added(index, item)
        place: JsonObject = {"item_id": item["id"], "output_index": index, "content_index": 0}
        part = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
        self.add("response.content_part.added", **place, part=part)
        sent = self._deltas("response.output_text.delta", text, place, status == "incomplete", logprobs=[])
        self.add("response.output_text.done", **place, text=sent, logprobs=[])
        self.add("response.content_part.done", **place, part={**part, "text": sent})
        return {**item, "status": status, "content": [{**part, "text": sent}]}

    def _call(self, index: int, call: ToolCall, status: str) -> JsonObject:
        arguments = call.arguments
        if isinstance(arguments, str):
            prefix, kind, key, event = "ctc", "custom_tool_call", "input", "response.custom_tool_call_input"
            text = arguments
        else:
            prefix, kind, key, event = "fc", "function_call", "arguments", "response.function_call_arguments"
            text = call.written
        call_id = f"call_{self.chance.alphanumeric(24)}"
        names = {"call_id": call_id, "name": call.tool}
        if call.namespace is not None:
            names["namespace"] = call.namespace
        item: JsonObject = {"id": self._id(prefix), "type": kind, "status": "in_progress", key: "", **names}
        self._item_added(index, item)
        place: JsonObject = {"item_id": item["id"], "output_index": index}
        sent = self._deltas(f"{event}.delta", text, place, status == "incomplete")
        self.add(f"{event}.done", **{**place, key: sent})
        return {**item, "status": status, key: sent}

    def _item_added(self, index: int, item: JsonObject) -> None:
        self.add("response.output_item.added", output_index=index, item=item)

    def _deltas(self, event: str, text: str, place: JsonObject, cut: bool, **more: Any) -> str:
        pieces = self.chance.pieces(text, cut=cut)
        for piece in pieces:
            self.add(event, token=True, **place, delta=piece, **more)
        return "".join(pieces)

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{self.chance.hex(48)}"

    def _sealed(self, length: int) -> str:
        return f"gAAAAA{self.chance.alphanumeric(max(length, 64))}=="

    def response(self, status: str, **changes: Any) -> JsonObject:
        """The response object as it stands."""
        made = {"id": self.id, "created_at": self.created_at, "status": status, "output": list(self.output)}
        return response_object(self.request, {**made, **changes})


def _grouped(part: Part) -> object:
    """Thoughts that follow one another are summaries of one reasoning item; all else stands alone."""
    return ScriptedThought if isinstance(part, ScriptedThought) else id(part)


def _is_answer(item: Any) -> bool:
    return isinstance(item, dict) and (item.get("role") == "assistant" or item.get("type") == "function_call")
