"""A monitor can always be ended: by a signal, by a terminal that is closed, by the end of who started it.

Its main thread can't see to that. Textual puts what is to be drawn into a queue of thirty places; with a terminal that
nobody reads, or that is gone, the queue is full for ever and so is the wait for a place in it. So threads of their own
take the signals and look at the terminal. They ask the main thread to end in peace; if it has not when it must, they
put the terminal right, as far as that goes without waiting, and end the process.
"""

from __future__ import annotations

import os
import select
import signal
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from attrs import frozen

from bridge.process.parent import is_orphan

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

PEACE_S = 1.25
"""How long it may take to end by itself, in seconds."""

LOOK_S = 0.25
"""How often is looked for the terminal and for who started us, in seconds."""

INTERRUPTED = 130

RESTORE = b"\x1b[?1000;1003;1004;1006;1015;2004;2026;2048l\x1b[<u\x1b[?7;25h\x1b[?1049l"
"""Mouse, focus, paste, drawing at once and sizes off; keys, wrapping, cursor and screen as they were."""


@contextmanager
def watched(end: Callable[[], None]) -> Iterator[None]:
    """Sees to it that the process ends when it must. `end` asks the main thread for it, from another one."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # for all threads to come, so that the one below gets them
    terminal = Terminal.ours()
    asked = threading.Lock()

    def leave() -> None:
        if asked.acquire(blocking=False):
            threading.Thread(target=_force, args=(terminal,), daemon=True).start()
            end()

    for watch in (_wait_for_signal, _wait_for_loss):
        threading.Thread(target=watch, args=(leave,), daemon=True).start()
    yield


def _wait_for_signal(leave: Callable[[], None]) -> None:
    while True:
        signal.sigwait(SIGNALS)
        leave()


def _wait_for_loss(leave: Callable[[], None]) -> None:
    while not (_is_cut_off(0) or is_orphan()):
        time.sleep(LOOK_S)
    leave()


def _is_cut_off(descriptor: int) -> bool:
    """Whether the other end is gone, of a terminal or of the pipe from a web page."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(what & (select.POLLHUP | select.POLLERR) for _, what in poll.poll(0))


def _force(terminal: Terminal | None) -> None:
    time.sleep(PEACE_S)
    if terminal is not None:
        with suppress(OSError, termios.error):
            terminal.restore()
    os._exit(INTERRUPTED)


@frozen
class Terminal:
    """A terminal, and the modes it was found in."""

    path: str
    modes: list[Any]

    @classmethod
    def ours(cls) -> Terminal | None:
        """The one on standard input."""
        with suppress(OSError, termios.error):
            return cls(os.ttyname(0), termios.tcgetattr(0))
        return None

    def restore(self) -> None:
        """Puts it right without waiting for it: a terminal that takes nothing keeps its colours."""
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])  # in the background we may do it too
        termios.tcsetattr(0, termios.TCSANOW, self.modes)
        # Opened again: not to wait is a property of what is open, and the shell has the other one.
        descriptor = os.open(self.path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        os.write(descriptor, RESTORE)
