"""What a process holds: counts tasks and descriptors, and fails a test after which there are more than before."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import trio
import trio.testing
from attrs import frozen

from tests.support.until import until
from tests.support.world import World

_DESCRIPTORS = Path("/proc/self/fd" if sys.platform == "linux" else "/dev/fd")

SETTLE_S = 10.0
"""How long what is on its way out may take: longer than a lingering close, far shorter than any keep-alive."""


@frozen
class Census:
    """How many Trio tasks there are, by name, and how many open descriptors."""

    tasks: Counter[str]
    descriptors: int

    def beyond(self, before: Census) -> dict[str, int]:
        """What there is more of now. What began with the bridge may have ended since: fewer is well."""
        more = dict(self.tasks - before.tasks)
        if self.descriptors > before.descriptors:
            more["descriptors"] = self.descriptors - before.descriptors
        return more


def census() -> Census:
    """Counts now."""
    root = trio.lowlevel.current_root_task()
    assert root is not None
    return Census(
        Counter(task.name.rpartition(".")[2] for task in _below(root)), sum(1 for _ in _DESCRIPTORS.iterdir())
    )


@asynccontextmanager
async def nothing_left(here: World | None = None) -> AsyncIterator[None]:
    """Fails unless the block leaves no more tasks and descriptors than it found, and each interception ended once."""
    with no_collection():
        await close_idle(here)
        await trio.testing.wait_all_tasks_blocked()
        before = census()
        yield
        assert await settled(before, here) == {}
    if here is not None:
        in_use = [provider.upstream.in_use for provider in here.bridge.providers.values()]
        assert in_use == [0] * len(in_use)
        # An end waits for the price list, if it comes before that is there.
        await until(lambda: len(here.events("interception.ended")) >= len(here.events("interception.started")))
        started = sorted(event.id for event in here.events("interception.started"))
        assert started == sorted(event.id for event in here.events("interception.ended"))


async def settled(before: Census, here: World | None = None) -> dict[str, int]:
    """What there is more of than before, once what is on its way out has had its time."""
    await close_idle(here)
    more = census().beyond(before)
    with trio.move_on_after(SETTLE_S):
        while more:
            await trio.sleep(0.005)
            await close_idle(here)
            more = census().beyond(before)
    return more


async def close_idle(here: World | None) -> None:
    """Connections kept for the next request upstream are no leak; how many there are is up to chance."""
    if here is not None:
        for provider in here.bridge.providers.values():
            idle = provider.upstream._connections._idle
            while idle:
                await idle.pop().close()


@contextmanager
def no_collection() -> Iterator[None]:
    """Garbage is not collected meanwhile, so that a socket which only the collector would close counts as left."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _below(task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
    yield task
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield from _below(child)
