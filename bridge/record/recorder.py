"""Writes events into the record, in a thread of its own, so that no disk ever holds up a request.

The hub hands events over by a plain call that only appends to a bounded queue. The thread takes what is there every
BATCH_S and commits it as one transaction: an event is on disk within a quarter of a second, and `kill -9` costs no
more. Where writing fails (disk full, locked, read-only) the batch is kept and tried again; the bridge says so once by
`record.failed`, and by `record.recovered` when it works again.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import trio

from bridge.config.settings import RecordSettings
from bridge.events.hub import Hub, utc_now
from bridge.events.vocabulary import RecordFailed, RecordRecovered
from bridge.events.wire import Envelope
from bridge.observe.logs import logger
from bridge.record import housekeeping
from bridge.record.database import RecordError, open_for_writing
from bridge.record.statements import Statement, Statements

log = logger("record")

T = TypeVar("T")

BATCH_S = 0.1
RETRY_S = 1.0
CLEAN_EVERY_S = 3600.0
QUEUE_EVENTS = 100_000
"""How many events wait while nothing can be written; beyond, the oldest are lost, and counted."""

SavedKeys = Mapping[str, Sequence[Mapping[str, Any]]]
Item = Envelope | list[Statement]

OF_THE_EVENT = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError)
"""What SQLite says where the event itself can't be written, and no retry mends it; all else is the file's fault."""


class Recorder:
    """The one writer of a record."""

    def __init__(self, settings: RecordSettings, path: Path, hub: Hub) -> None:
        self._settings = settings
        self._path = path
        self._hub = hub
        self._lock = threading.Lock()  # held for a few steps only, never while anything is written
        self._queue: deque[Item] = deque()
        self._lost = 0
        self._work_waits = threading.Event()
        self._stopping = threading.Event()
        self._token: trio.lowlevel.TrioToken | None = None
        self._database: sqlite3.Connection | None = None
        self._statements = Statements(settings, run=0)
        self._failing = False
        self._clean_at = 0.0
        self.salt = b""
        """For fingerprints of keys; empty until the record could be opened."""

    def take(self, envelope: Envelope) -> None:
        """Queues an event. Never waits."""
        if envelope.event.type in Statements.TYPES:
            self._put(envelope)

    def save_keys(self, provider: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Queues the states of a provider's keys, in the place of those saved before."""
        self._put(housekeeping.key_statements(provider, rows))

    async def run(self, task_status: trio.TaskStatus[SavedKeys] = trio.TASK_STATUS_IGNORED) -> None:
        """Runs until cancelled, then writes what is queued. `task_status` gets the saved states of keys.

        Starts also where the record can't be opened; it is tried again then.
        """
        self._token = trio.lowlevel.current_trio_token()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, self._work, task_status)
            try:
                await trio.sleep_forever()
            finally:
                self._stopping.set()
                self._work_waits.set()

    def _put(self, item: Item) -> None:
        with self._lock:
            self._queue.append(item)
            self._shorten()
        self._work_waits.set()

    def _shorten(self) -> None:
        while len(self._queue) > QUEUE_EVENTS:
            self._queue.popleft()
            self._lost += 1

    # All below runs in the thread.

    def _work(self, task_status: trio.TaskStatus[SavedKeys]) -> None:
        saved: SavedKeys = {}
        try:
            saved = self._open()
        except (sqlite3.Error, OSError, RecordError) as error:
            self._note_failure(error)
        self._in_trio(task_status.started, saved)
        while True:
            self._work_waits.wait(CLEAN_EVERY_S)
            self._stopping.wait(RETRY_S if self._failing else BATCH_S)
            self._work_waits.clear()
            stopping = self._stopping.is_set()  # asked after the clear, which may have wiped out the call to stop
            self._write_all()
            if stopping:
                break
            if self._failing:
                self._work_waits.set()
        self._close()

    def _write_all(self) -> None:
        with self._lock:
            batch, self._queue = self._queue, deque()
        try:
            if self._database is None:
                self._open()
            if batch or self._failing:
                self._write(batch)
            self._clean_now_and_then()
        except (sqlite3.Error, OSError, RecordError) as error:
            with self._lock:
                batch.extend(self._queue)
                self._queue = batch
                self._shorten()
            self._drop_connection()
            self._note_failure(error)
        else:
            self._note_recovery()

    def _write(self, batch: deque[Item]) -> None:
        """Writes the batch and empties it. Where the file fails, the rest of it is left."""
        try:
            self._commit(batch)
        except Exception as error:
            if _is_of_the_file(error):
                raise
            self._write_one_by_one(batch)
        batch.clear()

    def _write_one_by_one(self, batch: deque[Item]) -> None:
        """Writes what can be written where something in the batch can't."""
        lost, reason = 0, ""
        while batch:
            try:
                self._commit([batch[0]])
            except Exception as error:  # a boundary: one event must not cost the others, nor the recorder
                if _is_of_the_file(error):
                    raise
                lost, reason = lost + 1, str(error)
            batch.popleft()
        with self._lock:
            self._lost += lost
        log.warning("events could not be recorded", count=lost, error=reason)

    def _commit(self, batch: Iterable[Item]) -> None:
        database = self._database
        assert database is not None  # noqa: S101  # opened before anything is written
        database.execute("BEGIN IMMEDIATE")
        try:
            for item in batch:
                for sql, values in self._statements.of(item) if isinstance(item, Envelope) else item:
                    database.execute(sql, values)
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise

    def _open(self) -> SavedKeys:
        database = open_for_writing(self._path)
        try:
            if not housekeeping.knows_run(database, self._statements.run, os.getpid()):
                self._statements = Statements(
                    self._settings, run=housekeeping.begin_run(database, os.getpid(), utc_now())
                )
            self.salt = housekeeping.salt(database)
            saved = housekeeping.saved_keys(database)
        except BaseException:
            database.close()
            raise
        self._database = database
        return saved

    def _clean_now_and_then(self) -> None:
        now = time.monotonic()
        if now >= self._clean_at and self._database is not None:
            self._clean_at = now + CLEAN_EVERY_S
            housekeeping.forget_old(self._database, utc_now(), self._settings.keep)

    def _close(self) -> None:
        if self._queue or self._lost:
            log.warning("the record misses events", queued=len(self._queue), lost=self._lost)
        if self._database is not None:
            try:
                housekeeping.end_run(self._database, self._statements.run, utc_now())
            except sqlite3.Error as error:
                log.warning("the record could not be closed well", error=str(error))
            self._database.close()

    def _drop_connection(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _note_failure(self, error: Exception) -> None:
        if not self._failing:
            self._failing = True
            reason = f"{self._path}: {error}"
            log.warning("the record can't be written", error=reason, queued=len(self._queue))
            self._in_trio(self._hub.publish, RecordFailed(error=reason, queued=len(self._queue)))

    def _note_recovery(self) -> None:
        if self._failing:
            self._failing = False
            log.info("the record is written again", lost=self._lost)
            error = f"{self._lost} events were lost" if self._lost else None
            self._lost = 0
            self._in_trio(self._hub.publish, RecordRecovered(error=error, queued=len(self._queue)))

    def _in_trio(self, call: Callable[[T], object], value: T) -> None:
        if self._token is not None:
            self._token.run_sync_soon(call, value)


def _is_of_the_file(error: Exception) -> bool:
    """Whether it may pass: the disk is full, another writer holds the lock, the file is gone or broken."""
    return isinstance(error, OSError | sqlite3.Error) and not isinstance(error, OF_THE_EVENT)
