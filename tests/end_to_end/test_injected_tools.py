"""Tools of the bridge's own, over real sockets and with the providers' own SDKs as clients: API by API, as a stream and
as one body, scenario by scenario. What the client sees is one coherent answer, the provider got the right next request,
and the record has every round (docs/behaviour.md, Injected tools).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import anthropic
import openai
import orjson
import pytest
import trio
from anthropic import Anthropic
from attrs import define, field, frozen
from openai import OpenAI

from bridge.apis.injection import BESIDE_OWN, CUT_SHORT, LAST_ROUND, MOST_ROUNDS
from bridge.interception.tool_loop import OUT_OF_ROUNDS
from tests.support.rounds import Answer, Calls, RoundsProvider, Says, Step, Thinks
from tests.support.scripted_tools import ScriptedToolsets, bridge_with_tools
from tests.support.world import World

APIS = ("messages", "chat_completions", "responses")
OWN = "read_file"
ADD = '{"a": 1.50, "b": 2}'
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"path": {"type": "string"}}}


@define
class Seen:
    """What a client got, told alike for every API."""

    text: str = ""
    thoughts: str = ""
    tools: list[tuple[str, Any]] = field(factory=list)
    reason: str = ""
    output_tokens: int = 0


@frozen
class Connections:
    """What the SDKs use, made once: to make them anew costs more than a test."""

    anthropic: Any
    openai: Any


@pytest.fixture(scope="module")
def http() -> Iterator[Connections]:
    with anthropic.DefaultHttpxClient(timeout=20) as first, openai.DefaultHttpxClient(timeout=20) as second:
        yield Connections(first, second)


def talk_messages(here: World, http: Connections, stream: bool) -> Seen:
    url = f"{here.url}/anthropic"
    client = Anthropic(base_url=url, api_key="clearspan", max_retries=0, http_client=http.anthropic)
    asked: dict[str, Any] = {
        "model": "claude-opus-4-5",
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": "add"}],
        "tools": [{"name": OWN, "description": "Reads.", "input_schema": SCHEMA}],
    }
    if stream:
        with client.messages.stream(**asked) as events:
            message = events.get_final_message()
    else:
        message = client.messages.create(**asked)
    seen = Seen(reason=message.stop_reason or "", output_tokens=message.usage.output_tokens)
    for block in message.content:
        match block.type:
            case "text":
                seen.text += block.text
            case "thinking":
                seen.thoughts += block.thinking
            case "tool_use":
                seen.tools.append((block.name, block.input))
    return seen


def openai_client(here: World, http: Connections) -> OpenAI:
    return OpenAI(base_url=f"{here.url}/openai/v1", api_key="clearspan", max_retries=0, http_client=http.openai)


def talk_chat(here: World, http: Connections, stream: bool) -> Seen:
    function = {"name": OWN, "description": "Reads.", "parameters": SCHEMA}
    asked: dict[str, Any] = {
        "model": "gpt-5.4",
        "messages": [{"role": "user", "content": "add"}],
        "tools": [{"type": "function", "function": function}],
    }
    client = openai_client(here, http)
    if stream:
        with client.chat.completions.stream(**asked, stream_options={"include_usage": True}) as events:
            events.until_done()
            completion: Any = events.current_completion_snapshot  # the final one raises where an answer was cut short
    else:
        completion = client.chat.completions.create(**asked)
    choice = completion.choices[0]
    calls = [(call.function.name, orjson.loads(call.function.arguments)) for call in choice.message.tool_calls or []]
    thoughts = (choice.message.model_extra or {}).get("reasoning_content") or ""
    used = completion.usage.completion_tokens
    return Seen(choice.message.content or "", thoughts, calls, choice.finish_reason, used)


def talk_responses(here: World, http: Connections, stream: bool) -> Seen:
    asked: dict[str, Any] = {
        "model": "gpt-5.3-codex",
        "input": "add",
        "tools": [{"type": "function", "name": OWN, "description": "Reads.", "parameters": SCHEMA, "strict": False}],
    }
    client = openai_client(here, http)
    if stream:
        response: Any = None
        numbers = []
        for event in client.responses.create(**asked, stream=True):
            numbers.append(event.sequence_number)
            if event.type in ("response.completed", "response.incomplete", "response.failed"):
                response = event.response
        assert numbers == list(range(len(numbers)))
    else:
        response = client.responses.create(**asked)
    seen = Seen(reason=response.status, output_tokens=response.usage.output_tokens)
    for item in response.output:
        match item.type:
            case "message":
                seen.text += "".join(part.text for part in item.content)
            case "reasoning":
                seen.thoughts += "".join(part.text for part in item.summary)
            case "function_call":
                seen.tools.append((item.name, orjson.loads(item.arguments)))
    return seen


TALK = {"messages": talk_messages, "chat_completions": talk_chat, "responses": talk_responses}
REASONS = {
    "messages": {"end": "end_turn", "tool": "tool_use", "cut": "max_tokens"},
    "chat_completions": {"end": "stop", "tool": "tool_calls", "cut": "length"},
    "responses": {"end": "completed", "tool": "completed", "cut": "incomplete"},
}
OUTPUT = {"messages": 89, "chat_completions": 10, "responses": 1186}
"""The output tokens of each round, as `tests.support.rounds` tells them."""


def call(name: str, arguments: str = ADD, call_id: str = "call_1") -> Calls:
    """A call of an injected tool."""
    return Calls(f"bmcp_calc_{name}", arguments, call_id)


@frozen
class Scenario:
    """Rounds of a provider, and what is to come of them: what was run with what, what the client sees, what is told."""

    rounds: Sequence[Step]
    text: str = "It is 3.5."
    thoughts: str = ""
    tools: Sequence[tuple[str, Any]] = ()
    reason: str = "end"
    run: Sequence[tuple[str, dict[str, Any]]] = ()
    told: Sequence[tuple[str, bool, str | None]] = ()
    """Each call: the tool's name, whether it is injected, the error."""
    results: Sequence[str] = ()
    """What the last request has in it of results."""
    counted: int = 0
    """How many rounds' tokens the client is told; all by default."""
    error: str | None = None


