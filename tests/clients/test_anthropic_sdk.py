"""Anthropic's own SDK over the bridge, unchanged: what works without a bridge works with one, and raises the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import anthropic
import pytest
import trio
from anthropic import Anthropic, AsyncAnthropic

from bridge.keys.secret import Secret
from bridge.simulator.answers import ScriptedThought, Text, ToolCall
from tests.clients.everyday import fated, parts
from tests.support.simulated import simulation
from tests.support.world import KEYS, World

T = TypeVar("T")

ASKING: Any = {"model": "claude-opus-4-6", "max_tokens": 1000}
HELLO: Any = {**ASKING, "messages": [{"role": "user", "content": "Hello"}]}
TOOL: Any = {
    "name": "exec_command",
    "description": "Runs a command.",
    "input_schema": {"type": "object", "properties": {"cmd": {"type": "string"}}},
}
READER: Any = {"name": "read_file", "input_schema": {"type": "object"}}


def asking(text: str) -> Any:
    return {**ASKING, "messages": [{"role": "user", "content": text}]}


async def over(here: World, use: Callable[[Anthropic], T], key: str = "clearspan", retries: int = 0) -> T:
    """Uses the SDK's plain client, in a thread."""

    def work() -> T:
        address = f"{here.url}/anthropic"
        with Anthropic(base_url=address, api_key=key, max_retries=retries, timeout=10) as client:
            return use(client)

    return await trio.to_thread.run_sync(work)


async def test_create() -> None:
    async with simulation() as simulated:
        message = await over(simulated.here, lambda client: client.messages.create(**asking("simulate reasoning")))
        await simulated.here.event("interception.ended")
        (tokens,) = simulated.here.events("tokens.used")
        (prompt,) = simulated.here.events("prompt.recorded")
        started = simulated.here.events("interception.started")[0]
    assert [block.text for block in message.content if block.type == "text"] == [
        part.text for part in parts("reasoning", Text)
    ]
    assert (message.usage.input_tokens, message.usage.output_tokens) == (tokens.input, tokens.output)
    assert message.usage.cache_read_input_tokens == tokens.cache_read_input
    assert (prompt.text, prompt.response_id) == ("simulate reasoning", message.id)
    assert (started.client, started.provider, started.streaming) == ("Anthropic SDK", "anthropic", False)


async def test_create_with_stream() -> None:
    def use(client: Anthropic) -> list[Any]:
        with client.messages.create(**asking("simulate reasoning"), stream=True) as stream:
            return list(stream)

    async with simulation() as simulated:
        events = await over(simulated.here, use)
        ended = await simulated.here.event("interception.ended")
        thoughts = [event.text for event in simulated.here.events("thought.recorded")]
    assert (events[0].type, events[-1].type) == ("message_start", "message_stop")
    assert thoughts == [part.text for part in parts("reasoning", ScriptedThought)]
    assert ended.outcome == "completed"


