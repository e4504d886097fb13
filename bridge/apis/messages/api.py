"""Anthropic Messages: what a request says, and how its streams open and fail (docs/behaviour.md, Anthropic Messages).

The answer itself is read in `accumulator`. Shapes follow Anthropic's API reference, "Messages".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge.apis.conversation import BroughtResult, Conversation, after_last, brought
from bridge.apis.errors import anthropic_error, messages_stream_error
from bridge.apis.injection import InjectedTool
from bridge.apis.json_text import loads_object
from bridge.apis.messages.accumulator import MessagesAccumulator, stream_failure
from bridge.apis.messages.plain import plain
from bridge.apis.protocol import ClientFilter, Opening, Reader, RequestFacts, StreamFailure, Wants
from bridge.apis.readers import body_reader, event_type, stream_reader
from bridge.apis.request import items_of, joined_texts, last_of, request_object, string, user_session
from bridge.apis.rounds import Injection
from bridge.apis.splice import parsed, with_member
from bridge.apis.transcript import Transcript
from bridge.errors import ErrorKind

_HELD = frozenset({b"message_start", b"ping"})
_THINKS = frozenset({"enabled", "adaptive"})
_REMINDER = "<system-reminder>"  # Claude Code's own words to the model, put beside those of the user


class Messages:
    """The API behind `POST /v1/messages`."""

    name = "messages"
    understood = True
    keep_alive = b'event: ping\ndata: {"type": "ping"}\n\n'

    def read_request(self, path: str, body: bytes) -> RequestFacts:  # noqa: ARG002  # the body says it all
        """The facts of a request body; raises UnreadableRequest."""
        request = request_object(body)
        messages = items_of(request.get("messages"))
        last = _last_said(messages)
        content = last.get("content") if last.get("role") == "user" else None
        results = _results(content)
        asked = request.get("diagnostics")
        diagnostics = asked if isinstance(asked, dict) else {}
        return RequestFacts(
            model=string(request.get("model")),
            service_tier=string(request.get("service_tier")),
            speed=string(request.get("speed")),
            streaming=request.get("stream") is True,
            prompt=None if results else _prompt(content),
            correlating_tool_call_id=string(results[-1].get("tool_use_id")) if results else None,
            user_session=user_session(request.get("metadata")),
            conversation=Conversation(
                messages, request.get("system"), request.get("tools"), _new_results(messages), plain=plain
            ),
            previous_answer=string(diagnostics.get("previous_message_id") or request.get("previous_message_id")),
            keeps_answer="diagnostics" in request,
        )

    def reveal_thoughts(self, body: bytes) -> bytes | None:
        """Asks for summaries where the request has the model think and says nothing of what is to be seen of it."""
        thinking = (parsed(body) or {}).get("thinking") if b'"thinking"' in body else None
        if not isinstance(thinking, dict) or "display" in thinking or thinking.get("type") not in _THINKS:
            return None
        return with_member(body, "thinking", b'"display":"summarized"')

    def adapt(self, body: bytes) -> tuple[bytes, ClientFilter | None]:
        """Nothing is changed."""
        return body, None

    def inject(self, body: bytes, tools: Sequence[InjectedTool]) -> Injection | None:
        """The request with tools of the bridge's own."""
        from bridge.apis.messages.injection import inject  # noqa: PLC0415  # a start is quicker without

        return inject(body, tools)

    def stream_reader(self, interception_id: str, facts: RequestFacts, wants: Wants) -> Reader:
        """A reader for a stream of events."""
        return stream_reader(MessagesAccumulator(Transcript(interception_id, facts, wants)))

    def body_reader(self, interception_id: str, facts: RequestFacts, wants: Wants) -> Reader:
        """A reader for a message object."""
        return body_reader(MessagesAccumulator(Transcript(interception_id, facts, wants)))

    def error_body(self, kind: ErrorKind, message: str) -> bytes:
        """Anthropic's error object."""
        return anthropic_error(kind, message)

    def stream_error(
        self,
        message: str,
        sequence_number: int = 0,  # noqa: ARG002 - events have no number
        kind: ErrorKind = ErrorKind.BAD_GATEWAY,
    ) -> bytes:
        """An `error` event."""
        return messages_stream_error(message, kind)

    def opening(self, name: bytes, data: bytes) -> Opening | StreamFailure:
        """Holds back what says only that a message begins."""
        name = event_type(name, data)
        if name in _HELD:
            return Opening.HOLD
        value = loads_object(data) if name == b"error" else None
        failure = stream_failure(value) if value is not None else None
        return failure if failure is not None and failure.reason is not None else Opening.RELEASE


def _last_said(messages: list[Any]) -> dict[str, Any]:
    """The last message that is not the system's: Claude Code writes some of those behind what the user says."""
    said = (message for message in reversed(messages) if last_of([message]).get("role") != "system")
    return last_of([next(said, None)])


def _results(content: object) -> list[dict[str, Any]]:
    """The tool results in a message: with them an agent's loop goes on, and nobody prompts."""
    blocks = content if isinstance(content, list) else []
    return [block for block in blocks if isinstance(block, dict) and block.get("type") == "tool_result"]


def _prompt(content: object) -> str | None:
    """The prompt in a user's message, without the reminders that Claude Code adds."""
    blocks = content if isinstance(content, list) else [{"type": "text", "text": content}]
    return joined_texts([block for block in blocks if not _is_reminder(block)], "text")


def _is_reminder(block: object) -> bool:
    text = block.get("text") if isinstance(block, dict) else None
    return isinstance(text, str) and text.lstrip().startswith(_REMINDER)


def _new_results(messages: list[Any]) -> tuple[BroughtResult, ...]:
    return brought(
        (block.get("tool_use_id"), block.get("content"), block.get("is_error") is True)
        for message in after_last(messages, _is_answer)
        for block in _results(message.get("content"))
    )


def _is_answer(message: dict[str, Any]) -> bool:
    return message.get("role") == "assistant"
