"""What is longer than a screen, in the user's pager: `$PAGER`, or `less`; where there is none, all of it at once.

The terminal's ^C is the pager's: in less it ends a search, not less. A SIGTERM ends the command and the pager with it,
which would have the terminal without anybody who waits for it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType

import click

FAREWELL_S = 2.0
"""How long a pager may take to give the terminal back, in seconds, before it is killed."""


def page(text: str, *, colours: bool) -> None:
    """Shows it until the pager is left. Without `colours`, and in a pager that may not know them, it has none."""
    words = _pager() if sys.stdin.isatty() else None
    if words is None:
        click.echo(text, nl=False, color=colours)
        return
    if colours and Path(words[0]).name == "less":
        words.insert(1, "-R")  # else it shows them as signs
    else:
        text = click.unstyle(text)
    before = signal.signal(signal.SIGINT, _leave_to_the_pager)
    try:
        _run(words, text.encode("utf-8", "replace"))
    finally:
        signal.signal(signal.SIGINT, before)


def _pager() -> list[str] | None:
    """The command line; None where it can't be run, or the terminal is too simple for less."""
    try:
        words = shlex.split(os.environ.get("PAGER", ""))
    except ValueError:  # a quotation mark is missing
        return None
    if not words:
        words = [] if os.environ.get("TERM") in {"dumb", "emacs"} else ["less"]
    program = shutil.which(words[0]) if words else None
    return None if program is None else [program, *words[1:]]


def _run(words: list[str], data: bytes) -> None:
    with subprocess.Popen(words, stdin=subprocess.PIPE) as process:  # noqa: S603  the user's own
        try:
            with suppress(BrokenPipeError):  # it was left before it had read all
                process.communicate(data)
        except KeyboardInterrupt:  # SIGTERM, as `signals.hold` has it
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(FAREWELL_S)
            process.kill()
            raise


def _leave_to_the_pager(_number: int, _frame: FrameType | None) -> None:
    """It has the terminal's SIGINT too. A handler, since the pager would inherit it as ignored."""
