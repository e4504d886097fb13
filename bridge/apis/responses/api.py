"""OpenAI Responses: what a request says, and how its streams open and fail (docs/behaviour.md, OpenAI Responses).

The answer itself is read in `accumulator`. Shapes follow OpenAI's API reference, "Responses".
"""

from __future__ import annotations

from bridge.apis.errors import openai_error, responses_stream_error
from bridge.apis.json_text import loads_object
from bridge.apis.protocol import ClientFilter, Opening, Reader, RequestFacts, StreamFailure, Wants
from bridge.apis.readers import body_reader, event_type, stream_reader
from bridge.apis.request import joined_texts, last_of, request_object, string, user_session
from bridge.apis.responses.accumulator import ResponsesAccumulator, stream_failure
from bridge.apis.transcript import Transcript
from bridge.errors import ErrorKind

_HELD = frozenset({b"response.created", b"response.queued", b"response.in_progress"})
_FAILURES = frozenset({b"error", b"response.failed"})
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
        last = last_of(given)
        prompt = joined_texts(last.get("content"), "input_text") if last.get("role") == "user" else None
        return RequestFacts(
            model=string(request.get("model")),
            service_tier=string(request.get("service_tier")),
            streaming=request.get("stream") is True,
            background=request.get("background") is True,
            prompt=string(given) or prompt,
            correlating_tool_call_id=string(last.get("call_id")) if last.get("type") in _TOOL_OUTPUTS else None,
            user_session=user_session(request.get("metadata")),
            previous_answer=string(request.get("previous_response_id")),
            keeps_answer=request.get("store") is not False,
            session_hint=_conversation(request.get("conversation")) or string(request.get("prompt_cache_key")),
        )

    def adapt(self, body: bytes) -> tuple[bytes, ClientFilter | None]:
        """Nothing is changed."""
        return body, None

    def stream_reader(self, interception_id: str, facts: RequestFacts, wants: Wants) -> Reader:
        """A reader for a stream of events."""
        return stream_reader(ResponsesAccumulator(Transcript(interception_id, facts, wants)))

    def body_reader(self, interception_id: str, facts: RequestFacts, wants: Wants) -> Reader:
        """A reader for a response object."""
        return body_reader(ResponsesAccumulator(Transcript(interception_id, facts, wants)))

    def error_body(self, kind: ErrorKind, message: str) -> bytes:
        """OpenAI's error object."""
        return openai_error(kind, message)

    def stream_error(self, message: str, sequence_number: int = 0) -> bytes:
        """An `error` event."""
        return responses_stream_error(message, sequence_number)

    def opening(self, name: bytes, data: bytes) -> Opening | StreamFailure:
        """Holds back what says only that the response was taken on."""
        name = event_type(name, data)
        if name in _HELD:
            return Opening.HOLD
        value = loads_object(data) if name in _FAILURES else None
        failure = stream_failure(value) if value is not None else None
        return failure if failure is not None and failure.reason is not None else Opening.RELEASE


def _conversation(value: object) -> str | None:
    """A conversation's id, which stands alone or in an object."""
    return string(value.get("id")) if isinstance(value, dict) else string(value)
