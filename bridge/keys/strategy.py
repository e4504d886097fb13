"""In which order the keys of a pool are tried (behaviour 2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, get_args

from bridge.keys.key import Key
from bridge.keys.rate_limits import headroom

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
