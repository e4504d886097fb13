"""The `history` command on the socket: page by page what `clearspan history` lists, in its place among events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from attrs import evolve

from bridge.config.settings import RecordSettings
from bridge.config.units import Seconds
from bridge.events.wire import History, decode
from bridge.limits import LIMITS
from bridge.record import past
from tests.faults.subscriber import RawSubscriber, subscriber
from tests.record.commands import printed
from tests.support.dialects import DIALECTS
from tests.support.generated_record import make_record
from tests.support.record_desk import FOR_EVER, rows
from tests.support.simulated import Simulation, simulation
from tests.support.until import until
from tests.support.world import ask

SIZE = 130
Fields = dict[str, Any]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a record in it."""
    make_record(tmp_path / "clearspan.db", SIZE)
    return tmp_path


@asynccontextmanager
async def asking(place: Path) -> AsyncIterator[tuple[Simulation, RawSubscriber]]:
    """A subscriber of a bridge that goes on with the record there."""
    record = RecordSettings(path=place / "clearspan.db", keep=Seconds(FOR_EVER))
    async with simulation(record=record) as simulated, subscriber(simulated.here.socket) as listening:
        yield simulated, listening


async def page(listening: RawSubscriber, number: int, **fields: Any) -> Fields:
    """The line that comes for a command."""
    await listening.say({"n": number, "command": "history", **fields})
    return await listening.until("history", to=number)


async def pages(listening: RawSubscriber, limit: int, **fields: Any) -> list[Fields]:
    """All interceptions, asked for page by page."""
    found: list[Fields] = []
    more = True
    while more:
        before = found[-1]["id"] if found else None
        told = await page(listening, len(found), before=before, limit=limit, **fields)
        assert 0 < len(told["interceptions"]) <= limit
        found += told["interceptions"]
        more = told["more"]
    return found


def listed(place: Path, *words: str) -> list[Fields]:
    """What the command lists."""
    return [orjson.loads(line) for line in printed(place, "history", "--json", "--limit", "1000", *words).splitlines()]


@pytest.mark.parametrize("limit", [7, 200])
async def test_its_pages_are_what_the_command_lists(limit: int, place: Path) -> None:
    session = listed(place)[50]["session_id"]
    async with asking(place) as (_, listening):
        everything = await pages(listening, limit)
        of_session = await pages(listening, limit, session=session)
    for told, rows_of in ((everything, listed(place)), (of_session, listed(place, "--session", session))):
        assert [each["id"] for each in told] == [row["id"] for row in rows_of]
        for each, row in zip(told, rows_of, strict=True):
            same = ("model", "client", "session_id", "started_at", "ended_at", "outcome", "status", "prompt")
            assert {name: each[name] for name in same} == {name: row[name] for name in same}
            used = each["tokens"] or dict.fromkeys(("input", "output", "cost_usd"))
            assert {name: used[name] for name in ("input", "output")} == {
                name: row[name] for name in ("input", "output")
            }
            assert used["cost_usd"] == pytest.approx(row["cost_usd"])
    assert (len(everything), len(of_session)) == (SIZE, 40)


async def test_it_finds_the_texts_that_the_command_finds(place: Path) -> None:
    words = next(row["prompt"] for row in listed(place) if row["prompt"])[:12]
    async with asking(place) as (_, listening):
        found = await pages(listening, 7, text=words)
        nothing = await page(listening, 1_000, text="no text has 100% of this_")
    rows_of = listed(place, "--text", words)
    assert 0 < len(rows_of) < SIZE
    assert [each["id"] for each in found] == [row["id"] for row in rows_of]
    assert (nothing["interceptions"], nothing["more"]) == ([], False)


async def test_an_interception_of_the_past_is_as_the_snapshot_showed_it(tmp_path: Path) -> None:
    async with asking(tmp_path) as (simulated, listening):
        body = {"model": "gpt-5", "stream": True, **DIALECTS["responses"].asking_on}
        await ask(simulated.here.port, body, headers=[("session-id", "s-1")])
        await simulated.here.event("interception.ended")
        path = tmp_path / "clearspan.db"
        await until(lambda: [row for row in rows(path, "interceptions") if row["outcome"]])
        await listening.say({"n": 1, "command": "snapshot"})
        shown = (await listening.until("snapshot"))["interceptions"][0]
        [told] = (await page(listening, 2))["interceptions"]
        assert told["results"] == shown["results"] != []
        not_kept = {"answer", "context", "ended_nth", "served", "cut", "tokens"}
        assert {**told, **dict.fromkeys(not_kept)} == {**shown, **dict.fromkeys(not_kept)}
        message = decode(orjson.dumps(listening.lines[-1]))
        assert isinstance(message, History)
        assert message.interceptions[0].id == shown["id"]


async def test_it_stands_among_the_events_with_the_number_of_the_last(place: Path) -> None:
    async with asking(place) as (simulated, listening):
        for number in range(5):
            await listening.say({"n": number, "command": "history", "limit": 20})
            await ask(simulated.here.port)
        await listening.until("history", to=4)
        seen = 0
        for line in listening.lines:
            if line["type"] == "history":
                assert line["seq"] == seen
                assert line["at"].endswith("Z")
            elif line["type"] not in {"hello", "reply"}:
                seen = line["seq"]
        assert [line["to"] for line in listening.lines if line["type"] == "history"] == [0, 1, 2, 3, 4]


async def test_its_size_is_bounded_and_the_rest_is_more(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "LIMITS", evolve(LIMITS, history_bytes=12_000))
    async with asking(place) as (_, listening):
        first = await page(listening, 1, limit=100)
        assert 1 < len(first["interceptions"]) < 100
        assert first["more"]
        assert len(orjson.dumps(first["interceptions"])) < 13_000
        assert [each["id"] for each in await pages(listening, 100)] == [row["id"] for row in listed(place)]
    monkeypatch.setattr(past, "LIMITS", evolve(LIMITS, history_bytes=1_000))  # less than any takes
    async with asking(place) as (_, listening):
        alone = (await page(listening, 1))["interceptions"]
        assert len(alone) == 1
        assert alone[0]["cut"]["bytes"] > 0


async def test_what_cannot_be_looked_up_is_said(place: Path) -> None:
    async with asking(place) as (_, listening):
        assert (await page(listening, 1, session="nobody"))["interceptions"] == []
        told = await listening.command(2, "history", before="nothing")
        assert (told["ok"], told["error"]) == (False, "no interception of the id in 'before' is in the record")
        wrongs: tuple[Fields, ...] = ({"limit": 0}, {"limit": True}, {"limit": "5"}, {"before": 7}, {"session": []})
        for wrong in wrongs:
            await listening.say({"n": 3, "command": "history", **wrong})
            refused = await listening.until("reply", to=None)
            assert not refused["ok"]
        (place / "clearspan.db").write_bytes(b"no database" * 1000)
        assert not (await listening.command(4, "history"))["ok"]
    async with (
        simulation(record=RecordSettings(path=None)) as simulated,
        subscriber(simulated.here.socket) as listening,
    ):
        assert "recording is off" in (await listening.command(1, "history"))["error"]
