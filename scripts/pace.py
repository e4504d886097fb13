"""How fast the machine itself is while something is measured on it.

A shared or a hot machine slows all its cores to a tenth for some 50 ms, again and again; no clock counts that as
stolen, but a loop that only counts shows it. Whatever runs then is late, so the slowest of a hundred requests, or the
middle one of ten starts, tells of the machine and not of what is measured.
"""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

EVERY_S = 0.005
COUNT = 300
"""How far the loop counts: some 10 µs."""
TRIES = 3
"""The best of them counts: another program may have the core during one."""
SLOW = 1.25
"""A processor is slowed that takes so many times what it takes usually."""
STEADY = 0.05
"""It kept its speed where no more than this part of a time was slowed."""


class Pace:
    """Looks again and again how long one and the same work takes. Times are on the clock `time.perf_counter`, which is
    one for all processes of a machine (CLOCK_MONOTONIC)."""

    def __init__(self) -> None:
        self._at: list[float] = []
        self._took: list[float] = []

    async def watch(self) -> None:
        """Looks until it is cancelled."""
        while True:
            self._look()
            await asyncio.sleep(EVERY_S)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Looks meanwhile, in a thread: for who waits for a program."""
        left = threading.Event()

        def watch() -> None:
            while not left.wait(EVERY_S):
                self._look()

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            left.set()
            thread.join()

    def _look(self) -> None:
        clock = time.perf_counter
        best = 1.0
        for _ in range(TRIES):
            began = clock()
            for _ in range(COUNT):
                pass
            best = min(best, clock() - began)
        self._at.append(clock())
        self._took.append(best)

    def slowed(self, since: float, until: float) -> float:
        """For what part of that time the processor was slowed, from 0 to 1: by the looks in it, and one on each side.

        To be asked when nobody looks any more: what is usual comes from all looks.
        """
        seen = self._took[max(0, bisect_left(self._at, since) - 1) : bisect_right(self._at, until) + 1]
        return sum(took > self._too_long for took in seen) / max(1, len(seen))

    def kept(self, since: float, until: float) -> bool:
        """Whether the processor kept its speed in that time."""
        return self.slowed(since, until) < STEADY

    @cached_property
    def _too_long(self) -> float:
        return SLOW * statistics.median(self._took)
