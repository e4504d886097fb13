"""Two turns with a tool call between them: what the second request brings, and what it changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import asdict, frozen

from bridge.config.settings import RecordSettings
from bridge.interception import contexts
from bridge.limits import LIMITS
from tests.support.dialects import PROMPT, recorded
from tests.support.simulated import Simulation, simulation
from tests.support.world import ask

Fields = dict[str, Any]

RESULT = "größer\n" * 1000
BYTES = len(RESULT.encode())


@frozen
class Turns:
    """How an API writes two turns of one conversation."""

    path: str
    messages: str
    asked: Fields
    called: list[Fields]
    """What the agent adds before the second request: the model's call, and its result."""
    system: tuple[Fields, Fields]
    """Two system prompts, as fields of a request; a list of messages goes before the others."""


CALL = {"id": "call_1", "type": "function", "function": {"name": "read_file", "arguments": "{}"}}
APIS = {
    "responses": Turns(
        "/openai/v1/responses",
        "input",
        {"role": "user", "content": PROMPT},
        [
            {"type": "function_call", "call_id": "call_1", "name": "read_file", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": RESULT},
        ],
        ({"instructions": "It is Saturday."}, {"instructions": "It is Sunday."}),
    ),
    "chat_completions": Turns(
        "/openai/v1/chat/completions",
        "messages",
        {"role": "user", "content": PROMPT},
        [
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": RESULT},
        ],
        (
            {"messages": [{"role": "system", "content": "It is Saturday."}]},
            {"messages": [{"role": "system", "content": "It is Sunday."}]},
        ),
    ),
    "messages": Turns(
        "/anthropic/v1/messages",
        "messages",
        {"role": "user", "content": PROMPT},
        [
            {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1", "name": "x", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": RESULT}]},
        ],
        ({"system": "It is Saturday."}, {"system": "It is Sunday."}),
    ),
}


@asynccontextmanager
async def watched(record: RecordSettings | None = None) -> AsyncIterator[Simulation]:
    """A bridge with a subscriber that asks for everything."""
    async with simulation(record=record) as simulated:
        subscriber = simulated.here.bridge.hub.subscribe()
        yield simulated
        simulated.here.bridge.hub.unsubscribe(subscriber)


async def send(
    simulated: Simulation, turns: Turns, messages: list[Fields], *more: Fields, agent: str = "", kind: str = ""
) -> None:
    """One request of a session's agent, to its end."""
    body: Fields = {"model": "m", "max_tokens": 1000, turns.messages: messages}
    for fields in more:
        body |= {**fields, turns.messages: [*fields.get(turns.messages, []), *messages]}
    headers = [("session-id", "s-1"), ("x-claude-code-agent-id", agent), ("anthropic-version", "2023-06-01")]
    headers.append(("x-claude-code-request-class", kind))
    before = len(simulated.here.events("interception.ended"))
    answered = await ask(simulated.here.port, body, path=turns.path, headers=headers)
    assert answered.status == 200
    await simulated.here.event("interception.ended", before + 1)


def changes(simulated: Simulation) -> list[Fields]:
    """What was told of each comparison, without whose it is."""
    told = [asdict(event) for event in simulated.here.events("context.changed")]
    return [{name: value for name, value in event.items() if name != "id"} for event in told]


@pytest.mark.parametrize("api", APIS)
async def test_the_second_request_brings_the_result_and_adds_two_messages(api: str, tmp_path: Path) -> None:
    turns = APIS[api]
    async with watched(RecordSettings(path=tmp_path / "record.db")) as simulated:
        await send(simulated, turns, [turns.asked], turns.system[0])
        assert simulated.here.events("tool.result", "context.changed") == []
        await send(simulated, turns, [turns.asked, *turns.called], turns.system[0])
        system = len(turns.system[0].get(turns.messages, []))
        assert changes(simulated) == [
            {"messages": 3 + system, "added": 2, "removed": 0, "system_changed": False, "tools_changed": False}
        ]
        second = simulated.here.events("interception.started")[1].id
        [result] = simulated.here.events("tool.result")
        assert (result.id, result.tool_call_id, result.bytes, result.is_error) == (second, "call_1", BYTES, False)
        assert RESULT.startswith(result.text)
        assert LIMITS.result_bytes - 2 < len(result.text.encode()) <= LIMITS.result_bytes
        about = [event.type for event in simulated.here.events() if getattr(event, "id", "") == second]
        assert about[:2] == ["interception.started", "tool.result"]
        assert simulated.here.events("context.changed")[0].id == second
        shown = simulated.here.bridge.hub.picture.interceptions[second]
        assert [entry.bytes for entry in shown.results] == [BYTES]
        assert shown.context is not None
        assert shown.context.added == 2
    [kept] = recorded(tmp_path, second)["results"]
    assert (kept["tool_call_id"], kept["bytes"], kept["is_error"]) == ("call_1", BYTES, False)
    assert kept["text"] == result.text


@pytest.mark.parametrize("api", APIS)
async def test_another_system_prompt_in_the_middle_is_told(api: str) -> None:
    turns = APIS[api]
    async with watched() as simulated:
        for system in (turns.system[0], turns.system[0], turns.system[1]):
            await send(simulated, turns, [turns.asked], system)
        assert [told["system_changed"] for told in changes(simulated)] == [False, True]


async def test_each_agent_of_a_session_is_compared_with_itself() -> None:
    turns = APIS["messages"]
    async with watched() as simulated:
        await send(simulated, turns, [turns.asked])
        await send(simulated, turns, [turns.asked, *turns.called], agent="a-1")
        assert changes(simulated) == []
        await send(simulated, turns, [turns.asked, *turns.called])
        await send(simulated, turns, [turns.asked], agent="a-1")
        assert [(told["added"], told["removed"]) for told in changes(simulated)] == [(2, 0), (0, 2)]


