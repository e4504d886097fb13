"""A session has one name: `history` and `sessions` say what a monitor says that comes to the same bridge.

The record holds a made-up past of another bridge; the bridge is real and gets requests of its own, and the monitor's
own source, state and reader of the record come to it.
"""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bridge.cli.names import full_name
from bridge.config.settings import RecordSettings
from bridge.config.units import Seconds
from bridge.events import names as rule
from bridge.events import picture
from bridge.events.names import Name, words_of
from bridge.events.times import format_time
from bridge.limits import LIMITS
from bridge.record import names as recorded
from bridge.record.database import open_for_reading, open_for_writing
from bridge.record.names import SessionNames
from bridge.simulator.answers import Mishap, ScriptedAnswer, Silence, Text, ToolCall
from bridge.simulator.scenario.scenario import Scenario
from monitor.lines import names
from monitor.state.state import MonitorState
from tests.record.commands import printed
from tests.support.attached import attached
from tests.support.day.plan import NEVER_S
from tests.support.record_desk import FOR_EVER, rows
from tests.support.simulated import Simulation, simulation
from tests.support.until import until
from tests.support.world import ask

Fields = dict[str, Any]

CLIENTS = {"Codex": "codex_exec/0.169.0", "Claude Code": "claude-cli/2.1.0", "opencode": "opencode/1.0"}
SESSIONS = 60
REQUESTS = 230
ENDED = 8
"""Ended requests that snapshots show here."""


@pytest.fixture(autouse=True)
def _small_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    few = evolve(LIMITS, ended=ENDED)
    monkeypatch.setattr(picture, "LIMITS", few)
    monkeypatch.setattr(recorded, "LIMITS", few)


def past(chance: random.Random, now: datetime) -> Iterator[Fields]:
    """Requests of the last thirty hours but one hour, none of them a day old to the minute: what `write` takes."""
    ages = sorted((chance.uniform(1, 30) for _ in range(REQUESTS)), reverse=True)
    for number, age in enumerate(ages):
        client = chance.choice(list(CLIENTS))
        session = chance.randrange(SESSIONS)
        agent = chance.choice([None, None, "a-1", "a-2"]) if session % 3 else "a-1"  # of some no main agent is known
        yield {
            "id": f"{chance.getrandbits(32):08x}-past-{number:03}",
            "client": client,
            "session_id": chance.choice([None, f"session-{session:02}"])
            if session % 5 == 0
            else f"session-{session:02}",
            "agent_id": agent,
            "started_at": format_time(now - timedelta(hours=age + (0.05 if age > 24 else -0.05))),
            "prompt": chance.choice([None, "", f"ask\n{number:03} of what is to be mended  today"]),
        }


def write(path: Path, requests: Iterator[Fields]) -> None:
    """A record of these requests, all of which are over, and of the bridge that had them."""
    with closing(open_for_writing(path)) as database:
        began = "2026-01-01T00:00:00.000Z"
        database.execute("INSERT INTO runs (pid, token, started_at, ended_at) VALUES (1, 'x', ?, ?)", (began, began))
        for request in requests:
            at, prompt = request["started_at"], request.pop("prompt")
            common = {"run": 1, "provider": "openai", "api": "responses", "method": "POST", "path": "/", "streaming": 1}
            row = {**common, **request, "credential_kind": "centralized", "ended_at": at, "outcome": "completed"}
            marks = ", ".join("?" * len(row))
            database.execute(f"INSERT INTO interceptions ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))  # noqa: S608  # our own names
            if prompt is not None:
                database.execute("INSERT INTO prompts VALUES (?, 'r', ?, ?)", (row["id"], prompt, at))


async def work(simulated: Simulation, number: int, client: str, session: str | None, **headers: str) -> None:
    """A request of that number among those of the bridge, to its end."""
    sent = {"user-agent": CLIENTS[client], **headers, **({"session-id": session} if session else {})}
    body = {"model": "gpt-5", "input": f"do {number} and what else there is", "stream": True}
    await ask(simulated.here.port, body, path="/openai/v1/responses", headers=list(sent.items()))
    await simulated.here.event("interception.ended", number)


SCENARIO = Scenario(
    {
        "says": ScriptedAnswer((Text("so"),)),
        "stuck": ScriptedAnswer((Text("so"),), Mishap(silence=Silence(NEVER_S))),
    },
    turns=("says",),
)


@asynccontextmanager
async def one_that_runs(simulated: Simulation) -> AsyncIterator[None]:
    """A request that does not end while the block runs, in a session that it begins."""
    body = {"model": "gpt-5", "input": "what takes long", "stream": True}
    headers = [("user-agent", CLIENTS["Codex"]), ("session-id", "new-5"), ("x-simulate-answer", "stuck")]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: ask(simulated.here.port, body, headers=headers))
        await simulated.here.event("response.started")
        yield
        nursery.cancel_scope.cancel()


