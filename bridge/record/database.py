"""The record's SQLite file: how it is opened, and how its schema came to be what it is.

Migrations are the numbered files beside this one; `PRAGMA user_version` counts those that have run. WAL lets readers
work while the bridge writes; `synchronous = NORMAL` loses nothing when the process is killed.

Nothing here opens an existing record but SQLite: a process that closes a file gives up all its locks on it, those of
its other connections too (POSIX), and then whoever ends next removes the journal under the writer.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from datetime import datetime
from importlib.resources import files
from pathlib import Path

from bridge.errors import ClearspanError
from bridge.limits import LIMITS

BUSY_S = 2.0
"""How long a write waits for another writer; in the writer's thread, never on a request's path."""

DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
INCREMENTAL = 2
"""How SQLite numbers the kind of `auto_vacuum` that gives pages back when it is told to."""


class RecordError(ClearspanError):
    """The record can't be used; its text says which file and why."""


def migrations() -> list[tuple[int, str]]:
    """Every migration's number and SQL, in order."""
    found = [file for file in files("bridge.record.migrations").iterdir() if file.name.endswith(".sql")]
    return sorted((int(file.name[:4]), file.read_text(encoding="utf-8")) for file in found)


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Opens or makes the record, and brings its schema up to date. Raises sqlite3.Error, OSError or RecordError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        with contextlib.suppress(FileExistsError):  # one that appears just now is SQLite's to open
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))  # prompts are private
    database = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        _check_owner(database, path)  # before anything is changed in it
        shrinks = database.execute("PRAGMA auto_vacuum").fetchone()[0] == INCREMENTAL
        database.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a file with tables it is true after VACUUM only
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("PRAGMA foreign_keys = ON")
        database.execute(f"PRAGMA journal_size_limit = {LIMITS.journal_bytes // 2}")
        is_new = _version(database) == 0
        _migrate(database, path)
        if not (shrinks or is_new):
            _make_shrinkable(database)
    except BaseException:
        database.close()
        raise
    return database


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Opens an existing record, rows as mappings. Raises RecordError where there is none or it is no record."""
    _check_file(path)
    latest = migrations()[-1][0]
    try:
        with contextlib.ExitStack() as failing:
            database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)
            failing.callback(database.close)
            database.row_factory = sqlite3.Row
            _check_owner(database, path)
            version = _version(database)
            if version > latest:
                raise RecordError(_written_later(path, version))
            if version < latest:
                reason = "holds nothing yet" if version == 0 else f"has schema {version}, this clearspan reads {latest}"
                raise RecordError(f"{path} {reason}; start the bridge once, which brings it up to date")
            failing.pop_all()
            return database
    except sqlite3.DatabaseError as error:
        advice = "; the bridge moves it aside when it starts, and begins a new one" if is_damage(error) else ""
        raise RecordError(f"{path} can't be read as a record: {error}{advice}") from None


def is_damage(error: BaseException) -> bool:
    """Whether SQLite says that the file itself is broken, or no database at all."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGED


def move_aside(path: Path, now: datetime) -> Path:
    """Renames a damaged record and what belongs to it, so that a new one can be begun. Returns its new name."""
    aside = path.with_name(f"{path.name}.corrupt-{now:%Y%m%dT%H%M%S}")
    for suffix in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    return aside


def _check_file(path: Path) -> None:
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        raise RecordError(
            f"there is no record at {path} yet; requests that cross the bridge are written there"
        ) from None
    except PermissionError:
        raise RecordError(_not_allowed(path)) from None
    except OSError as error:
        raise RecordError(f"{path} can't be read: {error.strerror}") from None
    if stat.S_ISDIR(kind):
        raise RecordError(f"{path} is a directory; record.path in the configuration should name a file")
    if not os.access(path, os.R_OK):
        raise RecordError(_not_allowed(path))


def _not_allowed(path: Path) -> str:
    return f"{path} may not be read by this user; ask as the user who runs the bridge"


def _check_owner(database: sqlite3.Connection, path: Path) -> None:
    """Raises RecordError where the tables are not ours."""
    tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and "interceptions" not in tables:
        raise RecordError(f"{path} is another program's database; name another file in record.path")


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _migrate(database: sqlite3.Connection, path: Path) -> None:
    version = _version(database)
    if version > migrations()[-1][0]:
        raise RecordError(_written_later(path, version))
    for number, script in migrations():
        if number > version:
            database.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")


def _written_later(path: Path, version: int) -> str:
    latest = migrations()[-1][0]
    return (
        f"{path} was written by a later clearspan (schema {version}, this one knows {latest}); "
        "update this one, or name another file in record.path"
    )


def _make_shrinkable(database: sqlite3.Connection) -> None:
    """Rewrites a file from before files could shrink, where that takes no time to speak of.

    A larger one stays as it is: what is removed from it makes room for what comes.
    """
    size, unused, page = (
        database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    if (size - unused) * page <= LIMITS.rewritten_bytes:
        with contextlib.suppress(sqlite3.OperationalError):  # another bridge writes, or the disk is full: another time
            database.execute("VACUUM")
