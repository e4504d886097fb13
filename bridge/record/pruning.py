"""What is older than `keep` goes, a little at a time between what is written, and the file shrinks after it.

Nothing goes by a clock that is doubted (`bridge.record.clock`).
"""

from __future__ import annotations

import sqlite3
import time
from datetime import datetime, timedelta
from pathlib import Path

from bridge.events.times import format_time
from bridge.limits import LIMITS
from bridge.record.clock import NOTE_S, RecordClock
from bridge.value_classes import define

EVERY_S = 3600.0

STEP_S = 0.015
"""How long one step should take, since events wait for it: more is done at once while steps take less than half."""

EXPIRED = """
    DELETE FROM interceptions WHERE rowid IN (
        SELECT rowid FROM interceptions WHERE started_at < ? AND outcome IS NOT NULL ORDER BY started_at LIMIT ?
    )
"""


@define
class StepSize:
    """How much is done in one step: as much as takes a short time."""

    most: int
    size: int = 16

    def note(self, seconds: float) -> None:
        """A step of this size took so long."""
        if seconds > STEP_S:
            self.size = max(1, self.size // 2)
        elif seconds < STEP_S / 2:
            self.size = min(self.most, self.size * 2)


class Pruning:
    """Old interceptions of one record. `keep` is in seconds."""

    def __init__(self, record: Path, keep: float) -> None:
        self._journal = record.with_name(record.name + "-wal")
        self._keep = timedelta(seconds=keep)
        self._clock = RecordClock(self._keep)
        self._due_at = 0.0
        self._before: str | None = None
        self._shrinking = False
        self._rows = StepSize(LIMITS.prune_interceptions)
        self._pages = StepSize(4096)

    def step(self, database: sqlite3.Connection, wall: datetime, running_s: float) -> bool:
        """Does a little of it, if it is time; returns whether there is more to do now.

        `wall` is what the clock says, `running_s` rises steadily.
        """
        if self._before is None and not self._shrinking:
            if running_s < self._due_at:
                return False
            if not self._clock.believes(database, wall, running_s):
                self._due_at = running_s + NOTE_S
                return False
            self._due_at = running_s + EVERY_S
            self._before = format_time(wall - self._keep)
        if not self._journal_has_room(database):
            return False  # a reader keeps old pages in use: another time
        if self._before is not None:
            self._delete(database, self._before)
        else:
            self._shrink(database)
        return self._before is not None or self._shrinking

    def _journal_has_room(self, database: sqlite3.Connection) -> bool:
        if self._journal_bytes() > LIMITS.journal_bytes // 2:
            busy, pages, moved = database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            return not busy and pages == moved  # then what is written next begins at its start
        return True

    def _journal_bytes(self) -> int:
        try:
            return self._journal.stat().st_size
        except OSError:
            return 0

    def _delete(self, database: sqlite3.Connection, before: str) -> None:
        size = self._rows.size
        began = time.perf_counter()
        if database.execute(EXPIRED, (before, size)).rowcount < size:
            self._before, self._shrinking = None, True
        self._rows.note(time.perf_counter() - began)

    def _shrink(self, database: sqlite3.Connection) -> None:
        """Gives unused pages back; in a file that can't shrink there is nothing to be done."""
        before = database.execute("PRAGMA freelist_count").fetchone()[0]
        began = time.perf_counter()
        database.executescript(f"PRAGMA incremental_vacuum({self._pages.size})")  # `execute` would free a single page
        self._pages.note(time.perf_counter() - began)
        left = database.execute("PRAGMA freelist_count").fetchone()[0]
        if not left or left == before:
            self._shrinking = False