async def work_a_little(simulated: Simulation, path: Path) -> None:
    """More requests than a snapshot shows, in old sessions and new ones, of agents, and without a session."""
    asked = [
        ("Codex", "new-1"), ("Codex", "session-07"), ("Claude Code", "new-2"), ("Codex", "new-3"), ("opencode", None),
        ("Claude Code", "session-11"), ("Codex", "new-1"), ("opencode", "new-4"), ("Codex", "new-5"), ("Codex", None),
        ("Claude Code", "new-6"), ("opencode", "session-13"),
    ]  # fmt: skip
    for number, (client, session) in enumerate(asked, 1):
        agent = {"x-claude-code-agent-id": "a-9"} if number % 4 == 0 else {}
        await work(simulated, number, client, session, **agent)
    await until(lambda: len([row for row in rows(path, "interceptions") if row["run"] == 2 and row["outcome"]]) == 12)


def column(text: str, title: str) -> list[str]:
    """The cells below that title."""
    head, *lines = text.splitlines()
    begin = head.index(title)
    after = [place for place in range(begin + 1, len(head)) if head[place - 2 : place] == "  " and head[place] != " "]
    return [line[begin : after[0] if after else None].strip() for line in lines]


def by_history(place: Path) -> dict[str, str]:
    """What `history` calls the session of each request, by its id."""
    listed = [orjson.loads(line) for line in printed(place, "history", "--limit", "1000", "--json").splitlines()]
    called = column(printed(place, "history", "--limit", "1000"), "SESSION")
    return {row["id"]: name for row, name in zip(listed, called, strict=True)}


def by_sessions(place: Path, socket: Path) -> dict[str, str]:
    """What `sessions` calls each, by its id."""
    text = printed(place, "sessions", "--limit", "1000", "--socket", str(socket))
    return {id_: name for id_, name in zip(column(text, "ID"), column(text, "SESSION"), strict=True) if id_}


def by_monitor(state: MonitorState, path: Path) -> dict[str, str]:
    """What the monitor calls the session of each request that is recorded; of one without a session, the client."""
    return {
        row["id"]: names.called(state.roster, row["client"], row["session_id"], names.ROOMY)
        if row["session_id"]
        else row["client"]
        for row in rows(path, "interceptions")
    }


def compare(place: Path, socket: Path) -> tuple[dict[str, str], dict[str, str]]:
    """That both commands name as a monitor does that comes now; what they say, by the ids of requests and sessions."""
    path = place / "clearspan.db"
    state = attached(socket)
    expected, called = by_monitor(state, path), names.called
    assert by_history(place) == expected
    shown = by_sessions(place, socket)
    trees = orjson.loads(printed(place, "sessions", "--limit", "1000", "--json", "--socket", str(socket)))
    clients = {tree["session_id"]: tree["client"] for tree in trees}
    assert shown == {id_: called(state.roster, client, id_, names.ROOMY) for id_, client in clients.items()}
    return expected, shown


