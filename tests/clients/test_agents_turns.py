"""Two turns of a real agent with a tool call between them, through each API: what the second request brings
(`tool.result`), and what it changes (`context.changed`), against what the agent really sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from attrs import evolve

from bridge.limits import LIMITS
from bridge.simulator.provider import SimulatedExchange, SimulatedProvider
from bridge.simulator.scenario.file import parse_scenario
from tests.clients.test_agents import AGENTS, ANSWER, PROMPT, RealAgent, installed, named, run
from tests.support.served import configure, served, stop
from tests.support.simulated import SPEED, serving
from tests.support.world import KEYS

Fields = dict[str, Any]

MODEL = "gpt-5.4"
TITLE = "Generate a title for this conversation"
"""How opencode asks for one, beside the turn."""
CHANGE = ("id", "messages", "added", "removed", "system_changed", "tools_changed")
COMMAND = "for n in $(seq 700); do echo größer $n; done"
"""Says 9 KB, more than the head of a result that is kept."""

SCENARIO = parse_scenario(
    f"""
    turns = ["look"]
    after_tools = ["done"]
    [answers.look]
    parts = [{{ call = "exec_command", arguments = {{ cmd = "{COMMAND}" }} }}]
    [answers.done]
    parts = [{{ text = "{ANSWER}" }}]
    """,
    "test",
)

OPENCODE = next(agent for agent in AGENTS if agent.command == "opencode")
CHAT = evolve(OPENCODE, arguments=("run", "--model", f"chat/{MODEL}", PROMPT), api="chat_completions")
"""Speaks Chat Completions to a provider that its user has configured."""


def configure_chat(work: Path, port: int) -> None:
    """The configuration of a project for `CHAT`, as opencode's users write it for a compatible server."""
    options = {"baseURL": f"http://127.0.0.1:{port}/openai/v1", "apiKey": "clearspan"}
    provider = {"npm": "@ai-sdk/openai-compatible", "name": "Chat", "options": options, "models": {MODEL: {}}}
    (work / "opencode.json").write_bytes(orjson.dumps({"provider": {"chat": provider}}))


AGENTS_OF_TURNS = [*(agent for agent in AGENTS if agent.command in {"codex", "claude", "qwen"}), CHAT]


@pytest.fixture(params=AGENTS_OF_TURNS, ids=named)
def agent(request: pytest.FixtureRequest) -> RealAgent:
    return installed(request.param)


async def test_the_second_request_brings_the_result_and_adds_to_the_first(agent: RealAgent, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    exchanges: list[SimulatedExchange] = []
    provider = SimulatedProvider(SCENARIO, speed=SPEED, on_exchange=exchanges.append)
    async with serving(provider) as root, served(tmp_path, root) as bridge:
        configure_chat(work, bridge.port)
        keyed = evolve(agent, quiet={**agent.quiet, "CLEARSPAN_TEST_KEY": KEYS[0]})
        done = await run(keyed, work, configure(tmp_path, root))
        await stop(bridge)
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, said
    assert ANSWER in said

    asked = [orjson.loads(exchange.request.body) for exchange in exchanges if exchange.request.method == "POST"]
    first, second = (messages(request) for request in asked if TITLE not in str(request))
    [brought] = [text for text in map(result, second) if text is not None]
    started = [event for event in bridge.of_type("interception.started") if event["api"] == agent.api]
    assert {event["client"] for event in started} == {agent.client}

    [told] = bridge.of_type("tool.result")
    assert told["id"] == started[-1]["id"]
    assert told["bytes"] == len(brought.encode())
    assert "größer 1\\n" in brought.replace("\n", "\\n")
    assert brought.startswith(told["text"])
    assert min(told["bytes"], LIMITS.result_bytes) - 2 < len(told["text"].encode()) <= LIMITS.result_bytes
    assert not told["is_error"]

    changes = bridge.of_type("context.changed")
    if not agent.session:  # nothing to compare it with
        assert changes == []
        return
    assert second[: len(first)] == first or agent.api == "messages"  # whose agent moves marks of what is to be cached
    assert [{name: event[name] for name in CHANGE} for event in changes] == [
        dict(zip(CHANGE, (started[-1]["id"], len(second), len(second) - len(first), 0, False, False), strict=True))
    ]


def messages(request: Fields) -> list[Fields]:
    """The conversation in a request."""
    found: list[Fields] = request.get("input") or request["messages"]
    return found


def result(message: Fields) -> str | None:
    """What a tool answered, where a message brings that."""
    if message.get("type") in {"function_call_output", "custom_tool_call_output"}:
        return texts(message["output"])
    if message.get("role") == "tool":
        return texts(message["content"])
    parts = message.get("content")
    found = [part for part in parts if part.get("type") == "tool_result"] if isinstance(parts, list) else []
    return texts(found[0]["content"]) if found else None


def texts(content: str | list[Fields]) -> str:
    """A text, or that of its parts."""
    return content if isinstance(content, str) else "\n".join(part["text"] for part in content)
