"""How old interceptions go: a little at a time, never by a clock that jumped, and the file shrinks."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from attrs import evolve

from bridge.events.times import format_time
from bridge.limits import LIMITS
from bridge.record import database, pruning, recorder
from bridge.record.database import open_for_writing
from bridge.record.pruning import Pruning
from tests.support.generated_record import LAST, make_record
from tests.support.record_desk import TABLES, desk, ids, rows, started
from tests.support.until import until

SIZE = 3_000
DAY = timedelta(days=1)
KEEP = 30 * DAY


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "r.db"
    make_record(path, SIZE)
    return path


@pytest.fixture
def opened(file: Path) -> Iterator[sqlite3.Connection]:
    connection = open_for_writing(file)
    yield connection
    connection.close()


def count(connection: sqlite3.Connection, table: str = "interceptions") -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608  # our own names


def begin_again(connection: sqlite3.Connection, at: datetime) -> None:
    """An interception at that time."""
    sql = """INSERT INTO interceptions (id, run, provider, api, method, path, streaming, client, credential_kind,
             started_at, outcome) VALUES (?, 1, '', '', '', '', 1, '', '', ?, 'completed')"""
    connection.execute(sql, (f"at {at}", format_time(at)))


def run(task: Pruning, connection: sqlite3.Connection, at: datetime, running_s: float = 0.0) -> int:
    """Prunes all that is to be pruned then; returns the number of steps."""
    steps = 1
    while task.step(connection, at, running_s):
        steps += 1
    return steps


def test_it_takes_small_steps(file: Path, opened: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "LIMITS", evolve(LIMITS, prune_interceptions=100))
    task = Pruning(file, KEEP.total_seconds())
    left = [SIZE]
    while task.step(opened, LAST + KEEP + DAY / 2, 0.0):
        left.append(count(opened))
    assert left[-1] == 0
    assert max(before - after for before, after in pairwise(left)) <= 100


def test_a_slow_step_makes_the_next_smaller() -> None:
    pace = pruning.StepSize(most=500, size=400)
    pace.note(1.0)
    assert pace.size == 200
    for _ in range(10):
        pace.note(1.0)
    assert pace.size == 1
    for _ in range(20):
        pace.note(0.0)
    assert pace.size == 500


def test_the_file_shrinks(file: Path, opened: sqlite3.Connection) -> None:
    before = file.stat().st_size
    run(Pruning(file, KEEP.total_seconds()), opened, LAST + KEEP + DAY / 2)
    assert {count(opened, table) for table in TABLES} == {0}
    assert opened.execute("PRAGMA freelist_count").fetchone()[0] == 0
    opened.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    assert file.stat().st_size < before / 4


def test_it_gives_back_many_pages_at_once(file: Path, opened: sqlite3.Connection) -> None:
    opened.execute("DELETE FROM interceptions")
    unused = opened.execute("PRAGMA freelist_count").fetchone()[0]
    Pruning(file, KEEP.total_seconds())._shrink(opened)
    assert opened.execute("PRAGMA freelist_count").fetchone()[0] == unused - 16


def test_the_journal_stays_small_while_somebody_reads(
    file: Path, opened: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "LIMITS", evolve(LIMITS, journal_bytes=200_000))
    reader = sqlite3.connect(file, isolation_level=None)
    reader.execute("BEGIN")
    assert count(reader) == SIZE
    task = Pruning(file, KEEP.total_seconds())
    run(task, opened, LAST + KEEP)
    journal = file.with_name("r.db-wal")
    assert 0 < count(opened) < SIZE
    assert journal.stat().st_size < 10 * 200_000
    reader.execute("COMMIT")
    run(task, opened, LAST + KEEP)
    assert count(opened) <= 1
    reader.close()


def test_what_is_under_way_stays(file: Path, opened: sqlite3.Connection) -> None:
    opened.execute("UPDATE interceptions SET outcome = NULL WHERE rowid = 7")
    run(Pruning(file, KEEP.total_seconds()), opened, LAST + KEEP + DAY / 2)
    assert opened.execute("SELECT rowid FROM interceptions").fetchall() == [(7,)]


def test_it_comes_once_an_hour(file: Path, opened: sqlite3.Connection) -> None:
    task = Pruning(file, KEEP.total_seconds())
    run(task, opened, LAST)
    run(task, opened, LAST + KEEP + DAY / 2, 3599.0)
    assert count(opened) == SIZE
    run(task, opened, LAST + KEEP + DAY / 2, 3600.0)
    assert count(opened) == 0


JUMPED = LAST + timedelta(days=365)


def test_a_clock_that_jumped_costs_nothing(file: Path, opened: sqlite3.Connection) -> None:
    for start in range(5):  # whoever mends the clock soon, starting again and again, loses nothing
        task = Pruning(file, KEEP.total_seconds())
        begin_again(opened, JUMPED + timedelta(hours=start))
        for hour in range(3):
            run(task, opened, JUMPED + timedelta(hours=start + hour), 3600.0 * hour)
    assert count(opened) == SIZE + 5


def test_what_was_recorded_by_a_wrong_clock_is_no_witness_for_it(file: Path, opened: sqlite3.Connection) -> None:
    run(Pruning(file, KEEP.total_seconds()), opened, LAST)
    for day in range(0, 20, 2):  # short runs, some of them longer apart than a day
        begin_again(opened, JUMPED + day * DAY)
        task = Pruning(file, KEEP.total_seconds())
        for minute in range(60):
            run(task, opened, JUMPED + day * DAY + timedelta(minutes=minute), 60.0 * minute)
    assert count(opened) == SIZE + 10


def test_a_right_clock_ends_the_doubt(file: Path, opened: sqlite3.Connection) -> None:
    run(Pruning(file, KEEP.total_seconds()), opened, LAST)
    for _ in range(3):  # time by a wrong clock does not add up over a right one
        task = Pruning(file, KEEP.total_seconds())
        for hour in range(20):
            run(task, opened, JUMPED + timedelta(hours=hour), 3600.0 * hour)
        run(task, opened, LAST, 3600.0 * 20)
    assert count(opened) == SIZE


def test_each_clock_is_followed_by_itself(file: Path, opened: sqlite3.Connection) -> None:
    task = Pruning(file, KEEP.total_seconds())
    for hour in range(200):  # it jumps every now and then
        run(task, opened, JUMPED + hour // 20 * 2 * KEEP + timedelta(hours=hour), 3600.0 * hour)
    assert count(opened) == SIZE


def test_what_somebody_wrote_there_is_passed_over(file: Path, opened: sqlite3.Connection) -> None:
    opened.execute("INSERT INTO clock VALUES ('yesterday', 'soon', 1e99)")
    opened.execute("UPDATE interceptions SET started_at = '1' WHERE rowid = 7")
    run(Pruning(file, KEEP.total_seconds()), opened, LAST)
    assert count(opened) >= SIZE - 1
    assert opened.execute("SELECT believed_at, doubted_at FROM clock").fetchall() == [(format_time(LAST), None)]


@pytest.mark.parametrize(("kind", "hours", "left"), [("idle", 24, 0), ("busy", 24, 25), ("restarted", 24, 25)])
def test_a_clock_is_believed_after_a_day(
    file: Path, opened: sqlite3.Connection, kind: str, hours: int, left: int
) -> None:
    task = Pruning(file, KEEP.total_seconds())
    for hour in range(hours + 1):
        assert count(opened) >= SIZE
        if kind != "idle":
            begin_again(opened, JUMPED + timedelta(hours=hour))
        if kind == "restarted" and hour:  # twice an hour, noting what it ran up to then
            task = Pruning(file, KEEP.total_seconds())
            run(task, opened, JUMPED + timedelta(hours=hour - 1), 3600.0 * (hour - 1))
        run(task, opened, JUMPED + timedelta(hours=hour), 3600.0 * hour)
    assert count(opened) == left


def test_by_hours_it_is_believed_after_hours(file: Path, opened: sqlite3.Connection) -> None:
    task = Pruning(file, 7200.0)
    run(task, opened, LAST + DAY)
    run(task, opened, LAST + DAY, 3600.0)
    assert count(opened) == SIZE
    run(task, opened, LAST + DAY, 7200.0)
    assert count(opened) == 0


async def test_what_happens_is_written_however_long_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []

    def endless(*_: object) -> bool:
        steps.append(1)
        return True

    monkeypatch.setattr(recorder, "BATCH_S", 0.001)
    monkeypatch.setattr(Pruning, "step", endless)
    async with desk(tmp_path / "r.db") as here:
        await until(lambda: len(steps) > 10)  # goes on by itself
        for name in "01234":
            here.publish(started(name))
            await until(partial(lambda name: name in ids(here.path), name))
    assert here.said == []


def test_an_older_file_can_shrink_after_it_was_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.db"
    old = sqlite3.connect(path, isolation_level=None)
    old.execute("PRAGMA journal_mode = WAL")
    old.executescript(database.migrations()[0][1])
    old.execute("PRAGMA user_version = 1")
    old.execute("INSERT INTO salts VALUES (zeroblob(100000))")
    old.close()
    for limit, kind in ((50_000, 0), (LIMITS.rewritten_bytes, database.INCREMENTAL)):
        monkeypatch.setattr(database, "LIMITS", evolve(LIMITS, rewritten_bytes=limit))
        open_for_writing(path).close()
        again = sqlite3.connect(path)
        assert again.execute("PRAGMA auto_vacuum").fetchone()[0] == kind
        again.close()
    assert len(rows(path, "salts")[0]["salt"]) == 100_000
