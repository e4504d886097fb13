"""Past interceptions as a snapshot shows them, for subscribers who ask for more than it holds.

What the record has of an interception is told again, and folded as the picture is: with the same bounds, and with the
same words for what they cut.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from operator import itemgetter
from pathlib import Path

import trio
from attrs import evolve

from bridge.events.entries import Interception
from bridge.events.picture import Picture
from bridge.events.socket import CommandRefused, Past
from bridge.events.wire import Command, encode_interception
from bridge.limits import LIMITS
from bridge.record.database import RecordError, open_for_reading
from bridge.record.event_log import events_of
from bridge.record.history import Fields, Filter, interceptions, story

DEFAULT = 50
"""How many interceptions are told where a command does not say."""


class Remembrance:
    """Looks up the past for a bridge's subscribers, one after the other. `record` is None where there is none."""

    def __init__(self, record: Path | None) -> None:
        self._record = record
        self._turn = trio.CapacityLimiter(1)

    async def remember(self, command: Command) -> Past:
        """What a `history` command asks for. Raises CommandRefused."""
        if self._record is None:
            raise CommandRefused("recording is off, so there is no history")
        wanted = Filter(
            session=command.session,
            text=command.text or None,
            before=command.before,
            limit=min(command.limit or DEFAULT, LIMITS.history),
        )
        try:
            return await trio.to_thread.run_sync(_read, self._record, wanted, limiter=self._turn)
        except (RecordError, sqlite3.Error) as error:
            raise CommandRefused(str(error)) from None


def _read(record: Path, wanted: Filter) -> Past:
    with closing(open_for_reading(record)) as database:
        database.execute("BEGIN")  # all of one moment
        if wanted.before is not None and not _is_there(database, wanted.before):
            raise RecordError("no interception of the id in 'before' is in the record")
        ids = [row["id"] for row in interceptions(database, evolve(wanted, limit=wanted.limit + 1))]
        lines: list[bytes] = []
        size = 0
        left = len(ids)
        for id_ in ids[: wanted.limit]:
            try:
                line = encode_interception(folded(story(database, id_)))
            except (TypeError, ValueError):  # a time that is none: somebody else wrote there
                left -= 1
                continue
            size += len(line)
            if lines and size > LIMITS.history_bytes:
                break
            lines.append(line)
            left -= 1
        return Past(lines, more=left > 0)


def _is_there(database: sqlite3.Connection, id_: str) -> bool:
    return database.execute("SELECT 1 FROM interceptions WHERE id = ?", (id_,)).fetchone() is not None


def folded(told: Fields) -> Interception:
    """An interception of the record, given in full, as a snapshot would show it."""
    picture = Picture(room=LIMITS.history_bytes)
    for at, event in sorted(events_of(told), key=itemgetter(0)):
        picture.apply(event, at)
    interception = picture.interceptions[told["id"]]
    interception.ended_nth = 0  # which it was among those of this bridge, if it is of this one, is not recorded
    return interception
