"""What an answer used, model by model: the parts whose sum `tokens.used` tells, for whoever has to price them."""

from __future__ import annotations

from math import isfinite
from typing import Any

from bridge.value_classes import frozen

LARGEST_COUNT = 2**53  # more is no count of tokens, and does not fit into every JSON number


@frozen
class Usage:
    """One model's part of what an answer used. Counts are tokens, but for `web_searches`.

    `input` leaves out what was read from a cache and what was written to one. `cache_write_input` counts all that was
    written, `cache_write_1h_input` those of them that are kept for an hour. `audio` counts those
    of the prompt and of the answer that are sound. `cost_usd` is the provider's own figure, in US dollars, and None
    where it tells none.
    """

    model: str | None = None
    input: int = 0
    output: int = 0
    cache_read_input: int = 0
    cache_write_input: int = 0
    cache_write_1h_input: int = 0
    audio: int = 0
    web_searches: int = 0
    service_tier: str | None = None
    speed: str | None = None
    cost_usd: float | None = None


def tokens(usage: object, *path: str) -> int:
    """The count at a path of keys in a usage object; 0 where there is none, never negative."""
    value: Any = usage
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, bool) or not isinstance(value, int):
        return 0
    return min(max(value, 0), LARGEST_COUNT)


def told_cost(usage: dict[str, Any]) -> float | None:
    """What a provider says that the answer cost, in US dollars; None where it says nothing.

    OpenRouter tells it in `cost`; where the caller's own key at an upstream paid, `cost` is its fee alone, and
    `cost_details` has the rest (its documentation, "Usage Accounting").
    """
    cost = _amount(usage.get("cost"))
    details = usage.get("cost_details")
    if cost is not None and usage.get("is_byok") is True and isinstance(details, dict):
        cost += _amount(details.get("upstream_inference_cost")) or 0.0
    return cost


def _amount(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value < 0:
        return None
    return float(value)


def summed(before: Any, more: Any) -> Any:
    """Two usage objects of a provider's as one: counts are added up, lists joined; of all else the later counts."""
    if isinstance(before, dict) and isinstance(more, dict):
        return {name: summed(before.get(name), more.get(name)) for name in {**before, **more}}
    if isinstance(before, list) and isinstance(more, list):
        return [*before, *more]
    if _is_count(before) and _is_count(more):
        return before + more
    return before if more is None else more


def _is_count(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
