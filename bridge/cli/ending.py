"""How a command ends before its work is done: interrupted, or with nobody there to read what it prints."""

from __future__ import annotations

import os
import signal
import sys

INTERRUPTED = 128 + signal.SIGINT
"""The exit code after SIGINT, as shells say it."""


def close_output() -> None:
    """Whoever read our output has left (`clearspan tail | head`): what is still said, or buffered, goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