SUM = {"a": 1.5, "b": 2}
LAST = Answer([Says("It is 3.5.")], response_id="answer_2")
PATH = '{"path": "a"}'

SCENARIOS = {
    "no call": Scenario([Answer([Says("It is 3.5.")])]),
    "one call": Scenario(
        [Answer([call("add")]), LAST], run=[("add", SUM)], told=[("add", True, None)], results=["3.5"]
    ),
    "several rounds": Scenario(
        [Answer([call("add")]), Answer([call("add", call_id="call_2")], response_id="answer_b"), LAST],
        run=[("add", SUM)] * 2,
        told=[("add", True, None)] * 2,
        results=["3.5", "call_1", "call_2"],
    ),
    "two calls of one tool in one answer": Scenario(
        [Answer([call("add"), call("add", '{"a": 7}', "call_2")]), LAST],
        run=[("add", SUM), ("add", {"a": 7})],
        told=[("add", True, None)] * 2,
        results=["3.5", "call_1", "call_2"],
    ),
    "a call without arguments": Scenario(
        [Answer([call("add", "")]), LAST], run=[("add", {})], told=[("add", True, None)], results=["call_1"]
    ),
    "a call beside the client's own": Scenario(
        [Answer([Says("Look."), call("add"), Calls(OWN, PATH, "call_2")])],
        text="Look.",
        tools=[(OWN, {"path": "a"})],
        reason="tool",
        told=[(OWN, False, None), ("add", True, BESIDE_OWN)],
    ),
    "the client's own before it": Scenario(
        [Answer([Calls(OWN, PATH, "call_2"), call("add")])],
        text="",
        tools=[(OWN, {"path": "a"})],
        reason="tool",
        told=[(OWN, False, None), ("add", True, BESIDE_OWN)],
    ),
    "the client's own in the second round": Scenario(
        [Answer([call("add")]), Answer([Calls(OWN, PATH, "call_2")], response_id="answer_2")],
        text="",
        tools=[(OWN, {"path": "a"})],
        reason="tool",
        run=[("add", SUM)],
        told=[("add", True, None), (OWN, False, None)],
        results=["3.5"],
    ),
    "a name like ours that was not given": Scenario(
        [Answer([Calls("bmcp_calc_other", "{}", "call_2")])],
        text="",
        tools=[("bmcp_calc_other", {})],
        reason="tool",
        told=[("bmcp_calc_other", False, None)],
    ),
    "text before the call": Scenario(
        [Answer([Says("Let me see. "), call("add")]), LAST],
        text="Let me see. It is 3.5.",
        run=[("add", SUM)],
        told=[("add", True, None)],
        results=["3.5", "Let me see. "],
    ),
    "reasoning before the call": Scenario(
        [Answer([Thinks("I add them. "), call("add")]), LAST],
        thoughts="I add them. ",
        run=[("add", SUM)],
        told=[("add", True, None)],
        results=["3.5", "I add them. "],
    ),
    "the tool fails": Scenario(
        [Answer([call("fail")]), LAST],
        run=[("fail", SUM)],
        told=[("fail", True, "there is no such sheet")],
        results=["there is no such sheet"],
    ),
    "the server is gone": Scenario(
        [Answer([call("gone")]), LAST],
        run=[("gone", SUM)],
        told=[("gone", True, "the server is gone")],
        results=["the server is gone"],
    ),
    "an unknown tool": Scenario(
        [Answer([call("unknown")]), LAST],
        run=[("unknown", SUM)],
        told=[("unknown", True, "unknown tool")],
        results=["unknown tool"],
    ),
    "the tool's code crashes": Scenario(
        [Answer([call("crash")]), LAST],
        run=[("crash", SUM)],
        told=[("crash", True, "the bridge failed to call it; its log says why")],
        results=["the bridge failed to call it"],
    ),
    "bad arguments": Scenario(
        [Answer([call("add", '{"a": ')]), LAST],
        told=[("add", True, "the arguments are no JSON object")],
        results=["the arguments are no JSON object"],
    ),
    "cut short": Scenario(
        [Answer([Says("It is 3.5."), call("add", '{"a": ')], cut=True)],
        reason="cut",
        told=[("add", True, CUT_SHORT)],
    ),
    "25 rounds": Scenario(
        [Answer([Says("."), call("add")])],
        text="." * MOST_ROUNDS,
        run=[("add", SUM)] * (MOST_ROUNDS - 1),
        told=[*[("add", True, None)] * (MOST_ROUNDS - 1), ("add", True, LAST_ROUND)],
        error=OUT_OF_ROUNDS,
        counted=MOST_ROUNDS,
    ),
}


