"""Moves what was written from the record's journal (its write-ahead log) into the file, in a thread of its own.

Left alone, SQLite does this in the thread that writes, where a transaction ends, and makes sure of the disk twice
meanwhile. A disk with other things to do takes half a second for that, in which no event is written. Here the events
go on.

Nothing moves what somebody still reads from: a reader that holds a transaction for long makes the journal grow for as
long, since events must not wait for it. That is told, once, beyond what the journal should take.

One thing stays with the writer: a journal begins anew only where all of it has been moved, and while events come some
more of it is always there. So once it is long SQLite moves the rest where a transaction ends, and this thread stands
back. That is seldom, and little by then.
"""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from bridge.limits import LIMITS
from bridge.observe.logs import logger
from bridge.record.record_file import JOURNAL, RecordFile

log = logger("record")

EVENTS = 500
"""What is written until it is moved: a page of the file for each, or a few."""

PAUSE_S = 0.25
"""Between two times. Pages that are written again and again are then moved once."""

STAND_BACK_S = 1.0
"""How long the writer has a long journal to itself."""


class Journal:
    """The journal of one record. `work` runs in a thread of its own, the rest belongs to the one who writes."""

    def __init__(self, file: RecordFile) -> None:
        self._file = file
        self._events = 0
        self._is_failing = False
        self._is_held = False
        self._database: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        """On the connection: it is closed by the writer, and never while it is in use."""
        self._work_waits = threading.Event()
        self._stopping = threading.Event()

    def open(self, writer: sqlite3.Connection) -> None:
        """From now on the writer's connection moves only what else would let the journal grow for ever.

        Raises sqlite3.Error.
        """
        uri = f"{self._file.path.absolute().as_uri()}?mode=rw"  # never a new file, should this one just be gone
        with self._lock:
            self._database = sqlite3.connect(uri, uri=True, check_same_thread=False)
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()  # which opens the journal itself
        writer.execute(f"PRAGMA wal_autocheckpoint = {_long_pages(writer)}")

    def close(self) -> None:
        """Lets go of the file. Waits for the disk where it is being worked on."""
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    def note(self, events: int) -> None:
        """So much was written."""
        self._events += events
        if self._events >= EVENTS:
            self.move_soon()

    def move_soon(self) -> None:
        """Has what was written moved, however little it is."""
        self._events = 0
        self._work_waits.set()

    def stop(self) -> None:
        """Ends `work`, soon."""
        self._stopping.set()
        self._work_waits.set()

    def work(self) -> None:
        """Moves what was noted, until it is to stop."""
        while True:
            self._work_waits.wait()
            self._work_waits.clear()
            if self._stopping.is_set():
                break
            self._stopping.wait(PAUSE_S if self._move() else STAND_BACK_S)

    def _move(self) -> bool:
        """Moves what can be moved; returns whether there may be more of that soon."""
        try:
            with self._lock:
                if self._database is None or not self._file.lies_there():  # which the writer finds, too
                    return False
                _, pages, moved = self._database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                self._is_failing = False
                long = _long_pages(self._database)
                self._tell_of_readers(pages, moved, most=long * 4)
                return bool(pages < long)
        except (sqlite3.Error, OSError) as error:  # the writer meets it too, and tells of it; here nothing is lost
            if not self._is_failing:
                log.warning("the record's journal could not be moved into it", error=str(error))
            self._is_failing = True
            return False

    def _tell_of_readers(self, pages: int, moved: int, most: int) -> None:
        if pages < 0:  # nothing is known: the writer is moving it just now
            return
        is_held = pages > most and (moved < pages or self._is_held)
        if is_held and not self._is_held:
            log.warning(
                "somebody has been reading the record for long, and its journal grows until that ends",
                journal=str(self._file.beside(JOURNAL)),
                bytes=journal_bytes(self._file.path),
            )
        self._is_held = is_held


def journal_bytes(record: Path) -> int:
    """What the journal of a record, or of what a link leads to, takes on the disk; 0 where there is none."""
    try:
        return RecordFile(record).beside(JOURNAL).stat().st_size
    except OSError:
        return 0


def _long_pages(database: sqlite3.Connection) -> int:
    page: int = database.execute("PRAGMA page_size").fetchone()[0]
    return LIMITS.journal_bytes // 4 // page
