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
    InjectedTool,
    ToolResult,
    Turn,
    forces_ours,
    invocation_error,
    json_text,
    without_namesakes,
)
from bridge.apis.json_text import TooCostly, loads_object
from bridge.apis.raw_json import ObjectText, array, elements, with_elements
from bridge.apis.request import request_object
from bridge.apis.responses.injected_stream import StreamedResponse
from bridge.apis.responses.turn import turn_of
from bridge.apis.rounds import Injection, SoFar
from bridge.limits import Share


class Stored(Enum):
    """Where the items of earlier rounds are when the next begins."""

    NOWHERE = "nowhere"  # they are sent again
    CONVERSATION = "conversation"
    RESPONSE = "response"  # known by the id of the round's response


def inject(body: bytes, tools: Sequence[InjectedTool]) -> Injection | None:
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
    unforced = b'"auto"' if forces_ours(request.get("tool_choice"), given) else None
    return Injection(text.text(), given, ResponsesDialect(given, _stored(request)), unforced)


class ResponsesDialect:
    """The `Dialect` of Responses."""

    end_mark = b""

    def __init__(self, tools: Mapping[str, InjectedTool], stored: Stored) -> None:
        self._tools = tools
        self._stored = stored

    def stream(self, so_far: SoFar, held: Share, *, last: bool) -> StreamedResponse:
        """For an answer that is a stream."""
        return StreamedResponse(self._tools, so_far, held, last=last)

    def go_on(self, request: ObjectText, turn: Turn, results: Answered) -> None:
        """Puts the round's items and the outputs behind the input there is, or the outputs in its place."""
        outputs = [
            orjson.dumps({"type": "function_call_output", "call_id": call.call_id, "output": _told(result)})
            for call, result in results
        ]
        if self._stored is Stored.NOWHERE:
            items = (*elements(turn.content), *outputs)
            request.put("input", with_elements(_as_items(request.get("input")), last=items))
        else:
            request.put("input", array(outputs))
        if self._stored is Stored.RESPONSE and turn.response_id is not None:
            request.put("previous_response_id", orjson.dumps(turn.response_id))

    def whole(self, body: bytes, so_far: SoFar, *, last: bool) -> tuple[bytes, Turn]:
        """Of an answer in one body what the client gets, and what it asks for."""
        response = loads_object(body) or {}
        output = response.get("output")
        if not isinstance(output, list):
            return body, NOTHING
        turn, body = turn_of(body, response, self._tools, last=last)
        return (b"" if turn.calls else so_far.with_usage(body, response.get("usage"))), turn


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
