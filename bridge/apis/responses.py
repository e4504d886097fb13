"""OpenAI Responses: what a request says, and how its streams open and fail (`behaviour.md` section 4).

The answer itself is read in `responses_answer`. Shapes follow OpenAI's API reference, "Responses".
"""

from __future__ import annotations

from typing import Any

from bridge.apis.api import ErrorKind, Opening, Reader, RequestFacts, StreamFailure, Wants
from bridge.apis.errors import openai_error, responses_stream_error
from bridge.apis.json_text import loads_object
from bridge.apis.reading import BodyReader, StreamReader
from bridge.apis.request import request_object, string
from bridge.apis.responses_answer import ResponsesAnswer, event_name, stream_failure
from bridge.apis.transcript import Transcript

_HELD = frozenset({b"response.created", b"response.queued", b"response.in_progress"})
_FAILURES = frozenset({b"error", b"response.failed"})
_TOOL_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output"})


class Responses:
    """The API behind `POST /v1/responses`."""

    name = "responses"
    keep_alive = b": keep-alive\n\n"

    def read_request(self, body: bytes) -> RequestFacts:
        """The facts of a request body; raises UnreadableRequest."""
        request = request_object(body)
        given = request.get("input")
        last = given[-1] if isinstance(given, list) and given else None
        return RequestFacts(
            model=string(request.get("model")),
            streaming=request.get("stream") is True,
            background=request.get("background") is True,
            prompt=string(given) or _prompt(last),
            correlating_tool_call_id=_answered_call(last),
            session_hint=string(request.get("prompt_cache_key")),
        )

    def stream_reader(self, interception_id: str, facts: RequestFacts, wants: Wants) -> Reader:
        """A reader for a stream of events."""
        return StreamReader(ResponsesAnswer(Transcript(interception_id, facts, wants)))

    def body_reader(self, interception_id: str, facts: RequestFacts, wants: Wants) -> Reader:
        """A reader for a response object."""
        return BodyReader(ResponsesAnswer(Transcript(interception_id, facts, wants)))

    def error_body(self, kind: ErrorKind, message: str) -> bytes:
        """OpenAI's error object."""
        return openai_error(kind, message)

    def stream_error(self, message: str, sequence_number: int = 0) -> bytes:
        """An `error` event."""
        return responses_stream_error(message, sequence_number)

    def opening(self, name: bytes, data: bytes) -> Opening | StreamFailure:
        """Holds back what says only that the response was taken on."""
        name = event_name(name, data)
        if name in _HELD:
            return Opening.HOLD
        value = loads_object(data) if name in _FAILURES else None
        failure = stream_failure(value) if value is not None else None
        return failure if failure is not None and failure.reason is not None else Opening.RELEASE


def _prompt(last: Any) -> str | None:
    """The prompt in the last input item: only what a user said, not an agent's loop going on."""
    if not isinstance(last, dict) or last.get("role") != "user":
        return None
    content = last.get("content")
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict) and part.get("type") == "input_text"]
        content = "\n".join(part["text"] for part in parts if isinstance(part.get("text"), str))
    return string(content)


def _answered_call(last: Any) -> str | None:
    if isinstance(last, dict) and last.get("type") in _TOOL_OUTPUTS:
        return string(last.get("call_id"))
    return None
