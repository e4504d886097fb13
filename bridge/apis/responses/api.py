"""OpenAI Responses: what a request says, and how its streams open and fail (docs/behaviour.md, OpenAI Responses).

The answer itself is read in `accumulator`. Shapes follow OpenAI's API reference, "Responses".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge.apis.conversation import BroughtResult, Conversation, after_last, brought
from bridge.apis.errors import openai_error, responses_stream_error
from bridge.apis.injection import InjectedTool
from bridge.apis.json_text import loads_object
from bridge.apis.protocol import ClientFilter, Opening, Reader, RequestFacts, StreamFailure, Wants
from bridge.apis.readers import body_reader, event_type, stream_reader
from bridge.apis.request import items_of, joined_texts, last_of, request_object, string, user_session
from bridge.apis.responses.accumulator import ResponsesAccumulator, stream_failure
from bridge.apis.rounds import Injection
from bridge.apis.splice import parsed, with_member
from bridge.apis.transcript import Transcript
from bridge.errors import ErrorKind

_HELD = frozenset({b"response.created", b"response.queued", b"response.in_progress"})
_FAILURES = frozenset({b"error", b"response.failed"})
_SUMMARIES = ("summary", "generate_summary")
_TOOL_OUTPUTS = ("function_call_output", "custom_tool_call_output")


class Responses:
    """The API behind `POST /v1/responses`."""

    name = "responses"
    understood = True
    keep_alive = b": keep-alive\n\n"

    def read_request(self, path: str, body: bytes) -> RequestFacts:  # noqa: ARG002  # the body says it all
        """The facts of a request body; raises UnreadableRequest."""
        request = request_object(body)
        given = request.get("input")
        items = items_of(given)
        last = last_of(items)
        conversation = _conversation(request.get("conversation"))
        previous_answer = string(request.get("previous_response_id"))
        prompt = joined_texts(last.get("content"), "input_text") if last.get("role") == "user" else None
        return RequestFacts(
            model=string(request.get("model")),
            service_tier=string(request.get("service_tier")),
            streaming=request.get("stream") is True,
            background=request.get("background") is True,
            prompt=string(given) or prompt,
            correlating_tool_call_id=string(last.get("call_id")) if last.get("type") in _TOOL_OUTPUTS else None,
            user_session=user_session(request.get("metadata")),
            previous_answer=previous_answer,
            keeps_answer=request.get("store") is not False,
            session_hint=conversation or string(request.get("prompt_cache_key")),
            conversation=Conversation(
                items,
                request.get("instructions"),
                request.get("tools"),
                _results(items),
                continues=conversation is not None or previous_answer is not None,
            ),
        )

    def reveal_thoughts(self, body: bytes) -> bytes | None:
        """Asks for summaries where the request asks for reasoning and says nothing of them."""
        reasoning = (parsed(body) or {}).get("reasoning") if b'"reasoning"' in body else None
        if not isinstance(reasoning, dict) or not reasoning.keys().isdisjoint(_SUMMARIES):
            return None
        return with_member(body, "reasoning", b'"summary":"auto"')

    def adapt(self, body: bytes) -> tuple[bytes, ClientFilter | None]:
        """Nothing is changed."""
        return body, None

    def inject(self, body: bytes, tools: Sequence[InjectedTool]) -> Injection | None:
        """The request with tools of the bridge's own."""
        from bridge.apis.responses.injection import inject  # noqa: PLC0415  # a start is quicker without

        return inject(body, tools)

    def stream_reader(self, interception_id: str, facts: RequestFacts, wants: Wants) -> Reader:
        """A reader for a stream of events."""
        return stream_reader(ResponsesAccumulator(Transcript(interception_id, facts, wants)))

    def body_reader(self, interception_id: str, facts: RequestFacts, wants: Wants) -> Reader:
        """A reader for a response object."""
        return body_reader(ResponsesAccumulator(Transcript(interception_id, facts, wants)))

    def error_body(self, kind: ErrorKind, message: str) -> bytes:
        """OpenAI's error object."""
        return openai_error(kind, message)

    def stream_error(self, message: str, sequence_number: int = 0, kind: ErrorKind = ErrorKind.BAD_GATEWAY) -> bytes:
        """An `error` event."""
        return responses_stream_error(message, sequence_number, kind)

    def opening(self, name: bytes, data: bytes) -> Opening | StreamFailure:
        """Holds back what says only that the response was taken on."""
        name = event_type(name, data)
        if name in _HELD:
            return Opening.HOLD
        value = loads_object(data) if name in _FAILURES else None
        failure = stream_failure(value) if value is not None else None
        return failure if failure is not None and failure.reason is not None else Opening.RELEASE


def _is_answer(item: dict[str, Any]) -> bool:
    """Whether it is a part of a turn of the model's."""
    return item.get("role") == "assistant" or _type(item) == "reasoning" or _type(item).endswith("_call")


def _type(item: dict[str, Any]) -> str:
    kind = item.get("type")
    return kind if isinstance(kind, str) else ""


def _conversation(value: object) -> str | None:
    """A conversation's id, which stands alone or in an object."""
    return string(value.get("id")) if isinstance(value, dict) else string(value)


def _results(items: list[Any]) -> tuple[BroughtResult, ...]:
    return brought(
        (item.get("call_id"), item.get("output"), item.get("status") == "failed")
        for item in after_last(items, _is_answer)
        if _type(item).endswith("_output")
    )
