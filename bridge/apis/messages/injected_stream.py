"""A Messages stream whose message may call tools of the bridge's own: what of it the client sees, and its content.

Over all rounds the client sees one message: one `message_start`, the blocks of each round numbered on and on, one
`message_delta` that counts the output of all, one `message_stop`. Blocks of injected calls are left out, whatever
becomes of them. All else goes on as it came, as it comes. A message that is too large to be repeated is the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import Any

import orjson
from attrs import field

from bridge.apis.injection import (
    ENDS_ALL_THE_SAME,
    NOTHING,
    UNDECIDED,
    InjectedCall,
    InjectedTool,
    Turn,
    decide,
)
from bridge.apis.json_text import join_halves, loads_object, well_formed
from bridge.apis.messages.content import repeated
from bridge.apis.raw_json import value_of, with_elements, with_member
from bridge.apis.readers import event_type
from bridge.apis.request import string
from bridge.apis.rounds import SoFar
from bridge.apis.sse_events import HeldTooMuch, WholeEvent
from bridge.apis.usage import tokens
from bridge.limits import LIMITS, Share
from bridge.value_classes import define

_GROWING = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}
"""The deltas that add to a text of their block."""


@define
class SeenMessage:
    """What the client has seen of the message, over all rounds."""

    begun: bool = False
    blocks: int = 0


@define(eq=False)
class OpenBlock:
    """A content block as it comes; `start` is what it began with, as JSON."""

    start: bytes
    tool: InjectedTool | None = None
    place: int = -1
    texts: dict[str, StringIO] = field(factory=dict)
    arguments: StringIO = field(factory=StringIO)
    citations: list[bytes] = field(factory=list)
    call_id: str = ""
    is_own_call: bool = False

    @property
    def arguments_text(self) -> str:
        """The arguments as they were written; those that came with the beginning where there are no others."""
        written = join_halves(self.arguments.getvalue())
        return written if written.strip() else (value_of(self.start, "input") or b"").decode()

    def forget(self) -> None:
        """Nobody will ask for it any more."""
        self.start = b"{}"
        self.texts.clear()
        self.citations.clear()
        self.arguments = StringIO()

    def whole(self) -> bytes:
        """The block as it would stand in a body."""
        text = self.start
        for name, grown in self.texts.items():
            text = with_member(text, name, orjson.dumps(well_formed(join_halves(grown.getvalue()))))
        if self.citations:
            before = value_of(text, "citations")
            before = before if before is not None and before.startswith(b"[") else b"[]"
            text = with_member(text, "citations", with_elements(before, last=self.citations))
        if self.arguments.tell():
            written = well_formed(self.arguments_text).encode()
            text = with_member(text, "input", written if loads_object(written) is not None else b"{}")
        return text


_BLOCK = 1024
"""What an open block counts for when nothing of it is kept, in bytes."""


class StreamedMessage:
    """The `StreamedAnswer` of Messages."""

    def __init__(
        self, tools: Mapping[str, InjectedTool], so_far: SoFar, held: Share, seen: SeenMessage, *, last: bool
    ) -> None:
        self.complete = False
        self.next_number = 0
        self._tools = tools
        self._so_far = so_far
        self._held = held
        self._seen = seen
        self._last = last
        self._blocks: dict[int, OpenBlock] = {}
        self._size = 0
        self._kept = True
        self._usage: dict[str, Any] = {}
        self._decision = UNDECIDED

    def turn(self) -> Turn:
        """What it asks for; nothing where its end is missing."""
        if not self.complete:
            return NOTHING
        blocks = list(self._blocks.values())
        calls = [InjectedCall(each.call_id, each.tool, each.arguments_text) for each in blocks if each.tool]
        if not calls or not self._decision.run:
            return Turn(not_run=self._decision.not_run)
        return Turn(tuple(calls), content=repeated(block.whole() for block in blocks), usage=self._usage)

    def take(self, event: WholeEvent) -> bytes:
        """What the client sees of an event."""
        value = loads_object(event.data, cut=True) if event.data else None
        if value is None:
            return event.raw
        name = event_type(event.name, event.data)
        match name:
            case b"message_start":
                return self._begin(event, value.get("message"))
            case b"content_block_start":
                self._start(event, value)
            case b"content_block_delta":
                self._grow(event, value)
            case b"message_delta":
                return self._delta(event, value)
            case b"message_stop" | b"error":
                self.complete = True
        if name.startswith(b"content_block_"):
            return self._renumbered(event, value)
        return b"" if name == b"message_stop" and self._decision.run else event.raw

    def _begin(self, event: WholeEvent, message: object) -> bytes:
        self._count(message.get("usage") if isinstance(message, dict) else None)
        begun, self._seen.begun = self._seen.begun, True
        return b"" if begun else event.raw

    def _start(self, event: WholeEvent, value: dict[str, Any]) -> None:
        given, index = value.get("content_block"), value.get("index")
        raw = value_of(event.data, "content_block")
        if not isinstance(given, dict) or not isinstance(index, int) or raw is None:
            return
        self._hold(len(raw) if self._kept else _BLOCK)
        block = OpenBlock(raw if self._kept else b"{}", call_id=string(given.get("id")) or "")
        self._blocks[index] = block
        if given.get("type") == "tool_use":
            block.tool = self._tools.get(string(given.get("name")) or "")
            block.is_own_call = block.tool is None
        if block.tool is None:
            block.place = self._seen.blocks
            self._seen.blocks += 1

    def _grow(self, event: WholeEvent, value: dict[str, Any]) -> None:
        index, delta = value.get("index"), value.get("delta")
        block = self._blocks.get(index) if isinstance(index, int) else None
        if block is None or not isinstance(delta, dict) or not self._kept:
            return
        kind = delta.get("type")
        if kind in _GROWING:
            name = _GROWING[kind]
            if name not in block.texts:
                block.texts[name] = StringIO()
                block.texts[name].write(_raw((loads_object(block.start) or {}).get(name)))
            self._hold(block.texts[name].write(_raw(delta.get(name))))
        elif kind == "input_json_delta":
            self._hold(block.arguments.write(_raw(delta.get("partial_json"))))
        elif kind == "citations_delta":
            citation = value_of(value_of(event.data, "delta") or b"{}", "citation") or b"{}"
            self._hold(len(citation))
            block.citations.append(citation)
        elif kind == "compaction_delta":
            block.start = with_member(block.start, "content", orjson.dumps(delta.get("content")))

    def _renumbered(self, event: WholeEvent, value: dict[str, Any]) -> bytes:
        index = value.get("index")
        block = self._blocks.get(index) if isinstance(index, int) else None
        if block is None or block.place == index:
            return event.raw
        if block.tool is not None:
            return b""
        return event.with_data(with_member(event.data, "index", b"%d" % block.place)).raw

    def _delta(self, event: WholeEvent, value: dict[str, Any]) -> bytes:
        """The message's end but for its last event: now it is known what becomes of its calls."""
        self._count(value.get("usage"))
        given = value.get("delta")
        reason = given.get("stop_reason") if isinstance(given, dict) else None
        injected = any(block.tool for block in self._blocks.values())
        if reason is not None and injected:
            own = any(block.is_own_call for block in self._blocks.values())
            self._decision = decide(asked=reason == "tool_use", own=own, last=self._last, held=self._kept)
            if self._decision.run:
                return b""
        data = event.data
        if self._decision.not_run in ENDS_ALL_THE_SAME:
            data = with_member(
                data, "delta", with_member(value_of(data, "delta") or b"{}", "stop_reason", b'"end_turn"')
            )
        usage = value_of(data, "usage")
        if self._so_far.usage is not None and isinstance(value.get("usage"), dict) and usage is not None:
            total = tokens(self._so_far.usage, "output_tokens") + tokens(self._usage, "output_tokens")
            data = with_member(data, "usage", with_member(usage, "output_tokens", b"%d" % total))
        return event.with_data(data).raw

    def _count(self, usage: object) -> None:
        """What it says replaces what was said before, what it leaves out stays."""
        if isinstance(usage, dict):
            self._usage.update({name: value for name, value in usage.items() if value is not None})

    def _hold(self, size: int) -> None:
        """More is kept for a further round. Without room there is none, unless a call that is to be run has begun."""
        room = self._size + size <= LIMITS.tool_round_bytes
        if room and (not self._kept or self._held.grow(size)):
            self._size += size
            return
        if not self._kept or any(block.tool for block in self._blocks.values()):
            raise HeldTooMuch("the answer is too large to look for tools in")
        self._held.shrink(self._size)
        self._size, self._kept = 0, False
        for block in self._blocks.values():
            block.forget()


def _raw(text: object) -> str:
    """A piece of a text, with the half of a character that it may end in."""
    return str(getattr(text, "raw", text)) if isinstance(text, str) else ""
