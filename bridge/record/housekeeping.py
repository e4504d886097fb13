"""What a writer does to the record beside writing events: its run, what a crash left open, old rows, states of keys."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from bridge.events.wire import format_time
from bridge.record.statements import Statement

STOPPED = "bridge stopped"

LEFT_OPEN = """
    UPDATE interceptions SET outcome = 'failed', error = ?, ended_at = ?,
        attempts = (SELECT count(*) FROM attempts WHERE interception_id = interceptions.id),
        status = (SELECT status FROM attempts WHERE interception_id = interceptions.id AND reason IS NULL)
    WHERE run = ? AND outcome IS NULL
"""

ATTEMPTS_LEFT_OPEN = """
    UPDATE attempts SET ended_at = ? WHERE ended_at IS NULL
        AND interception_id IN (SELECT id FROM interceptions WHERE run = ? AND outcome IS NULL)
"""

UNFINISHED = """
    SELECT run, pid, ended_at FROM runs
    WHERE ended_at IS NULL OR run IN (SELECT run FROM interceptions WHERE outcome IS NULL)
"""


def begin_run(database: sqlite3.Connection, pid: int, now: datetime) -> int:
    """Ends what bridges that are gone left open, and notes that this one writes now. Returns its run's number."""
    at = format_time(now)
    database.execute("BEGIN IMMEDIATE")
    try:
        for run, writer, ended in database.execute(UNFINISHED).fetchall():
            if ended is not None or writer == pid or not _alive(writer):
                database.execute(ATTEMPTS_LEFT_OPEN, (at, run))
                database.execute(LEFT_OPEN, (STOPPED, at, run))
                database.execute("UPDATE runs SET ended_at = coalesce(ended_at, ?) WHERE run = ?", (at, run))
        run = database.execute("INSERT INTO runs (pid, started_at) VALUES (?, ?)", (pid, at)).lastrowid
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    return int(run or 0)


def knows_run(database: sqlite3.Connection, run: int, pid: int) -> bool:
    """Whether that run was begun in this file: the file may have been put in the place of another."""
    return database.execute("SELECT 1 FROM runs WHERE run = ? AND pid = ?", (run, pid)).fetchone() is not None


def end_run(database: sqlite3.Connection, run: int, now: datetime) -> None:
    """Notes that this bridge writes no more."""
    database.execute("UPDATE runs SET ended_at = ? WHERE run = ?", (format_time(now), run))


def forget_old(database: sqlite3.Connection, now: datetime, keep: float) -> None:
    """Deletes interceptions that began more than `keep` seconds ago, with all that belongs to them."""
    oldest = format_time(now - timedelta(seconds=keep))
    database.execute("DELETE FROM interceptions WHERE started_at < ?", (oldest,))


def salt(database: sqlite3.Connection) -> bytes:
    """This installation's own salt for fingerprints of keys, made on first use."""
    row = database.execute("SELECT salt FROM salts").fetchone()
    if row is not None:
        return bytes(row[0])
    made = secrets.token_bytes(32)
    database.execute("INSERT INTO salts (salt) VALUES (?)", (made,))
    return made


def saved_keys(database: sqlite3.Connection) -> dict[str, list[dict[str, Any]]]:
    """The states of keys by provider, for `KeyPool.restore_state`."""
    found: dict[str, list[dict[str, Any]]] = {}
    for provider, state in database.execute("SELECT provider, state FROM key_states"):
        with contextlib.suppress(orjson.JSONDecodeError):  # somebody wrote there; a key can be found out about again
            found.setdefault(provider, []).append(orjson.loads(state))
    return found


def key_statements(provider: str, rows: Sequence[Mapping[str, Any]]) -> list[Statement]:
    """Puts these states of a provider's keys in the place of the old ones."""
    statements: list[Statement] = [("DELETE FROM key_states WHERE provider = ?", (provider,))]
    for row in rows:
        values = (provider, row["fingerprint"], orjson.dumps(row).decode())
        statements.append(("INSERT INTO key_states (provider, fingerprint, state) VALUES (?, ?, ?)", values))
    return statements


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