@pytest.mark.parametrize("seed", range(4))
async def test_the_commands_name_as_a_monitor_does_that_comes_now(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "clearspan.db"
    write(path, past(random.Random(seed), datetime.now(UTC)))  # noqa: S311  # no secret
    record = RecordSettings(path=path, keep=Seconds(FOR_EVER))
    async with simulation(SCENARIO, record=record) as simulated:
        async with one_that_runs(simulated):
            await work_a_little(simulated, path)
            await trio.to_thread.run_sync(compare, tmp_path, simulated.here.socket)
        await simulated.here.event("interception.ended", 13)
        await until(lambda: all(row["outcome"] for row in rows(path, "interceptions")))
        expected, shown = await trio.to_thread.run_sync(compare, tmp_path, simulated.here.socket)
    assert by_history(tmp_path) == expected  # the last bridge, where none runs
    assert by_sessions(tmp_path, tmp_path / "none") == shown
    known = {row["id"]: row for row in rows(path, "interceptions")}
    horizon = format_time(datetime.now(UTC) - rule.SPAN)
    old = [expected[id_] for id_, row in known.items() if row["started_at"] < horizon and row["session_id"]]
    assert any(re.fullmatch(r"\D+ · n-\d\d", name) for name in old)  # some have no number
    assert len({name.partition(" · ")[0] for name in expected.values()}) > SESSIONS // 2
    assert {"Codex", "opencode"} <= set(expected.values())  # of no session


async def test_who_answers_a_tool_call_of_a_session_is_of_it(tmp_path: Path) -> None:
    path = tmp_path / "clearspan.db"
    answers = {"calls": ScriptedAnswer((ToolCall("shell", {"command": "ls"}),)), "says": ScriptedAnswer((Text("so"),))}
    scenario = Scenario(answers, turns=("calls",), after_tools=("says",))
    record = RecordSettings(path=path, keep=Seconds(FOR_EVER))
    async with simulation(scenario, record=record) as simulated:
        headers = [("user-agent", CLIENTS["Codex"])]
        tools = [{"type": "function", "name": "shell", "parameters": {"type": "object"}}]
        body = {"model": "gpt-5", "input": "do it", "tools": tools, "stream": True}
        for session in ("s-1", "s-2"):
            await ask(simulated.here.port, body, headers=[("session-id", session), *headers])
        call = (await simulated.here.event("tool.called", 2)).tool_call_id
        body["input"] = [{"type": "function_call_output", "call_id": call, "output": "nothing"}]
        await ask(simulated.here.port, body, headers=headers)
        await until(lambda: len([row for row in rows(path, "interceptions") if row["outcome"]]) == 3)
        state = await trio.to_thread.run_sync(attached, simulated.here.socket)
        painted = {
            request: names.full(name) for request in by_history(tmp_path) if (name := state.roster.name(request))
        }
        printed_names = await trio.to_thread.run_sync(by_history, tmp_path)
    assert list(printed_names.values()) == ["Codex 2 · do it", "Codex 2 · do it", "Codex 1 · do it"]  # newest first
    assert printed_names == painted


def test_two_clients_may_give_their_sessions_the_same_id(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    asked = [("Codex", None), ("Claude Code", "mend it"), ("Claude Code", "and that"), ("Codex", None)]
    common = {"session_id": "s-1", "agent_id": None}
    write(
        tmp_path / "clearspan.db",
        iter(
            {"id": f"r{number}", "client": client, **common, "prompt": prompt,
             "started_at": format_time(now - timedelta(minutes=9 - number))}
            for number, (client, prompt) in enumerate(asked)
        ),
    )  # fmt: skip
    with closing(open_for_reading(tmp_path / "clearspan.db")) as database:
        called = SessionNames()
        called.take_record(database, now)
    assert called.called("Codex", "s-1") == Name("Codex", 1, "s-1")
    assert called.called("Claude Code", "s-1") == Name("Claude Code", 1, "mend it", asked=True)
    assert called.called("Codex", "s-2") is None


@given(st.sampled_from(list(CLIENTS)), st.integers(1, 999), st.text("ab é日…·-", max_size=60))
def test_a_name_is_printed_as_it_is_painted(client: str, number: int, prompt: str) -> None:
    name = Name(client, number, words_of(prompt) or "3x7f")
    assert full_name(name, client, "s-1") == names.full(name)
