"""What an event leaves in the record, when it is there, and what becomes of events that can't be written."""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve, fields

from bridge.events.values import Asked, Credential, FailureReason, MoveCause, ThoughtSource, WithheldReason
from bridge.events.vocabulary import (
    EVENT_TYPES,
    AnswerDelta,
    AttemptFailed,
    AttemptStarted,
    Event,
    InterceptionEnded,
    InterceptionStarted,
    KeyMoved,
    ModelServed,
    Noted,
    PromptRecorded,
    ResponseStarted,
    ThoughtDelta,
    ThoughtRecorded,
    ThoughtWithheld,
    TokensUsed,
    ToolCalled,
    ToolResultBrought,
)
from bridge.record import recorder
from bridge.record.statements import Statements
from tests.support.record_desk import AT, STAMP, Desk, contents, desk, ended, ids, rows, started
from tests.support.until import until

START = InterceptionStarted(
    id="i",
    provider="openai",
    api="responses",
    method="POST",
    path="/openai/v1/responses",
    query="a=1",
    credential=Credential("byok", "sk...1"),
    model="m",
    streaming=True,
    client="Codex",
    user_agent="codex/1",
    session_id="s",
    agent_id="a",
    parent_agent_id="p",
    request_class="c",
    agent_type="t",
    previous_tool_ms={"read": 1.5},
    initiator="ci",
    correlating_tool_call_id="call_0",
)
ATTEMPT = AttemptStarted("i", 1, "sk...1")

LEAVES: dict[type[Event], tuple[Event, str, dict[str, Any]]] = {
    KeyMoved: (
        KeyMoved("i", "s", "a", "sk...1", "sk...2", MoveCause.RATE_LIMITED, 7),
        "key_moves",
        {
            "session_id": "s",
            "agent_id": "a",
            "from": "sk...1",
            "to": "sk...2",
            "cause": "rate_limited",
            "cache_lost": 7,
            "at": STAMP,
        },
    ),
    InterceptionEnded: (
        evolve(ended("i"), bytes_in=70, request_equal=False, answer_equal=True, added=["thoughts"]),
        "interceptions",
        {
            "outcome": "completed",
            "status": 200,
            "error": None,
            "error_type": None,
            "attempts": 1,
            "duration_ms": 12.5,
            "first_byte_ms": 2.5,
            "first_token_ms": 3.5,
            "bytes_in": 70,
            "bytes_out": 100,
            "request_equal": 0,
            "answer_equal": 1,
            "added": '["thoughts"]',
            "ended_at": STAMP,
        },
    ),
    AttemptStarted: (
        AttemptStarted("i", 2, "sk...2"),
        "attempts",
        {"attempt": 2, "key": "sk...2", "started_at": STAMP, "status": None, "reason": None},
    ),
    AttemptFailed: (
        AttemptFailed("i", 1, "sk...1", 429, FailureReason.RATE_LIMITED, 7.5, "slow down"),
        "attempts",
        {
            "attempt": 1,
            "status": 429,
            "reason": "rate_limited",
            "cooldown_s": 7.5,
            "cause_text": "slow down",
            "ended_at": STAMP,
        },
    ),
    ResponseStarted: (
        ResponseStarted("i", 1, 200, "req_1"),
        "interceptions",
        {"upstream_request_id": "req_1", "outcome": None},
    ),
    PromptRecorded: (PromptRecorded("i", "r", "why?"), "prompts", {"response_id": "r", "text": "why?", "at": STAMP}),
    ThoughtRecorded: (
        ThoughtRecorded("i", "r", 3, ThoughtSource.COMMENTARY, "so"),
        "thoughts",
        {"response_id": "r", "index": 3, "source": "commentary", "text": "so", "reason": None, "at": STAMP},
    ),
    ThoughtWithheld: (
        ThoughtWithheld("i", None, 4, WithheldReason.REDACTED, 99, 1500),
        "thoughts",
        {
            "response_id": None,
            "index": 4,
            "source": None,
            "text": None,
            "reason": "redacted",
            "bytes": 99,
            "estimated_tokens": 1500,
        },
    ),
    ToolCalled: (
        ToolCalled("i", "r", "call_1", "read", {"path": "é", "n": [1, None]}, True, "http://x/mcp", "late"),
        "tool_calls",
        {
            "tool_call_id": "call_1",
            "tool": "read",
            "arguments": '{"path":"é","n":[1,null]}',
            "injected": 1,
            "server_url": "http://x/mcp",
            "error": "late",
        },
    ),
    ToolResultBrought: (
        ToolResultBrought("i", "call_1", 9000, is_error=True, text="no such file"),
        "tool_results",
        {"tool_call_id": "call_1", "bytes": 9000, "is_error": 1, "text": "no such file", "at": STAMP},
    ),
    ModelServed: (
        ModelServed("i", "gpt-5.5-2026-09", "priority", "fast", Asked("gpt-5.5", "auto", "fast")),
        "interceptions",
        {
            "served_model": "gpt-5.5-2026-09",
            "service_tier": "priority",
            "speed": "fast",
            "model": START.model,
            "asked_service_tier": "auto",
            "asked_speed": "fast",
        },
    ),
    Noted: (Noted("i", "compaction", "made short"), "notes", {"kind": "compaction", "text": "made short", "at": STAMP}),
    TokensUsed: (
        TokensUsed(
            "i",
            "r",
            1,
            2,
            3,
            4,
            {"output_reasoning": 1},
            0.25,
            model="m",
            context_window=200_000,
            cache_saved_usd=0.5,
            partial=True,
        ),
        "token_usages",
        {
            "model": "m",
            "context_window": 200_000,
            "partial": 1,
            "input": 1,
            "output": 2,
            "cache_read_input": 3,
            "cache_write_input": 4,
            "extra": '{"output_reasoning":1}',
            "cost_usd": 0.25,
            "cache_saved_usd": 0.5,
        },
    ),
}
"""An event of each type, and what it leaves of itself."""


