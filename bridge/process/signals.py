"""Signals, from the first line of our code to the last: none that comes early is lost, and none kills by itself.

`hold` comes before anything that takes time, such as imports and commands that give keys. What comes before or after
there is a `receiver` is kept for it. A handler is the process's own, so what it keeps is too. This file is imported
before anything else, so it imports nothing that takes time.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Container, Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM)
HANDLED = (*ENDING, signal.SIGHUP)

_kept: list[int] = []
_held = False


def hold() -> None:
    """From now on SIGTERM interrupts as SIGINT does, and SIGHUP is kept for whom it may concern."""
    global _held  # noqa: PLW0603  handlers are global too
    _held = True
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # after `nohup`, only who asks for it gets it
        signal.signal(signal.SIGHUP, _keep)


def let_go_of_hangup() -> None:
    """For a command that has no use for SIGHUP: it ends it, also one that came already."""
    if signal.getsignal(signal.SIGHUP) is _keep:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if first_kept((signal.SIGHUP,)) is not None:
        os.kill(os.getpid(), signal.SIGHUP)


@contextmanager
def kept() -> Iterator[None]:
    """What comes while the block runs waits for a receiver.

    After it a program that held its signals has nothing left that they could end. They are ignored from then on, since
    Python would die of one while it winds up.
    """
    before = {number: signal.signal(number, _keep) for number in HANDLED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if _held else handler)
        _kept.clear()


def first_kept(numbers: Container[int]) -> int | None:
    """Takes the first of these signals that was kept."""
    for number in _kept:
        if number in numbers:
            _kept.remove(number)
            return number
    return None


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _keep(number: int, _frame: FrameType | None) -> None:
    if number != signal.SIGHUP or number not in _kept:  # to read the configuration again once is enough
        _kept.append(number)
