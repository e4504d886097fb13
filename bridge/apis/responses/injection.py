"""Tools of the bridge's own in OpenAI Responses: the request with them, its answers in one body, the next request.

An answer goes on with output items `function_call` that have an injected name. The next request brings the round's
items as they came and one `function_call_output` for each call; the outputs alone where the items are stored upstream.
Streams are in `injected_stream`. Shapes follow OpenAI's API reference, "Responses", and its guide "Function calling".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import orjson

from bridge.apis.injection import (
    NOTHING,
    Answered,
    BodyRound,
    InjectedTool,
    Round,
    ToolResult,
    Turn,
    forces_ours,
    invocation_error,
    json_text,
    without_namesakes,
)
from bridge.apis.json_text import TooCostly, loads_object
from bridge.apis.raw_json import ObjectText, array, elements, with_elements, with_member
from bridge.apis.request import request_object
from bridge.apis.responses.injected_stream import StreamedResponse
from bridge.apis.responses.turn import turn_of
from bridge.apis.usage import summed


class Stored(Enum):
    """Where the items of earlier rounds are when the next begins."""

    NOWHERE = "nowhere"  # they are sent again
    CONVERSATION = "conversation"
    RESPONSE = "response"  # known by the id of the round's response


def inject(body: bytes, tools: Sequence[InjectedTool]) -> ResponsesInjection | None:
    """The request with these tools; None where it gets none (docs/behaviour.md, Injected tools)."""
    try:
        request = request_object(body)
    except TooCostly:
        return None
    own = request.get("tools", [])
    if not isinstance(own, list) or request.get("tool_choice") == "none":
        return None
    given = without_namesakes(tools, own)
    if not given:
        return None
    text = ObjectText(body)
    text.put("tools", with_elements(text.get("tools") or b"[]", last=map(_offer, given.values())))
    text.put("parallel_tool_calls", b"false")
    forced = forces_ours(request.get("tool_choice"), given)
    return ResponsesInjection(text.text(), given, _stored(request), forced=forced)


class ResponsesInjection:
    """The `Injection` of Responses. `forced`: the client wants a call, and one of ours is one."""

    end_mark = b""

    def __init__(self, request: bytes, tools: Mapping[str, InjectedTool], stored: Stored, *, forced: bool) -> None:
        self.request = request
        self.tools = tools
        self._forced = forced
        self._stored = stored
        self._usage: Any = None

    def stream(self, *, last: bool) -> Round:
        """For an answer that is a stream."""
        return StreamedResponse(self.tools, self._usage, last=last)

    def body(self, *, last: bool) -> Round:
        """For an answer in one body."""
        return BodyRound(lambda body: self._whole(body, last=last))

    def answer(self, turn: Turn, results: Answered) -> None:
        """Puts the round's items and the outputs behind the input there is, or the outputs in its place."""
        self._usage = summed(self._usage, turn.usage)
        outputs = [
            orjson.dumps({"type": "function_call_output", "call_id": call.call_id, "output": _told(result)})
            for call, result in results
        ]
        text = ObjectText(self.request)
        if self._stored is Stored.NOWHERE:
            text.put("input", with_elements(_as_items(text.get("input")), last=(*elements(turn.content), *outputs)))
        else:
            text.put("input", array(outputs))
        if self._stored is Stored.RESPONSE and turn.response_id is not None:
            text.put("previous_response_id", orjson.dumps(turn.response_id))
        if self._forced:
            text.put("tool_choice", b'"auto"')
        self.request = text.text()

    def _whole(self, body: bytes, *, last: bool) -> tuple[bytes, Turn]:
        response = loads_object(body) or {}
        output = response.get("output")
        if not isinstance(output, list):
            return body, NOTHING
        turn, body = turn_of(body, response, self.tools, last=last)
        if turn.calls:
            return b"", turn
        if self._usage is not None:
            body = with_member(body, "usage", orjson.dumps(summed(self._usage, response.get("usage"))))
        return body, turn


def _offer(tool: InjectedTool) -> bytes:
    return orjson.dumps(
        {
            "type": "function",
            "name": tool.id,
            "description": tool.description,
            "strict": False,
            "parameters": tool.input_schema,
        }
    )


def _stored(request: dict[str, Any]) -> Stored:
    if request.get("conversation") is not None:
        return Stored.CONVERSATION
    if request.get("previous_response_id") is not None and request.get("store") is not False:
        return Stored.RESPONSE
    return Stored.NOWHERE


def _as_items(given: bytes | None) -> bytes:
    """An input as a list of items: one that is a text becomes a user's message."""
    if given is None or given == b"null":
        return b"[]"
    return b'[{"role":"user","content":' + given + b"}]" if given.startswith(b'"') else given


def _told(result: ToolResult) -> str:
    return invocation_error(result.error or "") if result.result is None else json_text(result.result)