async def test_a_start_leaves_every_field(tmp_path: Path) -> None:
    async with desk(tmp_path / "r.db") as here:
        here.publish(START)
    (row,) = rows(tmp_path / "r.db", "interceptions")
    told = {
        field.name: getattr(START, field.name) for field in fields(InterceptionStarted) if field.name != "credential"
    }
    told |= {"credential_kind": "byok", "credential_hint": "sk...1", "streaming": 1, "started_at": STAMP}
    told |= {"previous_tool_ms": '{"read":1.5}', "outcome": None, "ended_at": None}
    assert {name: row[name] for name in told} == told


@pytest.mark.parametrize("kind", LEAVES)
async def test_an_event_leaves_exactly_its_rows(kind: type[Event], tmp_path: Path) -> None:
    event, table, told = LEAVES[kind]
    async with desk(tmp_path / "without.db") as here:
        here.publish(START, ATTEMPT)
    async with desk(tmp_path / "with.db") as here:
        here.publish(START, ATTEMPT, event)
    before, after = contents(tmp_path / "without.db"), contents(tmp_path / "with.db")
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == ({table, "attempts"} if kind in {ResponseStarted, InterceptionEnded} else {table})
    assert {name: after[table][-1][name] for name in told} == told
    new = len(after[table]) - len(before.get(table, []))
    assert new == (0 if kind in {InterceptionEnded, AttemptFailed, ResponseStarted, ModelServed} else 1)
    if kind is ResponseStarted:
        assert after["attempts"][0]["status"] == 200
    if kind is InterceptionEnded:
        assert after["attempts"][0]["ended_at"] == STAMP


async def test_an_attempt_that_failed_keeps_its_own_end(tmp_path: Path) -> None:
    async with desk(tmp_path / "r.db") as here:
        here.publish(START, ATTEMPT)
        here.hub._wall = lambda: AT + timedelta(seconds=1)
        here.publish(AttemptFailed("i", 1, "sk...1", 500, FailureReason.SERVER_ERROR), AttemptStarted("i", 2, "sk...2"))
        here.hub._wall = lambda: AT + timedelta(seconds=2)
        here.publish(ended("i"))
    ends = [datetime.fromisoformat(row["ended_at"]) - AT for row in rows(tmp_path / "r.db", "attempts")]
    assert ends == [timedelta(seconds=1), timedelta(seconds=2)]


async def test_columns_are_named_as_the_fields(tmp_path: Path) -> None:
    async with desk(tmp_path / "r.db") as here:
        here.publish(START, ATTEMPT, *(event for event, _, _ in LEAVES.values()))
    renamed = {"id": "interception_id", "from_": "from"}
    served = {"model": "served_model"}  # `model` is what was asked for
    for kind, (_, table, _) in LEAVES.items():
        columns = set(rows(tmp_path / "r.db", table)[0])
        names = {field.name for field in fields(kind)}
        if table == "interceptions":
            names -= {"attempt"} if kind is ResponseStarted else {"asked"} if kind is ModelServed else set()
            assert {served.get(name, name) if kind is ModelServed else name for name in names} <= columns
        else:
            assert {renamed.get(name, name) for name in names} <= columns


async def test_other_events_leave_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path / "r.db") as here:
        here.publish(ThoughtDelta("i", 0, ThoughtSource.THINKING, "t"), AnswerDelta("i", "a"))
    assert contents(tmp_path / "r.db") == {}
    assert {name for name, kind in EVENT_TYPES.items() if kind in LEAVES} | {"interception.started"} == Statements.TYPES


async def test_what_the_owner_does_not_want_is_not_kept(tmp_path: Path) -> None:
    told = [
        PromptRecorded("i", "r", "canary-prompt"),
        ThoughtRecorded("i", "r", 0, ThoughtSource.THINKING, "canary-thought"),
        ThoughtWithheld("i", "r", 1, WithheldReason.OMITTED, 10),
        ToolCalled("i", "r", "c", "read", {"path": "canary-argument"}),
        ToolResultBrought("i", "c", 13, is_error=False, text="canary-result"),
        TokensUsed("i", "r", 1, 2),
    ]
    off = dict.fromkeys(("prompts", "thoughts", "tool_arguments", "tool_results"), False)
    async with desk(tmp_path / "r.db", **off) as here:
        here.publish(START, *told)
    kept = contents(tmp_path / "r.db")
    assert "prompts" not in kept
    assert [row["text"] for row in kept["thoughts"]] == [None]
    assert (kept["tool_calls"][0]["tool"], kept["tool_calls"][0]["arguments"]) == ("read", None)
    assert (kept["tool_results"][0]["bytes"], kept["tool_results"][0]["text"]) == (13, "")
    assert kept["token_usages"][0]["output"] == 2
    assert b"canary" not in (tmp_path / "r.db").read_bytes()


