"""What a stop can't write is in the record after the next start, once."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest
from attrs import evolve

from bridge.events.values import ThoughtSource
from bridge.events.vocabulary import Event, PromptRecorded, ThoughtRecorded, TokensUsed, ToolCalled
from bridge.events.wire import Envelope
from bridge.limits import LIMITS
from bridge.record import database, recorder, spill
from bridge.record.runs import RunLock
from bridge.record.statements import Item
from tests.record.test_trouble import locked, make_faulty
from tests.support.record_desk import AT, contents, desk, ended, ids, rows, started
from tests.support.until import until


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_S", 0.0)
    monkeypatch.setattr(recorder, "BATCH_S", 0.001)
    monkeypatch.setattr(recorder, "RETRY_S", 0.005)


def story(name: str) -> list[Event]:
    return [started(name), PromptRecorded(name, "r", "text"), TokensUsed(name, "r", 1, 2), ended(name)]


def spilt(path: Path) -> list[Path]:
    return list(path.parent.glob("*.spill-*"))


async def test_a_lock_held_until_after_the_stop(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    async with desk(path) as here:
        here.publish(*story("a"))
        await until(lambda: rows(path, "token_usages"))
        held = locked(path)
        held.__enter__()
        here.publish(started("b"))
        await here.until_said("record.failed")
        here.publish(*story("b")[1:], *story("c"))
        here.recorder.save_keys("openai", [{"fingerprint": "f", "state": "temporary"}])
    held.__exit__(None, None, None)
    (file,) = spilt(path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert ids(path) == ["a"]
    async with desk(path) as here:
        assert here.said == []
        assert spilt(path) == []
    kept = contents(path)
    assert [row["outcome"] for row in kept["interceptions"]] == ["completed"] * 3
    assert [row["interception_id"] for row in kept["prompts"]] == ["a", "b", "c"]
    assert [row["fingerprint"] for row in rows(path, "key_states")] == ["f"]
    assert rows(path, "spills") == []


async def test_a_full_database_at_the_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.db"
    really = database.open_for_writing

    def small(path: Path) -> sqlite3.Connection:
        opened = really(path)
        opened.execute("PRAGMA max_page_count = 60")
        return opened

    monkeypatch.setattr(recorder, "open_for_writing", small)
    names = [f"i{n}" for n in range(200)]
    async with desk(path) as here:
        for name in names:
            here.publish(*story(name), PromptRecorded(name, "r", "long" * 1000))
        assert "full" in (await here.until_said("record.failed")).error
    assert len(ids(path)) < 200
    assert len(spilt(path)) == 1
    monkeypatch.undo()
    async with desk(path):
        pass
    assert ids(path) == names
    assert len(rows(path, "prompts")) == 400
    assert {row["outcome"] for row in rows(path, "interceptions")} == {"completed"}


async def test_a_bridge_that_fails_while_it_takes_it_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.db"
    plan = make_faulty(monkeypatch, range(0))
    async with desk(path) as here:
        here.publish(started("a"))
        await until(lambda: ids(path))
        plan["bad"] = range(10**6)
        here.publish(*story("a")[1:], *[event for name in "bcdef" for event in story(name)])
        await here.until_said("record.failed")
    monkeypatch.setattr(spill, "LIMITS", evolve(LIMITS, batch_statements=3))
    for further in (20, 25, 30):
        plan["bad"] = range(plan["done"] + further, 10**6)
        async with desk(path) as here:
            await here.until_said("record.failed")
    assert 1 < len(ids(path)) < 6
    assert len(spilt(path)) == 1
    plan["bad"] = range(0)
    async with desk(path):
        pass
    assert ids(path) == list("abcdef")
    assert [row["interception_id"] for row in rows(path, "prompts")] == list("abcdef")
    assert [row["interception_id"] for row in rows(path, "token_usages")] == list("abcdef")


async def test_what_the_owner_does_not_want_is_not_spilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_faulty(monkeypatch, range(10**6))
    async with desk(tmp_path / "r.db", prompts=False, thoughts=False, tool_arguments=False) as here:
        here.publish(
            started("i"),
            PromptRecorded("i", "r", "canary"),
            ThoughtRecorded("i", "r", 0, ThoughtSource.THINKING, "canary"),
            ToolCalled("i", "r", "c", "read", {"path": "canary"}),
        )
        await here.until_said("record.failed")
    (file,) = spilt(tmp_path / "r.db")
    assert b"tool.called" in file.read_bytes()
    assert b"canary" not in file.read_bytes()


async def test_lines_that_say_nothing_cost_no_other(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    items: list[Item] = []
    async with desk(path) as here:
        here.hub.add_sink(items.append)
        here.publish(*story("a"))
    path.unlink()
    assert spill.write(path, "0" * 32, items) == 4
    (file,) = spilt(path)
    lines = file.read_bytes().splitlines(keepends=True)
    odd = [b"\n", b"[]\n", b'{"type":"hello"}\n', b"\xff\n", b'{"type":"key.states"}\n', b'{"type":"new"}\n']
    file.write_bytes(b"".join([*odd, *lines]) + b'{"type":"prompt.recor')
    async with desk(path) as here:
        assert here.said == []
    assert (ids(path), len(rows(path, "prompts")), spilt(path)) == (["a"], 1, [])


async def test_of_a_bridge_that_was_killed_while_it_left_it(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    living = RunLock(path)
    living.hold()
    for token, name in (("0" * 32, "dead"), (living.token, "living")):
        assert spill.write(path, token, [Envelope(1, AT, started(name))]) == 1
        (file,) = (found for found in spilt(path) if found.name.endswith(token))
        file.rename(file.with_name(file.name + spill.UNFINISHED))
    async with desk(path):
        pass
    assert ids(path) == ["dead"]
    living.release()
    async with desk(path):
        pass
    assert ids(path) == ["dead", "living"]


def test_the_oldest_go_where_there_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spill, "LIMITS", evolve(LIMITS, spill_bytes=1_000))
    items = [Envelope(number, AT, PromptRecorded("i", "r", "x" * 100)) for number in range(20)]
    left = spill.write(tmp_path / "r.db", "0" * 32, items)
    (file,) = spilt(tmp_path / "r.db")
    assert file.stat().st_size <= 1_000
    assert 0 < left < 20
    assert f'"seq":{20 - left},'.encode() in file.read_bytes().splitlines()[0]


def test_files_of_many_stops_are_bounded_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.db"
    monkeypatch.setattr(spill, "LIMITS", evolve(LIMITS, spill_bytes=1_000))
    for number in range(12):
        items: list[Item] = [Envelope(n, AT, PromptRecorded("i", "r", f"{number}" * 60)) for n in range(2)]
        assert spill.write(path, f"{number:032}", items) == 2
        (written,) = (found for found in spilt(path) if found.name.endswith(f"{number:032}"))
        os.utime(written, (number, number))
        assert sum(found.stat().st_size for found in spilt(path)) <= 1_000
    kept = sorted(int(found.name.rpartition("-")[2]) for found in spilt(path))
    assert kept == list(range(12 - len(kept), 12))
    assert len(kept) > 1


@pytest.mark.parametrize("kind", ["directory", "device"])
async def test_none_is_left_beside_what_is_no_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    if kind == "directory":
        path.mkdir()
    else:
        os.mkfifo(path)
    async with desk(path) as here:
        here.publish(*story("a"))
        assert "record.path in the configuration should name a file" in (await here.until_said("record.failed")).error
    assert [found.name for found in path.parent.iterdir()] == ["r.db"]
