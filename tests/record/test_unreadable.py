"""Files that are no record, or none that can be read: one clear line, and what to do about it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import orjson
import pytest
import trio

from bridge.cli.dumps import NoDump
from bridge.events.wire import Command
from bridge.limits import LIMITS
from bridge.record.database import RecordError, open_for_reading, open_for_writing
from bridge.record.past import Remembrance
from tests.record.commands import printed, run
from tests.support.generated_record import identity, make_record


def directory(path: Path) -> None:
    path.mkdir()


def text(path: Path) -> None:
    path.write_text("notes of the week\n" * 100)


def damaged(path: Path) -> None:
    open_for_writing(path).close()
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 5000)


def of_a_later_version(path: Path) -> None:
    open_for_writing(path).execute("PRAGMA user_version = 99").connection.close()


def of_an_earlier_version(path: Path) -> None:
    open_for_writing(path).execute("PRAGMA user_version = 1").connection.close()


def of_another_program(path: Path) -> None:
    sqlite3.connect(path).execute("CREATE TABLE bookmarks (url)").connection.close()


def empty(path: Path) -> None:
    path.touch()


def missing(_: Path) -> None:
    pass


WORDS: dict[Callable[[Path], None], str] = {
    directory: "is a directory; record.path in the configuration should name a file",
    text: "the bridge moves it aside when it starts",
    damaged: "the bridge moves it aside when it starts",
    of_a_later_version: "written by a later clearspan (schema 99",
    of_an_earlier_version: "start the bridge once",
    of_another_program: "another program's database; name another file in record.path",
    empty: "holds nothing yet; start the bridge once",
    missing: "there is no record at",
}


@pytest.mark.parametrize("make", WORDS)
@pytest.mark.parametrize("words", [("history",), ("show", "a"), ("stats",), ("export", "a")])
def test_it_is_said_in_one_line(make: Callable[[Path], None], words: tuple[str, ...], tmp_path: Path) -> None:
    make(tmp_path / "clearspan.db")
    error = run(tmp_path, *words).exception
    assert isinstance(error, RecordError)
    assert WORDS[make] in str(error)
    assert str(tmp_path / "clearspan.db") in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize("what", ["file", "directory"])
def test_a_file_that_may_not_be_read(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.db"
    open_for_writing(path).close()

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, os.strerror(13))

    if what == "file":  # a test run by root may read everything
        monkeypatch.setattr(os, "access", lambda *_: False)
    else:
        monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(RecordError, match="may not be read by this user"):
        open_for_reading(path)


@pytest.mark.parametrize("stamp", ["not a time", "2026-11-24", "", 5, "\x1b[2J"])
def test_a_time_that_is_none_hides_no_other_interception(stamp: str | int, tmp_path: Path) -> None:
    """Somebody wrote there."""
    path = tmp_path / "clearspan.db"
    make_record(path, 30)
    changed = identity(7)
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE interceptions SET started_at = ? WHERE id = ?", (stamp, changed))
        database.commit()
        told = remembered(path)
    assert set(told) == {identity(n) for n in range(30)} - {changed}
    for words in (["history"], ["sessions"], ["stats"], ["show", changed]):
        assert "\x1b" not in printed(tmp_path, *words)
    assert len(printed(tmp_path, "history").splitlines()) == 31
    (tmp_path / "config.toml").write_text(f'[record]\ndump_dir = "{tmp_path}/dumps"\n')
    assert isinstance(run(tmp_path, "show", changed, "--raw").exception, NoDump)


def remembered(path: Path) -> list[str]:
    """The ids of what a subscriber gets that asks for the past."""
    asked = Command(1, "history", limit=LIMITS.history)
    past = trio.run(Remembrance(path).remember, asked)
    assert not past.more
    return [orjson.loads(line)["id"] for line in past.interceptions]
