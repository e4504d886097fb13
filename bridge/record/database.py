"""The record's SQLite file: how it is opened, and how its schema came to be what it is.

Migrations are the numbered files beside this one; `PRAGMA user_version` counts those that have run. WAL lets readers
work while the bridge writes; `synchronous = NORMAL` loses nothing when the process is killed.
"""

from __future__ import annotations

import os
import sqlite3
from importlib.resources import files
from pathlib import Path

from bridge.errors import ClearspanError

BUSY_S = 2.0
"""How long a write waits for another writer; in the writer's thread, never on a request's path."""


class RecordError(ClearspanError):
    """The record can't be used; its text says which file and why."""


def migrations() -> list[tuple[int, str]]:
    """Every migration's number and SQL, in order."""
    found = [file for file in files("bridge.record.migrations").iterdir() if file.name.endswith(".sql")]
    return sorted((int(file.name[:4]), file.read_text(encoding="utf-8")) for file in found)


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Opens or makes the record, and brings its schema up to date. Raises sqlite3.Error or RecordError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)  # prompts are private
    os.close(descriptor)
    database = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("PRAGMA foreign_keys = ON")
        _migrate(database, path)
    except BaseException:
        database.close()
        raise
    return database


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Opens an existing record, rows as mappings. Raises RecordError where there is none or it is no record."""
    if not path.exists():
        raise RecordError(f"there is no record at {path} yet; requests that cross the bridge are written there")
    database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)
    database.row_factory = sqlite3.Row
    try:
        version = _version(database)
    except sqlite3.DatabaseError as error:
        database.close()
        raise RecordError(f"{path} can't be read: {error}") from None
    if version != migrations()[-1][0]:
        database.close()
        raise RecordError(
            f"{path} has schema {version}, this clearspan reads {migrations()[-1][0]}; start the bridge once"
        )
    return database


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _migrate(database: sqlite3.Connection, path: Path) -> None:
    version = _version(database)
    if version > migrations()[-1][0]:
        raise RecordError(
            f"{path} was written by a later clearspan (schema {version}); update this one, or name another file"
        )
    for number, script in migrations():
        if number > version:
            database.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")
