"""A record that can't be written: requests go on, it is said once, and all is written when it can be again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from bridge.config.settings import RecordSettings
from bridge.events.vocabulary import Event, PromptRecorded, TokensUsed
from bridge.limits import LIMITS
from bridge.record import database, queue, recorder
from bridge.record.upkeep import Upkeep
from tests.support.record_desk import contents, desk, ended, ids, rows, started
from tests.support.until import until
from tests.support.world import ask, provider, say_hello, world


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_S", 0.0)
    monkeypatch.setattr(recorder, "BATCH_S", 0.001)
    monkeypatch.setattr(recorder, "RETRY_S", 0.005)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Somebody else holds the file's write lock."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


class Faulty:
    """A connection on which the statements `bad` (counted over all connections, from 1) fail."""

    def __init__(self, real: sqlite3.Connection, plan: dict[str, Any]) -> None:
        self._real = real
        self._plan = plan

    def execute(self, sql: str, values: Any = ()) -> sqlite3.Cursor:
        self._plan["done"] += 1
        if self._plan["done"] in self._plan["bad"]:
            self._plan["hit"] = sql
            error = sqlite3.OperationalError(self._plan["words"])
            error.sqlite_errorcode = self._plan["code"]
            raise error
        return self._real.execute(sql, values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def make_faulty(monkeypatch: pytest.MonkeyPatch, bad: range, words: str = "database or disk is full") -> dict[str, Any]:
    """From now on these statements of the recorder fail. Returns how far it has come."""
    plan: dict[str, Any] = {"done": 0, "bad": bad, "words": words, "code": sqlite3.SQLITE_FULL, "hit": None}
    really = database.open_for_writing
    monkeypatch.setattr(recorder, "open_for_writing", lambda path: Faulty(really(path), plan))
    return plan


def story(name: str) -> list[Event]:
    return [started(name), PromptRecorded(name, "r", "text"), TokensUsed(name, "r", 1, 2), ended(name)]


STATEMENTS = 40
"""More than a recorder needs for two stories."""


@pytest.mark.parametrize("first", range(1, STATEMENTS))
async def test_whichever_statement_fails_nothing_is_lost_or_doubled(
    first: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Upkeep, "step", lambda *_: False)  # whose faults are nobody's loss: it begins anew
    plan = make_faulty(monkeypatch, range(first, first + 3))
    async with desk(tmp_path / "r.db") as here:
        here.publish(*story("a"))
        await until(lambda: rows(here.path, "token_usages"))
        here.publish(*story("b"))
        await until(lambda: len(rows(here.path, "token_usages")) == 2)
        if plan["hit"]:
            await here.until_said("record.recovered")
        plan["bad"] = range(0)
    kept = contents(tmp_path / "r.db")
    assert [row["outcome"] for row in kept["interceptions"]] == ["completed"] * 2
    assert [row["interception_id"] for row in kept["prompts"]] == ["a", "b"]
    assert [row["interception_id"] for row in kept["token_usages"]] == ["a", "b"]
    assert [event.type for event in here.said] == (["record.failed", "record.recovered"] if plan["hit"] else [])


async def test_it_says_what_is_wrong_and_how_much_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_faulty(monkeypatch, range(1, 1), "attempt to write a readonly database")
    async with desk(tmp_path / "r.db") as here:
        plan["bad"] = range(10**6)
        here.publish(*story("a"))
        failed = await here.until_said("record.failed")
        assert "r.db" in failed.error
        assert "readonly" in failed.error
        assert failed.queued == 4
        here.publish(*story("b"))
        plan["bad"] = range(0)
        recovered = await here.until_said("record.recovered")
        assert (recovered.error, recovered.queued) == (None, 0)
    assert ids(tmp_path / "r.db") == ["a", "b"]
    assert [event.type for event in here.said] == ["record.failed", "record.recovered"]


async def test_the_queue_is_bounded_and_the_loss_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "LIMITS", evolve(LIMITS, queued_statements=10))
    plan = make_faulty(monkeypatch, range(1, 1))
    async with desk(tmp_path / "r.db") as here:
        plan["bad"] = range(10**6)
        here.publish(started("a"))
        await here.until_said("record.failed")
        here.publish(*(started(f"i{n}") for n in range(25)))
        assert len(here.recorder._queue) <= 10
        await until(lambda: len(here.said) == 2)
        plan["bad"] = range(0)
        recovered = await here.until_said("record.recovered")
        said = [event.error for event in here.said if event.type == "record.failed"]
        assert len(said) == 2  # that it can't be written, and once more that events are lost
        assert "lost" not in said[0]
        assert "events are lost by now" in said[1]
    assert recovered.error == "16 events were lost"
    assert ids(tmp_path / "r.db") == [f"i{n}" for n in range(15, 25)]


async def test_a_lock_held_at_the_start_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    database.open_for_writing(path).close()
    with ExitStack() as held:
        held.enter_context(locked(path))
        async with desk(path) as here:
            here.publish(*story("a"))
            await here.until_said("record.failed")
            held.close()
            await here.until_said("record.recovered")
    assert ids(path) == ["a"]


async def test_a_path_that_becomes_possible(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    path = tmp_path / "file" / "r.db"
    async with desk(path) as here:
        here.publish(*story("a"))
        failed = await here.until_said("record.failed")
        assert str(path) in failed.error
        (tmp_path / "file").unlink()
        await here.until_said("record.recovered")
    assert ids(path) == ["a"]


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    path.write_bytes(b"these are not the bytes of a database" * 100)
    async with desk(path) as here:
        here.publish(*story("a"))
        failed = await here.until_said("record.failed")
        assert "not a database" in failed.error
        await here.until_said("record.recovered")
    assert ids(path) == ["a"]
    (aside,) = path.parent.glob("r.db.corrupt-*")
    assert aside.name in failed.error
    assert aside.read_bytes() == b"these are not the bytes of a database" * 100
    assert [event.type for event in here.said] == ["record.failed", "record.recovered"]


async def test_a_record_that_is_damaged_while_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.db"
    plan = make_faulty(monkeypatch, range(0), "database disk image is malformed")
    plan["code"] = sqlite3.SQLITE_CORRUPT_INDEX
    async with desk(path) as here:
        here.publish(*story("a"))
        await until(lambda: rows(path, "token_usages"))
        plan["bad"] = range(plan["done"] + 1, plan["done"] + 10)
        here.publish(*story("b"))
        assert "malformed; it was moved" in (await here.until_said("record.failed")).error
        plan["bad"] = range(0)
        await here.until_said("record.recovered")
        await until(lambda: rows(path, "token_usages"))
        plan["bad"] = range(10**6)  # not moved again so soon: the disk may damage every file
        here.publish(*story("c"))
        await until(lambda: len(here.said) == 3)
    (aside,) = (found for found in path.parent.glob("r.db.corrupt-*") if not found.name.endswith(("-wal", "-shm")))
    assert ids(aside) == ["a"]
    assert ids(path) == ["b"]
    plan["bad"] = range(0)
    async with desk(path):
        pass
    assert ids(path) == ["b", "c"]


async def test_it_makes_no_new_record_where_the_old_can_be_used(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    sqlite3.connect(path).execute("CREATE TABLE theirs (a)").connection.close()
    async with desk(path) as here:
        here.publish(*story("a"))
        assert "another program's" in (await here.until_said("record.failed")).error
    assert rows(path, "theirs") == rows(path, "interceptions") == []
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert not list(path.parent.glob("r.db.corrupt-*"))


async def test_requests_go_on_while_another_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    async with provider(say_hello) as url, world(url, record=RecordSettings(path=path)) as here:
        with locked(path):
            for _ in range(5):
                answer = await ask(here.port)
                assert (answer.status, answer.complete) == (200, True)
            await here.event("record.failed")
            await here.event("interception.ended", 5)
        await here.event("record.recovered")
    assert [row["outcome"] for row in rows(path, "interceptions")] == ["completed"] * 5
    assert [row["output"] for row in rows(path, "token_usages")] == [3] * 5
    assert len(here.events("record.failed", "record.recovered")) == 2
