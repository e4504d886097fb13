"""A soak from beginning to end: warm up, work and measure, come to rest, judge."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import trio
from attrs import Factory, define, field, frozen

from tests.faults.fuzz.subject import Bridge, Holding, bridge, settled
from tests.faults.soak.provider import SoakProvider
from tests.faults.soak.slope import Slope, slope
from tests.faults.soak.work import Work
from tests.support.command_line import Home, home
from tests.support.world import KEYS, provider

SAMPLE_S = 5.0
WORKERS = 8
MOST_AN_HOUR_MIB = 1.0
JUDGED_S = 300.0
"""A second half that is shorter is still warming up: caches fill, and the allocator takes more in steps."""
MOST_WAL_MIB = 64.0
ROOM = 8
"""So many descriptors and threads more than at the beginning are chance."""
SETTLE_S = 30.0

CONFIGURATION = """
[providers.openai]
type = "openai"
base_url = "{url}"
keys = {keys}
wait_for_key = "30s"
idle_timeout = "60s"
[providers.anthropic]
type = "anthropic"
base_url = "{root}"
keys = {keys}
wait_for_key = "30s"
idle_timeout = "60s"
"""

Say = Callable[[str], None]


@frozen
class Sample:
    """What the bridge held at a time, in seconds from the beginning; sizes are in MiB."""

    at: float
    held: Holding
    running: int
    wal_mib: float
    database_mib: float


@define
class Soak:
    """What a run measured, and what was wrong."""

    samples: list[Sample] = field(factory=list)
    done: Counter[str] = Factory(Counter)
    wrong: list[str] = field(factory=list)

    @property
    def memory(self) -> Slope:
        """MiB an hour over the second half."""
        late = [sample for sample in self.samples if sample.at >= self.samples[-1].at / 2] if self.samples else []
        return slope([sample.at for sample in late], [sample.held.rss_mib for sample in late])

    @property
    def is_long(self) -> bool:
        """Whether its memory can be judged."""
        return bool(self.samples) and self.samples[-1].at >= 2 * JUDGED_S - 2 * SAMPLE_S

    def judge(self) -> Iterator[str]:
        """What grows."""
        if self.is_long and self.memory.grows(MOST_AN_HOUR_MIB):
            yield f"memory grows by {self.memory} MiB an hour"
        wal = max((sample.wal_mib for sample in self.samples), default=0.0)
        if wal > MOST_WAL_MIB:
            yield f"the write-ahead log had {wal:.0f} MiB"


async def run_soak(seconds: float, seed: int, say: Say = lambda _: None, sample_s: float = SAMPLE_S) -> Soak:
    """Works for that long, then comes to rest. The first tenth, at most a minute, is for warming up."""
    soak = Soak()
    upstream = SoakProvider()
    with home() as here:
        async with provider(upstream.handle) as url:
            keys = list(KEYS)
            text = CONFIGURATION.format(url=url, root=url.removesuffix("/v1"), keys=keys)
            async with bridge(here, text) as serving:
                work = Work(serving, here, text, random.Random(seed), soak.done)  # noqa: S311
                await _work_for(work, min(60.0, seconds / 10))
                base = await _at_rest(serving)
                say(f"at rest after the warm-up: {_held(base)}")
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_measure, serving, here, soak, say, sample_s)
                    await _work_for(work, seconds)
                    nursery.cancel_scope.cancel()
                rest = await _at_rest(serving)
                say(f"at rest after the work: {_held(rest)}")
                soak.wrong += [*work.wrong, *serving.wrong, *(f"logged: {told}" for told in serving.subject.trouble())]
    if serving.running:
        soak.wrong.append(f"{len(serving.running)} interceptions have not ended")
    if rest.descriptors > base.descriptors + ROOM:
        soak.wrong.append(f"descriptors grow from {base.descriptors} to {rest.descriptors}")
    if rest.threads > base.threads + ROOM:
        soak.wrong.append(f"threads grow from {base.threads} to {rest.threads}")
    return soak


async def _work_for(work: Work, seconds: float) -> None:
    with trio.move_on_after(seconds):
        await work.run(WORKERS)


async def _at_rest(serving: Bridge) -> Holding:
    """What it holds when nothing is asked of it."""
    before = serving.subject.holding()
    still = 0

    def is_still() -> bool:
        nonlocal before, still
        now = serving.subject.holding()
        same = (now.descriptors, now.threads) == (before.descriptors, before.threads)
        still, before = still + 1 if same and not serving.running else 0, now
        return still > 100

    await settled(is_still, SETTLE_S)
    return serving.subject.holding()


async def _measure(serving: Bridge, here: Home, soak: Soak, say: Say, sample_s: float) -> None:
    begun = time.monotonic()
    database = here.path / "data" / "clearspan" / "clearspan.db"
    while True:
        await trio.sleep(sample_s)
        if not serving.subject.alive:
            soak.wrong.append(f"the bridge has ended with {serving.subject.process.returncode}")
            return
        sample = Sample(
            time.monotonic() - begun,
            serving.subject.holding(),
            len(serving.running),
            _size(database.with_name(database.name + "-wal")),
            _size(database),
        )
        soak.samples.append(sample)
        say(
            f"{sample.at:.0f} s: {_held(sample.held)}, {sample.running} running, "
            f"WAL {sample.wal_mib:.1f} MiB, database {sample.database_mib:.0f} MiB, {soak.done.total()} done"
        )


def _held(held: Holding) -> str:
    return f"{held.rss_mib:.1f} MiB, {held.descriptors} descriptors, {held.threads} threads"


def _size(file: Path) -> float:
    return file.stat().st_size / 1024 / 1024 if file.exists() else 0.0
