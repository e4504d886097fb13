"""`scripts/bench relay`: what crossing the bridge costs, against a bare relay and against asking the provider directly.

Each proxy has one core for itself, load and provider share the other; direct, bare relay, bridge, and the bridge with a
subscriber are measured in turn, round by round, so that what else the machine does meets all of them. Each is started
for its turn: the bare relay goes on with streams whose clients have left. Rates are this machine's; what matters is the
ratio. Processor time (user and system, of the proxy alone) suffers least from others, the slowest of a hundred most: it
is told a second time for the requests alone during which the processor kept its speed (`Pace`).
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from attrs import frozen

from scripts.bench_provider import BODY, EVENT, LAST
from scripts.pace import Pace

KEY = "sk-bench-0000000000000000"
PACED_STREAMS = 50
PACED_RATE = 20
PAUSE_S = 0.003
SETTLE_S = 4.0
"""By then a bridge has loaded what it loads in the background."""
OWN_SPEED = "  which it had, % of the time"
"""The machine's figure, not the proxy's."""
NAMES = ("direct", "bare relay", "bridge", "bridge, watched")
HERE = Path(__file__).parent
CORES = sorted(os.sched_getaffinity(0))


@frozen
class Target:
    """Who is asked. `pid` is the proxy's; None where there is none."""

    name: str
    port: int
    path: str
    pid: int | None = None
    socket: str | None = None
    """Of the bridge's events, where somebody is to listen to them."""


@contextmanager
def process(core: int, *command: str) -> Iterator[tuple[int, int]]:
    """A program on a core of its own, whose first line of output ends in its port; yields process and port."""
    words = [sys.executable, "-P", *command]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    os.sched_setaffinity(0, {core})  # which the program inherits, with every thread it starts
    try:
        running = subprocess.Popen(  # noqa: S603  # our own programs; what breaks off with a load is no news
            words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )
    finally:
        os.sched_setaffinity(0, {CORES[-1]})
    try:
        assert running.stdout is not None  # noqa: S101  # for the type checker: it is a pipe
        yield running.pid, int(running.stdout.readline().strip().rpartition(":")[2])
    finally:
        running.terminate()
        running.communicate()


def processor_s(pid: int) -> float:
    """The processor time that a process has used, all its threads together: Linux's clock of that process."""
    return time.clock_gettime((~pid << 3) | 2)


class Client(asyncio.Protocol):
    """Sends one message again and again on one connection, each when the answer before is whole."""

    def __init__(self, message: bytes, end: bytes, pause: float = 0.0) -> None:
        self._pause = pause
        self._message = message
        self._end = end
        self._tail = b""
        self._began = 0.0
        self._begun = False
        self.spans: list[tuple[float, float]] = []
        """When each was asked, when its answer was whole."""
        self.firsts: list[float] = []
        self.received = 0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # what a TCP client gets
        self.transport = transport
        self._ask(transport)

    def _ask(self, transport: asyncio.Transport) -> None:
        self._tail, self._begun, self._began = b"", False, time.perf_counter()
        transport.write(self._message)

    def data_received(self, data: bytes) -> None:
        """Notes the first byte and the last."""
        now = time.perf_counter()
        self.received += data.count(b"event: ")
        if not self._begun:
            self._begun = True
            self.firsts.append(now - self._began)
        self._tail = (self._tail + data)[-len(self._end) :]
        if self._tail == self._end and self.transport is not None:
            self.spans.append((self._began, now))
            if self._pause:
                asyncio.get_running_loop().call_later(self._pause, self._ask, self.transport)
            else:
                self._ask(self.transport)


def message(target: Target, model: str, *, stream: bool) -> bytes:
    """The bytes of one request."""
    body = b'{"model":"%b","input":"hello","stream":%b}' % (model.encode(), b"true" if stream else b"false")
    head = f"POST {target.path} HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\nContent-Type: application/json\r\n"
    return head.encode() + b"User-Agent: bench\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


@frozen
class Load:
    """What a load showed."""

    seconds: float
    processor: float
    took: list[float]
    steady: list[float]
    """Those of `took` at whose beginning, for as long as the middle one took, the processor kept its speed. Not during
    the whole of each: then those that take long would be left out more often."""
    slowed: float
    """For what part of the time it did not."""
    firsts: list[float]
    events: int


async def load(
    target: Target, asked: bytes, end: bytes, *, clients: int, seconds: float, pause: float = 0.0, spread: float = 0.0
) -> Load:
    """So many clients for so long, after half as long that is not counted; each pauses so long between requests. They
    begin within `spread` seconds: what they are sent at a pace does then not come to all at the same moment."""
    loop = asyncio.get_running_loop()
    playing = []
    for _ in range(clients):
        playing.append((await loop.create_connection(lambda: Client(asked, end, pause), "127.0.0.1", target.port))[1])
        await asyncio.sleep(spread / clients)
    await asyncio.sleep(seconds / 2)
    for player in playing:
        player.spans, player.firsts, player.received = [], [], 0
    pace = Pace()
    watching = asyncio.create_task(pace.watch())
    before, spent = time.perf_counter(), processor_s(target.pid) if target.pid else 0.0
    await asyncio.sleep(seconds)
    after, spent = time.perf_counter(), (processor_s(target.pid) if target.pid else 0.0) - spent
    watching.cancel()
    spans = [span for player in playing for span in player.spans]
    took = [last - first for first, last in spans]
    usual = statistics.median(took) if took else 0.0
    result = Load(
        after - before,
        spent,
        took,
        [last - first for first, last in spans if pace.kept(first, first + usual)],
        pace.slowed(before, after),
        [took for player in playing for took in player.firsts],
        sum(player.received for player in playing),
    )
    for player in playing:
        if player.transport is not None:
            player.transport.abort()
    await asyncio.sleep(0.2)
    return result


