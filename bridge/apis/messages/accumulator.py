"""How Anthropic Messages spells an answer: blocks that start, grow by deltas and stop, between a start and a stop.

There is no whole at the end of a stream, so each delta is read as it comes. Usage comes with the start and again,
cumulative, with `message_delta`. Shapes follow Anthropic's API reference, "Streaming Messages".
"""

from __future__ import annotations

from typing import Any

from bridge.apis.json_text import loads_object
from bridge.apis.messages.notes import notes_in
from bridge.apis.messages.usage import used
from bridge.apis.notes import content
from bridge.apis.protocol import StreamFailure
from bridge.apis.provider_errors import stream_failure_of
from bridge.apis.readers import event_type
from bridge.apis.tool_calls import UnfinishedCall
from bridge.apis.transcript import OpenThought, Transcript
from bridge.apis.usage import LARGEST_COUNT
from bridge.events.values import ThoughtSource, WithheldReason
from bridge.value_classes import define

_CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_READ = frozenset(
    {
        *(b"message_start", b"message_delta", b"message_stop", b"error"),
        *(b"content_block_start", b"content_block_delta", b"content_block_stop"),
    }
)


def stream_failure(value: dict[str, Any]) -> StreamFailure | None:
    """The error in an `error` event or in a body that is one."""
    error = value.get("error")
    return stream_failure_of(error) if error or value.get("type") == "error" else None


@define(eq=False)
class _Block:
    """A content block that has not stopped."""

    thought: OpenThought | None = None
    signature: int = 0  # bytes
    call: UnfinishedCall | None = None
    noted: dict[str, Any] | None = None  # it is none of these, and noted as it is


class MessagesAccumulator:
    """The `Accumulator` of Messages."""

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self.complete = False
        self.failure: StreamFailure | None = None
        self.token_seen = False
        self.unreadable = 0
        self._blocks: dict[object, _Block] = {}  # by index
        self._usage: dict[str, Any] = {}

    @property
    def answered(self) -> bool:
        """Whether all has come that an answer needs: that is the end mark, without which something is missing."""
        return self.complete

    def event(self, name: bytes, data: bytes) -> None:
        """The next event of a stream."""
        name = event_type(name, data)
        if name not in _READ:
            return
        value = loads_object(data, cut=name == b"content_block_delta")
        if value is None:
            self.unreadable += 1
            return
        match name:
            case b"content_block_delta":
                self._grow(value.get("index"), value.get("delta"))
            case b"content_block_start":
                self._start(value.get("index"), value.get("content_block"))
            case b"content_block_stop":
                self._stop(value.get("index"))
            case b"message_start":
                self._begin(value.get("message"))
            case b"message_delta":
                self._note(value)
                self._note(value.get("delta"))
                self._count(value.get("usage"))
            case b"message_stop":
                self.complete = True
                self._finish()
            case _:
                self.failure = stream_failure(value)

    def body(self, value: dict[str, Any]) -> None:
        """A message object, or an error instead of one."""
        self.failure = stream_failure(value)
        if not isinstance(value.get("id"), str):
            return
        self._begin(value)
        content = value.get("content")
        for index, block in enumerate(content if isinstance(content, list) else ()):
            self.token_seen = True
            self._start(index, block)
            self._stop(index)
        self.complete = True
        self._finish()

    def end(self) -> None:
        """What came of thoughts and text is told; of tool calls only those that were whole."""
        self._finish()
        self.transcript.end()

    def _begin(self, message: object) -> None:
        if isinstance(message, dict):
            self.transcript.name(message.get("id"))
            self.transcript.serve(message.get("model"))
            self._note(message)
            self._count(message.get("usage"))

    def _start(self, index: object, value: object) -> None:
        if not isinstance(value, dict):
            return
        block = self._blocks[_key(index)] = _Block()
        match value.get("type"):
            case "text":
                self._answer(value.get("text"))
            case "thinking":
                self._think(block, value.get("thinking"))
                self._sign(block, value.get("signature"))
            case "redacted_thinking":
                data = value.get("data")
                self.transcript.withhold(WithheldReason.REDACTED, len(data.encode()) if isinstance(data, str) else 0)
            case str() as kind if kind in _CALLS:
                block.call = UnfinishedCall(self.transcript.held, value.get("id"), given=value.get("input"))
                block.call.name(value.get("name"))
            case str() as kind if not kind.endswith("_result"):
                block.noted = value
            case _:
                pass

    def _grow(self, index: object, delta: object) -> None:
        if not isinstance(delta, dict):
            return
        self.token_seen = True
        block = self._blocks.get(_key(index))
        match delta.get("type"):
            case "text_delta":
                self._answer(delta.get("text"))
            case "thinking_delta" if block:
                self._think(block, delta.get("thinking"))
                self._estimate(block, delta.get("estimated_tokens"))
            case "signature_delta" if block:
                self._sign(block, delta.get("signature"))
            case "input_json_delta" if block and block.call:
                block.call.add(delta.get("partial_json"))
            case "compaction_delta" if block and block.noted:
                block.noted = {**block.noted, "content": delta.get("content")}
            case _:
                pass

    def _stop(self, index: object) -> None:
        """A block is whole. Thinking that is nothing but a signature was left out by the provider."""
        block = self._blocks.pop(_key(index), None)
        if block is None:
            return
        thought = block.thought
        if thought is not None and thought.text.pieces:
            self.transcript.record(thought)
        elif thought is not None or block.signature:
            self.transcript.withhold(WithheldReason.OMITTED, block.signature, thought)
        if block.call is not None:
            block.call.tell(self.transcript)
        if block.noted is not None:
            self.transcript.note(str(block.noted["type"]), content(block.noted))

    def _answer(self, text: object) -> None:
        if isinstance(text, str):
            self.transcript.answer(text)

    def _think(self, block: _Block, text: object) -> None:
        if isinstance(text, str) and text:
            if block.thought is None:
                block.thought = self.transcript.thought(block, ThoughtSource.THINKING)
            self.transcript.think(block.thought, text)

    def _estimate(self, block: _Block, more: object) -> None:
        """The provider keeps the text, and tells how many tokens of it there are since it last did."""
        if isinstance(more, int) and not isinstance(more, bool) and 0 < more <= LARGEST_COUNT:
            if block.thought is None:
                block.thought = self.transcript.thought(block, ThoughtSource.THINKING)
            self.transcript.estimate(block.thought, more)

    def _sign(self, block: _Block, signature: object) -> None:
        if isinstance(signature, str):
            block.signature += len(signature.encode())

    def _note(self, value: object) -> None:
        """Notes what a message, its delta, or the event that brings it says of how it came about."""
        for kind, told in notes_in(value) if isinstance(value, dict) else ():
            self.transcript.note(kind, told)

    def _count(self, usage: object) -> None:
        """Takes a usage object: what it says replaces what was said before, what it leaves out stays."""
        if isinstance(usage, dict):
            self._usage.update({name: value for name, value in usage.items() if value is not None})

    def _finish(self) -> None:
        """Tells what the whole cost, and, where it came to its end, what is open."""
        if self.complete:
            for index in list(self._blocks):
                self._stop(index)
        usage, self._usage = self._usage, {}
        if not usage:
            return
        self.transcript.end_answer()
        self.transcript.serve(None, usage.get("service_tier"), usage.get("speed"))
        parts, extra = used(usage)
        self.transcript.spend(parts, extra, partial=not self.complete)


def _key(index: object) -> object:
    """The index as a key; a list or object, which is none, counts as no index."""
    return index if isinstance(index, int | str) else None
