"""Interceptions for other programs: HTTP Archives that are ones, whatever became of a request."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import orjson
import pytest

from bridge.config.settings import RecordSettings
from bridge.simulator.scenario.file import everyday
from tests.record.commands import printed
from tests.record.har import NotHar, check_archive
from tests.support.dialects import DIALECTS, fated, say
from tests.support.record_desk import desk, ids, started
from tests.support.simulated import simulation
from tests.support.world import KEYS, ask


async def fill(place: Path) -> list[str]:
    """A record with every kind of ending; returns the ids."""
    record = RecordSettings(path=place / "clearspan.db")
    async with simulation(record=record) as simulated:
        for dialect in DIALECTS.values():
            for name in everyday().answers:
                await say(simulated, dialect, name)
            await say(simulated, dialect, stream=False)
            await ask(simulated.here.port, b"nonsense", path=dialect.path)
        await ask(simulated.here.port, b"", path="/openai/v1/models?limit=2", method="GET")
    async with simulation(fated("401"), KEYS[1:3], record=record) as simulated:
        await say(simulated, DIALECTS["messages"])
    return ids(place / "clearspan.db")


async def test_everything_that_happens_makes_a_good_archive(tmp_path: Path) -> None:
    names = await fill(tmp_path)
    archive = orjson.loads(printed(tmp_path, "export", *reversed(names), "--format", "har"))
    entries = check_archive(archive)
    assert sorted(entry["_clearspan"]["id"] for entry in entries) == sorted(names)
    assert {entry["response"]["status"] for entry in entries} >= {200, 400, 502}
    assert archive["log"]["creator"]["name"] == "Clearspan"
    first = next(entry for entry in entries if entry["_clearspan"]["id"] == names[0])
    assert first["request"]["url"] == "http://127.0.0.1:8484/openai/v1/responses"
    listed = next(entry["request"] for entry in entries if entry["request"]["method"] == "GET")
    assert listed["url"] == "http://127.0.0.1:8484/openai/v1/models?limit=2"
    assert listed["queryString"] == [{"name": "limit", "value": "2"}]
    assert orjson.loads(first["request"]["postData"]["text"])["prompt"] == ["Why is the job slow on Mondays?"]


async def test_one_that_still_runs_and_has_no_answer(tmp_path: Path) -> None:
    async with desk(tmp_path / "clearspan.db") as here:
        here.publish(started("i"))
    (entry,) = check_archive(orjson.loads(printed(tmp_path, "export", "i", "--format", "har")))
    assert (entry["time"], entry["response"]["status"]) == (0, 0)


def spoil(entry: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for name in parents:
        entry = entry[name]
    if value is None:
        del entry[last]
    else:
        entry[last] = value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("time", 10**9),
        ("cache", None),
        ("request.cookies", None),
        ("request.headersSize", "1"),
        ("response.content.size", None),
        ("response.redirectURL", 1),
        ("startedDateTime", "2026-01-01T00:00:00"),
        ("timings.wait", -2),
        ("surprise", 1),
    ],
)
async def test_the_validator_sees_faults(tmp_path: Path, path: str, value: Any) -> None:
    record = RecordSettings(path=tmp_path / "clearspan.db")
    async with simulation(record=record) as simulated:
        await say(simulated, DIALECTS["responses"])
    archive = orjson.loads(printed(tmp_path, "export", *ids(tmp_path / "clearspan.db"), "--format", "har"))
    spoilt = copy.deepcopy(archive)
    spoil(spoilt["log"]["entries"][0], path, value)
    check_archive(archive)
    with pytest.raises(NotHar):
        check_archive(spoilt)
