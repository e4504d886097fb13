"""Lines for a file or a stream that may refuse them: its disk is full, its reader has left or stands still.

Nothing is held back in a buffer. What was refused would come out of it later, in pieces between other lines, and what
is still in it when the process ends makes Python end with code 120, whatever the command's own was.
"""

from __future__ import annotations

import errno
import os
import select
import stat
from collections.abc import Callable
from io import RawIOBase
from typing import Any, TextIO

PIECE = select.PIPE_BUF
"""How many bytes a pipe takes at once, without a wait, when it is said to have room."""


class LineWriter:
    """Writes whole lines. A line that was cut off by an error is ended before the next one."""

    def __init__(self, begin: Callable[[], Any], encoding: str = "utf-8") -> None:
        """`begin` gives the unbuffered binary file. It is asked for at the first line, and again where it failed."""
        self._begin = begin
        self._encoding = encoding
        self._raw: RawIOBase | None = None
        self._may_stall = False
        self._is_cut = False

    def write(self, lines: str, patience_s: float | None = None) -> None:
        """Writes lines, each with its end. Raises OSError, or ValueError for a stream that is closed.

        With `patience_s` a pipe or a terminal that takes nothing for so many seconds is an error too.
        """
        data = lines.encode(self._encoding, "backslashreplace")
        if self._is_cut:
            data = b"\n" + data
        written = 0
        try:
            raw = self._opened()
            is_patient = patience_s is None or not self._may_stall
            piece = len(data) if is_patient else PIECE
            while written < len(data):
                if not is_patient and not select.select([], [raw], [], patience_s)[1]:
                    raise BlockingIOError(errno.EAGAIN, "its reader stands still")
                count = raw.write(data[written : written + piece])
                if not count:
                    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
                written += count
        finally:
            if written:
                self._is_cut = not data[:written].endswith(b"\n")

    def close(self) -> None:
        """Closes what was opened; what is written from then on is refused."""
        self._begin = _nothing
        if self._raw is not None:
            self._raw.close()

    def _opened(self) -> RawIOBase:
        if self._raw is None:
            raw = self._begin()
            self._may_stall = _may_stall(raw)
            self._raw = raw
        return self._raw


def standard(stream: TextIO) -> LineWriter:
    """A writer for standard output or standard error. What the stream itself was given must have been flushed."""
    return LineWriter(lambda: getattr(stream.buffer, "raw", stream.buffer), stream.encoding or "utf-8")


def is_file(stream: TextIO) -> bool:
    """Whether what is printed there is kept in a file: it was redirected."""
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):  # in memory, or closed
        return False


def _may_stall(raw: RawIOBase) -> bool:
    """Whether it is a pipe, a terminal or the like, which takes no more than is read."""
    try:
        return not stat.S_ISREG(os.fstat(raw.fileno()).st_mode)
    except OSError:  # it is in memory
        return False


def _nothing() -> Any:
    raise ValueError("it is closed")
