"""Real agents over a bridge that has a public MCP server: a whole turn in which the model calls a tool of that server,
then one of the agent's own.

The agent sees the second call and the answer. It knows nothing of the first, and its history does not hold it; the
record has every round.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio
from attrs import evolve, frozen

from bridge.simulator.provider import SimulatedExchange, SimulatedProvider
from bridge.simulator.scenario.file import parse_scenario
from bridge.simulator.scenario.scenario import Scenario
from tests.clients.installed import NotInstalled, program
from tests.clients.test_agents import AGENTS, ANSWER, RealAgent, run
from tests.support.record_desk import rows
from tests.support.served import configure, served, stop
from tests.support.simulated import SPEED, serving
from tests.support.until import until
from tests.support.world import KEYS

READY_S = 60


@frozen
class PublicServer:
    """A server of a registry, started in its way; what the model says to its one tool, and what comes back."""

    command: str
    start: Callable[[Path], AbstractAsyncContextManager[str]]
    """Gives the part of the configuration that says where it is."""

    tool: str
    arguments: str
    result: str
    """Words that stand in the result and in nothing else."""

    def scenario(self) -> Scenario:
        """The model calls the tool, then the agent's shell, then answers."""
        return parse_scenario(
            f"""
            turns = ["ask"]
            after_tools = ["look", "done"]
            [answers.ask]
            parts = [{{ call = "bmcp_*", arguments = {self.arguments} }}]
            [answers.look]
            parts = [{{ call = "exec_command", arguments = {{ cmd = "echo it-was-$((6*7)) >seen" }} }}]
            [answers.done]
            parts = [{{ text = "{ANSWER}" }}]
            """,
            "test",
        )


@asynccontextmanager
async def by_command(command: Path) -> AsyncIterator[str]:
    """The bridge starts it."""
    yield f'command = ["{command}", "--local-timezone", "UTC"]'


@asynccontextmanager
async def by_url(command: Path) -> AsyncIterator[str]:
    """It runs already, and is killed on leaving."""
    port = await free_port()
    environment = {"PATH": os.environ["PATH"], "PORT": str(port)}
    process = await trio.lowlevel.open_process(
        [str(command), "streamableHttp"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
    )
    assert process.stderr is not None
    try:
        said = b""
        with trio.fail_after(READY_S):
            while b"listening on port" not in said:
                more = await process.stderr.receive_some()
                assert more, said.decode()
                said += more
        yield f'url = "http://127.0.0.1:{port}/mcp"'
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stderr.aclose()


async def free_port() -> int:
    """A port that nobody listens on, for a program that does not say which one it chose."""
    with trio.socket.socket() as found:
        await found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


SERVERS = {
    "stdio": PublicServer(
        "mcp-server-time", by_command, "get_current_time", '{ timezone = "Europe/Berlin" }', "day_of_week"
    ),
    "http": PublicServer("mcp-server-everything", by_url, "get-sum", "{ a = 19000, b = 77 }", "is 19077"),
}


@pytest.fixture(params=[agent for agent in AGENTS if agent.command in {"codex", "claude"}], ids=lambda it: it.command)
def agent(request: pytest.FixtureRequest) -> RealAgent:
    found: RealAgent = request.param
    needed(found.command)
    return found


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> PublicServer:
    found = SERVERS[request.param]
    needed(found.command)
    return found


def needed(command: str) -> None:
    """Skips the test where that program is not installed, and says why."""
    try:
        program(command)
    except NotInstalled as reason:
        pytest.skip(str(reason))


async def test_a_whole_turn_with_a_tool_that_the_agent_knows_nothing_of(
    agent: RealAgent, server: PublicServer, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    exchanges: list[SimulatedExchange] = []
    provider = SimulatedProvider(server.scenario(), speed=SPEED, on_exchange=exchanges.append)
    async with server.start(program(server.command)) as where, serving(provider) as root:
        more = f'[mcp.servers.public]\n{where}\nallow = "^{server.tool}$"\n'
        async with served(tmp_path, root, more) as bridge:
            with trio.fail_after(READY_S):
                await until(lambda: is_ready(bridge.events))
            keyed = evolve(agent, quiet={**agent.quiet, "CLEARSPAN_TEST_KEY": KEYS[0]})
            done = await run(keyed, work, configure(tmp_path, root, more))
            await stop(bridge)
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, said
    assert ANSWER in said
    assert "bmcp_" not in said
    assert server.result not in said
    assert (work / "seen").read_text() == "it-was-42\n"

    first, second, third = (said_in(exchange) for exchange in exchanges if b'"bmcp_' in exchange.request.body)
    assert server.result not in first
    assert server.result in second
    assert "it-was-" in third
    for words in (server.result, "bmcp_"):  # its history is as if there had been no such call
        assert words not in third

    record = tmp_path / "clearspan.db"
    asked, told = (row for row in rows(record, "interceptions") if '"tools"' in (row["added"] or ""))
    assert [(row["client"], row["outcome"], row["error"]) for row in (asked, told)] == [
        (agent.client, "completed", None)
    ] * 2
    assert (asked["attempts"], told["attempts"]) == (2, 1)
    ours, own = rows(record, "tool_calls")
    assert (ours["tool"], ours["injected"], ours["error"]) == (server.tool, 1, None)
    assert ours["server_url"] in f"{where} stdio:public"
    assert (own["injected"], own["interception_id"]) == (0, asked["id"])
    assert ours["interception_id"] == asked["id"]
    for table, count in (("token_usages", 2), ("tool_results", 1), ("prompts", 1)):
        found = [row for row in rows(record, table) if row["interception_id"] == asked["id"]]
        assert len(found) == count, table


def is_ready(events: list[dict[str, Any]]) -> bool:
    """Whether the bridge has said that the server is ready."""
    told = [server for event in events for server in event.get("servers", [event])]
    return any(server.get("server") == "public" and server["state"] == "ready" for server in told)


def said_in(exchange: SimulatedExchange) -> str:
    """The conversation in a request, without the tools that it offers."""
    request = orjson.loads(exchange.request.body)
    return str(request.get("input") or request.get("messages"))
