"""A Chat Completions stream that may call tools of the bridge's own: what of it the client sees, and its message.

Over all rounds the client sees one completion: the id of the first, one opening chunk with the role, text and reasoning
as they come, one reason to finish, and the usage of all rounds where it asked for it. Pieces of injected calls are left
out, whatever becomes of them. A message that is too large to be repeated is the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from attrs import define, field

from bridge.apis.chat_completions.streamed_message import GrowingMessage, Slot, piece_of
from bridge.apis.injection import ENDS_ALL_THE_SAME, NOTHING, Decision, InjectedCall, InjectedTool, Turn, decide
from bridge.apis.json_text import loads_object
from bridge.apis.raw_json import array, elements, value_of, with_member, without_member
from bridge.apis.sse_events import EventSplitter, HeldTooMuch, WholeEvent
from bridge.apis.usage import summed
from bridge.limits import LIMITS

CUT_REASONS = frozenset({"length", "content_filter"})
"""Reasons to finish by which an answer was cut short."""

_DONE = b"[DONE]"


@define
class StreamedSoFar:
    """What the client has seen of the completion."""

    usage_wanted: bool
    id: bytes | None = None
    """As JSON."""

    opened: bool = False
    """A round before has shown the role."""

    usage: Any = None
    """That of the rounds before."""

    def count(self, usage: Any) -> None:
        """A round is over."""
        self.usage = summed(self.usage, usage)
        self.opened = True


@define(eq=False)
class StreamedCompletion:
    """The `Round` of a Chat Completions stream."""

    _tools: Mapping[str, InjectedTool]
    _state: StreamedSoFar
    _last: bool = field(kw_only=True)
    turn: Turn = field(default=NOTHING, init=False)
    complete: bool = field(default=False, init=False)
    next_number: int = field(default=0, init=False)
    _splitter: EventSplitter = field(factory=EventSplitter, init=False)
    _message: GrowingMessage = field(factory=GrowingMessage, init=False)
    _size: int = field(default=0, init=False)
    _kept: bool = field(default=True, init=False)
    _usage: Any = field(default=None, init=False)
    _decision: Decision | None = field(default=None, init=False)

    def feed(self, chunk: bytes) -> bytes:
        """Takes the next bytes."""
        return b"".join(map(self._take, self._splitter.feed(chunk)))

    def finish(self) -> bytes:
        """There is no more."""
        rest = b"".join(map(self._take, self._splitter.end()))
        if self._decision is not None and self._decision.run:
            calls = [slot for slot in self._message.calls if slot.name in self._tools]
            injected = [InjectedCall(slot.call_id, self._tools[slot.name], slot.arguments) for slot in calls]
            self.turn = Turn(tuple(injected), content=self._message.whole(), usage=self._usage)
        elif self._decision is not None:
            self.turn = Turn(not_run=self._decision.not_run)
        return rest

    def close(self) -> None:
        """Gives back what is held."""
        self._splitter.held.close()

    @property
    def _goes_on(self) -> bool:
        return self._decision is not None and self._decision.run

    def _take(self, event: WholeEvent) -> bytes:
        """What the client sees of an event."""
        if event.data.strip() == _DONE:
            self._decide(None)
            self.complete = True
            return b"" if self._goes_on else event.raw
        value = loads_object(event.data, cut=True) if event.data else None
        if value is None:
            return event.raw
        if value.get("error"):
            self.complete = True
            return event.raw
        usage = value.get("usage")
        self._usage = usage if isinstance(usage, dict) else self._usage
        choices = value.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        data = self._renamed(event.data)
        if not isinstance(choice, dict):
            return self._without_choice(event, data, usage)
        slots = self._absorb(choice)
        if choice.get("finish_reason") is not None:
            self._decide(choice["finish_reason"])
            self.complete = True
        shown = self._shown_choice(data, choice, slots)
        if shown is None:
            return b""
        return event.with_data(self._with_usage(shown, usage)).raw

    def _renamed(self, data: bytes) -> bytes:
        """The chunk with the id of the first."""
        name = value_of(data, "id")
        if name is None or name == self._state.id:
            return data
        if self._state.id is None:
            self._state.id = name
            return data
        return with_member(data, "id", self._state.id) if self._state.opened else data

    def _without_choice(self, event: WholeEvent, data: bytes, usage: object) -> bytes:
        """The chunk that tells the usage; or some other, of no concern here."""
        if isinstance(usage, dict) and (self._goes_on or not self._state.usage_wanted):
            return b""
        return event.with_data(self._with_usage(data, usage)).raw

    def _with_usage(self, data: bytes, usage: object) -> bytes:
        if self._state.usage is None or not isinstance(usage, dict):
            return data
        return with_member(data, "usage", orjson.dumps(summed(self._state.usage, usage)))

    def _absorb(self, choice: dict[str, Any]) -> list[Slot]:
        """Takes in what a chunk says. Returns the call that each of its pieces belongs to."""
        delta = choice.get("delta")
        slots = self._message.add(delta, self._tools) if isinstance(delta, dict) else []
        self._hold()
        return slots

    def _decide(self, reason: object) -> None:
        """The answer is at its end: now it is known what becomes of its calls."""
        calls = [slot for slot in self._message.calls if slot.name]
        if self._decision is None and any(slot.name in self._tools for slot in calls):
            own = any(slot.name not in self._tools for slot in calls)
            self._decision = decide(asked=reason not in CUT_REASONS, own=own, last=self._last, held=self._kept)

    def _shown_choice(self, data: bytes, choice: dict[str, Any], slots: list[Slot]) -> bytes | None:
        """The chunk without what the client is not to see; None where nothing is left."""
        choices = elements(value_of(data, "choices") or b"[]")
        raw = choices[0]
        before = value_of(raw, "delta") if isinstance(choice.get("delta"), dict) else None
        delta = before
        if delta is not None:
            delta = self._shown_calls(delta, slots)
            if self._state.opened:
                delta = without_member(delta, "role")
            raw = with_member(raw, "delta", delta) if delta != before else raw
        reason = choice.get("finish_reason")
        if reason is not None and self._goes_on:
            raw, reason = with_member(raw, "finish_reason", b"null"), None
        elif reason == "tool_calls" and self._decision is not None and self._decision.not_run in ENDS_ALL_THE_SAME:
            raw = with_member(raw, "finish_reason", b'"stop"')
        if raw == choices[0]:
            return data
        if reason is None and not _says_something(delta):
            return None
        return with_member(data, "choices", array((raw, *choices[1:])))

    def _shown_calls(self, delta: bytes, slots: list[Slot]) -> bytes:
        """The delta with the pieces of the client's own calls alone, numbered as if there were no others."""
        raw = value_of(delta, "tool_calls")
        if raw is None or not slots:
            return delta
        pieces = elements(raw)
        shown: list[bytes] = []
        for piece, slot in zip(pieces, slots, strict=True):
            if slot.name in self._tools:
                continue
            index = piece_of(piece).get("index")
            moved = isinstance(index, int) and index != slot.place
            shown.append(with_member(piece, "index", b"%d" % slot.place) if moved else piece)
        if not shown:
            return without_member(delta, "tool_calls")
        return delta if shown == pieces else with_member(delta, "tool_calls", array(shown))

    def _hold(self) -> None:
        """More is kept for a further round. Without room there is none, unless a call that is to be run has begun."""
        more = self._message.size - self._size
        if self._kept and self._message.size <= LIMITS.tool_round_bytes and self._splitter.held.grow(more):
            self._size += more
            return
        if self._kept and any(slot.name in self._tools for slot in self._message.calls):
            raise HeldTooMuch("the answer is too large to look for tools in")
        self._splitter.held.shrink(self._size)
        self._size, self._kept = 0, False
        self._message.forget()


def _says_something(delta: bytes | None) -> bool:
    fields = loads_object(delta) if delta is not None else None
    return any(bool(value) for value in (fields or {}).values())
