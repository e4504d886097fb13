"""How a command ends before its work is done: interrupted, or with nobody there to read what it prints."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

from bridge.process.line_writer import standard

INTERRUPTED = 128 + signal.SIGINT
"""The exit code after SIGINT, as shells say it."""


OWN_WORDS = "clearspan: "
"""How each line begins in which a command says why it ended."""


def say(text: str) -> None:
    """A line of the command's own, on standard error. Where that can't be written, nobody is told, and nothing else
    changes: not what is done, nor the exit code."""
    from bridge.cli.paper import remark  # noqa: PLC0415  # takes its time to load, and mostly nothing is said

    with suppress(OSError, ValueError):
        standard(sys.stderr).write(remark(f"{OWN_WORDS}{text}"))


def close_output() -> None:
    """Whoever read our output has left (`clearspan tail | head`): what is still said, or buffered, goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    try:
        sys.stderr.flush()
    except OSError:  # a remark of this command is stuck in it: Python would end with code 120
        os.dup2(nowhere, sys.stderr.fileno())
    os.close(nowhere)
