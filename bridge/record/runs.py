"""Which bridges write to a record, and which are gone: each holds a lock on a file of its own while it lives.

The kernel releases the lock however a process ends. Its number would not do: it may soon be another process's, and in a
container every bridge is process 1.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import uuid
from datetime import datetime
from pathlib import Path

from bridge.events.times import format_time
from bridge.value_classes import frozen

STOPPED = "bridge stopped"

ATTEMPTS_LEFT_OPEN = """
    UPDATE attempts SET ended_at = ? WHERE ended_at IS NULL
        AND interception_id IN (SELECT id FROM interceptions WHERE run = ? AND outcome IS NULL)
"""

LEFT_OPEN = """
    UPDATE interceptions SET outcome = 'failed', error = ?, ended_at = ?,
        attempts = (SELECT count(*) FROM attempts WHERE interception_id = interceptions.id),
        status = (SELECT status FROM attempts WHERE interception_id = interceptions.id AND reason IS NULL)
    WHERE run = ? AND outcome IS NULL
"""

UNFINISHED = """
    SELECT run, pid, token, ended_at FROM runs
    WHERE ended_at IS NULL OR run IN (SELECT run FROM interceptions WHERE outcome IS NULL)
"""


class RunLock:
    """A token that no other run has, and the locked file that shows that its bridge lives."""

    def __init__(self, record: Path) -> None:
        self.token = uuid.uuid4().hex
        self._path = lock_path(record, self.token)
        self._descriptor: int | None = None

    def hold(self) -> None:
        """Makes and locks the file, if it is not held yet. Raises OSError."""
        if self._descriptor is not None and self._path.exists():
            return
        self.release()
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with contextlib.suppress(OSError):  # a file system without locks: no run on it is ever taken for dead
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Removes the file."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None


@frozen
class Begun:
    """A run that was begun: its number, and the processes of other bridges that write to the same record."""

    run: int
    others: tuple[int, ...] = ()


def lock_path(record: Path, token: str) -> Path:
    """The lock file of that run."""
    return record.with_name(f"{record.name}.run-{token}")


def begin_run(database: sqlite3.Connection, record: Path, lock: RunLock, now: datetime) -> Begun:
    """Ends what bridges that are gone left open, and notes that this one writes now."""
    at = format_time(now)
    others = []
    database.execute("BEGIN IMMEDIATE")  # and so no other bridge begins at the same time
    try:
        lock.hold()
        for run, pid, token, ended in database.execute(UNFINISHED).fetchall():
            if ended is None and is_alive(record, token):
                others.append(pid)
                continue
            database.execute(ATTEMPTS_LEFT_OPEN, (at, run))
            database.execute(LEFT_OPEN, (STOPPED, at, run))
            database.execute("UPDATE runs SET ended_at = coalesce(ended_at, ?) WHERE run = ?", (at, run))
        values = (os.getpid(), lock.token, at)
        run = database.execute("INSERT INTO runs (pid, token, started_at) VALUES (?, ?, ?)", values).lastrowid
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    return Begun(int(run or 0), tuple(others))


def knows_run(database: sqlite3.Connection, run: int, lock: RunLock) -> bool:
    """Whether that run was begun in this file: the file may have been put in the place of another."""
    return database.execute("SELECT 1 FROM runs WHERE run = ? AND token = ?", (run, lock.token)).fetchone() is not None


def end_run(database: sqlite3.Connection, run: int, now: datetime) -> None:
    """Notes that this bridge writes no more."""
    database.execute("UPDATE runs SET ended_at = ? WHERE run = ?", (format_time(now), run))


def is_alive(record: Path, token: str | None) -> bool:
    """Whether somebody holds that run's lock. What is left of a dead one is removed."""
    if token is None:
        return False  # written before runs had locks
    path = lock_path(record, token)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:  # another user's
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        path.unlink(missing_ok=True)
        return False
    finally:
        os.close(descriptor)
