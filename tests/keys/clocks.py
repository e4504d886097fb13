"""Two clocks that stand still until a test moves them, and a pool that runs by them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from attrs import define, field

from bridge.events.vocabulary import Event, KeyChanged
from bridge.keys.key import Key
from bridge.keys.pool import KeyPool
from bridge.keys.secret import Secret

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

ALPHA = Secret("sk-alpha-0123456789-AAAA")
BRAVO = Secret("sk-bravo-0123456789-BBBB")
CHARLIE = Secret("sk-charl-0123456789-CCCC")


@define
class Clocks:
    """Monotonic seconds from an odd beginning, and a wall clock that can be set on its own."""

    monotonic: float = 5000.25
    wall: datetime = NOON

    def pass_time(self, seconds: float) -> None:
        """Both go on."""
        self.monotonic += seconds
        self.wall += timedelta(seconds=seconds)


@define
class Bench:
    """A pool, its clocks, and what it told."""

    clocks: Clocks
    pool: KeyPool
    events: list[KeyChanged]
    pokes: list[float | None] = field(factory=list)
    became_valid: int = 0
    others: list[Event] = field(factory=list)
    """What it told of more than one key."""

    @classmethod
    def of(
        cls,
        *secrets: Secret,
        strategy: str = "fallback",
        clocks: Clocks | None = None,
        groups: Sequence[Sequence[int]] = (),
        affinity: bool = True,
    ) -> Bench:
        """A pool of these keys under its own clocks."""
        clocks = clocks or Clocks()
        events: list[KeyChanged] = []

        others: list[Event] = []

        def publish(event: Event) -> None:
            if isinstance(event, KeyChanged):
                events.append(event)
            else:
                others.append(event)

        pool = KeyPool(
            "openai",
            secrets,
            publish=publish,
            clock=lambda: clocks.monotonic,
            wall=lambda: clocks.wall,
            strategy=strategy,
            groups=groups,
            affinity=affinity,
        )
        bench = cls(clocks, pool, events, others=others)

        def poked() -> None:
            bench.pokes.append(pool.next_deadline())

        def woken() -> None:
            bench.became_valid += 1

        pool.on_reschedule = poked
        pool.on_valid = woken
        return bench

    def take(self) -> Key:
        """The key that a new interception gets first."""
        key = self.pool.walk().next()
        assert key is not None
        return key

    def used_by_new_walk(self) -> Sequence[str]:
        """The hints of the keys that a walk is given when each of them disappoints without a mark."""
        walk = self.pool.walk()
        used = []
        while (key := walk.next()) is not None:
            used.append(key.hint)
        return used