async def test_stream_helper_with_tools() -> None:
    def use(client: Anthropic) -> tuple[Any, Any]:
        said: list[Any] = [{"role": "user", "content": "simulate parallel_calls"}]
        with client.messages.stream(**ASKING, messages=said, tools=[TOOL, READER]) as stream:
            first = stream.get_final_message()
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": "done"}
            for block in first.content
            if block.type == "tool_use"
        ]
        said += [{"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
        with client.messages.stream(**ASKING, messages=said, tools=[TOOL, READER]) as stream:
            return first, stream.get_final_message()

    async with simulation() as simulated:
        first, last = await over(simulated.here, use)
        await simulated.here.event("interception.ended", 2)
        called = simulated.here.events("tool.called")
        _, second = simulated.here.events("interception.started")
        prompts = simulated.here.events("prompt.recorded")
    uses = [block for block in first.content if block.type == "tool_use"]
    assert [(event.tool_call_id, event.tool, event.arguments) for event in called] == [
        (block.id, block.name, block.input) for block in uses
    ]
    assert [(event.tool, event.arguments) for event in called] == [
        (part.tool, part.arguments) for part in parts("parallel_calls", ToolCall)
    ]
    assert second.correlating_tool_call_id == uses[-1].id
    assert len(prompts) == 1
    assert last.content[-1].text.startswith("Done.")


async def test_the_async_client() -> None:
    async with simulation() as simulated:
        address = f"{simulated.here.url}/anthropic"
        client = AsyncAnthropic(base_url=address, api_key="clearspan", max_retries=0, timeout=10)
        async with client:
            message = await client.messages.create(**asking("simulate plain"))
            async with client.messages.stream(**asking("simulate plain")) as stream:
                streamed = await stream.get_final_message()
            with pytest.raises(anthropic.BadRequestError):
                await client.messages.create(**{**HELLO, "max_tokens": "many"})
        await simulated.here.event("interception.ended", 3)
    assert [block.type for block in message.content] == ["text"]
    assert [block.to_dict() for block in streamed.content] == [block.to_dict() for block in message.content]


async def test_what_else_the_sdk_asks_for() -> None:
    def use(client: Anthropic) -> tuple[int, list[str]]:
        counted = client.messages.count_tokens(model="m", messages=HELLO["messages"]).input_tokens
        return counted, [model.id for model in client.models.list()]

    async with simulation() as simulated:
        counted, models = await over(simulated.here, use)
        await simulated.here.event("interception.ended", 2)
        assert {event.api for event in simulated.here.events("interception.started")} == {"passthrough"}
    assert counted > 0
    assert models


def create(client: Anthropic) -> Any:
    return client.messages.create(**HELLO)


def stream(client: Anthropic) -> Any:
    with client.messages.stream(**HELLO) as events:
        return events.get_final_message()


@pytest.mark.parametrize("use", [create, stream])
@pytest.mark.parametrize(
    ("fate", "kind", "status"),
    [
        ("429:7000", "RateLimitError", 429),  # divided by the simulation's speed, and rounded up
        ("insufficient_quota", "RateLimitError", 429),
        ("401", "InternalServerError", 502),
        ("403", "PermissionDeniedError", 403),
        ("500", "InternalServerError", 500),
        ("529", "OverloadedError", 529),
    ],
)
async def test_errors_raise_the_sdks_own(use: Callable[[Anthropic], Any], fate: str, kind: str, status: int) -> None:
    async with simulation(fated(fate), KEYS[:2]) as simulated:
        with pytest.raises(anthropic.APIStatusError) as raised:
            await over(simulated.here, use)
    error = raised.value
    assert (type(error).__name__, error.status_code) == (kind, status)
    assert error.response.headers["x-clearspan-interception"]
    assert (status == 429) == ("retry-after" in error.response.headers)
    assert KEYS[0] not in str(error)


@pytest.mark.parametrize("use", [create, stream])
async def test_of_an_only_key_the_sdk_hears_the_providers_own_words(use: Callable[[Anthropic], Any]) -> None:
    async with simulation(fated("401")) as simulated:
        with pytest.raises(anthropic.AuthenticationError) as given:
            await over(simulated.here, use)
        with pytest.raises(anthropic.InternalServerError) as own:
            await over(simulated.here, use)
    assert "the only API key" not in str(given.value)
    assert "the only API key" in str(own.value)
    assert own.value.response.headers["x-should-retry"] == "false"


async def test_errors_the_bridge_makes_by_itself() -> None:
    tokens = {"client_tokens": {"ann": Secret("token-of-ann-0123")}}
    async with simulation(server=tokens) as simulated:
        with pytest.raises(anthropic.AuthenticationError):
            await over(simulated.here, create)
        with pytest.raises(anthropic.NotFoundError, match="no such route is served here"):
            await over(
                simulated.here, lambda client: client.get("/v1/organizations", cast_to=object), "token-of-ann-0123"
            )
        with pytest.raises(anthropic.BadRequestError):
            await over(
                simulated.here,
                lambda client: client.post("/v1/messages", body=[1], cast_to=object),
                "token-of-ann-0123",
            )
        message = await over(simulated.here, create, "token-of-ann-0123")
        assert message.content
        assert simulated.here.events("interception.started")[-1].initiator == "ann"


async def test_a_stream_that_fails_raises() -> None:
    async with simulation() as simulated:
        for name in ("error", "overloaded"):
            with pytest.raises(anthropic.APIStatusError):
                await over(simulated.here, lambda client, name=name: _final(client, name))  # type: ignore[misc] # mypy can't
        with pytest.raises(Exception, match="without sending complete message body"):  # the HTTP library's own
            await over(simulated.here, lambda client: _final(client, "dropped"))
        outcomes = [(await simulated.here.event("interception.ended", n)).outcome for n in (1, 2, 3)]
    assert outcomes == ["failed"] * 3


def _final(client: Anthropic, answer: str) -> Any:
    with client.messages.stream(**asking(f"simulate {answer}")) as events:
        return events.get_final_message()


async def test_the_sdk_retries_by_itself_and_each_try_is_an_interception() -> None:
    async with simulation(fated("500", "ok")) as simulated:
        message = await over(simulated.here, create, retries=2)
        assert message.content
        outcomes = [(await simulated.here.event("interception.ended", n)).outcome for n in (1, 2)]
    assert outcomes == ["failed", "completed"]


async def test_a_key_of_ones_own_is_used_and_not_kept() -> None:
    async with simulation() as simulated:
        message = await over(simulated.here, create, "sk-ant-canary-of-my-own-0001")
        exchange = await simulated.exchange(1)
        started = simulated.here.events("interception.started")[0]
    assert message.content
    assert exchange.request.headers["authorization"] == "Bearer sk-ant-canary-of-my-own-0001"  # as the SDK sends it
    assert (started.credential.kind, started.credential.hint) == ("byok", "sk-a...0001")
