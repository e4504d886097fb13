"""Sums of days that are over: made in the background, right whatever changes after them, and never in the way."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from bridge.events.times import format_time
from bridge.record import sums
from bridge.record.database import migrations, open_for_reading, open_for_writing
from bridge.record.pruning import EVERY_S
from bridge.record.sums import GROUPS, totals
from bridge.record.upkeep import INDICES, REPLACED, Upkeep
from tests.support.generated_record import APART, LAST, identity, make_record, started

SIZE = 9_000
"""A whole day between parts of two others."""
LATER = LAST + timedelta(days=1)
Rows = dict[str, list[dict[str, object]]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("record") / "clearspan.db"
    make_record(path, SIZE)
    return path


@pytest.fixture
def record(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(made, tmp_path))


@pytest.fixture
def database(record: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_for_writing(record)) as database:
        yield database


def keep_up(database: sqlite3.Connection, wall: datetime = LATER, upkeep: Upkeep | None = None) -> int:
    """Does all there is to do; returns in how many steps."""
    upkeep = upkeep or Upkeep()
    steps = 0
    while upkeep.step(database, wall, 0.0):
        steps += 1
    return steps


def reading(database: sqlite3.Connection) -> sqlite3.Connection:
    """The same record as commands read it."""
    return open_for_reading(Path(database.execute("PRAGMA database_list").fetchone()[2]))


def read(database: sqlite3.Connection, since: datetime | None = None) -> Rows:
    """What `stats` says of the record."""
    with closing(reading(database)) as reader:
        return {group: sorted(totals(reader, group, since), key=lambda row: str(row["name"])) for group in GROUPS}


def added_up(database: sqlite3.Connection, since: datetime | None = None) -> Rows:
    """The same without any sums."""
    kept = database.execute("SELECT day FROM summed_days WHERE complete").fetchall()
    database.execute("UPDATE summed_days SET complete = 0")
    try:
        return read(database, since)
    finally:
        database.executemany("UPDATE summed_days SET complete = 1 WHERE day = ?", kept)


def rounded(rows: Rows) -> Rows:
    """Sums of dollars depend on the order of the summands, in their last digits."""
    for found in rows.values():
        for row in found:
            row["cost_usd"] = round(cast("float", row["cost_usd"] or 0), 6)
    return rows


def days(database: sqlite3.Connection) -> list[str]:
    return [row[0] for row in database.execute("SELECT day FROM summed_days WHERE complete ORDER BY day")]


def test_every_day_that_is_over_is_summed(database: sqlite3.Connection) -> None:
    before = read(database)
    keep_up(database)
    first, last = started(0, SIZE).date(), LAST.date()
    assert days(database) == [f"{first + timedelta(days=n)}" for n in range((last - first).days + 1)]
    assert rounded(read(database)) == rounded(before) == rounded(added_up(database))


def test_today_is_not(database: sqlite3.Connection) -> None:
    keep_up(database, LAST)
    assert f"{LAST:%Y-%m-%d}" not in days(database)
    assert rounded(read(database)) == rounded(added_up(database))


def test_sums_are_read_and_not_made_again(database: sqlite3.Connection) -> None:
    keep_up(database)
    database.execute("UPDATE sums SET interceptions = interceptions + 1000")
    assert read(database) != added_up(database)


@pytest.mark.parametrize("number", [0, 4_000, SIZE])
def test_since_any_moment(database: sqlite3.Connection, number: int) -> None:
    keep_up(database)
    since = started(number, SIZE)
    for moment in (since, since.replace(hour=0, minute=0, second=0), since + APART / 2):
        assert rounded(read(database, moment)) == rounded(added_up(database, moment))


AT = started(5_000, SIZE)
DAY = f"{AT:%Y-%m-%d}"
NAME = identity(5_000)
VALUES = {"name": NAME, "first": f"{DAY}T00:00:00.000Z", "last": f"{DAY}T23:59:59.999Z"}
COLUMNS = "id, run, provider, api, method, path, streaming, client, credential_kind, started_at"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE interceptions SET outcome = 'failed' WHERE id = :name",
        "UPDATE interceptions SET model = 'another' WHERE id = :name",
        "DELETE FROM interceptions WHERE id = :name",
        "INSERT INTO attempts (interception_id, attempt, key, started_at) VALUES (:name, 2, 'sk-c...0002', '')",
        "UPDATE token_usages SET cost_usd = 7 WHERE interception_id = :name",
        "DELETE FROM token_usages WHERE interception_id = :name",
        """INSERT INTO token_usages (interception_id, input, output, cache_read_input, cache_write_input, extra, at)
           VALUES (:name, 5, 6, 7, 8, '{}', '')""",
        f"INSERT INTO interceptions ({COLUMNS}) VALUES ('new', 1, 'openai', '', '', '', 1, 'Late', 'byok', :last)",  # noqa: S608  # ours
        f"REPLACE INTO interceptions ({COLUMNS}) VALUES (:name, 1, 'openai', '', '', '', 1, 'Other', 'byok', :first)",  # noqa: S608  # ours
    ],
)
def test_what_changes_in_a_day_is_in_its_sums(database: sqlite3.Connection, change: str) -> None:
    keep_up(database)
    summed, before = days(database), rounded(read(database))
    database.execute(change, VALUES)
    assert set(summed) - set(days(database)) == {DAY}
    assert rounded(read(database)) == rounded(added_up(database)) != before
    keep_up(database)
    assert days(database) == summed
    assert rounded(read(database)) == rounded(added_up(database)) != before


def test_a_change_while_a_day_is_summed_is_not_missed(database: sqlite3.Connection) -> None:
    upkeep = Upkeep()
    while not database.execute("SELECT 1 FROM summed_days WHERE day = ?", (DAY,)).fetchone():
        assert upkeep.step(database, LATER, 0.0)
    database.execute("UPDATE token_usages SET cost_usd = 7 WHERE interception_id = :name", VALUES)
    keep_up(database, upkeep=upkeep)
    assert DAY in days(database)
    assert rounded(read(database)) == rounded(added_up(database))


def test_it_is_done_in_small_steps(database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[range] = []
    real = sums.sums_of

    def noted(database: sqlite3.Connection, day: str, hours: range) -> list[tuple[object, ...]]:
        asked.append(hours)
        return real(database, day, hours)

    monkeypatch.setattr("bridge.record.upkeep.sums_of", noted)
    keep_up(database)
    assert asked[0] == range(1)
    assert all(hours.stop <= 24 for hours in asked)


def test_it_is_looked_at_again_after_an_hour(database: sqlite3.Connection) -> None:
    upkeep = Upkeep()
    keep_up(database, LAST, upkeep)
    assert not upkeep.step(database, LATER, EVERY_S / 2)
    assert upkeep.step(database, LATER, EVERY_S)


def test_another_writer_puts_it_off(record: Path, database: sqlite3.Connection) -> None:
    database.execute("PRAGMA busy_timeout = 0")
    upkeep = Upkeep()
    with closing(sqlite3.connect(record, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert not upkeep.step(database, LATER, 0.0)
        other.execute("ROLLBACK")
    assert upkeep.step(database, LATER, EVERY_S)


def test_an_older_record_becomes_complete_in_the_background(tmp_path: Path) -> None:
    path, older = tmp_path / "older.db", tmp_path / "clearspan.db"
    make_record(path, 500)
    with closing(sqlite3.connect(older, isolation_level=None)) as database:
        for number, script in migrations():
            if number < 4:
                database.executescript(f"{script}\nPRAGMA user_version = {number};")
        database.execute("ATTACH ? AS made", (str(path),))
        for table in ("runs", "interceptions", "attempts", "prompts", "thoughts", "tool_calls", "token_usages"):
            names = ", ".join(f'"{row[1]}"' for row in database.execute(f"PRAGMA table_info({table})"))
            database.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM made.{table}")  # noqa: S608  # ours
    with closing(open_for_writing(older)) as database:
        assert not _indices(database) & set(INDICES)  # no start waits for them
        before = read(database)
        keep_up(database)
        assert _indices(database) >= set(INDICES)
        assert not _indices(database) & set(REPLACED)
        assert days(database)
        assert rounded(read(database)) == rounded(before)


@pytest.mark.parametrize("name", ["model", "provider", "client", "outcome"])
def test_what_fits_nothing_is_found_out_without_reading_the_interceptions(
    database: sqlite3.Connection, name: str
) -> None:
    keep_up(database)
    sql = f"SELECT rowid FROM interceptions WHERE {name} = 'no' COLLATE NOCASE ORDER BY started_at DESC"  # noqa: S608  # ours
    plan = database.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
    assert "COVERING INDEX interceptions_by_facts" in str(plan)


def _indices(database: sqlite3.Connection) -> set[str]:
    return {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}


@pytest.mark.parametrize("number", [0, 4_000, SIZE])
def test_until_any_moment(database: sqlite3.Connection, number: int) -> None:
    keep_up(database)
    until = started(number, SIZE)
    with closing(reading(database)) as reader:
        for moment in (until, until.replace(hour=0, minute=0, second=0), until + APART / 2):
            before = sum(row["interceptions"] for row in totals(reader, "model", None, moment))
            after = sum(row["interceptions"] for row in totals(reader, "model", moment))
            count = "SELECT count(*) FROM interceptions WHERE started_at < ?"
            assert before == SIZE - after == reader.execute(count, (format_time(moment),)).fetchone()[0]


def test_what_was_served_stands_beside_what_was_asked_day_by_day(database: sqlite3.Connection) -> None:
    database.execute("UPDATE interceptions SET served_model = model || '-2026-04-23', service_tier = 'default'")
    of_day = "WHERE started_at BETWEEN :first AND :last"
    database.execute(f"UPDATE interceptions SET served_model = 'small', asked_service_tier = 'flex' {of_day}", VALUES)  # noqa: S608  # ours
    keep_up(database)
    begin = datetime.fromisoformat(VALUES["first"])
    with closing(reading(database)) as reader:
        rows = totals(reader, "served")
        that_day = totals(reader, "served", begin, begin + timedelta(days=1))
    assert [row["day"] for row in rows] == sorted((row["day"] for row in rows), reverse=True)
    assert sum(row["interceptions"] for row in rows) == SIZE
    assert {row["served_otherwise"] for row in rows if row["day"] != DAY} == {False}
    in_all = [row for row in rows if row["day"] == DAY]
    assert rounded({"served": that_day}) == rounded({"served": in_all})
    assert {(row["name"], row["service_tier"], row["served_otherwise"]) for row in that_day} == {
        ("small", "default", True)
    }
    assert {row["asked"]["model"] for row in that_day} == {row["asked"]["model"] for row in rows}
    assert {row["asked"]["service_tier"] for row in that_day} == {"flex"}
