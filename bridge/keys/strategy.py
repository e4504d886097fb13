"""In which order the keys of a pool are tried (docs/behaviour.md, Key pool). A strategy is known here alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal, get_args

from bridge.events.values import RateLimit, RateLimits

if TYPE_CHECKING:  # the configuration asks for STRATEGIES, and would wait for all of the pool
    from bridge.keys.key import Key

Strategy = Literal["fallback", "round_robin", "most_headroom"]

STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)


def in_order(keys: Sequence[Key], strategy: Strategy, last: Key | None, now: datetime) -> Sequence[Key]:
    """The keys, those to be tried first in front. `last` is the one handed out last, `now` the aware wall clock.

    `fallback`: as given. `round_robin`: as given, beginning behind the last one. `most_headroom`: the one with the
    largest share of its allowance left first; one that cools leads, for it comes up only when it may be probed.
    """
    match strategy:
        case "fallback":
            return keys
        case "round_robin":
            start = keys.index(last) + 1 if last in keys else 0
            return [*keys[start:], *keys[:start]]
        case "most_headroom":
            return sorted(keys, key=lambda key: -2.0 if key.cooldown else -headroom(key.limits, now))


def strategy_named(name: str) -> Strategy:
    """The strategy of that name. Raises ValueError where there is none."""
    for strategy in STRATEGIES:
        if strategy == name:
            return strategy
    raise ValueError(f"unknown strategy {name!r}: must be one of {', '.join(STRATEGIES)}")


def headroom(limits: RateLimits, now: datetime) -> float:
    """How much of its allowance a key has left, 0 to 1, by its tightest gauge. Unknown, or reset since, is all."""
    return min(_share(limits.requests, now), _share(limits.tokens, now))


def _share(gauge: RateLimit, now: datetime) -> float:
    if gauge.remaining is None or (gauge.reset_at is not None and gauge.reset_at <= now):
        return 1.0
    if not gauge.limit:
        return 1.0 if gauge.remaining else 0.0
    return min(gauge.remaining / gauge.limit, 1.0)
