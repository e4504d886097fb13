"""A recorded event log, as `clearspan tail --json` prints it: read whole, and checked, before anything is shown.

A log may begin in the middle of a bridge's life, go over several of them, or hold only some kinds of events. Events
are numbered anew, so that what was left out looks like nothing and not like a loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from attrs import evolve, frozen

from bridge.events.picture import Picture
from bridge.events.vocabulary import EventsDropped
from bridge.events.wire import PROTOCOL, Envelope, Hello, Message, Snapshot, WireError, decode, encode

RECORD_BEGINS = b"SQLite format 3\0"


class BadLog(Exception):
    """The file is no event log; its text names the file, the line where there is one, and why."""


@frozen
class LogEntry:
    """A message and when it came. A snapshot stays a line: events change what it is decoded to."""

    at: datetime
    kept: Envelope | Hello | bytes
    seq: int

    def message(self) -> Message:
        """What a subscriber would have got."""
        if isinstance(self.kept, bytes):
            snapshot = decode(self.kept)
            assert isinstance(snapshot, Snapshot)  # noqa: S101  only these are kept as lines
            return evolve(snapshot, seq=self.seq)
        return self.kept


def read_log(path: Path) -> list[LogEntry]:
    """All entries of a log, in order, at least one. Raises BadLog."""
    try:
        with path.open("rb") as file:
            if file.read(len(RECORD_BEGINS)) == RECORD_BEGINS:
                raise BadLog(f"{path} is a record, not an event log; `clearspan monitor --replay` can play it")
            file.seek(0)
            entries = list(_entries(_messages(path, file)))
    except OSError as error:
        raise BadLog(f"{path}: {(error.strerror or str(error)).lower()}") from None
    if not entries:
        raise BadLog(f"{path}: there is no event in it; `clearspan tail --json > FILE` records some")
    return entries


def _messages(path: Path, lines: Iterable[bytes]) -> Iterator[Message]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            message = decode(line)
        except WireError as error:
            if not line.endswith(b"\n"):
                return  # whoever wrote it was stopped in the middle of a line
            raise BadLog(f"{path}:{number}: {error}") from None
        if isinstance(message, Hello) and message.protocol != PROTOCOL:
            raise BadLog(f"{path}:{number}: it speaks protocol {message.protocol}, this monitor {PROTOCOL}")
        if isinstance(message, Envelope | Snapshot) and message.at.tzinfo is None:
            raise BadLog(f"{path}:{number}: its time has no zone")
        if message is not None:
            yield message


def _entries(messages: Iterable[Message]) -> Iterator[LogEntry]:
    """Messages with a time that never goes back, numbered without gaps, after a `hello` and a `snapshot`."""
    at: datetime | None = None
    hello: Hello | None = None
    begun = False
    seq = 0
    for message in messages:
        match message:
            case Hello():
                hello = message  # it says when the bridge started, not when it was heard
            case Snapshot():
                at = _later(at, message.at)
                yield LogEntry(at, hello or _hello(at), seq)
                yield LogEntry(at, encode(message), seq)
                hello, begun = None, True
            case Envelope():
                at = _later(at, message.at)
                if not begun:
                    yield LogEntry(at, hello or _hello(at), seq)
                    yield LogEntry(at, encode(Snapshot.of(Picture(), 0, at)), seq)
                    begun = True
                seq += not isinstance(message.event, EventsDropped)
                yield LogEntry(at, evolve(message, seq=seq), seq)


def _later(before: datetime | None, at: datetime) -> datetime:
    return at if before is None else max(before, at)


def _hello(at: datetime) -> Hello:
    return Hello(PROTOCOL, "", 0, "", at)
