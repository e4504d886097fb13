"""What to tell a client when no key is left to try (behaviour 2.5)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from attrs import frozen

from bridge.events.vocabulary import FailureReason, KeyState
from bridge.keys.key import Key
from bridge.keys.verdict import Failure

SHORTEST_WAIT_S = 0.1
"""Also a provider that says "again in 0 s" to each request is not asked more often by one that waits."""

Kind = Literal["cooling", "relay", "dead", "no_keys"]


@frozen
class Exhausted:
    """Why there is no key for an interception, and what follows.

    `cooling`: some key comes back by itself; wait until the monotonic time `wait_until`, or answer 429 with
    `Retry-After: retry_after_s`. `relay`: the keys are well, it is the request or the provider; relay the last answer
    as it came. `dead`, `no_keys`: 502. `message` names the keys by hint alone.
    """

    kind: Kind
    message: str
    retry_after_s: int | None = None
    wait_until: float | None = None

    @property
    def relay_last(self) -> bool:
        """Whether the client gets the last answer as it came."""
        return self.kind == "relay"


def exhausted(provider: str, keys: Sequence[Key], failures: Sequence[tuple[Key, Failure]], now: float) -> Exhausted:
    """The end of one interception's walk: the pool's `keys` as they are, and its own `failures` in order."""
    if not keys:
        return Exhausted("no_keys", f"{provider} has no API key configured; add one to providers.{provider}.keys")
    message = _message(provider, keys, dict(failures), now)
    ends = [key.cooling.until for key in keys if key.cooling]
    # A rest that has passed since, or was none ("Retry-After: 0"): the next request may have the key.
    rested = {key for key, failure in failures if failure.cooldown_s is not None}
    ends += [now for key in keys if key in rested and key.admits(now)]
    if ends:
        earliest = max(min(ends), now)
        return Exhausted(
            "cooling",
            message,
            retry_after_s=max(1, _whole_seconds(earliest - now)),
            wait_until=max(earliest, now + SHORTEST_WAIT_S),
        )
    reasons = [failure.reason for _, failure in failures]
    if reasons and (set(reasons) == {FailureReason.FORBIDDEN} or reasons[-1] is FailureReason.OVERLOADED):
        return Exhausted("relay", message)
    return Exhausted("dead", message)


def _message(provider: str, keys: Sequence[Key], failures: dict[Key, Failure], now: float) -> str:
    count = "the only API key" if len(keys) == 1 else f"none of the {len(keys)} API keys"
    is_out = "is not" if len(keys) == 1 else "is"
    whys = "; ".join(f"{key.hint} {_why(key, failures.get(key), now)}" for key in keys)
    return f"{count} of {provider} {is_out} available: {whys}"


def _why(key: Key, failure: Failure | None, now: float) -> str:
    if key.state is KeyState.DISABLED:
        return "is disabled"
    if key.refusal is not None:
        return f"was refused by the provider ({key.refusal})"
    if key.cooling:
        return f"cools down for {_whole_seconds(key.cooling.until - now)} s ({key.cooling.reason})"
    if failure is not None:
        return f"was tried ({failure.reason})"
    return "was tried"


def _whole_seconds(seconds: float) -> int:
    # To the microsecond first: 7 s added to a clock and taken off again may come back as 7.000000000001.
    return math.ceil(round(seconds, 6))