async def measure(target: Target, seconds: float) -> Mapping[str, float]:
    """One round."""
    async with reading(target):
        return await _measure(target, seconds)


async def _measure(target: Target, seconds: float) -> Mapping[str, float]:
    figures: dict[str, float] = {}
    whole = message(target, "whole", stream=False)
    blocking = await load(target, whole, BODY[-16:], clients=16, seconds=seconds)
    figures["blocking requests/s"] = len(blocking.took) / blocking.seconds
    figures["blocking, processor µs each"] = blocking.processor / max(1, len(blocking.took)) * 1e6
    figures["blocking, p99/p50"] = _tail(blocking.took)
    figures["  at the processor's own speed"] = _tail(blocking.steady)
    figures[OWN_SPEED] = 100 * (1 - blocking.slowed)
    burst = message(target, "burst", stream=True)
    streams = await load(target, burst, LAST, clients=16, seconds=seconds)
    figures["streams/s"] = len(streams.took) / streams.seconds
    figures["stream, processor µs each"] = streams.processor / max(1, len(streams.took)) * 1e6
    # With a pause, so that the end of each request, which nobody waits for, is not counted into the next.
    short = message(target, "short", stream=True)
    alone = await load(target, short, LAST, clients=1, seconds=seconds / 2, pause=PAUSE_S)
    figures["first byte, 1 connection, ms"] = statistics.median(alone.firsts) * 1e3
    asked = message(target, f"paced-{PACED_RATE}", stream=True)
    paced = await load(target, asked, LAST, clients=PACED_STREAMS, seconds=seconds, spread=1.0)
    figures["paced event, processor µs each"] = paced.processor / max(1, paced.events) * 1e6
    return figures


def _tail(took: list[float]) -> float:
    """How many times the middle one the slowest of a hundred took."""
    took = sorted(took)
    return took[int(len(took) * 0.99)] / took[len(took) // 2] if took else math.nan


@asynccontextmanager
async def reading(target: Target) -> AsyncIterator[None]:
    """Somebody reads the bridge's events meanwhile, where the target has a socket for it."""
    if target.socket is None:
        yield
        return
    reader, writer = await asyncio.open_unix_connection(target.socket)

    async def drain() -> None:
        while await reader.read(1 << 16):
            pass

    task = asyncio.create_task(drain())
    try:
        yield
    finally:
        task.cancel()
        writer.close()


@contextmanager
def provider() -> Iterator[int]:
    """The provider that all of them ask; yields its port."""
    with process(CORES[-1], str(HERE / "bench_provider.py")) as (_, port):
        yield port


@contextmanager
def target(name: str, upstream: int) -> Iterator[Target]:
    """One of `NAMES`, by itself on its core, and new: what clients leave behind in another one costs it nothing."""
    near = CORES[0]
    if name == "direct":
        yield Target(name, upstream, "/v1/responses")
    elif name == "bare relay":
        with process(near, str(HERE / "bare_relay.py"), str(upstream)) as (pid, port):
            time.sleep(SETTLE_S)
            yield Target(name, port, "/v1/responses", pid)
    else:
        with tempfile.TemporaryDirectory(prefix="clearspan-bench-") as place:
            config, socket = Path(place) / "config.toml", f"{place}/events.sock"
            config.write_text(
                f'[providers.openai]\ntype = "openai"\nbase_url = "http://127.0.0.1:{upstream}/v1"\nkeys = ["{KEY}"]\n'
            )
            words = ["--config", str(config), "--port", "0", "--socket", socket, "--data-dir", place]
            with process(near, "-m", "bridge", "serve", "--log-level", "error", *words) as (pid, port):
                time.sleep(SETTLE_S)
                watched = socket if name.endswith("watched") else None
                yield Target(name, port, "/openai/v1/responses", pid, watched)


def relay(options: argparse.Namespace) -> None:
    """Prints the table: medians of the rounds, and in brackets what that is against the bare relay."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    chosen = [name for name in NAMES if not options.only or name in options.only]
    with provider() as upstream:
        for _ in range(options.rounds):
            for name in chosen:
                with target(name, upstream) as asked:
                    for figure, value in asyncio.run(measure(asked, options.seconds)).items():
                        found[figure][name].append(value)
    _print(found, chosen)


def _print(found: Mapping[str, Mapping[str, list[float]]], names: list[str]) -> None:
    median: Callable[[list[float]], float] = statistics.median
    print(f"{'':<32}" + "".join(f"{name:>20}" for name in names))
    for figure, values in found.items():
        # What a proxy adds to the first byte, not the whole of it, is what compares with another's.
        nought = median(values["direct"]) if figure.startswith("first byte") and "direct" in values else 0.0
        bare = median(values["bare relay"]) - nought if "bare relay" in values else 0.0
        line = f"{figure:<32}"
        for name in names:
            value = median(values[name])
            compared = bare and name not in {"direct", "bare relay"} and figure != OWN_SPEED
            ratio = f" ({(value - nought) / bare:4.2f})" if compared else " " * 7
            line += f"{value:>13,.2f}{ratio}" if value < 100 else f"{value:>13,.0f}{ratio}"
        print(line, flush=True)


assert EVENT.count(b"event: ") == 1  # noqa: S101  # what `Client` counts
