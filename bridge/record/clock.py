"""Whether the wall clock is believed where it says that something is old.

A clock that jumped must not cost all that is kept. So the record notes up to when the clock was believed, and one that
is far beyond that is doubted, until bridges have run by it for a day, all together. That is counted in running time and
kept over restarts: what was recorded by a clock is no witness for it, since it was recorded by that same clock.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta

from bridge.events.times import format_time, parse_time
from bridge.value_classes import frozen

SETTLED_S = 86_400.0
"""How long a clock must have been followed to be believed; where less is kept, so long."""

NOTE_S = 60.0
"""How often it is noted how long a doubted clock has been followed: so much a bridge that is killed loses of it."""

NEWEST_BEFORE = "SELECT max(started_at) FROM interceptions WHERE started_at < ?"


@frozen
class _Noted:
    """What the record says of its clock; `followed_s` is running time."""

    believed_at: datetime
    doubted_at: datetime | None = None
    followed_s: float = 0.0


class RecordClock:
    """The clock of one record, where interceptions are kept for so long."""

    def __init__(self, keep: timedelta) -> None:
        self._settled_s = min(SETTLED_S, keep.total_seconds())
        self._beyond = keep + timedelta(seconds=self._settled_s)
        self._followed_at: float | None = None

    def believes(self, database: sqlite3.Connection, wall: datetime, running_s: float) -> bool:
        """Whether `wall` is believed, which is noted. To be asked again within NOTE_S where it is not.

        `running_s` rises steadily while the bridge runs. Raises sqlite3.Error.
        """
        noted = _noted(database)
        now = self._judge(noted or _Noted(self._witness(database, wall)), wall, running_s)
        if now != noted:
            _note(database, now)
        return now.doubted_at is None

    def _judge(self, noted: _Noted, wall: datetime, running_s: float) -> _Noted:
        if wall - noted.believed_at <= self._beyond:
            self._followed_at = None
            return _Noted(max(wall, noted.believed_at))  # one that goes back makes nothing older
        followed = 0.0 if self._followed_at is None else running_s - self._followed_at
        self._followed_at = running_s
        if noted.doubted_at is not None and abs(wall - noted.doubted_at) <= self._beyond:  # still the same clock
            followed += noted.followed_s
        else:
            followed = 0.0
        return _Noted(wall) if followed >= self._settled_s else _Noted(noted.believed_at, wall, followed)

    def _witness(self, database: sqlite3.Connection, wall: datetime) -> datetime:
        """Up to when a clock can have been believed that nothing was noted of: before today something happened."""
        before = format_time(wall - timedelta(seconds=self._settled_s))
        return parse_time(database.execute(NEWEST_BEFORE, (before,)).fetchone()[0]) or wall


def _noted(database: sqlite3.Connection) -> _Noted | None:
    found = database.execute("SELECT believed_at, doubted_at, followed_s FROM clock").fetchone()
    believed_at = None if found is None else parse_time(found[0])
    return None if believed_at is None else _Noted(believed_at, parse_time(found[1]), found[2])


def _note(database: sqlite3.Connection, noted: _Noted) -> None:
    doubted_at = None if noted.doubted_at is None else format_time(noted.doubted_at)
    database.execute(
        "INSERT OR REPLACE INTO clock (rowid, believed_at, doubted_at, followed_s) VALUES (1, ?, ?, ?)",
        (format_time(noted.believed_at), doubted_at, noted.followed_s),
    )
