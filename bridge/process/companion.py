"""A program that we talk to over its standard streams for as long as we want it, and that never outlives us.

It runs under a supervisor (`supervisor.py`), which kills it with all that it started when we let go of a line to it,
also by being killed.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import trio

from bridge.process.commands import supervised
from bridge.value_classes import frozen

FAREWELL_S = 1.0
"""How long a program may take to end by itself once its input has ended, in seconds."""
KILLED_S = 2.0
"""How long its supervisor may take to kill it, in seconds."""


class CannotStart(Exception):
    """The program could not be started; its text says why."""


@frozen(eq=False)
class Companion:
    """A running program: what it reads, what it says, and what it says of itself."""

    process: trio.Process
    stdin: trio.abc.SendStream
    stdout: trio.abc.ReceiveStream
    stderr: trio.abc.ReceiveStream
    _line: socket.socket

    def fault(self) -> str | None:
        """Why it could not be started; None where it was, or is not ended yet."""
        try:
            said = self._line.recv(16, socket.MSG_DONTWAIT)
        except OSError:
            return None
        return os.strerror(int(said)) if said.isdigit() else None


@asynccontextmanager
async def companion(words: Sequence[str], environment: Mapping[str, str]) -> AsyncIterator[Companion]:
    """Runs a program while the block runs. At its end the program's input ends, then the program itself, and with it
    all that it started. Raises CannotStart; ValueError for words that can't be given to a program."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            try:
                process = await trio.lowlevel.open_process(
                    supervised(theirs.fileno(), words),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    pass_fds=(theirs.fileno(),),
                    env=environment,
                    start_new_session=True,  # the terminal's signals are for us
                )
            except OSError as error:
                raise CannotStart(error.strerror or "the system refuses to start it") from None
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise AssertionError("a process started with pipes has them")
        try:
            yield Companion(process, process.stdin, process.stdout, process.stderr, ours)
        finally:
            with trio.CancelScope(shield=True):
                await _end(process, ours)


async def _end(process: trio.Process, line: socket.socket) -> None:
    """Ends a program within `FAREWELL_S` and `KILLED_S`, whatever it does."""
    if process.stdin is not None:
        await process.stdin.aclose()
    with trio.move_on_after(FAREWELL_S):
        await process.wait()
    line.close()  # which tells the supervisor
    with trio.move_on_after(KILLED_S):
        await process.wait()
    process.kill()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            await stream.aclose()
