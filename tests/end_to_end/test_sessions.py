"""`clearspan sessions`: who works in which session, what that took, and what is said just now."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio

from bridge.cli.paper import Paper
from bridge.cli.session_tree import DEEPEST, session_table, session_trees
from bridge.config.settings import RecordSettings
from bridge.config.units import Seconds
from bridge.record.names import SessionNames
from tests.record.commands import printed, run
from tests.support.dialects import DIALECTS
from tests.support.record_desk import FOR_EVER, rows
from tests.support.simulated import Simulation, simulation
from tests.support.until import until
from tests.support.world import STREAM, Asked, Reply, ask, provider, sse, world

Fields = dict[str, Any]

AGENTS: tuple[dict[str, str], ...] = (
    {},
    {"x-claude-code-agent-id": "a-1", "x-claude-code-agent-type": "Explore"},
    {"x-claude-code-agent-id": "a-2", "x-claude-code-parent-agent-id": "a-1"},
    {"x-claude-code-agent-id": "a-1"},
)


async def work(simulated: Simulation, session: str, *agents: dict[str, str]) -> None:
    """One request of each agent, to its end."""
    for headers in agents:
        before = len(simulated.here.events("interception.ended"))
        body = {"model": "gpt-5", "stream": True, **DIALECTS["responses"].asking}
        await ask(simulated.here.port, body, headers=[("session-id", session), *headers.items()])
        await simulated.here.event("interception.ended", before + 1)


async def listed(place: Path, socket: Path, *words: str) -> list[Fields]:
    """What the command says as JSON."""
    text = await trio.to_thread.run_sync(lambda: printed(place, "sessions", "--socket", str(socket), "--json", *words))
    found: list[Fields] = orjson.loads(text)
    return found


def names(agents: list[Fields]) -> list[Any]:
    """The agents of a tree, each with those below it."""
    return [(agent["agent_id"], names(agent["agents"])) for agent in agents]


async def test_sessions_are_trees_with_the_sums_of_stats(tmp_path: Path) -> None:
    record = RecordSettings(path=tmp_path / "clearspan.db", keep=Seconds(FOR_EVER))
    async with simulation(record=record) as simulated:
        await work(simulated, "s-1", *AGENTS)
        await work(simulated, "s-2", {})
        await until(lambda: len(rows(tmp_path / "clearspan.db", "token_usages")) == 5)
        running = await listed(tmp_path, simulated.here.socket)
        text = await trio.to_thread.run_sync(printed, tmp_path, "sessions", "--socket", str(simulated.here.socket))
    assert [tree["session_id"] for tree in running] == ["s-2", "s-1"]
    assert names(running[1]["agents"]) == [(None, [("a-1", [("a-2", [])])])]
    [sub] = running[1]["agents"][0]["agents"]
    assert (sub["requests"], sub["agent_type"], sub["state"], sub["key"]) == (2, "Explore", "idle", "sk-c...0001")
    assert sub["last_words"]
    stats = [orjson.loads(line) for line in printed(tmp_path, "stats", "--by", "session", "--json").splitlines()]
    for row in stats:
        tree = next(tree for tree in running if tree["session_id"] == row["name"])
        assert (tree["requests"], tree["failed"]) == (row["interceptions"], row["failed"])
        assert tree["tokens"] == {name: row[name] for name in tree["tokens"]}
        assert tree["cost_usd"] == (None if row["cost_usd"] is None else pytest.approx(row["cost_usd"]))
    lines = [re.split("  +", line) for line in text.splitlines()]
    assert [line[:2] for line in lines[1:3]] == [
        ["Unknown 2 · Why is the job slow on Mond…", "s-2"],
        ["Unknown 1 · Why is the job slow on Mond…", "s-1"],
    ]
    assert lines[3][0] == "└ main agent"
    assert "  └ a-1 · Explore  " in text
    assert "    └ a-2" in text
    stopped = run(tmp_path, "sessions", "--socket", str(tmp_path / "nobody"), "--json")
    assert "no bridge answers" in stopped.stderr
    without = orjson.loads(stopped.stdout)
    assert names(without[1]["agents"]) == names(running[1]["agents"])
    assert [tree["tokens"] for tree in without] == [tree["tokens"] for tree in running]


async def test_what_an_agent_does_now_is_told(tmp_path: Path) -> None:
    go_on = trio.Event()

    async def think(_asked: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(sse("response.created", response={"id": "resp_1"}))
        await reply.chunk(
            sse("response.reasoning_summary_text.delta", item_id="rs_1", summary_index=0, delta="Let me ")
        )
        await go_on.wait()
        await reply.end()

    async with provider(think) as url, world(url, record=RecordSettings(path=tmp_path / "clearspan.db")) as here:
        hub = here.bridge.hub
        subscriber = hub.subscribe()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: ask(here.port, headers=[("session-id", "s-1")]))
            await here.event("thought.delta")
            [tree] = await listed(tmp_path, here.socket)
            assert (tree["state"], tree["last_words"]) == ("thinking", "Let me ")
            go_on.set()
        await here.event("interception.ended")
        [tree] = await listed(tmp_path, here.socket)
        assert tree["state"] == "failed"  # the stream had no end
        hub.unsubscribe(subscriber)


async def test_without_a_record_the_bridge_tells_what_it_remembers(tmp_path: Path) -> None:
    async with simulation(record=RecordSettings(path=None)) as simulated:
        await work(simulated, "s-1", *AGENTS)
        [tree] = await listed(tmp_path, simulated.here.socket)  # of the command's own settings there is no record yet
        assert (tree["requests"], names(tree["agents"])) == (4, [(None, [("a-1", [("a-2", [])])])])
        used = simulated.here.events("tokens.used")
        assert tree["tokens"]["output"] == sum(event.output for event in used)
    assert run(tmp_path, "sessions", "--socket", str(tmp_path / "nobody")).exit_code == 1


async def test_the_latest_are_listed(tmp_path: Path) -> None:
    record = RecordSettings(path=tmp_path / "clearspan.db", keep=Seconds(FOR_EVER))
    async with simulation(record=record) as simulated:
        for number in range(4):
            await work(simulated, f"s-{number}", {})
        socket = simulated.here.socket
        assert [tree["session_id"] for tree in await listed(tmp_path, socket, "--limit", "2")] == ["s-3", "s-2"]
        assert await listed(tmp_path, socket, "--since", "2099-01-01") == []


def agent(name: str | None, parent: str | None) -> Fields:
    """An agent as the record tells of it."""
    zeros = dict.fromkeys(("input", "output", "cache_read_input", "cache_write_input"), 0)
    return {
        "agent_id": name,
        "parent_agent_id": parent,
        "agent_type": None,
        "client": "x",
        "outcome": "completed",
        "requests": 1,
        "failed": 0,
        "started_at": "a",
        "last_at": "2026-11-24T12:00:00.000Z",
        "tokens": zeros,
        "cost_usd": None,
        "unpriced": 0,
        "partial": False,
        "key": None,
        "last_words": "a\x1b[2J\nb",
    }


@pytest.mark.parametrize(
    ("parents", "expected"),
    [
        ({None: None, "a": None, "b": "unknown"}, [(None, [("a", []), ("b", [])])]),
        ({"a": None, "b": "a"}, [("a", [("b", [])])]),
        ({"a": "a", "b": "c", "c": "b"}, [("a", []), ("b", []), ("c", [])]),
        ({None: "a", "a": None}, [(None, [("a", [])])]),
    ],
)
def test_what_agents_say_of_their_parents_always_makes_a_tree(
    parents: dict[str | None, str | None], expected: list[Any]
) -> None:
    [tree] = session_trees({"s": [agent(*pair) for pair in parents.items()]}, None)
    assert names(tree["agents"]) == expected


def test_a_chain_of_agents_without_end_is_shown() -> None:
    chain = [agent(f"{number:04}", f"{number - 1:04}" if number else None) for number in range(2000)]
    [tree] = session_trees({"s": chain}, None)
    assert orjson.dumps(tree)
    lines = list(session_table([tree], Paper(), SessionNames()))
    assert len(lines) == 2 + len(chain)
    assert max(len(line) - len(line.lstrip(" │├└")) for line in lines) <= 2 * DEEPEST + 2
    assert "\x1b" not in "".join(lines)