async def test_an_event_is_written_without_another_after_it(tmp_path: Path) -> None:
    async with desk(tmp_path / "r.db") as here:
        for count in (1, 2):
            here.publish(started(f"i{count}"))
            await until(partial(lambda count: len(ids(here.path)) == count, count))


class Patient(threading.Event):
    """Is never set, and keeps how long the recorder would have waited for it."""

    def __init__(self, waits: list[float]) -> None:
        super().__init__()
        self._waits = waits

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self._waits.append(timeout)
        return super().wait(0.001)


async def test_an_event_waits_a_quarter_of_a_second_at_most(tmp_path: Path) -> None:
    async with desk(tmp_path / "r.db") as here:
        waits: list[float] = []
        here.recorder._stopping = Patient(waits)
        for name in "abc":
            here.publish(started(name))
            await until(partial(lambda name: name in ids(here.path), name))
    assert 3 <= len(waits) <= 8  # three for a new file's index, which is made in steps
    assert max(waits) <= 0.2  # the rest is for writing


async def test_a_stop_loses_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path / "r.db") as here:
        here.publish(*(started(f"i{n}") for n in range(3000)))
    assert ids(tmp_path / "r.db") == [f"i{n}" for n in range(3000)]
    assert [row["ended_at"] is None for row in rows(tmp_path / "r.db", "runs")] == [False]


class Flag(threading.Event):
    """The recorder's flag that work waits, which asks for a stop just before it is lowered."""

    def __init__(self, here: Desk, stop: Callable[[], None]) -> None:
        super().__init__()
        self._here = here
        self._stop = stop
        self._stop_was_said = threading.Event()
        self.waits_after_it = 0

    def set(self) -> None:
        super().set()
        if self._here.recorder._stopping.is_set():
            self._stop_was_said.set()

    def clear(self) -> None:
        if not self._stop_was_said.is_set():
            trio.from_thread.run_sync(self._stop)
            self._stop_was_said.wait()
        super().clear()

    def wait(self, timeout: float | None = None) -> bool:
        self.waits_after_it += self._stop_was_said.is_set()
        return super().wait(timeout)


async def test_a_stop_is_heard_whenever_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "LOOK_S", 0.5)  # how long it would sleep on if it did not hear
    with trio.CancelScope() as scope:
        async with desk(tmp_path / "r.db") as here:
            asleep = here.recorder._work_waits
            here.recorder._work_waits = flag = Flag(here, scope.cancel)
            asleep.set()
            await trio.sleep_forever()
    assert flag.waits_after_it == 0


POISON: dict[str, Event] = {
    "a number too large": TokensUsed("i", "r", 2**70, 1),
    "half a character": PromptRecorded("i", "r", "a\ud800b"),
    "half a character in arguments": ToolCalled("i", "r", "c", "t", {"a": "\ud800"}),
    "a number too large in arguments": ToolCalled("i", "r", "c", "t", {"a": 2**70}),
    "arguments that are no JSON": ToolCalled("i", "r", "c", "t", {"a": object()}),
    "no such interception": PromptRecorded("nobody", "r", "text"),
}


@pytest.mark.parametrize("name", POISON)
async def test_an_event_that_cannot_be_written_costs_no_other(name: str, tmp_path: Path) -> None:
    good = [TokensUsed("i", "r", n, 0) for n in range(5)]
    async with desk(tmp_path / "r.db") as here:
        here.publish(started("i"), *good[:3], POISON[name], *good[3:], ended("i"))
        await until(lambda: [row for row in rows(here.path, "interceptions") if row["outcome"]])
        here.publish(started("later"))
        assert here.said == []
    assert [row["input"] for row in rows(tmp_path / "r.db", "token_usages")] == [0, 1, 2, 3, 4]
    assert ids(tmp_path / "r.db") == ["i", "later"]


async def test_nul_is_a_character_like_others(tmp_path: Path) -> None:
    async with desk(tmp_path / "r.db") as here:
        here.publish(started("i", model="a\0b"), PromptRecorded("i", "r", "be\0fore \u2028 \U0001f9f5"))
    assert rows(tmp_path / "r.db", "prompts")[0]["text"] == "be\0fore \u2028 \U0001f9f5"
    assert rows(tmp_path / "r.db", "interceptions")[0]["model"] == "a\0b"


async def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "r.db"
    async with desk(path) as here:
        here.publish(started("i"))
        await until(lambda: ids(path))
        modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in path.parent.iterdir()}
    assert modes.keys() > {"r.db", "r.db-wal", "r.db-shm"}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