TOOLS = {
    "responses": [{"type": "function", "name": "read_file", "parameters": {}}],
    "chat_completions": [{"type": "function", "function": {"name": "read_file", "parameters": {}}}],
    "messages": [{"name": "read_file", "input_schema": {"type": "object"}}],
}
TITLE = {"role": "user", "content": "Give this conversation a title."}
AS_BEFORE = {"removed": 0, "system_changed": False, "tools_changed": False}


@pytest.mark.parametrize("kind", ["auxiliary", "compaction", "titles", "Title"])
async def test_a_request_of_another_class_is_not_taken_for_a_turn_of_the_agent(kind: str) -> None:
    turns = APIS["messages"]
    async with watched() as simulated:
        await send(simulated, turns, [turns.asked], kind="main")
        await send(simulated, turns, [turns.asked, TITLE], turns.system[1], kind=kind)
        await send(simulated, turns, [turns.asked, *turns.called], kind="main")
        assert changes(simulated) == [{"messages": 3, "added": 2, **AS_BEFORE}]


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("api", APIS)
async def test_a_title_asked_for_without_a_class_is_no_turn_of_the_agent_either(api: str, repeats: bool) -> None:
    turns = APIS[api]
    agents = {**turns.system[0], "tools": TOOLS[api]}
    async with watched() as simulated:
        title = [TITLE, turns.asked] if repeats else [TITLE]  # as opencode asks for one
        await send(simulated, turns, title, turns.system[1])  # first or later
        await send(simulated, turns, [turns.asked], agents)
        await send(simulated, turns, title, turns.system[1])
        await send(simulated, turns, [turns.asked, *turns.called], agents)
        system = len(turns.system[0].get(turns.messages, []))
        assert changes(simulated) == [{"messages": 3 + system, "added": 2, **AS_BEFORE}]


@pytest.mark.parametrize("api", APIS)
async def test_tools_taken_away_in_the_middle_are_told(api: str) -> None:
    turns = APIS[api]
    async with watched() as simulated:
        await send(simulated, turns, [turns.asked], {"tools": TOOLS[api]})
        await send(simulated, turns, [turns.asked, *turns.called])
        assert changes(simulated) == [{"messages": 3, "added": 2, **AS_BEFORE, "tools_changed": True}]


async def test_without_a_session_nothing_is_compared() -> None:
    async with watched() as simulated:
        for _ in range(2):
            await ask(simulated.here.port, {"model": "m", "input": "hi"})
        await simulated.here.event("interception.ended", 2)
        assert simulated.here.events("context.changed") == []


async def test_while_nobody_asks_nothing_is_compared_and_what_was_missed_is_not_guessed() -> None:
    turns = APIS["messages"]
    async with simulation() as simulated:
        hub = simulated.here.bridge.hub
        subscriber = hub.subscribe()
        await send(simulated, turns, [turns.asked])
        hub.unsubscribe(subscriber)
        await send(simulated, turns, [turns.asked, *turns.called])
        subscriber = hub.subscribe()
        await send(simulated, turns, [turns.asked, *turns.called])
        assert changes(simulated) == []
        await send(simulated, turns, [turns.asked])
        assert [(told["added"], told["removed"]) for told in changes(simulated)] == [(0, 2)]
        hub.unsubscribe(subscriber)


async def test_a_request_that_is_read_in_a_thread_is_compared_too() -> None:
    turns = APIS["chat_completions"]
    long = {"role": "user", "content": "x" * (LIMITS.on_loop_bytes + 1)}
    async with watched() as simulated:
        await send(simulated, turns, [long])
        await send(simulated, turns, [long, *turns.called])
        assert [(told["messages"], told["added"]) for told in changes(simulated)] == [(3, 2)]


async def test_a_comparison_that_fails_harms_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(contexts, "change", fail)
    turns = APIS["messages"]
    async with watched() as simulated:
        for _ in range(2):
            await send(simulated, turns, [turns.asked])
        assert [event.outcome for event in simulated.here.events("interception.ended")] == ["completed"] * 2


async def test_a_secret_in_a_result_is_told_nowhere(tmp_path: Path) -> None:
    turns = APIS["messages"]
    secret = "sk-canary-first-0001"  # the pool's
    straddling = "x" * (2 * LIMITS.result_bytes - 5) + secret
    for text in (f"key: {secret}", straddling, "x" * (LIMITS.result_bytes - 5) + secret):
        block = {"type": "tool_result", "tool_use_id": secret, "content": text}
        async with watched(RecordSettings(path=tmp_path / "record.db")) as simulated:
            await send(simulated, turns, [{"role": "user", "content": [block]}])
            [result] = simulated.here.events("tool.result")
        assert (result.tool_call_id, result.bytes) == ("sk-c...0001", len(text))
        assert secret[:5] not in result.text
        assert len(result.text) <= LIMITS.result_bytes
    assert secret.encode() not in (tmp_path / "record.db").read_bytes()


async def test_results_are_not_kept_where_they_should_not_be(tmp_path: Path) -> None:
    turns = APIS["messages"]
    async with watched(RecordSettings(path=tmp_path / "record.db", tool_results=False)) as simulated:
        await send(simulated, turns, [turns.asked, *turns.called])
        [result] = simulated.here.events("tool.result")
    [kept] = recorded(tmp_path, result.id)["results"]
    assert (kept["bytes"], kept["text"]) == (BYTES, "")
