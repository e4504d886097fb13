"""The record as an event log: played, it gives the picture that the bridge had."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bridge.events.entries import Interception
from bridge.events.picture import Picture
from bridge.events.values import Asked, FailureReason, ThoughtSource, WithheldReason
from bridge.events.vocabulary import (
    AttemptFailed,
    AttemptStarted,
    Event,
    ModelServed,
    Noted,
    PromptRecorded,
    ResponseStarted,
    ThoughtRecorded,
    ThoughtWithheld,
    TokensUsed,
    ToolCalled,
)
from bridge.events.wire import Envelope, decode
from bridge.record.database import open_for_reading
from bridge.record.event_log import event_lines
from monitor.sources.event_log import read_log
from tests.support.generated_record import make_record
from tests.support.record_desk import desk, ended, started

ONE: list[Event] = [
    started("a", model="gpt-5.1-codex", client="Codex", session_id="s", streaming=True, previous_tool_ms={"x": 1.5}),
    AttemptStarted("a", 1, "sk-p...1111"),
    AttemptFailed("a", 1, "sk-p...1111", 429, FailureReason.RATE_LIMITED, 7.0, "slow down"),
    AttemptStarted("a", 2, "sk-p...2222"),
    ResponseStarted("a", 2, 200, "req_1"),
    PromptRecorded("a", "r", "why?"),
    ThoughtRecorded("a", "r", 0, ThoughtSource.THINKING, "because"),
    ThoughtWithheld("a", "r", 1, WithheldReason.REDACTED, 12, 150),
    ToolCalled("a", "r", "call_1", "shell", {"cmd": ["ls", "-l"]}),
    ModelServed("a", "gpt-5.1-codex-2026", "priority", "fast", Asked("gpt-5.1-codex")),
    Noted("a", "compaction", "made short"),
    TokensUsed("a", "r", 10, 20, 5, 1, {"reasoning": 7}, 0.25, model="m", context_window=400_000, partial=True),
]
TIMES = ("started_at", "ended_at", "attempts")


def facts(interception: Interception) -> dict[str, Any]:
    """All of it but the times, which the record keeps to the millisecond."""
    names = [field.name for field in Interception.__attrs_attrs__ if field.name not in TIMES]
    tries = [(each.attempt, each.key, each.status, each.reason, each.cooldown_s) for each in interception.attempts]
    return {**{name: getattr(interception, name) for name in names}, "attempts": tries}


async def test_what_was_recorded_is_told_again(tmp_path: Path) -> None:
    path = tmp_path / "clearspan.db"
    at = datetime.now(UTC)
    expected = Picture()
    async with desk(path) as here:
        for number, event in enumerate([*ONE, ended("a"), started("b")]):
            here.publish(event)
            expected.apply(event, at + timedelta(milliseconds=number))
        await here.hub.flushed()
    with closing(open_for_reading(path)) as database:
        lines = list(event_lines(database, 10))
    told = Picture()
    for line in lines:
        envelope = decode(line)
        assert isinstance(envelope, Envelope)
        told.apply(envelope.event, envelope.at)
    assert facts(told.interceptions["a"]) == facts(expected.interceptions["a"])
    assert told.totals.tokens == expected.totals.tokens


def test_the_newest_of_a_large_record_make_a_log_that_can_be_played(tmp_path: Path) -> None:
    path = tmp_path / "clearspan.db"
    make_record(path, 300)
    log = tmp_path / "log.jsonl"
    with closing(open_for_reading(path)) as database:
        log.write_bytes(b"".join(event_lines(database, 40)))
    entries = read_log(log)
    assert (
        sum(getattr(entry.kept, "event", None).__class__.__name__ == "InterceptionStarted" for entry in entries) == 40
    )
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
