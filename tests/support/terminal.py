"""The monitor as its own process on a pseudo-terminal: what it writes there, and what is typed into it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import struct
import sys
import termios
from collections.abc import Callable, Mapping
from pathlib import Path

DEADLINE_S = 30.0


class Terminal:
    """The monitor on a terminal of 100x30; collects what it writes there."""

    def __init__(self, process: asyncio.subprocess.Process, master: int) -> None:
        self.process = process
        self.written = b""
        self._master = master
        asyncio.get_running_loop().add_reader(master, self._read)

    @classmethod
    async def open(cls, socket: Path, variables: Mapping[str, str] | None = None) -> Terminal:
        """Opens it; it is the process's own, as a shell's is, so that it can be lent to another one."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "monitor", "--socket", str(socket),
            stdin=slave, stdout=slave, stderr=slave, env={**os.environ, "TERM": "xterm-256color", **(variables or {})},
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
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
