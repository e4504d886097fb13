"""How fast the record is written, and how long events wait while much that is old is pruned.

The delay of an event is what somebody who reads the file sees: the time from `publish` until its row is there.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import trio
import trio.lowlevel

from bridge.config.settings import RecordSettings
from bridge.config.units import Seconds
from bridge.events.hub import Hub, utc_now
from bridge.events.times import format_time
from bridge.events.values import Credential, Outcome, ThoughtSource
from bridge.events.vocabulary import (
    AttemptStarted,
    Event,
    InterceptionEnded,
    InterceptionStarted,
    PromptRecorded,
    ResponseStarted,
    ThoughtRecorded,
    TokensUsed,
    ToolCalled,
)
from bridge.record.database import open_for_writing
from bridge.record.recorder import Recorder
from bridge.record.upkeep import Upkeep
from tests.support.generated_record import LAST, make_record

MIB = 1024 * 1024
WATCHED_EVERY_S = 0.01
QUEUED = 20_000
LATE_S = 0.25
FOR_EVER_S = 3e9
OLD = "SELECT 1 FROM interceptions WHERE started_at <= ? LIMIT 1"
WRITTEN = "SELECT 1 FROM token_usages WHERE interception_id = ?"


def record(count: int, old: int, rows: int) -> None:
    """Prints both, writing into an empty record and into one of so many rows."""
    for size in (0, rows):
        trio.run(_write, count, size)
    trio.run(_prune, old)


def keep_up(path: Path) -> float:
    """Does in a record what a bridge does in the background; returns the seconds it took."""
    began = time.perf_counter()
    upkeep = Upkeep()
    with closing(open_for_writing(path)) as database:
        while upkeep.step(database, utc_now(), 0.0):
            pass
    return time.perf_counter() - began


def _story(name: str) -> Iterator[Event]:
    """A usual interception."""
    path = "/openai/v1/responses"
    yield InterceptionStarted(name, "openai", "responses", "POST", path, Credential("centralized"), "gpt-5.2", True)
    yield AttemptStarted(name, 1, "sk-c...0001")
    yield ResponseStarted(name, 1, 200, "req_1")
    yield PromptRecorded(name, "resp_1", "why is the job slow? " * 20)
    yield ThoughtRecorded(name, "resp_1", 0, ThoughtSource.REASONING_SUMMARY, "look at the index " * 40)
    yield ToolCalled(name, "resp_1", "call_1", "exec_command", {"cmd": "rg parse_header"})
    yield TokensUsed(name, "resp_1", 1000, 100, 9000)
    yield InterceptionEnded(name, Outcome.COMPLETED, 200, None, 1, 4000.0, 400.0, 450.0, 40_000)


async def _write(count: int, size: int) -> None:
    with tempfile.TemporaryDirectory(prefix="clearspan-bench-") as place:
        path = Path(place) / "clearspan.db"
        if size:
            make_record(path, size)
            keep_up(path)
        hub = Hub()
        recorder = Recorder(RecordSettings(path=path, keep=Seconds(FOR_EVER_S)), path, hub)
        hub.add_sink(recorder.take)
        lost = 0
        async with trio.open_nursery() as nursery:
            await nursery.start(recorder.run)
            before, busy = time.perf_counter(), time.process_time()
            for number in range(count):
                for event in _story(f"{number:08x}"):
                    hub.publish(event)
                if number % 100 == 99:
                    await trio.lowlevel.checkpoint()
                    while len(recorder._queue) > QUEUED:  # noqa: ASYNC110, SLF001  # as fast as it is written
                        await trio.sleep(0.001)
            lost = recorder._queue.lost  # noqa: SLF001
            nursery.cancel_scope.cancel()
        took, spent = time.perf_counter() - before, time.process_time() - busy
    each = f"{spent / count * 1e6:.0f} µs of processor time each"
    print(f"written beside {size:,}: {count / took:,.0f} interceptions a second ({each})")
    print(f"lost: {lost}")


async def _prune(old: int) -> None:
    with tempfile.TemporaryDirectory(prefix="clearspan-bench-") as place:
        path = Path(place) / "clearspan.db"
        make_record(path, old)
        size = path.stat().st_size
        keep = Seconds((utc_now() - LAST).total_seconds() - 1)
        hub = Hub()
        recorder = Recorder(RecordSettings(path=path, keep=keep), path, hub)
        hub.add_sink(recorder.take)
        delays: list[float] = []
        journal = 0
        async with trio.open_nursery() as nursery:
            await nursery.start(recorder.run)
            began = time.perf_counter()
            with closing(sqlite3.connect(path)) as reader:
                number = 0
                while True:
                    name, published = f"new {number}", time.perf_counter()
                    for event in _story(name):
                        hub.publish(event)
                    while not reader.execute(WRITTEN, (name,)).fetchone():  # noqa: ASYNC110  # nothing tells when
                        await trio.sleep(WATCHED_EVERY_S)
                    delays.append(time.perf_counter() - published)
                    journal = max(journal, path.with_name(path.name + "-wal").stat().st_size)
                    number += 1
                    unused = reader.execute("PRAGMA freelist_count").fetchone()[0]
                    if not unused and reader.execute(OLD, (format_time(LAST),)).fetchone() is None:
                        break
            took = time.perf_counter() - began
            nursery.cancel_scope.cancel()
        delays.sort()
        print(f"pruned: {old:,} interceptions in {took:.0f} s, with {number} new ones meanwhile")
        late = sum(delay > LATE_S for delay in delays)
        print(f"an event waited {delays[len(delays) // 2] * 1000:.0f} ms, at most {delays[-1] * 1000:.0f} ms")
        print(f"{late} of them waited longer than {LATE_S * 1000:.0f} ms")
        print(f"the journal grew to {journal / MIB:.1f} MiB")
        print(f"the file shrank from {size / MIB:.0f} MiB to {path.stat().st_size / MIB:.1f}")
