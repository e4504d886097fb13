"""Writes events into the record, in a thread of its own, so that no disk ever holds up a request.

The hub hands events over by a plain call that only appends to a bounded queue. The thread takes what is there every
BATCH_S and commits it, a batch a transaction: an event is on disk within a quarter of a second, and `kill -9` costs no
more. Another thread moves it from the journal into the file (`bridge.record.journal`).

Where writing fails (disk full, locked, read-only) the batch is kept and tried again; the bridge says so once by
`record.failed`, and by `record.recovered` when it works again. What a stop finds unwritten goes to a spill file.

A file that was removed or replaced (`bridge.record.record_file`) is such a failure, too. What was committed there
before is left to it: whoever took it away took that away. Each event that comes later is in the new file, and the begin
of what is under way, without which the rest of it could not be written.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import trio

from bridge.config.settings import RecordSettings
from bridge.events.hub import Hub, utc_now
from bridge.events.times import format_time
from bridge.events.vocabulary import RecordFailed, RecordRecovered
from bridge.events.wire import Envelope
from bridge.limits import LIMITS
from bridge.observe.logs import logger
from bridge.record import homes, key_states, runs, spill
from bridge.record.database import RecordError, is_damage, open_for_writing
from bridge.record.journal import Journal
from bridge.record.key_states import KeyStates, SavedKeys
from bridge.record.pruning import Pruning
from bridge.record.queue import RecordQueue, UnderWay
from bridge.record.record_file import RecordFile, RecordGone
from bridge.record.statements import Item, Statements, kept
from bridge.record.upkeep import Upkeep

log = logger("record")

T = TypeVar("T")

BATCH_S = 0.025
"""What waits longer is written at one go for longer, and on one core the requests that come then wait for it: at 800 a
second the slowest hundredth took 1.9 to 2.0 times the median with 0.1 s, and takes 1.4 to 1.5 times."""
RETRY_S = 1.0
PRUNING_S = 0.025
"""Between two steps of pruning, or of what else keeps the file in order."""
LOOK_S = 1.0
"""How long the thread sleeps where nothing is to be written. Then it looks whether the file still lies there."""
MOVE_ASIDE_EVERY_S = 3600.0
"""A disk that damages every file would else fill itself with them."""

OF_THE_EVENT = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError)
"""What SQLite says where the event itself can't be written, and no retry mends it; all else is the file's fault."""

TROUBLE = (sqlite3.Error, OSError, RecordError)
"""What may pass: the disk is full, another writer holds the lock, the file is gone or broken."""


Wrote = Callable[[Iterable[Item], int, int, str | None], None]
"""Told, in the recorder's thread, what was written from when to when (nanoseconds of the wall clock), or why not."""


