"""OpenAI's own SDK over the bridge, unchanged: what works without a bridge works with one, and raises the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import openai
import pytest
import trio
from attrs import evolve
from openai import AsyncOpenAI, OpenAI
from openai.types.responses import ResponseFunctionToolCall

from bridge.cli.simulate import simulated_provider
from bridge.keys.secret import Secret
from bridge.simulator.fates import OK, KeyScript, parse_fates
from bridge.simulator.provider import SimulatedProvider
from bridge.simulator.scenario.file import everyday
from tests.support.simulated import SPEED
from tests.support.world import HELLO, STREAM, Asked, Hang, Reply, World, provider, world

T = TypeVar("T")

KEY = "sk-pool-canary-key-0001"
OTHER = "sk-simulated-other-canary-0123456789"
TOOL: Any = {
    "type": "function",
    "name": "exec_command",
    "description": "Runs a command.",
    "parameters": {"type": "object", "properties": {"cmd": {"type": "string"}}},
    "strict": False,
}


@asynccontextmanager
async def simulated(*fates: str, keys: Sequence[str] = (KEY,), **settings: Any) -> AsyncIterator[World]:
    """A bridge with one key to a simulated provider, or these, that treats each key so, or well."""
    fate = tuple(fate for word in fates for fate in parse_fates(word)) or (OK,)
    app = SimulatedProvider(evolve(everyday(), keys=tuple(KeyScript(key, fate) for key in keys)), speed=SPEED)
    async with simulated_provider(app, "127.0.0.1", 0) as url, world(f"{url}/v1", keys, **settings) as here:
        yield here


async def over(here: World, use: Callable[[OpenAI], T], key: str = "clearspan") -> T:
    """Uses the SDK's plain client, in a thread."""

    def work() -> T:
        with OpenAI(base_url=f"{here.url}/openai/v1", api_key=key, max_retries=0, timeout=10) as client:
            return use(client)

    return await trio.to_thread.run_sync(work)


async def test_create() -> None:
    async with simulated() as here:
        response = await over(here, lambda client: client.responses.create(model="gpt-5", input="simulate reasoning"))
        await here.event("interception.ended")
        (tokens,) = here.events("tokens.used")
        (prompt,) = here.events("prompt.recorded")
        started = here.events("interception.started")[0]
    assert response.output_text.startswith("Add an index")
    assert response.usage is not None
    assert response.usage.input_tokens == tokens.input + tokens.cache_read_input
    assert response.usage.output_tokens == tokens.output
    assert (prompt.text, prompt.response_id) == ("simulate reasoning", response.id)
    assert (started.client, started.model, started.streaming) == ("OpenAI SDK", "gpt-5", False)


async def test_create_with_stream() -> None:
    def use(client: OpenAI) -> list[Any]:
        with client.responses.create(model="gpt-5", input="simulate reasoning", stream=True) as stream:
            return list(stream)

    async with simulated() as here:
        events = await over(here, use)
        ended = await here.event("interception.ended")
        thoughts = [event.text for event in here.events("thought.recorded")]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    said = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert events[-1].response.output_text == said
    assert thoughts == [
        part.text for item in events[-1].response.output if item.type == "reasoning" for part in item.summary
    ]
    assert ended.outcome == "completed"


async def test_stream_helper_with_tools() -> None:
    def use(client: OpenAI) -> tuple[set[str], Any, Any]:
        seen: set[str] = set()
        said: list[Any] = [{"role": "user", "content": "simulate function_call"}]
        with client.responses.stream(model="gpt-5", input=said, tools=[TOOL]) as stream:
            for event in stream:
                seen.add(event.type)
            first = stream.get_final_response()
        (call,) = [item for item in first.output if isinstance(item, ResponseFunctionToolCall)]
        said += [{**call.to_dict(exclude_none=True)}]
        said += [{"type": "function_call_output", "call_id": call.call_id, "output": "README.md"}]
        with client.responses.stream(model="gpt-5", input=said, tools=[TOOL]) as stream:
            return seen, call, stream.get_final_response()

    async with simulated() as here:
        seen, call, last = await over(here, use)
        await here.event("interception.ended", 2)
        called = here.events("tool.called")[0]
        _, second = here.events("interception.started")
        prompts = here.events("prompt.recorded")
    assert {"response.function_call_arguments.delta", "response.reasoning_summary_text.delta"} <= seen
    assert (called.tool_call_id, called.tool) == (call.call_id, call.name)
    assert called.arguments["cmd"] == "ls -la"
    assert second.correlating_tool_call_id == call.call_id
    assert len(prompts) == 1
    assert last.output_text.startswith("Done.")


async def test_the_async_client() -> None:
    async with simulated() as here:
        client = AsyncOpenAI(base_url=f"{here.url}/openai/v1", api_key="clearspan", max_retries=0, timeout=10)
        async with client:
            response = await client.responses.create(model="gpt-5", input="simulate plain")
            async with client.responses.stream(model="gpt-5", input="simulate plain") as stream:
                streamed = await stream.get_final_response()
            with pytest.raises(openai.APIStatusError):
                await client.responses.retrieve("resp_unknown")
        await here.event("interception.ended", 2)
    assert streamed.output_text == response.output_text != ""


def create(client: OpenAI) -> Any:
    return client.responses.create(model="gpt-5", input="Hello")


def stream(client: OpenAI) -> Any:
    with client.responses.stream(model="gpt-5", input="Hello") as events:
        return events.get_final_response()


WAYS = pytest.mark.parametrize("use", [create, stream])