def expected_text(api: str, scenario: Scenario) -> str:
    """Responses tells each round's text in its own response alone, of which the client gets the last."""
    if api != "responses":
        return scenario.text
    last = scenario.rounds[-1]
    assert isinstance(last, Answer)
    return "".join(part.text for part in last.parts if isinstance(part, Says))


def expected_thoughts(api: str, scenario: Scenario, stream: bool) -> str:
    """In a stream thoughts are seen as they come; a last body has none of earlier rounds, a last response neither."""
    return scenario.thoughts if stream and api != "responses" else ""


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "body"])
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_scenario(name: str, api: str, stream: bool, http: Connections) -> None:
    scenario = SCENARIOS[name]
    given = RoundsProvider(api, scenario.rounds)
    toolsets = ScriptedToolsets()
    async with bridge_with_tools(api, given, toolsets) as here:
        with trio.fail_after(30):
            seen = await trio.to_thread.run_sync(TALK[api], here, http, stream)
            ended = await here.event("interception.ended")
        told = here.events("tool.called")
        tokens = here.events("tokens.used")
        prompts = here.events("prompt.recorded")
    rounds = len(given.asked)
    assert seen.text == expected_text(api, scenario)
    assert seen.thoughts == expected_thoughts(api, scenario, stream)
    assert seen.tools == list(scenario.tools)
    assert seen.reason == REASONS[api][scenario.reason]
    assert seen.output_tokens == OUTPUT[api] * rounds
    assert toolsets.given is not None
    assert toolsets.given.called == list(scenario.run)
    errors = [event.error and event.error.partition(": {")[0].partition(': "')[0] for event in told]
    assert [(event.tool, event.injected, error) for event, error in zip(told, errors, strict=True)] == [*scenario.told]
    assert {event.server_url for event in told if event.injected} <= {"http://127.0.0.1:9/mcp"}
    assert rounds == (MOST_ROUNDS if scenario.counted else len(scenario.rounds))
    assert [event.attempt for event in here.events("attempt.started")] == list(range(1, rounds + 1))
    assert [event.output for event in tokens] == [OUTPUT[api]] * rounds
    assert [event.response_id for event in prompts] == ["answer_1"]
    assert (ended.outcome, ended.error, ended.attempts) == ("completed", scenario.error, rounds)
    last = given.asked[-1].body.decode()
    for part in scenario.results:
        assert part in last
    told_ids = [event.response_id for event in told if event.injected]
    assert all(name is not None for name in told_ids)
