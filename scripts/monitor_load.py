"""The monitor under load: many events over a real socket, keys pressed meanwhile. `scripts/bench monitor` runs it."""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bridge.events.picture import Picture
from bridge.events.wire import Hello, Snapshot, encode
from monitor.app import MonitorApp
from monitor.sources.bridge_socket import BridgeSource
from tests.support.flood import BEGAN, flood

ROOT = Path(__file__).resolve().parent.parent

TICK_S = 0.02
"""How often the feeding process writes."""

PRESS_S = 0.25
"""How often a key is pressed."""

IDLE_S = 5.0
SETTLED = 10_000
"""After so many events, memory must not grow any more."""

SIZE = (120, 36)


def measure(options: argparse.Namespace) -> None:
    """Prints the figures."""
    with tempfile.TemporaryDirectory(prefix="clearspan-bench-") as place:
        asyncio.run(_measure(Path(place) / "events.sock", options.events, options.rate))


async def _measure(socket: Path, events: int, rate: float) -> None:
    arguments = (sys.executable, __file__, str(socket), str(events), str(rate))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    feeder = await asyncio.create_subprocess_exec(*arguments, env=environment)
    while not socket.exists():  # noqa: ASYNC110, ASYNC240  a file has no event, and one look at it takes no time
        await asyncio.sleep(0.05)
    app = MonitorApp(BridgeSource(socket), str(socket))
    try:
        async with app.run_test(size=SIZE) as pilot:
            await pilot.pause()
            await _watch(app, events, rate)
    finally:
        feeder.terminate()
        await feeder.wait()


async def _watch(app: MonitorApp, events: int, rate: float) -> None:
    waits: list[float] = []
    settled = 0
    began, worked = time.perf_counter(), time.process_time()
    while app.state.seq < events:
        await asyncio.sleep(PRESS_S)
        waits.append(await _press(app, "j" if len(waits) % 2 else "k"))
        if not settled and app.state.seq >= min(SETTLED, events):
            settled = _memory()
    took, work = time.perf_counter() - began, time.process_time() - worked
    grown, end = _memory() - settled, _memory()
    worked = time.process_time()
    await asyncio.sleep(IDLE_S)
    idle = (time.process_time() - worked) / IDLE_S
    expected = Picture()
    for envelope in flood(events, rate):
        expected.apply(envelope.event, envelope.at)
    _say("events", f"{events:,} in {took:.1f} s: {events / took:,.0f} a second")
    _say("same as the fold", "yes" if app.state.picture == expected else "NO")
    _say("processor", f"{work / took:.0%} of a core while they come, {idle:.1%} afterwards")
    _say("key to paint", f"median {statistics.median(waits):.0f} ms, worst {max(waits):.0f} ms, {len(waits)} keys")
    _say("memory", f"{end / 1e6:.0f} MB, {grown / 1e6:+.1f} MB since event {min(SETTLED, events):,}")


async def _press(app: MonitorApp, key: str) -> float:
    """Milliseconds from a key press to the screen that shows what it did."""
    painted = asyncio.Event()
    before = time.perf_counter()
    app.simulate_key(key)
    app.call_later(app.call_after_refresh, painted.set)
    await painted.wait()
    return (time.perf_counter() - before) * 1000


def _memory() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _say(what: str, figures: str) -> None:
    print(f"{what:<20}{figures}", flush=True)


async def _feed(socket: Path, events: int, rate: float) -> None:
    """A bridge that says so many events to its first subscriber, and then nothing more."""

    async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode(Hello(1, "0.0.0", os.getpid(), "http://127.0.0.1:8484", BEGAN)))
        writer.write(encode(Snapshot.of(Picture(), 0, BEGAN)))
        loop = asyncio.get_running_loop()
        began = loop.time()
        for envelope in flood(events, rate):
            writer.write(encode(envelope))
            if envelope.seq % max(1, int(rate * TICK_S)) == 0:
                await writer.drain()
                await asyncio.sleep(max(0.0, began + envelope.seq / rate - loop.time()))
        await reader.read()

    async with await asyncio.start_unix_server(tell, socket) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_feed(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
