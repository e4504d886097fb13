"""A Chat Completions stream that may call tools of the bridge's own: what of it the client sees, and its message.

Over all rounds the client sees one completion: the id of the first, one opening chunk with the role, text and reasoning
as they come, one reason to finish, and the usage of all rounds where it asked for it. Pieces of injected calls are left
out, whatever becomes of them. A message that is too large to be repeated is the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field

from bridge.apis.chat_completions.streamed_message import GrowingMessage, Slot, piece_of
from bridge.apis.injection import ENDS_ALL_THE_SAME, UNDECIDED, Decision, InjectedCall, InjectedTool, Turn, decide
from bridge.apis.json_text import loads_object
from bridge.apis.raw_json import array, elements, value_of, with_member, without_member
from bridge.apis.rounds import SoFar
from bridge.apis.sse_events import HeldTooMuch, WholeEvent
from bridge.limits import LIMITS, Share
from bridge.value_classes import define

CUT_REASONS = frozenset({"length", "content_filter"})
"""Reasons to finish by which an answer was cut short."""

_DONE = b"[DONE]"


@define
class SeenCompletion:
    """What the client asked for and has seen of the completion, over all rounds."""

    usage_wanted: bool
    id: bytes | None = None
    """As JSON."""


@define(eq=False)
class StreamedCompletion:
    """The `StreamedAnswer` of Chat Completions."""

    _tools: Mapping[str, InjectedTool]
    _so_far: SoFar
    _held: Share
    _seen: SeenCompletion
    _last: bool = field(kw_only=True)
    complete: bool = field(default=False, init=False)
    next_number: int = field(default=0, init=False)
    _message: GrowingMessage = field(factory=GrowingMessage, init=False)
    _size: int = field(default=0, init=False)
    _kept: bool = field(default=True, init=False)
    _usage: Any = field(default=None, init=False)
    _decision: Decision = field(default=UNDECIDED, init=False)

    def turn(self) -> Turn:
        """What it asks for."""
        if not self._decision.run:
            return Turn(not_run=self._decision.not_run)
        calls = [slot for slot in self._message.calls if slot.name in self._tools]
        injected = [InjectedCall(slot.call_id, self._tools[slot.name], slot.arguments) for slot in calls]
        return Turn(tuple(injected), content=self._message.whole(), usage=self._usage)

    def take(self, event: WholeEvent) -> bytes:
        """What the client sees of an event."""
        if event.data.strip() == _DONE:
            self._decide(None)
            self.complete = True
            return b"" if self._decision.run else event.raw
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
        if name is None or name == self._seen.id:
            return data
        if self._seen.id is None:
            self._seen.id = name
            return data
        return with_member(data, "id", self._seen.id) if self._so_far.rounds else data

    def _without_choice(self, event: WholeEvent, data: bytes, usage: object) -> bytes:
        """The chunk that tells the usage; or some other, of no concern here."""
        if isinstance(usage, dict) and (self._decision.run or not self._seen.usage_wanted):
            return b""
        return event.with_data(self._with_usage(data, usage)).raw

    def _with_usage(self, data: bytes, usage: object) -> bytes:
        return self._so_far.with_usage(data, usage) if isinstance(usage, dict) else data

    def _absorb(self, choice: dict[str, Any]) -> list[Slot]:
        """Takes in what a chunk says. Returns the call that each of its pieces belongs to."""
        delta = choice.get("delta")
        slots = self._message.add(delta, self._tools) if isinstance(delta, dict) else []
        self._hold()
        return slots

    def _decide(self, reason: object) -> None:
        """The answer is at its end: now it is known what becomes of its calls."""
        calls = [slot for slot in self._message.calls if slot.name]
        if self._decision is UNDECIDED and any(slot.name in self._tools for slot in calls):
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
            if self._so_far.rounds:
                delta = without_member(delta, "role")
            raw = with_member(raw, "delta", delta) if delta != before else raw
        reason = choice.get("finish_reason")
        if reason is not None and self._decision.run:
            raw, reason = with_member(raw, "finish_reason", b"null"), None
        elif reason == "tool_calls" and self._decision.not_run in ENDS_ALL_THE_SAME:
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
        if self._kept and self._message.size <= LIMITS.tool_round_bytes and self._held.grow(more):
            self._size += more
            return
        if self._kept and any(slot.name in self._tools for slot in self._message.calls):
            raise HeldTooMuch("the answer is too large to look for tools in")
        self._held.shrink(self._size)
        self._size, self._kept = 0, False
        self._message.forget()


def _says_something(delta: bytes | None) -> bool:
    fields = loads_object(delta) if delta is not None else None
    return any(bool(value) for value in (fields or {}).values())
