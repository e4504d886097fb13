"""One interception's way through a pool."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet

from attrs import Factory, define, field

from bridge.keys.key import Key
from bridge.keys.rate_limits import Headers
from bridge.keys.verdict import Failure

Pick = Callable[[AbstractSet[Key]], Key | None]
"""The key to try next, other than those."""

Apply = Callable[[Key, Failure, Headers], float | None]
"""What a failure does to a key; see `KeyPool.fail`."""


@define(eq=False)
class Walk:
    """Hands out keys until one answers: each at most once, and none that is not valid at that moment."""

    _pick: Pick = field(repr=False)
    _apply: Apply = field(repr=False)
    failures: list[tuple[Key, Failure]] = Factory(list)
    """What this interception met, in order."""

    _tried: set[Key] = field(factory=set, init=False)

    def next(self) -> Key | None:
        """The key to try now; None when there is none: `KeyPool.exhaustion` says why."""
        key = self._pick(self._tried)
        if key is not None:
            self._tried.add(key)
        return key

    def fail(self, key: Key, failure: Failure, headers: Headers = ()) -> float | None:
        """Remembers the failure and hands it to the pool; see `KeyPool.fail`."""
        self.failures.append((key, failure))
        return self._apply(key, failure, headers)

    def resume(self) -> None:
        """After a wait for `Exhausted.wait_until`: keys that had to rest may be tried again once they are valid."""
        self._tried -= {key for key, failure in self.failures if failure.cooldown_s is not None}
