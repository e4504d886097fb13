"""`scripts/bench open-streams`: what memory an open stream takes, and how late its events are, beside a bare relay.

Each stream has an event a second; a subscriber of the bridge gets all of them. The times of provider and client are of
one clock.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import resource
import time
from pathlib import Path

from scripts.bench_relay import Target, message, provider, reading, target

SENT_AT = re.compile(rb'"at":([0-9.]+)')


class Listening(asyncio.Protocol):
    """One open stream, and how many seconds its events took."""

    def __init__(self, asked: bytes) -> None:
        self._asked = asked
        self.delays: list[float] = []
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # what a TCP client gets
        self.transport = transport
        transport.write(self._asked)

    def data_received(self, data: bytes) -> None:
        """Notes how old the events are."""
        now = time.monotonic()
        self.delays += [now - float(at) for at in SENT_AT.findall(data)]


def resident(pid: int) -> int:
    """Bytes of memory that a process has in use."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


async def measure(target: Target, streams: int, seconds: float) -> None:
    """Opens the streams little by little and prints what they took."""
    assert target.pid is not None  # noqa: S101  # the provider itself is not asked
    async with reading(target):
        before = resident(target.pid)
        loop = asyncio.get_running_loop()
        asked = message(target, "paced-1", stream=True)
        playing = []
        for _ in range(streams):
            playing.append((await loop.create_connection(lambda: Listening(asked), "127.0.0.1", target.port))[1])
            await asyncio.sleep(2 / streams)  # so that their events do not come all at once
        for player in playing:
            player.delays = []
        await asyncio.sleep(seconds)
        each = (resident(target.pid) - before) / streams
        delays = sorted(delay for player in playing for delay in player.delays)
        p50, p99 = delays[len(delays) // 2], delays[int(len(delays) * 0.99)]
        print(
            f"{target.name:<18}{each / 1000:6.1f} kB a stream, events {p50 * 1e3:6.1f} ms late (p99 {p99 * 1e3:6.1f})"
        )
        for player in playing:
            if player.transport is not None:
                player.transport.abort()
        await asyncio.sleep(1)


def open_streams(options: argparse.Namespace) -> None:
    """Prints memory and delays, of the bare relay and of the bridge with a subscriber."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65_536), most))
    with provider() as upstream:
        for name in ("bare relay", "bridge, watched"):
            with target(name, upstream) as asked:
                asyncio.run(measure(asked, options.streams, options.seconds))
