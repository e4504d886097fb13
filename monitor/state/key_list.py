"""The keys as the keys view lists them: filtered, in an order, some of them marked. Pure.

A filter is words typed after `/`, each of which a key must match. A word matches in its hint, its provider, its state,
or why it is in it; `key:`, `provider:` and `state:` look in one place only, and a leading `!` keeps out what matches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from attrs import Factory, define

from bridge.events.key_health import Health, KeyName, by_provider, health, ready_at
from bridge.events.vocabulary import KeyChanged
from monitor.state.request_list import Word, words
from monitor.state.state import MonitorState
from monitor.state.usage import USE_COUNT

ORDERS = ("the pool's order", "trouble first", "next to be ready first", "most used first", "dearest first")
"""What `s` goes through; providers stay together in the first alone: trouble of the last comes before health of the
first."""

_TROUBLE = (Health.COOLING, Health.SPENT, Health.DEAD, Health.OFF, Health.READY)


@define
class KeyList:
    """What is listed now. `total` counts the keys before the filter."""

    query: str = ""
    order: int = 0
    marks: set[KeyName] = Factory(set)
    pools: dict[str, list[KeyChanged]] = Factory(dict)
    """By provider, in the pool's order."""
    keys: list[KeyChanged] = Factory(list)
    """All of these, in the order that was asked for."""
    total: int = 0

    def update(self, state: MonitorState, now: datetime) -> None:
        """Brings it to the state."""
        keys = state.picture.keys
        self.total = len(keys)
        self.marks &= keys.keys()
        wanted = words(self.query, PLACES)
        listed = [key for key in keys.values() if all(_matches(word, key, now) for word in wanted)]
        self.pools = by_provider(listed)
        together = (key for pool in self.pools.values() for key in pool)
        self.keys = sorted(together, key=self._rank(state, now))  # stable: the pool's order stays among equals

    def sort(self) -> None:
        """Takes the next order."""
        self.order = (self.order + 1) % len(ORDERS)

    def mark(self, name: KeyName) -> None:
        """Marks a key, or takes its mark away."""
        self.marks ^= {name}

    @property
    def names(self) -> list[KeyName]:
        """The listed keys in their order."""
        return [(key.provider, key.key) for key in self.keys]

    @property
    def by_pool(self) -> bool:
        """Whether each provider's keys stand together, below what is said of them all."""
        return self.order == 0

    def _rank(self, state: MonitorState, now: datetime) -> Callable[[KeyChanged], float]:
        def used(key: KeyChanged) -> float:
            buckets = state.usage.keys.get((key.provider, key.key))
            return -sum(uses.tried for uses in (buckets.last(now, USE_COUNT) if buckets else []) if uses)

        def dear(key: KeyChanged) -> float:
            tokens = state.usage.key_tokens((key.provider, key.key), now)
            return -((tokens.cost_usd if tokens else None) or 0.0)

        def soon(key: KeyChanged) -> float:
            at = ready_at(key, now)
            return float("inf") if at is None else at.timestamp()

        orders: tuple[Callable[[KeyChanged], float], ...] = (
            lambda _key: 0.0,
            lambda key: _TROUBLE.index(health(key, now)),
            soon,
            used,
            dear,
        )
        return orders[self.order]


def _texts(key: KeyChanged, place: str, now: datetime) -> Iterator[str | None]:
    match place:
        case "key":
            yield key.key
        case "provider":
            yield key.provider
        case "state":
            shown = health(key, now)
            yield from (shown, key.reason, None if shown is Health.SPENT else key.state)
        case "why":
            yield from (key.reason, key.source, key.cause.text if key.cause else None)


PLACES = ("key", "provider", "state", "why")


def _matches(word: Word, key: KeyChanged, now: datetime) -> bool:
    return word.is_met_by(text for place in word.places for text in _texts(key, place, now))
