"""Seeded chaos: many misbehaving clients, a misbehaving provider, one bridge between them, and what must hold after.

`scripts/chaos` runs it for long, `test_chaos.py` shortly. The seed decides what every client and the provider do; when
they do it is up to the scheduler.
"""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import structlog
import trio
import trio.testing
from attrs import Factory, define
from structlog.processors import format_exc_info

from bridge.config.settings import CircuitBreakerSettings
from bridge.events.values import KeyState
from bridge.events.vocabulary import KeyChanged
from bridge.events.wire import Envelope
from bridge.http import connection
from tests.faults.census import Census, census, close_idle, no_collection, settled
from tests.faults.chaos_clients import run_client
from tests.faults.chaos_provider import ChaosProvider
from tests.support.world import HELLO, KEYS, World, ask, provider, world

STALL_S = 0.3
IDLE_S = 4.0
"""For silent answers; a busy machine must not take good ones for such."""
PATIENCE_S = 60.0
"""No client waits so long for anything: one that does has been forgotten."""


@define
class Report:
    """What a run did, and which promises it broke."""

    seed: int
    clients: Counter[str] = Factory(Counter)
    faults: Counter[str] = Factory(Counter)
    outcomes: Counter[str] = Factory(Counter)
    interceptions: int = 0
    seconds: float = 0.0
    peak_mib: float = 0.0
    violations: list[str] = Factory(list)

    def lines(self) -> Iterator[str]:
        """For people."""
        done = f"{self.clients.total()} connections in {self.seconds:.1f} s"
        yield f"seed {self.seed}: {done}, peak {self.peak_mib:.0f} MiB with all garbage"
        yield f"clients: {_counts(self.clients)}"
        yield f"upstream answers: {_counts(self.faults)}"
        yield f"interceptions: {self.interceptions} ({_counts(self.outcomes)})"
        for violation in self.violations[:20]:
            yield f"VIOLATED: {violation}"
        more = len(self.violations) - 20
        yield f"... and {more} more" if more > 0 else f"{len(self.violations)} violations"


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counter.most_common())


async def run_chaos(connections: int, seed: int, concurrency: int) -> Report:
    """Throws so many connections at a bridge, at most `concurrency` at a time, then checks what must hold."""
    report, upstream = Report(seed), ChaosProvider()
    started = time.monotonic()
    # The stalled and the silent must be found out within the run.
    with _set(connection, STALL_S=STALL_S), structlog.testing.capture_logs([format_exc_info]) as logs, no_collection():
        async with (
            provider(upstream.handle) as url,
            world(url, KEYS, idle_timeout=IDLE_S, circuit_breaker=CircuitBreakerSettings(enabled=False)) as here,
        ):
            here.bridge.hub.add_sink(partial(_keep_ends, here))
            here.bridge.hub.add_sink(partial(_revive, here))
            await _storm(here, connections, concurrency, report)
            report.faults = upstream.faults
            del upstream.good[0]
            for number, count in upstream.good.items():
                if count > 1:
                    report.violations.append(f"request {number} had {count} good answers")
            await trio.testing.wait_all_tasks_blocked()
            _check_events(here, report)
    for entry in logs:
        if entry["log_level"] in {"error", "critical"}:
            report.violations.append(f"logged: {entry['event']} {entry.get('exception', '')}")
    report.seconds = time.monotonic() - started
    report.peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return report


async def _storm(here: World, connections: int, concurrency: int, report: Report) -> None:
    await ask(here.port, b'{"metadata":{"wish":"0:none:0:0"}}')
    await close_idle(here)
    await trio.testing.wait_all_tasks_blocked()
    before = census()
    room = trio.Semaphore(concurrency)

    async def behave(number: int) -> None:
        with trio.move_on_after(PATIENCE_S) as patience:
            report.clients[await run_client(here.port, number, report.seed, report.violations)] += 1
        if patience.cancelled_caught:
            report.violations.append(f"connection {number} was left waiting")
        room.release()

    async with trio.open_nursery() as nursery:
        for number in range(1, connections + 1):
            await room.acquire()
            nursery.start_soon(behave, number)
    await _check_left(here, before, report)
    for _ in range(10):
        answer = await ask(here.port, b'{"metadata":{"wish":"0:none:0:0"}}', headers=[("Authorization", "Bearer own")])
        if (answer.status, answer.body) != (200, b"".join(HELLO)):
            report.violations.append(f"it does not serve any more: {answer}")


async def _check_left(here: World, before: Census, report: Report) -> None:
    if more := await settled(before, here):
        report.violations.append(f"left behind: {more}")
    for name, of_bridge in here.bridge.providers.items():
        if of_bridge.upstream.in_use:
            report.violations.append(f"{name}: {of_bridge.upstream.in_use} places upstream are not given back")


def _check_events(here: World, report: Report) -> None:
    started = Counter(event.id for event in here.events("interception.started"))
    ended = Counter(event.id for event in here.events("interception.ended"))
    report.interceptions = len(started)
    report.outcomes = Counter(event.outcome.value for event in here.events("interception.ended"))
    for identity in started.keys() | ended.keys():
        if (started[identity], ended[identity]) != (1, 1):
            report.violations.append(f"{identity} started {started[identity]} times, ended {ended[identity]} times")


def _keep_ends(here: World, envelope: Envelope) -> None:
    """Of a long run's events only these are looked at again; all of them would be most of the memory."""
    if envelope.event.type not in {"interception.started", "interception.ended"}:
        here.envelopes.pop()


def _revive(here: World, envelope: Envelope) -> None:
    """Refused and cooling keys come back at once, or most of the run would be about an empty pool."""
    event = envelope.event
    if isinstance(event, KeyChanged) and event.state is not KeyState.VALID:
        pool = here.bridge.providers[event.provider].pool
        trio.lowlevel.current_trio_token().run_sync_soon(pool.reset, event.key)


@contextmanager
def _set(module: object, **values: float) -> Iterator[None]:
    before = {name: getattr(module, name) for name in values}
    for name, value in values.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)
