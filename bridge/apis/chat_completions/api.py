"""OpenAI Chat Completions: what a request says, and how its streams fail (docs/behaviour.md, Chat Completions).

The answer itself is read in `accumulator`; `include_usage` makes a stream tell its tokens. Shapes follow OpenAI's API
reference, "Chat Completions", and what compatible servers add to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge.apis.chat_completions.accumulator import ChatAccumulator, stream_failure
from bridge.apis.chat_completions.include_usage import UsageChunkFilter, add_include_usage
from bridge.apis.conversation import BroughtResult, Conversation, after_last, brought
from bridge.apis.errors import chat_stream_error, openai_error
from bridge.apis.injection import InjectedTool
from bridge.apis.json_text import loads_object
from bridge.apis.protocol import ClientFilter, Opening, Reader, RequestFacts, StreamFailure, Wants
from bridge.apis.readers import body_reader, stream_reader
from bridge.apis.request import items_of, joined_texts, last_of, request_object, string, user_session
from bridge.apis.rounds import Injection
from bridge.apis.transcript import Transcript
from bridge.errors import ErrorKind

_TOOL_ROLES = ("tool", "function")  # the latter from before calls had ids


class ChatCompletions:
    """The API behind `POST /v1/chat/completions`."""

    name = "chat_completions"
    understood = True
    keep_alive = b": keep-alive\n\n"

    def read_request(self, path: str, body: bytes) -> RequestFacts:  # noqa: ARG002  # the body says it all
        """The facts of a request body; raises UnreadableRequest."""
        request = request_object(body)
        messages = items_of(request.get("messages"))
        last = last_of(messages)
        return RequestFacts(
            model=string(request.get("model")),
            service_tier=string(request.get("service_tier")),
            streaming=request.get("stream") is True,
            prompt=joined_texts(last.get("content"), "text") if last.get("role") == "user" else None,
            correlating_tool_call_id=string(last.get("tool_call_id")) if last.get("role") == "tool" else None,
            user_session=user_session(request.get("metadata")),
            session_hint=string(request.get("prompt_cache_key")),
            conversation=Conversation(messages, None, request.get("tools"), _results(messages)),
        )

    def reveal_thoughts(self, body: bytes) -> bytes | None:  # noqa: ARG002  # the API has no word for it
        """Nothing is added: what a model lets out is there anyway."""
        return None

    def adapt(self, body: bytes) -> tuple[bytes, ClientFilter | None]:
        """Asks for the tokens of a stream where the client did not, and takes the chunk that tells them out again."""
        asking = add_include_usage(body)
        return (body, None) if asking is None else (asking, UsageChunkFilter())

    def inject(self, body: bytes, tools: Sequence[InjectedTool]) -> Injection | None:
        """The request with tools of the bridge's own."""
        from bridge.apis.chat_completions.injection import inject  # noqa: PLC0415  # a start is quicker without

        return inject(body, tools)

    def stream_reader(self, interception_id: str, facts: RequestFacts, wants: Wants) -> Reader:
        """A reader for a stream of chunks."""
        return stream_reader(ChatAccumulator(Transcript(interception_id, facts, wants)))

    def body_reader(self, interception_id: str, facts: RequestFacts, wants: Wants) -> Reader:
        """A reader for a completion object."""
        return body_reader(ChatAccumulator(Transcript(interception_id, facts, wants)))

    def error_body(self, kind: ErrorKind, message: str) -> bytes:
        """OpenAI's error object."""
        return openai_error(kind, message)

    def stream_error(
        self,
        message: str,
        sequence_number: int = 0,  # noqa: ARG002 - chunks have no number
        kind: ErrorKind = ErrorKind.BAD_GATEWAY,
    ) -> bytes:
        """A chunk with an `error` object."""
        return chat_stream_error(message, kind)

    def opening(self, name: bytes, data: bytes) -> Opening | StreamFailure:  # noqa: ARG002 - chunks have no name
        """Holds nothing back: the first chunk already belongs to the answer, or is an error."""
        value: dict[str, Any] = loads_object(data) or {}
        failure = stream_failure(value)
        return failure if failure is not None and failure.reason is not None else Opening.RELEASE


def _results(messages: list[Any]) -> tuple[BroughtResult, ...]:
    return brought(
        (message.get("tool_call_id"), message.get("content"), False)
        for message in after_last(messages, _is_answer)
        if message.get("role") in _TOOL_ROLES
    )


def _is_answer(message: dict[str, Any]) -> bool:
    return message.get("role") == "assistant"
