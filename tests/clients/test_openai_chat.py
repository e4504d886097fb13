"""OpenAI's own SDK and Chat Completions over the bridge: the same as without, and the same exceptions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import openai
import orjson
import pytest
import trio
from attrs import evolve
from openai import AsyncOpenAI, OpenAI

from bridge.simulator.answers import Text, ToolCall
from bridge.simulator.fates import parse_fates
from bridge.simulator.scenario.file import everyday
from tests.clients.everyday import fated, parts
from tests.support.simulated import simulation
from tests.support.world import KEYS, World

T = TypeVar("T")


def asking(text: str) -> Any:
    return {"model": "gpt-5.2", "messages": [{"role": "user", "content": text}]}


async def over(here: World, use: Callable[[OpenAI], T], retries: int = 0) -> T:
    """Uses the SDK's plain client, in a thread."""

    def work() -> T:
        address = f"{here.url}/openai/v1"
        with OpenAI(base_url=address, api_key="clearspan", max_retries=retries, timeout=10) as client:
            return use(client)

    return await trio.to_thread.run_sync(work)


async def test_create() -> None:
    async with simulation() as simulated:
        said = await over(simulated.here, lambda client: client.chat.completions.create(**asking("simulate reasoning")))
        await simulated.here.event("interception.ended")
        (tokens,) = simulated.here.events("tokens.used")
        (prompt,) = simulated.here.events("prompt.recorded")
        started = simulated.here.events("interception.started")[0]
    assert [said.choices[0].message.content] == [part.text for part in parts("reasoning", Text)]
    assert said.usage is not None
    assert said.usage.prompt_tokens == tokens.input + tokens.cache_read_input
    assert said.usage.completion_tokens == tokens.output
    assert (prompt.text, prompt.response_id) == ("simulate reasoning", said.id)
    assert (started.client, started.api) == ("OpenAI SDK", "chat_completions")


@pytest.mark.parametrize("asked", [True, False])
async def test_create_with_stream(asked: bool) -> None:
    """Usage is recorded in any case, and shown to those who asked."""
    options: Any = {"stream_options": {"include_usage": True}} if asked else {}

    def use(client: OpenAI) -> list[Any]:
        with client.chat.completions.create(**asking("simulate reasoning"), **options, stream=True) as stream:
            return list(stream)

    async with simulation() as simulated:
        chunks = await over(simulated.here, use)
        ended = await simulated.here.event("interception.ended")
        (tokens,) = simulated.here.events("tokens.used")
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert [said] == [part.text for part in parts("reasoning", Text)]
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    assert [usage.completion_tokens for usage in usages] == ([tokens.output] if asked else [])
    assert all(chunk.choices for chunk in chunks) is not asked
    assert ended.outcome == "completed"


async def test_stream_helper_with_tools() -> None:
    def use(client: OpenAI) -> tuple[Any, Any]:
        asked = asking("simulate parallel_calls")
        with client.chat.completions.stream(**asked) as stream:
            first = stream.get_final_completion().choices[0].message
        calls = first.tool_calls or []
        results = [{"role": "tool", "tool_call_id": call.id, "content": "done"} for call in calls]
        asked["messages"] += [{"role": "assistant", "tool_calls": [call.to_dict() for call in calls]}, *results]
        with client.chat.completions.stream(**asked) as stream:
            return calls, stream.get_final_completion().choices[0].message

    async with simulation() as simulated:
        calls, last = await over(simulated.here, use)
        await simulated.here.event("interception.ended", 2)
        called = simulated.here.events("tool.called")
        _, second = simulated.here.events("interception.started")
        prompts = simulated.here.events("prompt.recorded")
    told = [(event.tool_call_id, event.tool, event.arguments) for event in called]
    assert told == [(call.id, call.function.name, orjson.loads(call.function.arguments)) for call in calls]
    assert [(tool, given) for _, tool, given in told] == [
        (part.tool, part.arguments) for part in parts("parallel_calls", ToolCall)
    ]
    assert second.correlating_tool_call_id == calls[-1].id
    assert len(prompts) == 1
    assert last.content.startswith("Done.")