async def caught(here: World, use: Callable[[OpenAI], Any], kind: type[Exception], key: str = "clearspan") -> Any:
    """The exception that the SDK raises: of exactly this kind."""
    with pytest.raises(kind) as raised:
        await over(here, use, key)
    assert type(raised.value) is kind
    return raised.value


@WAYS
async def test_an_empty_pool_is_a_rate_limit_error(use: Callable[[OpenAI], Any]) -> None:
    async with simulated("429:7000", keys=(KEY, OTHER)) as here:  # divided by the simulation's speed, and rounded up
        error = await caught(here, use, openai.RateLimitError)
    assert (error.status_code, error.code, error.type) == (429, "rate_limit_exceeded", "rate_limit_error")
    assert int(error.response.headers["retry-after"]) >= 1
    assert error.response.headers["x-clearspan-interception"]
    assert KEY not in str(error)


@WAYS
async def test_an_account_out_of_quota_is_a_rate_limit_error(use: Callable[[OpenAI], Any]) -> None:
    async with simulated("insufficient_quota", keys=(KEY, OTHER)) as here:
        error = await caught(here, use, openai.RateLimitError)
    assert error.status_code == 429
    assert int(error.response.headers["retry-after"]) == 3600


@WAYS
async def test_a_dead_pool_is_an_internal_server_error(use: Callable[[OpenAI], Any]) -> None:
    async with simulated("401", keys=(KEY, OTHER)) as here:
        error = await caught(here, use, openai.InternalServerError)
    assert (error.status_code, error.code, error.type) == (502, "server_error", "api_error")


@WAYS
async def test_a_failing_upstream_is_an_internal_server_error(use: Callable[[OpenAI], Any]) -> None:
    async with simulated("500") as here:
        error = await caught(here, use, openai.InternalServerError)
    assert error.status_code == 500
    assert error.response.headers["x-request-id"]


async def test_an_unreachable_upstream_is_an_internal_server_error() -> None:
    async with world("http://127.0.0.1:1/v1") as here:
        error = await caught(here, create, openai.InternalServerError)
    assert (error.status_code, error.code) == (502, "server_error")


@WAYS
async def test_a_request_the_key_may_not_make_is_a_permission_error(use: Callable[[OpenAI], Any]) -> None:
    async with simulated("403:model", "403:model", "403:model") as here:
        error = await caught(here, use, openai.PermissionDeniedError)
    assert error.status_code == 403


async def test_bad_requests_by_upstreams_word_and_the_bridges() -> None:
    async with simulated() as here:
        error = await caught(here, lambda client: client.responses.create(input="no model"), openai.BadRequestError)
        assert error.response.headers["x-request-id"]  # upstream's word
        error = await caught(
            here, lambda client: client.post("/responses", body=[1], cast_to=object), openai.BadRequestError
        )
        assert (error.type, error.response.headers.get("x-request-id")) == ("invalid_request_error", None)


async def test_a_background_response_is_refused() -> None:
    def use(client: OpenAI) -> Any:
        return client.responses.create(model="gpt-5", input="x", background=True)

    async with simulated() as here:
        error = await caught(here, use, openai.InternalServerError)  # as the SDK calls every status from 500 on
    assert (error.status_code, error.code) == (501, "not_implemented")


@WAYS
async def test_a_bad_key_of_ones_own_is_an_authentication_error(use: Callable[[OpenAI], Any]) -> None:
    keys = {"client_tokens": {"ann": Secret("token-of-ann-0123")}}
    async with simulated(server=keys) as here:
        error = await caught(here, use, openai.AuthenticationError)
        assert (error.status_code, error.code) == (401, "invalid_api_key")
        response = await over(here, use, "token-of-ann-0123")
        assert response.output_text or response.output
    async with simulated("401") as here:
        error = await caught(here, use, openai.AuthenticationError, KEY)  # the caller's own now
        assert error.response.headers["x-request-id"]


async def test_a_page_in_a_browser_is_a_permission_error() -> None:
    def use(client: OpenAI) -> Any:
        return client.responses.create(model="gpt-5", input="x", extra_headers={"Origin": "http://evil.com"})

    async with simulated() as here:
        error = await caught(here, use, openai.PermissionDeniedError)
    assert error.status_code == 403


async def test_an_unknown_route_is_a_not_found_error() -> None:
    async with simulated() as here:
        error = await caught(here, lambda client: client.get("/nowhere", cast_to=object), openai.NotFoundError)
    assert "no such route is served here; these are: POST /openai/v1/responses" in error.message
    assert "nowhere" not in error.message


def listen(client: OpenAI, prompt: str = "Hello") -> list[str]:
    """The types of a stream's events."""
    with client.responses.create(model="gpt-5", input=prompt, stream=True) as events:
        return [event.type for event in events]


@pytest.mark.parametrize(("answer", "last"), [("error", "error"), ("failed", "response.failed")])
async def test_a_failure_that_upstream_tells_in_a_stream_is_told(answer: str, last: str) -> None:
    async with simulated() as here:
        assert (await over(here, lambda client: listen(client, f"simulate {answer}")))[-1] == last
        ended = await here.event("interception.ended")
    assert ended.outcome == "failed"


async def test_a_stream_that_breaks_off_inside_an_event_is_a_connection_error() -> None:
    async with simulated() as here:
        await caught(here, lambda client: listen(client, "simulate dropped"), openai.APIConnectionError)
        ended = await here.event("interception.ended")
    assert ended.outcome == "failed"


async def test_a_stream_that_breaks_off_between_events_is_an_api_error() -> None:
    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(HELLO[0] + HELLO[1])
        raise Hang

    async with provider(handle) as url, world(url) as here:
        error = await caught(here, listen, openai.APIError)
    assert (error.code, error.type) == ("server_error", "api_error")
    assert "upstream" in error.message
