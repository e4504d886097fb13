"""One interception's way through a pool, and what to send a client when no key is left to try.

docs/behaviour.md, Key pool, has the rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

from attrs import Factory, field

from bridge.events.values import FailureReason, KeyCause, KeyState, MoveCause
from bridge.keys.affinity import Asker, Move
from bridge.keys.key import Key
from bridge.keys.rate_limits import Headers
from bridge.keys.verdict import Failure
from bridge.value_classes import define, frozen

SHORTEST_WAIT_S = 0.1
"""Also a provider that says "again in 1 ms" to each request gets no more requests from one that waits."""

CROWDED = "the API keys of {} are at their limits, and other requests wait for them before this one"

Pick = Callable[["Walk"], Key | None]
"""The key that a walk is to try next, other than those it has tried."""

Apply = Callable[["Walk", Key, Failure, Headers, KeyCause | None], float | None]
"""What a failure does to a key; see `KeyPool.fail`."""

Over = Callable[["Walk"], None]
"""A walk has ended."""

ExhaustedKind = Literal["cooling", "crowded", "relay", "dead", "no_keys"]


@define(eq=False)
class Walk:
    """Hands out keys until one serves: each at most once, and none that is not valid at that moment.

    However it goes, `close` ends it.
    """

    _pick: Pick = field(repr=False)
    _apply: Apply = field(repr=False)
    _over: Over = field(repr=False)
    asker: Asker = Factory(Asker)
    failures: list[tuple[Key, Failure]] = Factory(list)
    """What this interception met, in order."""

    tried: set[Key] = field(factory=set, init=False)
    left: tuple[Key, MoveCause] | None = field(default=None, init=False)
    """The key that its asker was served with before, where it had to go to another, and why."""
    move: Move | None = field(default=None, init=False)
    """Its asker is served with another key now, which is told once it is known what that cost."""
    waited: bool = field(default=False, init=False)

    def next(self) -> Key | None:
        """The key to try now; None when there is none: `KeyPool.exhaustion` says why."""
        key = self._pick(self)
        if key is not None:
            self.tried.add(key)
        return key

    def fail(self, key: Key, failure: Failure, headers: Headers = (), cause: KeyCause | None = None) -> float | None:
        """Remembers the failure and hands it to the pool; see `KeyPool.fail`."""
        self.failures.append((key, failure))
        return self._apply(self, key, failure, headers, cause)

    def resume(self) -> None:
        """After a wait for `Exhausted.wait_until`: keys that had to rest may be tried again once they are valid."""
        self.waited = True
        self.tried -= {key for key, failure in self.failures if failure.cooldown_s is not None}

    def close(self) -> None:
        """It is over: what it held is given back, what it has to tell is told. Does nothing the second time."""
        self._over(self)


@frozen
class Exhausted:
    """Why there is no key for an interception, and what follows.

    `cooling`: some key comes back by itself; wait until the monotonic time `wait_until`, or answer 429 with
    `Retry-After: retry_after_s`. `crowded`: keys serve, but others wait for them before this request; the same.
    `relay`: the keys are well, it is the request or the provider; relay the last response as it came. `dead`,
    `no_keys`: 502. `message` names the keys by hint alone.
    """

    kind: ExhaustedKind
    message: str
    retry_after_s: int | None = None
    wait_until: float | None = None


def exhausted(provider: str, keys: Sequence[Key], walk: Walk, now: float) -> Exhausted:
    """The end of one interception's walk: the pool's `keys` as they are, and its own failures in order."""
    failures = walk.failures
    if not keys:
        return Exhausted("no_keys", f"{provider} has no API key configured; add one to providers.{provider}.keys")
    if any(key.admits(now) and key not in walk.tried for key in keys):
        return Exhausted("crowded", CROWDED.format(provider), retry_after_s=1, wait_until=now + SHORTEST_WAIT_S)
    message = _message(provider, keys, dict(failures), now)
    ends = [key.cooling.until for key in keys if key.cooling]
    # A rest that has passed since: the next request may have the key.
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
