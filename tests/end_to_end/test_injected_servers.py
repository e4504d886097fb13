"""Tools of real MCP servers, in processes of their own, called by a model over a real bridge: both ways, all APIs
(docs/behaviour.md, Injected tools, MCP servers)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest
import trio

from bridge.config.settings import McpServerSettings
from tests.support.dialects import DIALECTS
from tests.support.rounds import Answer, Calls, RoundsProvider, Says
from tests.support.scripted_tools import bridge_before
from tests.support.tool_servers import PROGRAM, kept, odd, remote_server
from tests.support.world import ask, provider

CALLS = Answer(
    [
        Calls("bmcp_sim_add", '{"a": 1, "b": 2}', "call_1"),
        Calls("bmcp_sim_fail", "{}", "call_2"),
        Calls("bmcp_sim_picture", "{}", "call_3"),
        Calls("bmcp_sim_much", "{}", "call_4"),
    ]
)
LAST = Answer([Says("It is 3.")], response_id="answer_2")
MIB = 1024 * 1024


@asynccontextmanager
async def server(way: str) -> AsyncIterator[McpServerSettings]:
    """The simulated server, reached that way."""
    if way == "program":
        yield PROGRAM
    else:
        async with remote_server() as remote:
            yield remote.settings


@pytest.mark.parametrize("way", ["program", "url"])
@pytest.mark.parametrize("api", DIALECTS)
async def test_a_model_calls_tools_of_a_real_server(api: str, way: str) -> None:
    given = RoundsProvider(api, [CALLS, LAST])
    dialect = DIALECTS[api]
    async with server(way) as settings, kept(sim=settings) as tools, provider(given) as url:
        with trio.fail_after(30):
            await tools.until_told("sim", "ready")
        async with bridge_before(api, url, tools.servers) as here:
            with trio.fail_after(30):
                answer = await ask(here.port, {"model": "m", "stream": True, **dialect.asking}, path=dialect.path)
                ended = await here.event("interception.ended")
    assert (ended.outcome, ended.attempts, answer.complete) == ("completed", 2, True)
    told = [(event.tool, event.error is None, event.server_url) for event in here.events("tool.called")]
    where = "stdio:sim" if way == "program" else settings.url
    assert told == [("add", True, where), ("fail", False, where), ("picture", True, where), ("much", True, where)]
    first, second = (orjson.loads(asked.body) for asked in given.asked)
    assert "bmcp_sim_add" in str(first["tools"])
    assert first["tools"] == second["tools"]
    assert MIB < len(given.asked[1].body) < 3 * MIB
    if api == "messages":
        _, results = second["messages"][-2:]
        assert results["content"][0]["content"] == [{"type": "text", "text": "3"}]
        assert [block["is_error"] for block in results["content"]] == [False, True, False, False]
        assert results["content"][2]["content"][-1]["type"] == "image"


async def test_the_same_session_gets_the_same_bytes_and_a_dead_server_none() -> None:
    given = RoundsProvider("responses", [LAST])
    async with kept(sim=PROGRAM) as tools, provider(given) as url:
        body = b'{"model": "m", "input": "\\u00e9", "n": 1.50, "prompt_cache_key": "s"}'
        async with bridge_before("responses", url, tools.servers) as here:
            await ask(here.port, body)
            with trio.fail_after(30):
                await tools.until_told("sim", "ready")
            await ask(here.port, body)
            await ask(here.port, body)
    before, ready, again = (asked.body for asked in given.asked)
    assert before == body
    assert ready == again
    assert ready.endswith(body[1:])


async def test_a_request_that_gets_no_tools_does_not_decide_on_those_of_its_session() -> None:
    given = RoundsProvider("responses", [LAST])
    body = b'{"model": "m", "input": "x", "prompt_cache_key": "s"}'
    async with kept(first=odd("a")) as tools, provider(given) as url:
        with trio.fail_after(30):
            await tools.until_told("first", "ready")
        async with bridge_before("responses", url, tools.servers) as here:
            await ask(here.port, body[:-1] + b', "tool_choice": "none"}')
            tools.reconfigure(first=odd("a"), later=odd("b"))
            with trio.fail_after(30):
                await tools.until_told("later", "ready")
            await ask(here.port, body)
            tools.reconfigure(first=odd("a"))
            await ask(here.port, body)
    asked = [orjson.loads(each.body) for each in given.asked]
    offered = [[tool["name"] for tool in request.get("tools", [])] for request in asked]
    assert offered == [[], ["bmcp_first_a", "bmcp_later_b"], ["bmcp_first_a", "bmcp_later_b"]]
