"""A request is cancelled at its first step, its second, and so on to its last: each time everything must hold.

After SQLite's tests, which let the n-th call fail for every n. A step is what a task does between two checkpoints;
those of all tasks that serve the request's connection are counted.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
import trio
from attrs import define, field

from bridge.interception.lifecycle import CancelReason
from tests.faults.census import nothing_left
from tests.faults.wire import RawClient, client, health, request
from tests.support.world import HELLO, KEYS, Asked, Reply, World, provider, say_hello, world

FEWEST_STEPS = 10
"""A request has more than these; else the counting is at fault."""


@define(eq=False)
class StepTrap(trio.abc.Instrument):
    """Counts the steps of every connection's tasks, and springs at the n-th."""

    at: int
    spring: Callable[[], object]
    steps: int = 0
    _tasks: set[trio.lowlevel.Task] = field(factory=set)

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        """Takes in what serves a connection, and all that comes of it."""
        parent = task.parent_nursery.parent_task if task.parent_nursery else None
        if "Listener._serve" in task.name or parent in self._tasks:
            self._tasks.add(task)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Counts."""
        if task in self._tasks:
            self.steps += 1
            if self.steps == self.at:
                self.spring()


@define
class Good:
    """A provider that answers well, for some keys after a refusal, and knows how often."""

    refused_keys: int
    streams: int = 0

    async def handle(self, asked: Asked, reply: Reply) -> None:
        """Answers one request."""
        if asked.key in KEYS[: self.refused_keys]:
            await reply.whole(429, b"{}", [("retry-after", "0")])
            return
        self.streams += 1
        await say_hello(asked, reply)


async def serve_one(here: World, connection: RawClient) -> bool:
    """One request in two parts. Returns whether it was answered well; a half answer ends the connection."""
    said = request(here.port)
    await connection.send(said[:-10])
    await trio.lowlevel.checkpoint()
    await connection.send(said[-10:])
    answer = await connection.answer()
    if answer is None or not answer.complete:
        assert await connection.until_closed() == b""
        return False
    if answer.header("connection") != "close":  # then it must be fit for the next request
        await connection.send(health(here.port))
        after = await connection.answer()
        assert after is not None
        assert after.status == 200
    if answer.status != 200:
        assert answer.json["error"]
        return False
    assert answer.body == b"".join(HELLO)
    return True


def cancel_all(here: World) -> None:
    """What a `cancel` from the monitor does, to whatever is live."""
    app = here.bridge._app
    assert app is not None
    for cancellation in list(app.live.values()):
        cancellation.cancel(CancelReason.BY_OWNER)


@pytest.mark.parametrize("refused_keys", [0, 2])
async def test_cancelled_by_its_owner_at_every_step(refused_keys: int) -> None:
    good = Good(refused_keys)
    cancelled = 0
    async with provider(good.handle) as url, world(url, KEYS) as here:
        for at in count(1):
            trap = StepTrap(at, lambda: cancel_all(here))
            before = good.streams, len(here.events("interception.ended"))
            trio.lowlevel.add_instrument(trap)
            async with nothing_left(here), client(here.port) as connection:
                served = await serve_one(here, connection)
                trio.lowlevel.remove_instrument(trap)
            ended = here.events("interception.ended")[before[1] :]
            assert len(ended) == 1
            assert good.streams - before[0] <= 1
            assert not served or good.streams - before[0] == 1
            cancelled += ended[0].outcome == "cancelled"
            assert ended[0].outcome in {"cancelled", "completed"}
            if trap.steps < at:
                break
    assert cancelled > FEWEST_STEPS


@pytest.mark.parametrize("refused_keys", [0, 2])
async def test_the_bridge_is_cut_off_at_every_step(refused_keys: int) -> None:
    for at in count(1):
        good = Good(refused_keys)
        async with provider(good.handle) as url, nothing_left(), world(url, KEYS) as here:
            trap = StepTrap(at, here.bridge.abort)
            trio.lowlevel.add_instrument(trap)
            async with client(here.port) as connection:
                said = request(here.port)
                await connection.send(said[:-10])
                await connection.send(said[-10:])
                await connection.answer()
            trio.lowlevel.remove_instrument(trap)
        started, ended = here.events("interception.started"), here.events("interception.ended")
        assert [event.id for event in started] == [event.id for event in ended]
        assert good.streams <= 1
        assert all(event.outcome in {"cancelled", "completed"} for event in ended)
        if trap.steps < at:
            break
    assert at > FEWEST_STEPS
