"""A recorder at work on a file, without a bridge around it; and what then stands in the file."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import trio
from attrs import define

from bridge.config.settings import RecordSettings
from bridge.events.hub import Hub
from bridge.events.times import format_time
from bridge.events.values import Credential, Outcome
from bridge.events.vocabulary import Event, InterceptionEnded, InterceptionStarted
from bridge.events.wire import Envelope
from bridge.record.recorder import Recorder
from tests.support.until import until

AT = datetime(2026, 11, 24, 12, 0, 0, 250_000, tzinfo=UTC)
ENDED = InterceptionEnded.type
STAMP = format_time(AT)
FOR_EVER = 100 * 365 * 86_400.0
"""Time passes, and AT with it."""
TABLES = (
    "interceptions",
    "attempts",
    "prompts",
    "thoughts",
    "tool_calls",
    "tool_results",
    "notes",
    "key_moves",
    "token_usages",
)


def started(name: str, **fields: Any) -> InterceptionStarted:
    """An interception of that id begins."""
    common = {"provider": "openai", "api": "responses", "method": "POST", "path": "/openai/v1/responses"}
    return InterceptionStarted(**{"id": name, **common, "credential": Credential("centralized"), **fields})


def ended(name: str) -> InterceptionEnded:
    """It ends well."""
    return InterceptionEnded(name, Outcome.COMPLETED, 200, None, 1, 12.5, 2.5, 3.5, 100)


@define
class Desk:
    """A running recorder. `said` are the events about the record itself, `ended` the ends that it is done with."""

    hub: Hub
    recorder: Recorder
    path: Path
    said: list[Any]
    ended: list[str]

    def publish(self, *events: Event) -> None:
        """Publishes events one after the other."""
        for event in events:
            self.hub.publish(event)

    async def until_said(self, kind: str) -> Any:
        """Waits for the first event of that type about the record."""
        await until(lambda: [event for event in self.said if event.type == kind])
        return next(event for event in self.said if event.type == kind)


@asynccontextmanager
async def desk(path: Path, **settings: Any) -> AsyncIterator[Desk]:
    """A recorder that writes to that file while the block runs. On leaving it is stopped as a bridge stops it."""
    hub = Hub(wall=lambda: AT)
    said: list[Any] = []
    ends: list[str] = []

    def note(items: Iterable[Any], *_: object) -> None:
        ends.extend(item.event.id for item in items if getattr(item, "event", None) and item.event.type == ENDED)

    recorder = Recorder(RecordSettings(path=path, **{"keep": FOR_EVER, **settings}), path, hub, note)

    def listen(envelope: Envelope) -> None:
        if envelope.event.type.startswith("record."):
            said.append(envelope.event)

    hub.add_sink(recorder.take)
    hub.add_sink(listen)
    async with trio.open_nursery() as nursery:
        await nursery.start(recorder.run)
        yield Desk(hub, recorder, path, said, ends)
        nursery.cancel_scope.cancel()


def rows(path: Path, table: str) -> list[dict[str, Any]]:
    """A table's rows in the order they were written, as anybody with SQLite reads them."""
    database = sqlite3.connect(path)
    database.row_factory = sqlite3.Row
    try:
        found = database.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608  # our own names
        return [dict(row) for row in found]
    except sqlite3.OperationalError:  # not made yet
        return []
    finally:
        database.close()


def contents(path: Path) -> dict[str, list[dict[str, Any]]]:
    """All tables that hold interceptions, the empty ones left out."""
    return {table: found for table in TABLES if (found := rows(path, table))}


def ids(path: Path) -> list[str]:
    """The interceptions in the file."""
    return [row["id"] for row in rows(path, "interceptions")]


async def whole_record(path: Path | None, interceptions: int) -> str:
    """Everything in a record as SQL, once so many interceptions have ended in it."""
    assert path is not None
    await until(lambda: sum(row["outcome"] is not None for row in rows(path, "interceptions")) == interceptions)
    with closing(sqlite3.connect(path)) as database:
        return "\n".join(database.iterdump())
