"""The loads: large tool arguments, subscribers that never read, names without end, brackets without end."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import orjson
import trio
from attrs import define, field, frozen

from tests.apis.responses_streams import Stream
from tests.faults.fuzz.subject import PROC, Bridge, bridge
from tests.support.command_line import home
from tests.support.world import STREAM, Asked, Reply, ask, provider

CONFIGURATION = """
[providers.openai]
type = "openai"
base_url = "{url}"
keys = ["sk-bounds-of-the-first-0001"]
"""
MIB = 1024 * 1024
PAUSE_S = 0.01
SETTLE_S = 0.5


@frozen
class Bound:
    """Something measured, and what it must stay below."""

    name: str
    value: float
    unit: str
    most: float

    @property
    def holds(self) -> bool:
        """Whether it does."""
        return self.value < self.most

    def __str__(self) -> str:
        verdict = "" if self.holds else "  VIOLATED"
        return f"  {self.name}: {self.value:.1f} {self.unit} (below {self.most:g}){verdict}"


@define
class Bench:
    """A bridge under load. `bounds` is what was measured."""

    serving: Bridge
    bounds: list[Bound] = field(factory=list)

    @property
    def port(self) -> int:
        """The bridge's."""
        return self.serving.port

    def memory(self, name: str) -> float:
        """What the kernel says of the bridge's memory, in MiB: `VmRSS` now, `VmHWM` at its peak."""
        status = (PROC / str(self.serving.subject.process.pid) / "status").read_text()
        found = re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)
        assert found is not None
        return int(found[1]) / 1024

    def measured(self, name: str, value: float, unit: str, most: float) -> None:
        """Takes a figure down."""
        self.bounds.append(Bound(name, value, unit, most))

    @asynccontextmanager
    async def responsive(self, most_ms: float) -> AsyncIterator[None]:
        """Measures the slowest answer of `/healthz` during the block."""
        command = [sys.executable, "-m", "tests.faults.bounds.pinger", str(self.port)]
        process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        async with process.stdout as out:
            async with process.stdin:
                while b"\n" not in (said := await out.receive_some()):
                    assert said, "the bridge does not answer at all"
                yield
            said = b"".join([part async for part in out])
            await process.wait()
        count, slowest = said.split()
        self.measured(f"slowest of {int(count)} /healthz", float(slowest), "ms", most_ms)

    async def snapshot(self) -> bytes:
        """The snapshot that a new subscriber gets, as its line."""
        async with await trio.open_unix_socket(str(self.serving.socket)) as stream:
            came = bytearray()
            while came.count(b"\n") < 2:
                came += await stream.receive_some(MIB)
        return bytes(came).split(b"\n")[1]


Load = Callable[[Bench, float], Awaitable[None]]
"""Puts a load on a bridge; the number is its size, 1.0 for the whole of it."""


async def large_arguments(bench: Bench, size: float) -> None:
    """60 answers with 7 MB of tool arguments each; all of them are relayed whole."""
    count, bytes_each = max(2, int(60 * size)), int(7_000_000 * size)
    async with bench.responsive(100):
        for number in range(count):
            answer = await ask(bench.port, {"model": "m", "stream": True, "input": f"arguments {bytes_each}"})
            assert answer.complete, number
            assert len(answer.body) > bytes_each
    bench.measured("memory now", bench.memory("VmRSS"), "MiB", 150)
    bench.measured("a snapshot", len(await bench.snapshot()) / MIB, "MiB", 32)


async def silent_subscribers(bench: Bench, size: float) -> None:
    """20 subscribers that connect and never read, beside 200 streams."""
    async with AsyncExitStack() as stack, bench.responsive(100):
        for _ in range(20):
            await stack.enter_async_context(await trio.open_unix_socket(str(bench.serving.socket)))
        async with trio.open_nursery() as nursery:
            for _ in range(max(2, int(200 * size))):
                nursery.start_soon(ask, bench.port, {"model": "m", "stream": True, "input": "thoughts"})
                await trio.sleep(PAUSE_S)
    bench.measured("memory now", bench.memory("VmRSS"), "MiB", 300)


async def model_names(bench: Bench, size: float) -> None:
    """10,000 model names and one of 5 MB."""
    async with bench.responsive(100):
        for number in range(int(10_000 * size)):
            await ask(bench.port, {"model": f"model-{number}", "input": "hello"})
        await ask(bench.port, {"model": "m" * int(5_000_000 * size), "input": "hello"})
        page = await ask(bench.port, b"", path="/metrics", method="GET")
    assert page.status == 200
    bench.measured("/metrics", len(page.body) / MIB, "MiB", 1)


async def brackets(bench: Bench, size: float) -> None:
    """A body of 38 MB of brackets; it is relayed unread, and others are served meanwhile."""
    body = b'{"model":"m","input":[%s[]]}' % (b"[]," * int(12_700_000 * size))
    async with bench.responsive(100):
        await ask(bench.port, body)
        await trio.sleep(SETTLE_S)
    bench.measured("memory at its peak", bench.memory("VmHWM"), "MiB", 400)


async def large_prompt(bench: Bench, size: float) -> None:
    """A prompt of 60 MB, in a request that is read."""
    body = b'{"model":"m","input":"%s"}' % (
        "why is the job slow on mondays? \N{TURTLE}".encode() * int(1_650_000 * size)
    )
    async with bench.responsive(100):
        await ask(bench.port, body)
        await trio.sleep(SETTLE_S)
    bench.measured("memory at its peak", bench.memory("VmHWM"), "MiB", 600)


LOADS: dict[str, Load] = {
    "large-arguments": large_arguments,
    "silent-subscribers": silent_subscribers,
    "model-names": model_names,
    "brackets": brackets,
    "large-prompt": large_prompt,
}


async def run_load(name: str, size: float = 1.0) -> list[Bound]:
    """Puts one load on a fresh bridge, and says what it held."""
    with home() as here:
        async with provider(_answer) as url, bridge(here, CONFIGURATION.format(url=url)) as serving:
            bench = Bench(serving)
            await LOADS[name](bench, size)
            wrong = [*serving.wrong, *serving.subject.trouble()]
            assert not wrong, wrong
            return bench.bounds


async def _answer(asked: Asked, reply: Reply) -> None:
    """A provider that answers as the input says: with large arguments, with thoughts, or in a few words."""
    if b'"stream":true' not in asked.body:
        await reply.whole(200, WHOLE, [("content-type", "application/json")])
        return
    reply.stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MIB)
    await reply.head(200, STREAM)
    wanted = re.search(rb'"arguments (\d+)"', asked.body)
    for event in THOUGHTS if wanted is None else _call(int(wanted[1])):
        await reply.chunk(event)
        await trio.sleep(0 if wanted else PAUSE_S)
    await reply.end()


def _call(size: int) -> list[bytes]:
    stream = Stream()
    stream.function_call("fc_1", "call_1", "write", orjson.dumps({"content": LINE * (size // len(LINE) + 1)}).decode())
    stream.end()
    return stream.events


def _thoughts() -> list[bytes]:
    stream = Stream()
    stream.reasoning("rs_1", "why is the job slow on mondays " * 20)
    stream.end()
    return stream.events


LINE = "x" * 20_000 + " "
WHOLE = b'{"id":"resp_1","object":"response","status":"completed","output":[],"usage":null}'
THOUGHTS = _thoughts()
