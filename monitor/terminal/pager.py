"""A text in the pager that a person is used to, on our terminal, until they leave it.

The pager gets a process group of its own, and the terminal with it: Ctrl+C is for it alone, and must not end us. The
signals that `monitor/ending.py` has blocked for all that we start reach it. What it reads lies in a file for its owner
alone, gone when it is left.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

AGAIN_S = 0.05
"""Between two tries to wake a pager that was stopped: there is no shell of ours to bring it back."""

VARIABLES = ("PAGER", "VISUAL", "EDITOR")

COMMON = ("less", "more", "vi")


def command(environment: Mapping[str, str]) -> list[str]:
    """The pager that the environment names, else an editor, else what is there; empty where nothing is."""
    named = next((environment[name] for name in VARIABLES if environment.get(name, "").strip()), None)
    words = _split(named) if named else [name for name in COMMON if shutil.which(name)][:1]
    if words and Path(words[0]).name == "less":
        words.append("-+F")  # with F it leaves at once where all fits, and nobody has read it
    return words


def _split(named: str) -> list[str]:
    try:
        return shlex.split(named)
    except ValueError:  # a quote that does not end: then it is a strange name
        return [named]


async def read(text: str, name: str, words: list[str]) -> int:
    """Shows a text under that name; the pager's exit code. Raises OSError where it can't be started."""
    with tempfile.TemporaryDirectory(prefix="clearspan-") as folder:
        path = Path(folder) / name
        path.write_text(text, encoding="utf-8", errors="replace")
        return await run([*words, str(path)], os.environ)


async def run(words: list[str], environment: Mapping[str, str]) -> int:
    """Runs a program on the terminal, which must be free of us; its exit code.

    Raises OSError where it can't be started. Cancelled, it ends the program.
    """
    program = _start(words, environment)
    try:
        _give_terminal_to(program)
        os.killpg(program, signal.SIGCONT)  # it may have asked for the terminal before it had it
        return await asyncio.to_thread(_wait_for, program)
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            os.killpg(program, signal.SIGTERM)
        raise
    finally:
        _give_terminal_to(os.getpgrp())


def _start(words: list[str], environment: Mapping[str, str]) -> int:
    return os.posix_spawnp(words[0], words, environment, setpgroup=0, setsigmask=[])


def _wait_for(program: int) -> int:
    while True:
        _, status = os.waitpid(program, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            return os.waitstatus_to_exitcode(status)
        time.sleep(AGAIN_S)
        os.killpg(program, signal.SIGCONT)


def _give_terminal_to(group: int) -> None:
    """Makes that process group the one in the foreground; from the background too, which would stop us otherwise."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
    try:
        with suppress(OSError):  # the terminal is gone, or so is the group
            os.tcsetpgrp(0, group)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
