"""What a command prints: it has no terminal, no input, and no longer life than whoever asked for it.

It is run by a supervisor, which kills it with all that it started when we end, also when we are killed. A Trio thread
that runs one can be cancelled.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast

from bridge.value_classes import frozen

LOOK_S = 0.1
"""How often is looked whether it is to go on."""

OUTPUT_BYTES = 64 * 1024

GONE_S = 2.0
"""How long a supervisor may take to do its work."""


class CommandFailed(Exception):
    """The command could not be run to its end; its text says why."""


@frozen
class Output:
    """What a command printed to standard output, and its exit code."""

    code: int
    text: bytes


def output_of(words: Sequence[str], environment: Mapping[str, str], seconds: float) -> Output:
    """Runs a command for at most so long. Raises CommandFailed; ValueError for words that can't be given to one."""
    deadline = time.monotonic() + seconds
    text = b""
    with _supervised(words, environment) as process, selectors.DefaultSelector() as selector:
        printed, faults = cast("IO[bytes]", process.stdout), cast("IO[bytes]", process.stderr)
        selector.register(printed, selectors.EVENT_READ)
        while True:
            if selector.select(LOOK_S):
                chunk = os.read(printed.fileno(), OUTPUT_BYTES)
                text += chunk
                if not chunk:
                    break
            elif process.poll() is not None:  # something that left its group holds the pipe
                break
            if len(text) > OUTPUT_BYTES:
                raise CommandFailed(f"it printed more than {OUTPUT_BYTES} bytes")
            if time.monotonic() > deadline:
                raise CommandFailed(f"it took longer than {seconds:g} s")
            _check_cancelled()
        code = process.wait()
        if said := faults.read():
            raise CommandFailed(os.strerror(int(said)) if said.isdigit() else "its supervisor failed")
    return Output(code, text)


def supervised(line: int, words: Sequence[str]) -> list[str]:
    """The command line of a supervisor that runs `words`, and ends with the other end of its descriptor `line`."""
    return [sys.executable, "-I", "-S", str(Path(__file__).with_name("supervisor.py")), str(line), *words]


@contextmanager
def _supervised(words: Sequence[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(  # noqa: S603  the owner's own command
        supervised(0, words),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,  # the terminal's signals are for us, and there is no terminal to ask on
    )
    with process:
        try:
            yield process
        finally:
            cast("IO[bytes]", process.stdin).close()  # tells the supervisor
            with suppress(subprocess.TimeoutExpired):
                process.wait(GONE_S)
            process.kill()


def _check_cancelled() -> None:
    import trio  # noqa: PLC0415  # every command reads the configuration, few have a key that a command gives

    with suppress(RuntimeError):  # no thread of Trio's: at start
        trio.from_thread.check_cancelled()
