"""The file itself: its schema's versions, what a start finds and mends, what is forgotten, and the health of keys."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import trio

from bridge.config.settings import RecordSettings
from bridge.events.values import KeyState
from bridge.events.vocabulary import PromptRecorded, TokensUsed
from bridge.record import key_states
from bridge.record.database import RecordError, migrations, open_for_reading, open_for_writing
from bridge.record.runs import RunLock, begin_run, knows_run
from tests.support.record_desk import AT, STAMP, contents, desk, ended, ids, rows, started
from tests.support.until import until
from tests.support.world import KEYS, Asked, Reply, ask, provider, say_hello, world

NOTED = f"INSERT INTO runs (pid, started_at) VALUES (?, '{STAMP}')"  # noqa: S608  # our own
LOOK = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM runs').fetchall(); c.close()"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "r.db"


@pytest.fixture
def opened(file: Path) -> Iterator[sqlite3.Connection]:
    database = open_for_writing(file)
    yield database
    database.close()


def version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def test_a_fresh_file_has_the_latest_schema(opened: sqlite3.Connection) -> None:
    assert version(opened) == migrations()[-1][0]
    assert opened.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert opened.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


@pytest.mark.parametrize("again", [open_for_reading, open_for_writing])
def test_opening_it_again_does_not_give_up_the_writers_locks(
    file: Path, opened: sqlite3.Connection, again: Callable[[Path], sqlite3.Connection]
) -> None:
    opened.execute(NOTED, (1,))
    again(file).close()
    subprocess.run([sys.executable, "-c", LOOK, file], check=True)  # noqa: S603  # it must not be the last to close
    opened.execute(NOTED, (2,))
    with closing(sqlite3.connect(file)) as reader:
        assert [row[0] for row in reader.execute("SELECT pid FROM runs")] == [1, 2]


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [number for number, _ in migrations()] == list(range(1, len(migrations()) + 1))


async def test_opened_again_all_is_there(file: Path) -> None:
    for name in ("a", "b"):
        async with desk(file) as here:
            here.publish(started(name), ended(name))
    assert ids(file) == ["a", "b"]


def test_an_earlier_schema_is_brought_up_to_date_and_kept(
    file: Path, opened: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened.execute("INSERT INTO salts VALUES (x'00')")
    later = [*migrations(), (migrations()[-1][0] + 1, "CREATE TABLE later (a INTEGER);")]
    monkeypatch.setattr("bridge.record.database.migrations", lambda: later)
    again = open_for_writing(file)
    assert version(again) == later[-1][0]
    assert again.execute("SELECT count(*) FROM salts, (SELECT count(*) FROM later)").fetchone()[0] == 1
    again.close()


def test_a_migration_that_fails_leaves_the_file_as_it_was(
    file: Path, opened: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "CREATE TABLE later (a INTEGER); INSERT INTO nowhere VALUES (1);"
    before = migrations()
    later = [*before, (before[-1][0] + 1, script)]
    monkeypatch.setattr("bridge.record.database.migrations", lambda: later)
    with pytest.raises(sqlite3.OperationalError):
        open_for_writing(file)
    assert version(opened) == before[-1][0]
    assert opened.execute("SELECT count(*) FROM sqlite_master WHERE name = 'later'").fetchone()[0] == 0


async def test_a_later_schema_is_left_alone(file: Path, opened: sqlite3.Connection) -> None:
    opened.execute("PRAGMA user_version = 99")
    with pytest.raises(RecordError, match="later clearspan"):
        open_for_writing(file)
    with pytest.raises(RecordError, match="schema 99"):
        open_for_reading(file)
    async with desk(file) as here:
        here.publish(started("a"))
        assert "later clearspan" in (await here.until_said("record.failed")).error
    assert version(opened) == 99


def test_reading_makes_no_file(file: Path) -> None:
    with pytest.raises(RecordError, match="no record"):
        open_for_reading(file)
    assert not file.exists()


def test_a_reader_cannot_write(file: Path, opened: sqlite3.Connection) -> None:
    reader = open_for_reading(file)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM runs")
    reader.close()
    assert version(opened)


def leave_open(database: sqlite3.Connection, name: str, pid: int, token: str | None = None) -> None:
    """An interception that a bridge with that process id and lock has under way."""
    values = (pid, token)
    run = database.execute("INSERT INTO runs (pid, token, started_at) VALUES (?, ?, '')", values).lastrowid
    sql = """INSERT INTO interceptions (id, run, provider, api, method, path, streaming, client, credential_kind,
             started_at) VALUES (?, ?, '', '', '', '', 1, '', '', ?)"""
    database.execute(sql, (name, run, STAMP))


async def test_a_start_ends_what_bridges_that_are_gone_left_open(file: Path, opened: sqlite3.Connection) -> None:
    gone = await trio.run_process([sys.executable, "-c", "import os; print(os.getpid())"], capture_stdout=True)
    living, dead = RunLock(file), RunLock(file)
    living.hold()
    dead.hold()
    assert dead._descriptor is not None
    os.close(dead._descriptor)  # which is what the kernel does, however it died
    leave_open(opened, "of a dead one", int(gone.stdout), dead.token)
    leave_open(opened, "of one whose process id is ours", os.getpid(), "0" * 32)
    leave_open(opened, "of one whose process id another has", os.getppid(), "1" * 32)
    leave_open(opened, "of one before there were locks", os.getppid())
    leave_open(opened, "of a living one", os.getppid(), living.token)
    opened.execute(
        "INSERT INTO attempts (interception_id, attempt, key, started_at) VALUES ('of a dead one', 1, '', '')"
    )
    async with desk(file):
        pass
    living.release()
    assert not list(file.parent.glob("*.run-*"))
    assert rows(file, "attempts")[0]["ended_at"] is not None
    found = {row["id"]: (row["outcome"], row["error"], row["ended_at"] is None) for row in rows(file, "interceptions")}
    assert found.pop("of a living one") == (None, None, True)
    assert len(found) == 4
    assert set(found.values()) == {("failed", "bridge stopped", False)}


async def test_a_second_bridge_is_told_of_the_first(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with desk(file) as first, desk(file) as second:
        first.publish(started("a"))
        second.publish(started("b"), ended("b"))
    told = [line for line in capsys.readouterr().out.splitlines() if "another bridge" in line]
    assert len(told) == 1
    assert f"pid={os.getpid()}" in told[0]
    assert {row["id"]: row["outcome"] for row in rows(file, "interceptions")} == {"a": None, "b": "completed"}


def test_a_run_of_another_file_is_not_ours(file: Path, opened: sqlite3.Connection) -> None:
    lock = RunLock(file)
    begun = begin_run(opened, file, lock, AT)
    assert knows_run(opened, begun.run, lock)
    assert not knows_run(opened, begun.run, RunLock(file))  # of the same process id
    lock.release()


async def test_what_a_graceful_stop_left_open_is_ended_too(file: Path) -> None:
    async with desk(file) as here:
        here.publish(started("a"))  # and its end was lost
    async with desk(file):
        pass
    assert rows(file, "interceptions")[0]["outcome"] == "failed"


async def test_what_is_older_than_keep_is_forgotten_whole(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.record.recorder.utc_now", lambda: AT + timedelta(days=10))
    told = [PromptRecorded("old", "r", "text"), TokensUsed("old", "r", 1, 1), ended("old")]
    async with desk(file, keep=9 * 86_400.0) as here:
        here.publish(started("old"), *told)
        await until(lambda: rows(file, "runs"))
    assert contents(file) == {}
    async with desk(file, keep=11 * 86_400.0) as here:
        here.publish(started("new"))
    assert ids(file) == ["new"]


def test_the_salt_stays_the_same(opened: sqlite3.Connection) -> None:
    salt = key_states.salt(opened)
    assert len(salt) == 32
    assert key_states.salt(opened) == salt


def test_states_of_keys_that_make_no_sense_are_passed_over(opened: sqlite3.Connection) -> None:
    states = ("no json", '{"a":1}', "[1]", "5", "null", '"words"')
    opened.executemany("INSERT INTO key_states VALUES ('openai', ?, ?)", [(state, state) for state in states])
    assert key_states.saved_keys(opened) == {"openai": [{"a": 1}]}


async def test_the_health_of_keys_survives_a_restart(file: Path) -> None:
    async def handle(asked: Asked, reply: Reply) -> None:
        answers = {KEYS[0]: (429, [("retry-after", "300")]), KEYS[1]: (401, [])}
        if asked.key in answers:
            status, headers = answers[asked.key]
            await reply.whole(status, b"{}", headers)
        else:
            await say_hello(asked, reply)

    record = RecordSettings(path=file)
    async with provider(handle) as url:
        async with world(url, KEYS, record=record) as here:
            assert (await ask(here.port)).status == 200
            before = {key.key: key for key in here.bridge.providers["openai"].pool.snapshot()}
        async with world(url, KEYS, record=record) as here:
            after = {key.key: key for key in here.bridge.providers["openai"].pool.snapshot()}
            assert (await ask(here.port)).status == 200
            assert len(here.events("attempt.started")) == 1
    assert [key.state for key in after.values()] == [KeyState.TEMPORARY, KeyState.PERMANENT, KeyState.VALID]
    cooling, was = after["sk-c...0001"], before["sk-c...0001"]
    assert cooling.retry_at is not None
    assert was.retry_at is not None
    assert abs((cooling.retry_at - was.retry_at).total_seconds()) < 2  # both tell one moment, by the wall clock
    everything = b"".join(path.read_bytes() for path in file.parent.iterdir())
    assert b"cooldown_until" in everything
    assert not any(key.encode() in everything for key in KEYS)


async def test_a_key_that_is_well_again_is_well_after_a_restart(file: Path) -> None:
    async def handle(asked: Asked, reply: Reply) -> None:
        if asked.key == KEYS[0] and asked.method == "POST":
            await reply.whole(401, b"{}")
        else:
            await say_hello(asked, reply)

    record = RecordSettings(path=file)
    async with provider(handle) as url:
        async with world(url, KEYS[:2], record=record) as here:
            await ask(here.port)
            here.bridge.providers["openai"].pool.reset("sk-c...0001")  # by a request to /models, which is served
            await until(lambda: here.events("key.changed")[-1].state is KeyState.VALID)
        async with world(url, KEYS[:2], record=record) as here:
            states = [key.state for key in here.bridge.providers["openai"].pool.snapshot()]
    assert states == [KeyState.VALID, KeyState.VALID]
