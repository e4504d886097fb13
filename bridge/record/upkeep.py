"""What makes a large record quick to read, done in the background so that no start waits for it, and no event long.

An index that filters need is made once, which takes some seconds on a million interceptions from before there was one.
Days that are over are summed, hour by hour (`bridge.record.sums`). Until either is done, reading takes longer and says
the same.
"""

from __future__ import annotations

import sqlite3
import time
from collections import defaultdict
from datetime import datetime
from typing import Any

from attrs import field

from bridge.record.pruning import EVERY_S, StepSize
from bridge.record.sums import COUNTS, SUMMED, sums_of
from bridge.value_classes import define

INDICES = {
    # Whatever `history` filters by, so that a filter that fits nothing reads this alone. In the order of time, so that
    # what is written goes to its end, however long it is.
    "interceptions_by_facts": """
        CREATE INDEX interceptions_by_facts
        ON interceptions (started_at, provider, model, client, outcome)
    """,
}
REPLACED = ("interceptions_by_time",)
"""Indices that one of those does the work of."""

SUM = f"INSERT INTO sums (day, grouping, name, {', '.join(SUMMED)}) VALUES (?, ?, ?{', ?' * len(SUMMED)})"  # noqa: S608  # our own names

HOURS = 24


@define
class _Day:
    """A day that is being summed."""

    day: str
    hour: int = 0
    sums: dict[tuple[str, str | None], list[Any]] = field(
        factory=lambda: defaultdict(lambda: [0] * len(COUNTS) + [None])
    )

    def add(self, rows: list[tuple[Any, ...]]) -> None:
        for grouping, name, *values in rows:
            sums = self.sums[grouping, name]
            for place, value in enumerate(values):
                if value is not None:
                    sums[place] = (sums[place] or 0) + value


class Upkeep:
    """The background work on one record."""

    def __init__(self) -> None:
        self._due_at = 0.0
        self._indexed = False
        self._day: _Day | None = None
        self._hours = StepSize(HOURS, 1)

    def step(self, database: sqlite3.Connection, wall: datetime, running_s: float) -> bool:
        """Does a little of it, if it is time; returns whether there is more to do now. Times as in `Pruning.step`.

        An index is made at one go. Raises sqlite3.Error where the file is damaged.
        """
        if running_s < self._due_at:
            return False
        try:
            return self._work(database, wall, running_s)
        except sqlite3.OperationalError:  # another bridge writes, or the disk is full: what waits here can wait
            self.begin_anew()
            self._due_at = running_s + EVERY_S
            return False

    def _work(self, database: sqlite3.Connection, wall: datetime, running_s: float) -> bool:
        if not self._indexed:
            self._indexed = not _make_an_index(database)
            return True
        if self._day is None:
            self._day = _begin_day(database, f"{wall:%Y-%m-%d}")
        if self._day is None:
            self._due_at = running_s + EVERY_S
            return False
        began = time.perf_counter()
        self._sum(database, self._day)
        self._hours.note(time.perf_counter() - began)
        return True

    def begin_anew(self) -> None:
        """The file may be another."""
        self._due_at, self._indexed, self._day = 0.0, False, None

    def _sum(self, database: sqlite3.Connection, day: _Day) -> None:
        hours = range(day.hour, min(HOURS, day.hour + self._hours.size))
        day.add(sums_of(database, day.day, hours))
        day.hour = hours.stop
        if day.hour < HOURS:
            return
        self._day = None
        database.execute("BEGIN IMMEDIATE")
        try:
            mark = "UPDATE summed_days SET complete = 1 WHERE day = ? AND NOT complete"
            if database.execute(mark, (day.day,)).rowcount:  # else something in it changed meanwhile: another time
                rows = ((day.day, *names, *sums) for names, sums in day.sums.items())
                database.executemany(SUM, rows)
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise


def _make_an_index(database: sqlite3.Connection) -> bool:
    """Makes one that is missing, or removes one that was replaced; returns whether there was any."""
    there = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    for name, sql in INDICES.items():
        if name not in there:
            database.execute(sql)
            return True
    for name in REPLACED:
        if name in there:
            database.execute(f"DROP INDEX {name}")
            return True
    return False


def _begin_day(database: sqlite3.Connection, today: str) -> _Day | None:
    """Marks the newest day before today that is not summed; None where there is none."""
    complete = {row[0] for row in database.execute("SELECT day FROM summed_days WHERE complete")}
    before = today
    newest_before = "SELECT max(started_at) FROM interceptions WHERE started_at < ?"
    while newest := database.execute(newest_before, (before,)).fetchone()[0]:
        before = newest[:10]
        if before not in complete:
            database.execute("INSERT OR REPLACE INTO summed_days (day, complete) VALUES (?, 0)", (before,))
            return _Day(before)
    return None
