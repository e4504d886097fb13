"""A record that is removed or replaced while it is written: it is said, what comes is kept, and no file is damaged."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from bridge.events.vocabulary import Event, PromptRecorded, TokensUsed
from bridge.record import recorder
from bridge.record.database import open_for_writing
from bridge.record.journal import Journal
from bridge.record.record_file import RecordFile, RecordGone
from tests.support.record_desk import Desk, desk, ended, ids, rows, started
from tests.support.until import until


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "BATCH_S", 0.001)
    monkeypatch.setattr(recorder, "RETRY_S", 0.005)
    monkeypatch.setattr(recorder, "LOOK_S", 0.01)


def story(name: str) -> list[Event]:
    return [started(name), PromptRecorded(name, "r", "text " * 500), TokensUsed(name, "r", 1, 2), ended(name)]


async def tell(here: Desk, *names: str) -> None:
    """These happen, and are written to the file that lies there."""
    for name in names:
        here.publish(*story(name))
    await until(lambda: here.ended[-1:] == [names[-1]])


def remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def backup(path: Path) -> Path:
    """A whole copy, as a person makes it while the bridge runs."""
    copy = path.with_name("backup")
    with closing(sqlite3.connect(path)) as database:
        database.execute("VACUUM INTO ?", (str(copy),))
    return copy


def beside(path: Path) -> list[str]:
    """All that lies there."""
    return sorted(found.name for found in path.parent.iterdir())


def is_whole(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def test_a_record_that_is_removed_is_begun_anew_while_nothing_happens(tmp_path: Path) -> None:
    async with desk(tmp_path / "r.db") as here:
        await tell(here, "a")
        remove(here.path)
        failed = await here.until_said("record.failed")
        assert str(here.path) in failed.error
        assert "was removed" in failed.error
        recovered = await here.until_said("record.recovered")
        assert (recovered.error, recovered.queued) == (None, 0)
        await tell(here, "b", "c")
    assert ids(tmp_path / "r.db") == ["b", "c"]
    assert [row["ended_at"] is None for row in rows(here.path, "runs")] == [False]
    assert [event.type for event in here.said] == ["record.failed", "record.recovered"]


async def test_the_whole_folder_may_go(tmp_path: Path) -> None:
    async with desk(tmp_path / "data" / "r.db") as here:
        await tell(here, "a")
        shutil.rmtree(here.path.parent)
        await here.until_said("record.recovered")
        await tell(here, "b")
    assert ids(here.path) == ["b"]


async def test_no_event_is_lost_however_soon_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "LOOK_S", 3600.0)
    async with desk(tmp_path / "r.db") as here:
        await tell(here, "a")
        for number in range(5):
            remove(here.path)
            await tell(here, f"b{number}")
    assert ids(here.path) == ["b4"]


async def test_what_is_committed_amid_the_removal_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = RecordFile.check_all
    async with desk(tmp_path / "r.db") as here:
        await tell(here, "a")

        def too_early(file: RecordFile) -> None:
            looks(file)
            if here.recorder._queue:  # what was just found in its place goes before the events are written
                monkeypatch.setattr(RecordFile, "check_all", looks)
                remove(file.path)

        monkeypatch.setattr(RecordFile, "check_all", too_early)
        await tell(here, "b")
    assert ids(here.path) == ["b"]
    assert len(rows(here.path, "prompts")) == len(rows(here.path, "token_usages")) == 1


async def test_what_is_under_way_begins_in_the_new_record_too(tmp_path: Path) -> None:
    async with desk(tmp_path / "r.db") as here:
        here.publish(started("under way", model="m"), *story("over"))
        await until(lambda: ids(here.path) == ["under way", "over"])
        remove(here.path)
        assert (await here.until_said("record.recovered")).error is None
        here.publish(*story("under way")[1:])
        await until(lambda: rows(here.path, "token_usages"))
    (row,) = rows(here.path, "interceptions")
    assert (row["id"], row["model"], row["outcome"]) == ("under way", "m", "completed")
    assert [row["interception_id"] for row in rows(here.path, "prompts")] == ["under way"]


@pytest.mark.parametrize("is_read", [False, True])
async def test_a_backup_put_in_its_place_is_gone_on_with(is_read: bool, tmp_path: Path) -> None:
    async with desk(tmp_path / "r.db") as here:
        await tell(here, "a", "b")
        copy = backup(here.path)
        await tell(here, "c", "d", "e")
        copy.replace(here.path)
        if is_read:
            uri = f"{here.path.as_uri()}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True)) as reader, suppress(sqlite3.DatabaseError):  # of two files
                reader.execute("SELECT count(*) FROM interceptions").fetchone()
        assert "another file was put in its place" in (await here.until_said("record.failed")).error
        await here.until_said("record.recovered")
        await tell(here, "f")
        assert is_whole(here.path)
    assert is_whole(here.path)
    assert ids(here.path) == ["a", "b", "f"]
    assert beside(here.path) == ["r.db"]
    async with desk(tmp_path / "r.db") as here:
        await tell(here, "g")
    assert here.said == []
    assert ids(here.path) == ["a", "b", "f", "g"]


async def test_one_that_is_put_elsewhere_takes_all_with_it(tmp_path: Path) -> None:
    async with desk(tmp_path / "r.db") as here:
        await tell(here, "a", "b")
        here.path.rename(tmp_path / "kept")  # without its journal, where all of it still is
        await here.until_said("record.recovered")
        await tell(here, "c")
    assert is_whole(tmp_path / "kept")
    assert ids(tmp_path / "kept") == ["a", "b"]
    assert ids(here.path) == ["c"]
    assert beside(here.path) == ["kept", "r.db"]


@contextmanager
def transaction(path: Path) -> Iterator[None]:
    """Somebody reads, and goes on reading."""
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM interceptions").fetchone()
        yield


async def test_a_journal_that_is_in_use_is_kept_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.record.database.BUSY_S", 0.0)
    async with desk(tmp_path / "r.db") as here:
        await tell(here, "a")
        with transaction(here.path):
            await tell(here, "b")
            here.path.rename(tmp_path / "kept")
            await here.until_said("record.recovered")
            await tell(here, "c")
    (orphan,) = (name for name in beside(here.path) if name.endswith("-wal"))
    assert orphan.startswith("r.db.orphaned-")
    assert ids(here.path) == ["c"]
    (tmp_path / orphan).rename(tmp_path / "kept-wal")
    assert ids(tmp_path / "kept") == ["a", "b"]


async def test_a_journal_that_is_removed_alone_costs_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path / "r.db") as here:
        await tell(here, "a", "b")
        for suffix in ("-wal", "-shm"):
            here.path.with_name(here.path.name + suffix).unlink()
        assert "its journal was removed" in (await here.until_said("record.failed")).error
        await here.until_said("record.recovered")
        await tell(here, "c")
        assert ids(here.path) == ["a", "b", "c"]
    assert len(rows(here.path, "prompts")) == 3
    assert len(rows(here.path, "runs")) == 1
    assert is_whole(here.path)


async def test_a_journal_that_can_not_be_moved_is_not_taken_for_the_new_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def stuck(path: Path, target: Path) -> Path:
        if path.name.endswith("-wal"):
            raise PermissionError(1, "not here")
        return rename(path, target)

    async with desk(tmp_path / "r.db") as here:
        await tell(here, "a")
        copy = backup(here.path)
        await tell(here, "b")
        with monkeypatch.context() as patched:
            patched.setattr(Path, "rename", stuck)
            copy.replace(here.path)
            assert "not here" in (await here.until_said("record.failed")).error
            here.publish(*story("c"))
        await here.until_said("record.recovered")
        await until(lambda: ids(here.path) == ["a", "c"])
    assert is_whole(here.path)


def test_nothing_is_moved_from_the_journal_into_a_file_that_lies_elsewhere(tmp_path: Path) -> None:
    file = RecordFile(tmp_path / "r.db")
    with file.opening():
        writer = open_for_writing(file.path)
    task = Journal(file)
    with closing(writer):
        task.open(writer)
        writer.execute("INSERT INTO salts VALUES (zeroblob(100000))")
        file.path.rename(tmp_path / "kept")
        assert not task._move()
        assert (tmp_path / "kept").stat().st_size < 100_000
        (tmp_path / "kept").rename(file.path)
        assert task._move()
        assert file.path.stat().st_size > 100_000
        task.close()


def test_a_file_that_is_replaced_while_it_is_opened(tmp_path: Path) -> None:
    file = RecordFile(tmp_path / "r.db")
    open_for_writing(file.path).close()
    copy = backup(file.path)
    with pytest.raises(RecordGone), file.opening(), closing(open_for_writing(file.path)):
        copy.replace(file.path)


async def test_two_bridges_go_on_in_the_same_new_record(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    async with desk(path) as first, desk(path) as second:
        await tell(first, "a")
        await tell(second, "b")
        remove(path)
        await first.until_said("record.recovered")
        await second.until_said("record.recovered")
        await tell(first, "c")
        await tell(second, "d")
    assert ids(path) == ["c", "d"]
    assert is_whole(path)


async def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "big").mkdir()
    real = tmp_path / "big" / "real.db"
    real.write_bytes(b"these are not the bytes of a database" * 100)
    link = tmp_path / "r.db"
    link.symlink_to(real)
    async with desk(link) as here:
        await here.until_said("record.recovered")
        await tell(here, "a")
        assert here.recorder._pruning._journal_bytes() > 0
    assert link.is_symlink()
    assert ids(real) == ["a"]
    assert [name.partition("-")[0] for name in beside(real)] == ["real.db", "real.db.corrupt"]
    assert beside(link) == ["big", "r.db"]
