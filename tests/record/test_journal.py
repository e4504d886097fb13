"""How what was written gets from the journal into the file: beside the writing, and without growing for ever."""

from __future__ import annotations

import resource
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from attrs import evolve

from bridge.events.vocabulary import PromptRecorded
from bridge.limits import LIMITS
from bridge.record import journal, recorder
from bridge.record.database import open_for_writing
from bridge.record.journal import Journal
from bridge.record.record_file import RecordFile
from tests.support.record_desk import Desk, desk, ended, ids, started
from tests.support.until import until

PROMPT = "word " * 800
"""A page of the file."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting for more."""
    monkeypatch.setattr(journal, "EVENTS", 1)
    monkeypatch.setattr(journal, "PAUSE_S", 0.0)
    monkeypatch.setattr(journal, "STAND_BACK_S", 0.05)
    monkeypatch.setattr(recorder, "BATCH_S", 0.001)


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file grows beyond that, as on a disk that is full."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


def journal_bytes(path: Path) -> int:
    return path.with_name(path.name + "-wal").stat().st_size


def generation(path: Path) -> bytes:
    """What of the journal's head changes when it begins anew: SQLite's count of that, and two salts."""
    return path.with_name(path.name + "-wal").read_bytes()[12:24]


async def happens(here: Desk, name: str) -> None:
    """An interception with a long prompt, until it is written."""
    here.publish(started(name), PromptRecorded(name, "resp", PROMPT), ended(name))
    await until(partial(lambda name: name in ids(here.path), name))


async def test_it_is_moved_while_the_bridge_runs(tmp_path: Path) -> None:
    async with desk(tmp_path / "r.db") as here:
        before = here.path.stat().st_size
        for number in range(20):
            await happens(here, str(number))
        await until(lambda: here.path.stat().st_size >= before + 20 * len(PROMPT))
        assert journal_bytes(here.path) > 0


async def test_a_slow_disk_holds_no_event_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    is_moving, may_go_on = threading.Event(), threading.Event()
    move = Journal._move

    def slow(self: Journal) -> bool:
        is_moving.set()
        may_go_on.wait()
        return move(self)

    monkeypatch.setattr(Journal, "_move", slow)
    async with desk(tmp_path / "r.db") as here:
        try:
            await happens(here, "a")
            await until(is_moving.is_set)
            await happens(here, "b")
        finally:
            may_go_on.set()


async def test_it_begins_anew_while_events_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "LIMITS", evolve(LIMITS, journal_bytes=1_000_000))
    written = 0
    async with desk(tmp_path / "r.db") as here:
        await happens(here, "first")
        before = generation(here.path)
        while written < 3_000_000:
            for number in range(10):
                here.publish(started(f"{written} {number}"), PromptRecorded(f"{written} {number}", "resp", PROMPT))
            written += 10 * len(PROMPT)
            await happens(here, str(written))
        assert generation(here.path) != before
        assert journal_bytes(here.path) < 2_000_000  # it begins anew at the next occasion, not at a byte


async def test_it_waits_for_who_reads_and_begins_anew_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "LIMITS", evolve(LIMITS, journal_bytes=400_000))
    async with desk(tmp_path / "r.db") as here:
        await happens(here, "first")
        with closing(sqlite3.connect(here.path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM interceptions").fetchone() == (1,)
            for number in range(50):
                await happens(here, str(number))
            assert journal_bytes(here.path) > 200_000
            assert reader.execute("SELECT count(*) FROM interceptions").fetchone() == (1,)
            reader.execute("COMMIT")
        before = generation(here.path)
        for number in range(2000):  # at the next occasion, which a busy disk puts off
            await happens(here, f"after {number}")
            if generation(here.path) != before:
                break
        else:
            pytest.fail("it goes on as it was")


async def test_who_reads_without_an_end_is_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(journal, "LIMITS", evolve(LIMITS, journal_bytes=200_000))
    monkeypatch.setattr(journal, "STAND_BACK_S", 0.0)
    said = "somebody has been reading the record for long"

    async def grow(here: Desk, name: str) -> None:
        for number in range(60):
            each = f"{name} {number}"
            here.publish(started(each), PromptRecorded(each, "resp", PROMPT), ended(each))
            if number % 10 == 9:
                await until(partial(lambda each: here.ended[-1:] == [each], each))  # and so nobody reads by the way

    async with desk(tmp_path / "r.db") as here:
        await grow(here, "nobody reads")
        assert said not in capsys.readouterr().out
        for name in ("a", "b"):  # the second is told of again, since the journal began anew between them
            with closing(sqlite3.connect(here.path, isolation_level=None)) as reader:
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM interceptions").fetchone()
                await grow(here, name)
                await grow(here, f"{name} goes on")
                assert journal.journal_bytes(here.path) > 400_000
                reader.execute("COMMIT")
            await grow(here, f"after {name}")
            assert capsys.readouterr().out.count(said) == 1
    assert journal.journal_bytes(here.path) == 0


async def test_what_fails_is_said_once_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "r.db"
    moved: list[bool] = []
    move = Journal._move

    def noted(self: Journal) -> bool:
        moved.append(move(self))
        return moved[-1]

    monkeypatch.setattr(Journal, "_move", noted)
    task = Journal(RecordFile(path))
    with closing(open_for_writing(path)) as writer:
        task.open(writer)
        writer.execute("INSERT INTO salts VALUES (zeroblob(1000000))")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, task.work)
            with file_size_limit(path.stat().st_size):
                for times in (1, 2):
                    task.note(1)
                    await until(partial(lambda times: len(moved) == times, times))
            task.note(1)
            await until(lambda: len(moved) == 3)
            task.stop()
        task.close()
    assert moved == [False, False, True]
    assert path.stat().st_size > 1_000_000
    assert capsys.readouterr().out.count("the record's journal could not be moved") == 1
