"""Many requests, few keys: nobody gets an error while one key is good, and no key is hammered while it rests.

Time stands still but for what the test lets pass, so that the keys used can be compared with a model's to the last one.
"""

from __future__ import annotations

from collections import deque

import pytest
import trio
import trio.testing
from attrs import define, field

from tests.support.world import Asked, Hang, Reply, World, ask, provider, say_hello, world

FIVE = tuple(f"sk-canary-number-{number}-000{number}" for number in range(1, 6))

FATES: dict[str, list[str]] = {
    FIVE[0]: ["ok"] * 10 + ["429:7"] + ["ok"] * 20 + ["429:20"] + ["ok"] * 30 + ["429:3"],
    FIVE[1]: ["ok"] * 15 + ["401"],
    FIVE[2]: ["503:2", "ok", "429:5", "ok", "ok", "503:1"],
    FIVE[3]: ["ok"] * 3 + ["quota"],
    FIVE[4]: [],
}
"""What becomes of each key's requests, in order; when all are used up, they are good."""

STEP_S = 0.3
REQUESTS = 200


@pytest.fixture
def clock() -> trio.testing.MockClock:
    """Trio's time, standing still."""
    return trio.testing.MockClock()


@define
class Model:
    """The pool as a page of rules would have it: the first key that does not rest and is not dead."""

    fates: dict[str, deque[str]]
    rests_until: dict[str, float] = field(factory=dict)

    def request(self, now: float) -> list[str]:
        """The keys that one request tries."""
        tried = []
        for key, fates in self.fates.items():
            if self.rests_until.get(key, 0.0) > now:
                continue
            tried.append(key)
            fate = fates.popleft() if fates else "ok"
            if fate == "ok":
                return tried
            kind, _, seconds = fate.partition(":")
            rest = {"429": float(seconds or 0), "503": float(seconds or 0), "401": float("inf"), "quota": 3600.0}[kind]
            self.rests_until[key] = now + rest
        raise AssertionError("the test's own script leaves no key")


async def test_two_hundred_requests_over_a_minute(clock: trio.testing.MockClock) -> None:
    fates = {key: deque(words) for key, words in FATES.items()}
    used: list[str] = []

    async def handle(asked: Asked, reply: Reply) -> None:
        used.append(asked.key)
        fate = fates[asked.key].popleft() if fates[asked.key] else "ok"
        kind, _, seconds = fate.partition(":")
        match kind:
            case "ok":
                await say_hello(asked, reply)
            case "quota":
                await reply.whole(429, b'{"error":{"code":"insufficient_quota"}}')
            case _:
                await reply.whole(int(kind), b"{}", [("retry-after", seconds)] if seconds else [])

    model = Model({key: deque(words) for key, words in FATES.items()})
    expected: list[str] = []
    async with provider(handle) as url, world(url, FIVE) as here:
        for _ in range(REQUESTS):
            expected += model.request(trio.current_time())
            assert (await ask(here.port)).status == 200
            clock.jump(STEP_S)
        clock.rate = 1
    assert used == expected
    assert set(used) == set(FIVE)


async def test_only_what_was_under_way_fails_over(clock: trio.testing.MockClock) -> None:
    """A key is limited while 20 requests are on it; 80 more come as soon as the first of them knows."""
    limited = trio.Event()
    used: list[str] = []

    async def handle(asked: Asked, reply: Reply) -> None:
        used.append(asked.key)
        if asked.key == FIVE[0] and not clock.rate:
            if len(used) == 20:
                limited.set()
            await limited.wait()
            await reply.whole(429, b"{}", [("retry-after", "30")])
            raise Hang
        await say_hello(asked, reply)

    async with provider(handle) as url, world(url, FIVE[:2]) as here:
        statuses: list[int] = []

        async def request() -> None:
            statuses.append((await ask(here.port)).status)

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(request)
            await limited.wait()
            await cooling(here)
            for _ in range(80):
                nursery.start_soon(request)
        assert statuses == [200] * 100
        assert used.count(FIVE[0]) == 20
        assert used.count(FIVE[1]) == 100
        clock.jump(30)
        clock.rate = 1
        await ask(here.port)
        assert used[-1] == FIVE[0]  # recovered, and leading again


async def cooling(here: World) -> None:
    """Waits until the first key is marked, without any time passing."""
    while not any(event.state == "temporary" for event in here.events("key.changed")):
        await trio.lowlevel.checkpoint()
