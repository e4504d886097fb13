"""The simulated model calls tools that a bridge put in, where there are any, and goes on when their results come."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
import trio

from bridge.apis.injection import BESIDE_OWN, CUT_SHORT, ToolResult
from bridge.simulator.answers import ScriptedAnswer, Text, ToolCall
from bridge.simulator.provider import SimulatedProvider
from bridge.simulator.scenario.file import usual
from bridge.simulator.tools import OfferedTool, with_offered
from tests.support.dialects import DIALECTS
from tests.support.scripted_tools import SCHEMA, ScriptedToolset, ScriptedToolsets, bridge_before, text_result
from tests.support.simulated import SPEED, serving
from tests.support.world import ask

Fields = dict[str, Any]

OWN = {
    "responses": {"type": "function", "name": "shell", "parameters": SCHEMA},
    "chat_completions": {"type": "function", "function": {"name": "shell", "parameters": SCHEMA}},
    "messages": {"name": "shell", "input_schema": SCHEMA},
}
TOLD = {
    "injected": [("look", None)],
    "injected_after_text": [("look", None)],
    "injected_after_thought": [("look", None)],
    "injected_twice": [("look", None)] * 2,
    "injected_together": [("look", None)] * 2,
    "injected_beside_own": [("shell", None), ("look", BESIDE_OWN)],
    "injected_with_bad_arguments": [("look", 'the arguments are no JSON object: {"query": ')],
    "injected_and_cut": [("look", CUT_SHORT)],
}
"""What is told of each answer's calls."""


async def look(_: Fields) -> ToolResult:
    return text_result("nothing new")


@pytest.mark.parametrize("api", DIALECTS)
@pytest.mark.parametrize("name", TOLD)
async def test_an_answer_is_played_through_a_bridge(name: str, api: str) -> None:
    dialect = DIALECTS[api]
    toolsets = ScriptedToolsets(ScriptedToolset({"look": look}))
    async with (
        serving(SimulatedProvider(speed=SPEED)) as url,
        bridge_before(api, f"{url}/v1", toolsets) as here,
    ):
        body = orjson.loads(orjson.dumps(dialect.asking).replace(b"Why is the job slow", b"simulate " + name.encode()))
        with trio.fail_after(10):
            answer = await ask(
                here.port, {"model": "m", "stream": True, "tools": [OWN[api]], **body}, path=dialect.path
            )
            ended = await here.event("interception.ended")
    assert (ended.outcome, answer.complete) == ("completed", True)
    assert b"bmcp_" not in answer.body or api == "responses"  # which repeats the request's tools
    assert [(event.tool, event.error) for event in here.events("tool.called")] == TOLD[name]


def test_a_server_s_tool_is_called_before_a_bridge_s_own() -> None:
    written, own = ScriptedAnswer((ToolCall("bmcp_*", {}),)), OfferedTool("bmcp_clearspan_session_usage", SCHEMA)
    assert with_offered(written, [own, OfferedTool("bmcp_docs", SCHEMA)]).parts == (ToolCall("bmcp_docs", {}),)
    assert with_offered(written, [own]).parts == (ToolCall(own.name, {}),)


def test_every_answer_is_played() -> None:
    assert set(TOLD) == {name for name in usual().answers if name.startswith("injected") and name != "injected_result"}


def test_a_call_of_a_tool_that_is_not_there_is_left_out() -> None:
    written = ScriptedAnswer((ToolCall("bmcp_*", {}),))
    (text,) = with_offered(written, [OfferedTool("shell", SCHEMA)]).parts
    assert isinstance(text, Text)
    assert with_offered(written, [OfferedTool("bmcp_a", SCHEMA)]).parts == (ToolCall("bmcp_a", {}),)


@pytest.mark.parametrize("api", DIALECTS)
async def test_an_answer_that_is_asked_for_where_no_tool_is_ready_calls_none(api: str) -> None:
    dialect = DIALECTS[api]
    async with (
        serving(SimulatedProvider(speed=SPEED)) as url,
        bridge_before(api, f"{url}/v1", ScriptedToolsets(None)) as here,
    ):
        body = orjson.loads(orjson.dumps(dialect.asking).replace(b"Why is the job slow", b"simulate injected"))
        body.pop("tools", None)
        answer = await ask(here.port, {"model": "m", "stream": True, **body}, path=dialect.path)
        await here.event("interception.ended")
    assert answer.complete
    assert b"bmcp_" not in answer.body
    assert here.events("tool.called") == []


def test_the_clients_own_tool_is_called_before_a_bridges() -> None:
    written = ScriptedAnswer((ToolCall("exec_command", {}),))
    tools = [OfferedTool("bmcp_a", {}), OfferedTool("mine", {})]
    assert with_offered(written, tools).parts == (ToolCall("mine", {}),)
