"""How a key stands, as a person cares about it: what the bridge says of it, read at a time.

The bridge tells a key's state and what its provider said was left; that a limit is used up, or whole again since, is
only seen by whoever knows the time. Everything that counts keys counts them by this.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from bridge.events.values import KeyState, LimitWindow, RateLimit
from bridge.events.vocabulary import KeyChanged
from bridge.value_classes import frozen

KeyName = tuple[str, str]
"""A key's provider and its hint."""


class Health(StrEnum):
    """In the words that are shown."""

    READY = "valid"
    SPENT = "spent"  # nobody refused it yet, but the provider said that nothing is left
    COOLING = "cooling"
    DEAD = "dead"
    OFF = "off"


_STATES = {
    KeyState.TEMPORARY: Health.COOLING,
    KeyState.PERMANENT: Health.DEAD,
    KeyState.DISABLED: Health.OFF,
}

USED_UP = 1.0
"""Share of a window from which on nothing is left of it."""


def is_whole_again(limit: RateLimit | LimitWindow, now: datetime) -> bool:
    """Whether its reset is over, so that what was told of it holds no more."""
    return limit.reset_at is not None and limit.reset_at <= now


def _used_up(key: KeyChanged, now: datetime) -> list[RateLimit | LimitWindow]:
    gauges = (key.limits.requests, key.limits.tokens)
    empty: list[RateLimit | LimitWindow] = [
        gauge for gauge in gauges if gauge.remaining == 0 and not is_whole_again(gauge, now)
    ]
    if not (key.limits.status or "").startswith("allowed"):  # beyond its window it may serve for money
        windows = (key.limits.five_hours, key.limits.seven_days)
        empty += [
            window
            for window in windows
            if window is not None and (window.utilization or 0.0) >= USED_UP and not is_whole_again(window, now)
        ]
    return empty


def health(key: KeyChanged, now: datetime) -> Health:
    """How it stands at that time."""
    known = _STATES.get(key.state)
    if known is not None:
        return known
    return Health.SPENT if _used_up(key, now) else Health.READY


def ready_at(key: KeyChanged, now: datetime) -> datetime | None:
    """When it serves again by itself; None where it does now, and where nobody can tell."""
    state = health(key, now)
    if state is Health.COOLING:
        return key.retry_at
    if state is Health.SPENT:
        resets = [limit.reset_at for limit in _used_up(key, now)]
        return None if None in resets else max(reset for reset in resets if reset is not None)
    return None


@frozen
class PoolHealth:
    """Keys counted: how many are ready, of how many, and which is the next to be."""

    ready: int
    total: int
    next: KeyChanged | None = None
    next_at: datetime | None = None

    @classmethod
    def of(cls, keys: Iterable[KeyChanged], now: datetime) -> PoolHealth:
        """Those keys at that time."""
        found = list(keys)
        waits = [(at, key) for key in found if (at := ready_at(key, now)) is not None]
        at, key = min(waits, key=lambda wait: wait[0], default=(None, None))
        return cls(sum(health(key, now) is Health.READY for key in found), len(found), key, at)

    @classmethod
    def together(cls, pools: Iterable[PoolHealth]) -> PoolHealth:
        """Several pools counted as one."""
        found = list(pools)
        ready, total = sum(pool.ready for pool in found), sum(pool.total for pool in found)
        waits = [(pool.next_at, pool.next) for pool in found if pool.next_at is not None]
        at, key = min(waits, key=lambda wait: wait[0], default=(None, None))
        return cls(ready, total, key, at)

    @property
    def is_out(self) -> bool:
        """Whether no key is ready, though there are some."""
        return self.total > 0 and self.ready == 0


def by_provider(keys: Iterable[KeyChanged]) -> dict[str, list[KeyChanged]]:
    """The keys of each provider, providers by name, keys in the pool's order."""
    pools: dict[str, list[KeyChanged]] = {}
    for key in keys:
        pools.setdefault(key.provider, []).append(key)
    return dict(sorted(pools.items()))
