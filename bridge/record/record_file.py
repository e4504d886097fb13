"""Where the record lies, and whether it still lies there.

SQLite goes on writing to a file that was removed, or that another file was put in the place of, and says nothing: all
that comes is gone with it. Worse, the journal (`-wal`) that it leaves behind is taken for the other file's by whoever
opens that next, and damages it (sqlite.org/howtocorrupt.html, 1.4). So the writer looks: before it writes, after each
transaction, and every second while it has nothing to do. What it finds gone it leaves, with the journal out of the way.

Nothing is opened here, for the reason at the top of `bridge.record.database`.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from bridge.events.hub import utc_now
from bridge.observe.logs import logger
from bridge.record.database import RecordError, move_aside

log = logger("record")

Identity = tuple[int, int]
"""Which file that is, whatever its name: its device and number."""

JOURNAL, INDEX = "-wal", "-shm"

REMOVED = "the file was removed while the bridge used it; a new one is begun"
REPLACED = "another file was put in its place while the bridge used it; what comes is written to that one"
WITHOUT_JOURNAL = "its journal was removed while the bridge used it; it is opened anew"


class RecordGone(RecordError):
    """The file that was opened lies there no more; the text says what became of it."""


class RecordFile:
    """A record's place. A link to it is followed once, now: SQLite's own files lie beside what it leads to.

    `lies_there` may be asked in any thread; the rest belongs to the writer.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with contextlib.suppress(OSError, RuntimeError):  # a loop of links: opening it says so
            self.path = path.resolve()
        self._opened: dict[str, Identity | None] = {}

    @contextlib.contextmanager
    def opening(self) -> Iterator[None]:
        """The block opens the file, which is then the one that has to lie here.

        Raises OSError, and RecordGone where it was replaced meanwhile.
        """
        self.make_way(utc_now())
        before = _identity(self.path)
        self._opened = {}
        yield
        opened = {suffix: _identity(self.beside(suffix)) for suffix in ("", JOURNAL, INDEX)}
        self._opened = opened
        if before not in {None, opened[""]}:
            raise RecordGone(REPLACED)

    def beside(self, suffix: str) -> Path:
        """What has its name and this suffix."""
        return self.path.with_name(self.path.name + suffix)

    def lies_there(self) -> bool:
        """Whether the database that was opened is the one that lies here. Raises OSError."""
        return not self._opened or _identity(self.path) == self._opened[""]

    def check(self) -> None:
        """Raises RecordGone where another database lies here, or none. Raises OSError."""
        if self._opened:
            self._compare("")

    def check_all(self) -> None:
        """The same, also where the journal or its index is gone: others would then begin new ones. Raises OSError."""
        for suffix, known in self._opened.items():  # the database first
            if known is not None:
                self._compare(suffix)

    def _compare(self, suffix: str) -> None:
        found = _identity(self.beside(suffix))
        if found != self._opened[suffix]:
            raise RecordGone(WITHOUT_JOURNAL if suffix else REMOVED if found is None else REPLACED)

    def leave(self, database: sqlite3.Connection) -> None:
        """Gets out of the way of what lies here now; the connection is still to the old file, and closed after this.

        What is in the journal is moved into the old file, since that may have been put elsewhere to be kept. Where this
        can't be done the journal is kept beside the new file. Raises OSError where it can't be moved out of the way.
        """
        journal = self.make_way(utc_now())
        with contextlib.suppress(sqlite3.Error):
            busy, *_ = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy and journal is not None:
                journal.unlink(missing_ok=True)
                journal = None
        if journal is not None:
            log.warning("the journal of the former record was moved aside", to=str(journal))

    def make_way(self, now: datetime) -> Path | None:
        """Moves a journal aside whose database lies here no more; returns where it is. Raises OSError."""
        if self.lies_there():
            return None
        moved = None
        if self._is_of_the_opened(JOURNAL):
            moved = self.beside(f".orphaned-{now:%Y%m%dT%H%M%S}{JOURNAL}")
            self.beside(JOURNAL).rename(moved)
        if self._is_of_the_opened(INDEX):
            self.beside(INDEX).unlink(missing_ok=True)  # it holds nothing that is not in the journal
        return moved

    def move_aside(self) -> Path | None:
        """Gets a damaged file out of the way; returns its new name, None where it is another by now. Raises OSError."""
        if not self.lies_there():
            return None
        aside = move_aside(self.path, utc_now())
        self._opened = {}
        return aside

    def _is_of_the_opened(self, suffix: str) -> bool:
        known = self._opened[suffix]
        return known is not None and _identity(self.beside(suffix)) == known


def _identity(path: Path) -> Identity | None:
    """None where there is nothing. Raises OSError."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino
