"""What could not be written when a bridge stopped: a file of JSON lines beside the record, taken in at the next start.

The lines are those of the event socket, and states of keys. The record notes how far a file was taken in, in the same
transaction as what was in it: whatever happens meanwhile, nothing is written twice.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import orjson

from bridge.events.wire import Envelope, WireError, decode, encode
from bridge.limits import LIMITS
from bridge.observe.logs import logger
from bridge.record.key_states import KeyStates
from bridge.record.runs import is_alive
from bridge.record.statements import Item, Statements

log = logger("record")

UNFINISHED = ".part"
KEY_STATES = "key.states"


def write(record: Path, token: str, items: Sequence[Item]) -> int:
    """Leaves the items in a file of that run; returns how many. The oldest go where there are too many.

    So do the oldest of such files, where a record can't be written for many runs. Raises OSError, also where the record
    is a directory or a device: what lies beside that is somebody else's. What was written by then is kept.
    """
    lines = _newest_lines(items)
    if not lines:
        return 0
    if record.exists() and not record.is_file():
        raise OSError(errno.EINVAL, "the record is no regular file")
    _make_room(record, sum(map(len, lines)))
    path = record.with_name(f"{record.name}.spill-{token}")
    unfinished = path.with_name(path.name + UNFINISHED)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)  # prompts are private
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(descriptor)
    finally:
        unfinished.rename(path)  # whole only now, so that nobody takes in a half
    return len(lines)


def _make_room(record: Path, size: int) -> None:
    """Removes the oldest files where all together would be larger than a single one may be. Raises OSError."""
    left = sorted(((path.stat().st_mtime, path.stat().st_size, path) for path in waiting(record)), reverse=True)
    for _, taken, path in left:  # the newest first
        size += taken
        if size > LIMITS.spill_bytes:
            path.unlink(missing_ok=True)
            log.warning("what an earlier stop left is removed to make room for more", file=str(path), bytes=taken)


def waiting(record: Path) -> list[Path]:
    """The files to take in; one that a bridge was killed amid is as good as another. Raises OSError."""
    found = []
    for path in sorted(record.parent.glob(f"{glob.escape(record.name)}.spill-*")):
        whole = path.with_name(path.name.removesuffix(UNFINISHED))
        if path != whole:
            if is_alive(record, _token(whole)):
                continue
            path.rename(whole)
        found.append(whole)
    return found


def take_in(database: sqlite3.Connection, path: Path) -> Iterator[list[Item]]:
    """What is in a file, in batches that note how far they go, and then removes it. Raises OSError."""
    token = _token(path)
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another bridge takes it in
            return
        found = database.execute("SELECT lines FROM spills WHERE token = ?", (token,)).fetchone()
        done = 0 if found is None else int(found[0])
        lines = islice(file, done, None)
        while batch := list(islice(lines, LIMITS.batch_statements)):
            done += len(batch)
            note = ("INSERT OR REPLACE INTO spills (token, lines) VALUES (?, ?)", (token, done))
            yield [*_items(batch), [note]]
        path.unlink(missing_ok=True)
        database.execute("DELETE FROM spills WHERE token = ?", (token,))


def _token(path: Path) -> str:
    """Of the run that left the file."""
    return path.name.rpartition("-")[2]


def _newest_lines(items: Sequence[Item]) -> list[bytes]:
    lines: list[bytes] = []
    size = 0
    for item in reversed(items):
        with contextlib.suppress(TypeError, ValueError):  # the database would not take it either
            line = _line(item)
            size += len(line)
            if size > LIMITS.spill_bytes:
                break
            lines.append(line)
    return lines[::-1]


def _line(item: Item) -> bytes:
    match item:
        case Envelope():
            return encode(item)
        case KeyStates(provider, rows):
            body = {"type": KEY_STATES, "provider": provider, "rows": rows}
            return orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE)
        case _:
            raise TypeError("a note about the database itself")


def _items(lines: Iterable[bytes]) -> Iterator[Item]:
    """What the lines say; those that say nothing (the disk was full amid one) are passed over."""
    for line in lines:
        with contextlib.suppress(WireError, ValueError, TypeError, KeyError):
            body = orjson.loads(line)
            if body["type"] == KEY_STATES:
                yield KeyStates(body["provider"], body["rows"])
                continue
            message = decode(line)
            if isinstance(message, Envelope) and message.event.type in Statements.TYPES:
                yield message
