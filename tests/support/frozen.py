"""Monitors on terminals that nobody reads, fed by a bridge that has always something new to tell."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import struct
import sys
import tempfile
import termios
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from attrs import define

from bridge.events.picture import Picture
from bridge.events.wire import Envelope, Snapshot, encode
from tests.support.hostile import everything
from tests.support.play import HELLO, START

DEADLINE_S = 30.0
ROUNDS = 4
FULL = 3_000
"""Bytes that lie in a terminal's buffer when it takes no more."""


@define
class Frozen:
    """A monitor on a terminal that nobody reads."""

    process: asyncio.subprocess.Process
    master: int

    @property
    def waiting(self) -> int:
        """Bytes that lie in the terminal's buffer."""
        return int(struct.unpack("i", fcntl.ioctl(self.master, termios.FIONREAD, b"\0" * 4))[0])


@asynccontextmanager
async def frozen(socket: Path, variables: dict[str, str] | None = None) -> AsyncIterator[Frozen]:
    """Shows that socket; killed afterwards if it is still there."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "monitor", "--socket", str(socket), stdin=slave, stdout=slave, stderr=slave,
        env={**os.environ, "TERM": "xterm-256color", **(variables or {})}, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    try:
        yield Frozen(process, master)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        with suppress(OSError):  # the test closed it
            os.close(master)


@asynccontextmanager
async def flooding() -> AsyncIterator[Path]:
    """A bridge that has always something new to tell."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode(HELLO) + encode(Snapshot.of(Picture(), 0, START)))
        seq = 0
        with suppress(OSError):
            while not (reader.at_eof() or writer.is_closing()):
                told = bytearray()
                for event in everything(f"round {seq}"):
                    seq += 1
                    told += encode(Envelope(seq, START, event))
                writer.write(told)
                await writer.drain()
                await asyncio.sleep(0.1)
        writer.close()

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "events.sock"
        server = await asyncio.start_unix_server(serve, path)
        try:
            yield path
        finally:
            server.close()


async def until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not met():  # noqa: ASYNC110  a terminal has no event
            await asyncio.sleep(0.02)


def end_all(how: Callable[[Frozen], None]) -> list[int]:
    """Starts some, ends them once their terminals take no more; their exit codes."""

    async def run() -> list[int]:
        async with flooding() as socket, AsyncExitStack() as stack:
            monitors = [await stack.enter_async_context(frozen(socket)) for _ in range(ROUNDS)]
            await until(lambda: all(monitor.waiting > FULL for monitor in monitors))
            await asyncio.sleep(1)  # the queue behind the terminal fills too
            for monitor in monitors:
                how(monitor)
            async with asyncio.timeout(DEADLINE_S):
                return [await monitor.process.wait() for monitor in monitors]

    return asyncio.run(run())
