"""What is told of a provider's keys together: how many serve, when the next one does, and how long they last.

How many serve is told at once. A runway moves with every answer, and is told again when it has moved by a tenth of what
is left of it, and a minute at least; no more than once in ten seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from bridge.events.values import KeyState
from bridge.events.vocabulary import Event, PoolChanged
from bridge.keys.groups import grouped
from bridge.keys.key import Key
from bridge.keys.runway import pool_runway

EVERY_S = 10.0
LEAST_S = 60.0
PART = 0.1


class PoolFact:
    """Tells the pool's events."""

    def __init__(
        self,
        provider: str,
        publish: Callable[[Event], None],
        clock: Callable[[], float],
        wall: Callable[[], datetime],
    ) -> None:
        self._provider = provider
        self._publish = publish
        self._clock = clock
        self._wall = wall
        self._told: PoolChanged | None = None
        self._plain: object = None
        self._looked_at = float("-inf")

    def tell(self, keys: Sequence[Key]) -> None:
        """Publishes it where it differs from what was told."""
        plain = _plain(keys)
        if plain == self._plain and self._looked_at + EVERY_S > self._clock():
            return
        told, event = self._told, self.say(keys)
        if told is None or _differs(told, event, self._wall()):
            self._publish(event)
        else:
            self._told = told  # what many small steps add up to is told too

    def say(self, keys: Sequence[Key]) -> PoolChanged:
        """The fact as it is now, for whoever publishes it."""
        self._plain = _plain(keys)
        self._looked_at = self._clock()
        self._told = self._event(keys)
        return self._told

    def _event(self, keys: Sequence[Key]) -> PoolChanged:
        now, wall = self._clock(), self._wall()
        ends = [key.cooling.until for key in keys if key.cooling]
        runway, runways = pool_runway(keys, now, wall)
        return PoolChanged(
            provider=self._provider,
            valid=sum(key.state is KeyState.VALID for key in keys),
            total=len(keys),
            next_at=wall + timedelta(seconds=max(min(ends) - now, 0.0)) if ends else None,
            runway_until=runway.until,
            confidence=runway.confidence,
            groups=[[keys[place].hint for place in group] for group in grouped([key.account for key in keys])],
            keys=runways,
        )


def _plain(keys: Sequence[Key]) -> object:
    """What is told at once when it changes."""
    return [(key.hint, key.state, key.cooling.until if key.cooling else None, key.account) for key in keys]


def _differs(told: PoolChanged, event: PoolChanged, wall: datetime) -> bool:
    if (told.valid, told.total, told.groups) != (event.valid, event.total, event.groups):
        return True
    if _moved(told.next_at, event.next_at, timedelta(seconds=1)):
        return True
    if told.confidence != event.confidence:
        return True
    if _moved(told.runway_until, event.runway_until, _least(event.runway_until, wall)):
        return True
    before = {runway.key: runway for runway in told.keys}
    if before.keys() != {runway.key for runway in event.keys}:
        return True
    return any(
        _moved(before[runway.key].until, runway.until, _least(runway.until, wall))
        or before[runway.key].confidence != runway.confidence
        for runway in event.keys
    )


def _least(until: datetime | None, wall: datetime) -> timedelta:
    """By how much a runway has to move to be worth telling."""
    left = timedelta() if until is None else until - wall
    return max(timedelta(seconds=LEAST_S), left * PART)


def _moved(before: datetime | None, now: datetime | None, least: timedelta) -> bool:
    if before is None or now is None:
        return before is not now
    return abs(before - now) >= least
