"""How fast an answer grows while it does: providers count its tokens at its end, so until then they are estimated.

A token is taken for four characters; of a thought whose text the provider keeps, it may tell how many there are so far.
"""

from __future__ import annotations

from datetime import datetime

from attrs import Factory, define

from bridge.events.vocabulary import AnswerDelta, Event, ThoughtDelta
from bridge.limits import LIMITS
from monitor.state.buckets import Buckets

CHARACTERS_A_TOKEN = 4

SLOT_S, SLOTS = 2, 8
"""Sixteen seconds, as a sparkline shows them."""

RATE_SLOTS = 5
"""Ten seconds, as the rate is taken over."""


@define
class _Count:
    tokens: float = 0.0


@define
class WritingPace:
    """Of one request that runs. `last_at` is when something of its answer came last, `first_at` when it began."""

    first_at: datetime
    last_at: datetime
    tokens: float = 0.0
    """So far."""
    _slots: Buckets[_Count] = Factory(lambda: Buckets(SLOT_S, SLOTS, _Count))
    _kept_back: dict[int, int] = Factory(dict)

    def note(self, event: Event, at: datetime) -> None:
        """Takes in an event of its answer."""
        self.last_at = at
        more = self._tokens(event)
        self.tokens += more
        slot = self._slots.at(at)
        if slot is not None:
            slot.tokens += more

    def _tokens(self, event: Event) -> float:
        match event:
            case ThoughtDelta(index=index, estimated_tokens=int(told)):
                before = self._kept_back.get(index, 0)
                if index in self._kept_back or len(self._kept_back) < LIMITS.thoughts:
                    self._kept_back[index] = max(told, before)
                return max(0, told - before)
            case ThoughtDelta() | AnswerDelta():
                return len(event.text) / CHARACTERS_A_TOKEN
        return 0.0

    def course(self, now: datetime) -> list[float]:
        """Tokens by slot, the oldest first."""
        return [slot.tokens if slot else 0.0 for slot in self._slots.last(now, SLOTS)]

    def rate(self, now: datetime) -> float:
        """Tokens a second just now."""
        begun_s = (now - self.first_at).total_seconds()
        return sum(self.course(now)[-RATE_SLOTS:]) / min(max(begun_s, 1.0), RATE_SLOTS * SLOT_S)