class Recorder:
    """The one writer of a record."""

    def __init__(self, settings: RecordSettings, path: Path, hub: Hub, wrote: Wrote | None = None) -> None:
        self._settings = settings
        self._file = RecordFile(path)
        self._hub = hub
        self._wrote = wrote
        self._queue = RecordQueue()
        self._under_way = UnderWay()
        self._unwritable = 0
        self._work_waits = threading.Event()
        self._stopping = threading.Event()
        self._token: trio.lowlevel.TrioToken | None = None
        self._database: sqlite3.Connection | None = None
        self._run_lock = runs.RunLock(self._file.path)
        self._statements = Statements(run=0)
        self._journal = Journal(self._file)
        self._pruning = Pruning(self._file.path, settings.keep)
        self._upkeep = Upkeep()
        self._tidies = False
        self._failing = False
        self._loss_told = False
        self._moved_aside_at = -MOVE_ASIDE_EVERY_S
        self.saved_homes: homes.SavedHomes = {}
        """What a former bridge knew of who is served with which key; read before `run` says that it has started."""
        self.salt = b""
        """For fingerprints of keys; empty until the record could be opened."""

    def take(self, envelope: Envelope) -> None:
        """Queues an event. Never waits."""
        wanted = kept(envelope, self._settings)
        if wanted is not None:
            self._put(wanted)

    def save_keys(self, provider: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Queues the states of a provider's keys, in the place of those saved before."""
        self._put(KeyStates(provider, rows))

    def save_homes(self, provider: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Queues with which keys of a provider some are served now."""
        self._put(homes.statements(provider, rows, format_time(utc_now())))

    async def run(self, task_status: trio.TaskStatus[SavedKeys] = trio.TASK_STATUS_IGNORED) -> None:
        """Runs until cancelled, then writes what is queued. `task_status` gets the saved states of keys.

        Starts also where the record can't be opened; it is tried again then.
        """
        self._token = trio.lowlevel.current_trio_token()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, self._work, task_status)
            nursery.start_soon(trio.to_thread.run_sync, self._journal.work)
            try:
                await trio.sleep_forever()
            finally:
                self._journal.stop()
                self._stopping.set()
                self._work_waits.set()

    def _put(self, item: Item) -> None:
        self._queue.put(item)
        if not self._work_waits.is_set():  # the thread wipes it out before it takes what waits
            self._work_waits.set()

    # All below runs in the thread.

    def _work(self, task_status: trio.TaskStatus[SavedKeys]) -> None:
        saved: SavedKeys = {}
        try:
            saved = self._open()
        except TROUBLE as error:
            self._recover_from(error)
        self._in_trio(task_status.started, saved)
        more = True
        while True:
            if more or self._failing:
                self._work_waits.set()
            self._work_waits.wait(LOOK_S)
            self._stopping.wait(RETRY_S if self._failing else PRUNING_S if more else BATCH_S)
            self._work_waits.clear()
            stopping = self._stopping.is_set()  # asked after the clear, which may have wiped out the call to stop
            more = self._write_all()
            if stopping:
                break
        self._close()

    def _write_all(self) -> bool:
        """Writes what waits, then keeps the file in order a little; returns whether there is more of that to do."""
        more = False
        try:
            if self._database is None:
                self._open()
            else:
                self._file.check_all()
            if self._failing and not self._queue:
                self._write(deque())  # shows whether it works again
            while batch := deque(self._queue.take(LIMITS.batch_statements)):
                try:
                    self._write(batch)
                finally:
                    self._queue.put_back(batch)  # what of it could not be written: nothing, mostly
            more = self._keep_in_order()
        except TROUBLE as error:
            self._recover_from(error)
        else:
            self._note_recovery()
        return more

    def _keep_in_order(self) -> bool:
        assert self._database is not None  # noqa: S101  # opened before anything is written
        now = (utc_now(), time.monotonic())
        more = self._pruning.step(self._database, *now) or self._upkeep.step(self._database, *now)
        if more or self._tidies:
            self._journal.move_soon()
        self._tidies = more
        return more

    def _write(self, batch: deque[Item]) -> None:
        """Writes the batch and empties it. Where the file fails, the rest of it is left."""
        try:
            self._commit(batch)
        except Exception as error:
            if _is_of_the_file(error):
                raise
            self._write_singly(batch)
        batch.clear()

    def _write_singly(self, batch: deque[Item]) -> None:
        """Writes what can be written where something in the batch can't."""
        lost, reason = 0, ""
        while batch:
            try:
                self._commit([batch[0]])
            except Exception as error:  # a boundary: one event must not cost the others, nor the recorder
                if _is_of_the_file(error):
                    raise
                lost, reason = lost + 1, str(error)
                if self._wrote is not None:
                    self._wrote([batch[0]], time.time_ns(), time.time_ns(), reason)
            batch.popleft()
        self._unwritable += lost
        log.warning("events could not be recorded", count=lost, error=reason)

    def _commit(self, batch: Collection[Item]) -> None:
        database = self._database
        assert database is not None  # noqa: S101  # opened before anything is written
        began = time.time_ns()
        database.execute("BEGIN IMMEDIATE")
        try:
            for item in batch:
                for sql, values in self._statements.of(item):
                    database.execute(sql, values)
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise
        self._file.check()  # else it is written once more, where it is found
        self._under_way.note(batch)
        self._journal.note(len(batch))
        if self._wrote is not None:
            self._wrote(batch, began, time.time_ns(), None)

    def _open(self) -> SavedKeys:
        self._upkeep.begin_anew()
        try:
            with self._file.opening():
                self._database = database = open_for_writing(self._file.path)
            self._journal.open(database)
            self._file.check()
            if not runs.knows_run(database, self._statements.run, self._run_lock):
                self._begin_run(database)
            if begins := self._under_way.missing(database):  # in a file that was put in the place of another
                self._write(deque(begins))
            self._take_in_spills(database)
            self.salt = key_states.salt(database)
            self.saved_homes = homes.saved_homes(database)
            return key_states.saved_keys(database)
        except BaseException:
            self._drop_connection()
            raise

    def _begin_run(self, database: sqlite3.Connection) -> None:
        begun = runs.begin_run(database, self._file.path, self._run_lock, utc_now())
        self._statements = Statements(begun.run)
        for pid in begun.others:
            log.warning("another bridge writes to the same record", pid=pid, record=str(self._file.path))

    def _take_in_spills(self, database: sqlite3.Connection) -> None:
        for path in spill.waiting(self._file.path):
            count = 0
            try:
                for batch in spill.take_in(database, path):
                    count += len(batch) - 1
                    self._write(deque(batch))
            except OSError as error:  # it stays for another time
                log.warning("a spill file can't be read", file=str(path), error=error.strerror)
            else:
                log.info("what the last stop could not write was taken in", events=count)

    def _close(self) -> None:
        self._spill()
        self._journal.close()
        if self._database is not None:
            try:
                runs.end_run(self._database, self._statements.run, utc_now())
            except sqlite3.Error as error:
                log.warning("the record could not be closed well", error=str(error))
            self._database.close()
        self._run_lock.release()

    def _spill(self) -> None:
        """Leaves what could not be written to the next start."""
        items = self._queue.take(len(self._queue))
        left = 0
        if items:
            try:
                left = spill.write(self._file.path, self._run_lock.token, items)
                log.warning("the record can't be written; the next start takes in what is missing", events=left)
            except OSError as error:
                log.warning("nor can a file beside the record", error=error.strerror)
        lost = len(items) - left + self._queue.lost + self._unwritable
        if lost:
            log.warning("the record misses events", lost=lost)

    def _drop_connection(self) -> None:
        self._journal.close()
        if self._database is not None:
            self._database.close()
            self._database = None

    def _recover_from(self, error: Exception) -> None:
        """Makes ready for another try."""
        self._journal.close()
        if isinstance(error, RecordGone) and self._database is not None:
            try:
                self._file.leave(self._database)
            except OSError as failure:
                error = RecordError(f"{error}; the old journal is in the way: {failure.strerror}")
        self._drop_connection()
        if is_damage(error) and self._moved_aside_at + MOVE_ASIDE_EVERY_S <= time.monotonic():
            error = self._move_aside(error)
        self._note_failure(error)

    def _move_aside(self, error: Exception) -> Exception:
        """Gets a damaged file out of the way; returns the error with what was done about it."""
        try:
            aside = self._file.move_aside()
        except OSError as failure:
            return RecordError(f"{error}; it can't be moved aside: {failure.strerror}")
        if aside is None:
            return error  # another bridge has done so
        self._moved_aside_at = time.monotonic()
        log.warning("the record is damaged and was moved aside", error=str(error), to=str(aside))
        return RecordError(f"{error}; it was moved to {aside.name}, and a new record is begun")

    def _note_failure(self, error: Exception) -> None:
        lost = self._queue.lost
        if self._failing and (not lost or self._loss_told):
            return
        self._failing = True
        self._loss_told = lost > 0
        reason = f"{self._file.path}: {error}" + (f"; no room for more, {lost} events are lost by now" if lost else "")
        log.warning("the record can't be written", error=reason, queued=len(self._queue))
        self._in_trio(self._hub.publish, RecordFailed(error=reason, queued=len(self._queue)))

    def _note_recovery(self) -> None:
        if self._queue.lost and not self._failing:
            self._note_failure(RecordError("events come faster than they can be written"))
        if self._failing:
            self._failing = self._loss_told = False
            lost = self._queue.forget_lost() + self._unwritable
            self._unwritable = 0
            log.info("the record is written again", lost=lost)
            error = f"{lost} events were lost" if lost else None
            self._in_trio(self._hub.publish, RecordRecovered(error=error, queued=len(self._queue)))

    def _in_trio(self, call: Callable[[T], object], value: T) -> None:
        if self._token is not None:
            self._token.run_sync_soon(call, value)


def _is_of_the_file(error: Exception) -> bool:
    return isinstance(error, TROUBLE) and not isinstance(error, OF_THE_EVENT)
