"""The monitor as its own process on a pseudo-terminal, fed through a real socket: what bytes reach the terminal."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import signal
import struct
import sys
import tempfile
import termios
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from bridge.events.picture import Picture
from bridge.events.wire import Envelope, Snapshot, encode
from tests.support.hostile import HOSTILE, everything
from tests.support.play import HELLO, START

DEADLINE_S = 30.0


class Terminal:
    """The monitor on a terminal of 100x30; collects what it writes there."""

    def __init__(self, process: asyncio.subprocess.Process, master: int) -> None:
        self.process = process
        self.written = b""
        self._master = master
        asyncio.get_running_loop().add_reader(master, self._read)

    @classmethod
    async def open(cls, socket: Path) -> Terminal:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "monitor", "--socket", str(socket),
            stdin=slave, stdout=slave, stderr=slave, env={**os.environ, "TERM": "xterm-256color"},
        )  # fmt: skip
        os.close(slave)
        return cls(process, master)

    def _read(self) -> None:
        try:
            self.written += os.read(self._master, 65_536)
        except OSError:  # the other end is closed
            asyncio.get_running_loop().remove_reader(self._master)

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not met():  # noqa: ASYNC110  a terminal has no event
                await asyncio.sleep(0.02)

    def press(self, keys: bytes) -> None:
        os.write(self._master, keys)

    async def close(self) -> int:
        async with asyncio.timeout(DEADLINE_S):
            code = await self.process.wait()
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
        return code


def on_a_terminal(leave: Callable[[Terminal], None]) -> tuple[bytes, int]:
    """Shows a hostile bridge until its answer is on the screen, then leaves; what was written, and the exit code."""

    async def run(path: Path) -> tuple[bytes, int]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.append(asyncio.current_task())
            safe = HOSTILE.replace("\ud83d", "")  # cannot be said in JSON's UTF-8
            writer.write(encode(HELLO) + encode(Snapshot.of(Picture(), 0, START)))
            for seq, event in enumerate(everything(safe), 1):
                writer.write(encode(Envelope(seq, START, event)))
            with suppress(OSError):
                await reader.read()
            writer.close()

        tasks: list[asyncio.Task[None] | None] = []
        server = await asyncio.start_unix_server(serve, path)
        terminal = await Terminal.open(path)
        try:
            await terminal.until(lambda: b"tail" in terminal.written and b"Requests" in terminal.written)
            leave(terminal)
            code = await terminal.close()
        finally:
            server.close()
            if terminal.process.returncode is None:
                terminal.process.kill()
                await terminal.close()
        await asyncio.gather(*(task for task in tasks if task is not None))
        return terminal.written, code

    with tempfile.TemporaryDirectory() as directory:
        return asyncio.run(run(Path(directory) / "events.sock"))


@pytest.mark.parametrize("way", ["q", "SIGTERM"])
def test_hostile_text_sends_the_terminal_no_command(way: str) -> None:
    def leave(terminal: Terminal) -> None:
        if way == "q":
            terminal.press(b"q")
        else:
            terminal.process.send_signal(signal.SIGTERM)

    written, code = on_a_terminal(leave)
    assert code == 0
    assert b"\x1b]52" not in written
    assert b"\x1b]0;" not in written
    assert b"\x1b[6n" not in written
    assert "\x9b".encode() not in written
    assert "\u202e".encode() not in written
    assert b"Traceback" not in written
    assert b"\x1b[?1049l" in written  # the terminal is left as it was found


def test_without_a_terminal_it_says_so() -> None:
    async def run() -> tuple[int, bytes]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "monitor", "--socket", "nowhere.sock",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _out, err = await process.communicate()
        return process.returncode or 0, err

    code, err = asyncio.run(run())
    assert code == 2
    assert b"the monitor needs a terminal; `clearspan tail`" in err