async def test_the_async_client() -> None:
    async def work(address: str) -> tuple[Any, Any]:
        async with AsyncOpenAI(base_url=address, api_key="clearspan", max_retries=0, timeout=10) as client:
            said = await client.chat.completions.create(**asking("simulate plain"))
            async with client.chat.completions.stream(**asking("simulate plain")) as stream:
                streamed = await stream.get_final_completion()
            with pytest.raises(openai.BadRequestError):
                await client.chat.completions.create(**{**asking("x"), "model": 5})
        return said, streamed

    async with simulation() as simulated:
        # Under asyncio, which ends the generators that the SDK leaves at `[DONE]`; Trio calls them a fault.
        said, streamed = await trio.to_thread.run_sync(asyncio.run, work(f"{simulated.here.url}/openai/v1"))
        await simulated.here.event("interception.ended", 3)
        outcomes = [event.outcome for event in simulated.here.events("interception.ended")]
    assert streamed.choices[0].message.content == said.choices[0].message.content
    assert outcomes == ["completed", "completed", "failed"]


def create(client: OpenAI) -> Any:
    return client.chat.completions.create(**asking("Hello"))


def stream(client: OpenAI) -> Any:
    with client.chat.completions.stream(**asking("Hello")) as events:
        return events.get_final_completion()


@pytest.mark.parametrize("use", [create, stream])
@pytest.mark.parametrize(
    ("fate", "kind", "status"),
    [
        ("429:7000", "RateLimitError", 429),  # divided by the simulation's speed, and rounded up
        ("insufficient_quota", "RateLimitError", 429),
        ("401", "InternalServerError", 502),
        ("403:model", "PermissionDeniedError", 403),
        ("500", "InternalServerError", 500),
        ("503", "InternalServerError", 503),
    ],
)
async def test_errors_raise_the_sdks_own(use: Callable[[OpenAI], Any], fate: str, kind: str, status: int) -> None:
    async with simulation(fated(fate), KEYS[:2]) as simulated:
        with pytest.raises(openai.APIStatusError) as raised:
            await over(simulated.here, use)
    error = raised.value
    assert (type(error).__name__, error.status_code) == (kind, status)
    assert error.response.headers["x-clearspan-interception"]
    assert (status == 429) == ("retry-after" in error.response.headers)
    assert KEYS[0] not in str(error)


@pytest.mark.parametrize("use", [create, stream])
async def test_of_an_only_key_the_sdk_hears_the_providers_own_words(use: Callable[[OpenAI], Any]) -> None:
    async with simulation(fated("401")) as simulated:
        with pytest.raises(openai.AuthenticationError) as given:
            await over(simulated.here, use)
        with pytest.raises(openai.InternalServerError) as own:
            await over(simulated.here, use)
    assert "the only API key" not in str(given.value)
    assert "the only API key" in str(own.value)
    assert own.value.response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [("error", openai.APIError), ("failed", openai.APIError), ("dropped", openai.APIConnectionError)],
)
async def test_a_stream_that_fails_raises(answer: str, kind: type[Exception]) -> None:
    def use(client: OpenAI) -> Any:
        with client.chat.completions.create(**asking(f"simulate {answer}"), stream=True) as chunks:
            return list(chunks)

    async with simulation() as simulated:
        with pytest.raises(kind):
            await over(simulated.here, use)
        ended = await simulated.here.event("interception.ended")
    assert ended.outcome == "failed"


async def test_the_sdk_retries_by_itself_and_each_try_is_an_interception() -> None:
    async with simulation(fated("500", "ok")) as simulated:
        said = await over(simulated.here, create, retries=2)
        assert said.choices[0].message.content
        outcomes = [(await simulated.here.event("interception.ended", n)).outcome for n in (1, 2)]
    assert outcomes == ["failed", "completed"]


async def test_the_pool_fails_over_while_the_sdk_waits() -> None:
    scenario = evolve(everyday(), keys=(), other_keys=parse_fates("ok"))
    async with simulation(scenario, KEYS[:2]) as simulated:
        simulated.here.bridge.providers["openai"].pool.disable("sk-c...0001")
        await over(simulated.here, create)
        exchange = await simulated.exchange(1)
    assert exchange.request.headers["authorization"] == f"Bearer {KEYS[1]}"
