"""The real SDKs as clients: what the scenario says comes out of them, and its refusals raise their exceptions.

The synchronous clients run in a thread. The asynchronous ones run on Trio itself, where their streams are read to the
end: an SDK that stops before leaves its generators to the garbage collector, which Trio rightly calls a fault.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import anthropic
import openai
import orjson
import pytest
import trio
from openai.types.chat import ChatCompletion
from openai.types.responses import Response
from outcome import acapture

from bridge.simulator.answers import ScriptedThought, Text, ToolCall
from bridge.simulator.scenario.file import everyday, parse_scenario
from bridge.simulator.scenario.scenario import Scenario
from tests.simulator.serving import provider, serving

T = TypeVar("T")

ANSWERS = everyday().answers
CHAT: Any = {"model": "some-model", "messages": [{"role": "user", "content": "Hello"}]}
MESSAGES: Any = {**CHAT, "max_tokens": 1000}
RESPONSES: Any = {"model": "some-model", "input": "Hello"}


async def ask_openai(ask: Callable[[openai.OpenAI], T], scenario: Scenario | None = None, retries: int = 0) -> T:
    def run(url: str) -> T:
        with openai.OpenAI(api_key="sk-1", base_url=f"{url}/v1", max_retries=retries) as client:
            return ask(client)

    async with serving(provider(scenario)) as url:
        said = await acapture(trio.to_thread.run_sync, run, url)
    return said.unwrap()


async def ask_anthropic(ask: Callable[[anthropic.Anthropic], T], scenario: Scenario | None = None) -> T:
    def run(url: str) -> T:
        with anthropic.Anthropic(api_key="sk-1", base_url=url, max_retries=0) as client:
            return ask(client)

    async with serving(provider(scenario)) as url:
        said = await acapture(trio.to_thread.run_sync, run, url)
    return said.unwrap()


def named(name: str) -> dict[str, str]:
    return {"x-simulate-answer": name}


def texts_in(name: str, kind: type = Text) -> list[str]:
    return [getattr(part, "text", "") for part in ANSWERS[name].parts if isinstance(part, kind)]


def calls_in(name: str) -> list[tuple[str, Any]]:
    return [(part.tool, part.arguments) for part in ANSWERS[name].parts if isinstance(part, ToolCall)]


@pytest.mark.parametrize("name", ["plain", "reasoning", "unicode"])
async def test_responses(name: str) -> None:
    def blocking(client: openai.OpenAI) -> str:
        response: Response = client.responses.create(**RESPONSES, extra_headers=named(name))
        return response.output_text

    def streaming(client: openai.OpenAI) -> str:
        with client.responses.stream(**RESPONSES, extra_headers=named(name)) as stream:
            return stream.get_final_response().output_text

    assert [await ask_openai(blocking), await ask_openai(streaming)] == texts_in(name) * 2


async def test_tools_in_responses() -> None:
    def ask(client: openai.OpenAI) -> list[tuple[str, Any]]:
        with client.responses.stream(**RESPONSES, extra_headers=named("parallel_calls")) as stream:
            output = stream.get_final_response().output
        return [(item.name, orjson.loads(item.arguments)) for item in output if item.type == "function_call"]

    assert await ask_openai(ask) == calls_in("parallel_calls")


@pytest.mark.parametrize(("name", "last"), [("error", "error"), ("failed", "response.failed")])
async def test_responses_that_end_badly(name: str, last: str) -> None:
    def ask(client: openai.OpenAI) -> list[str]:
        events = client.responses.create(**RESPONSES, stream=True, extra_headers=named(name))
        return [event.type for event in events]

    assert (await ask_openai(ask))[-1] == last


async def test_an_error_in_the_form_that_was_seen_raises() -> None:
    text = (
        'turns = ["a"]\n[answers.a]\nparts = [{ text = "A." }]\nmishap = { error = { message = "Oh.", nested = true } }'
    )

    def ask(client: openai.OpenAI) -> None:
        for _ in client.responses.create(**RESPONSES, stream=True):
            pass

    with pytest.raises(openai.APIError, match=r"Oh\."):
        await ask_openai(ask, parse_scenario(text, "test"))


async def test_a_dropped_connection_raises() -> None:
    def ask(client: openai.OpenAI) -> None:
        for _ in client.responses.create(**RESPONSES, stream=True, extra_headers=named("dropped")):
            pass

    with pytest.raises(openai.APIConnectionError):
        await ask_openai(ask)


async def test_chat() -> None:
    def blocking(client: openai.OpenAI) -> str | None:
        completion: ChatCompletion = client.chat.completions.create(**CHAT, extra_headers=named("reasoning"))
        return completion.choices[0].message.content

    def streaming(client: openai.OpenAI) -> list[tuple[str, Any]]:
        asked = {**CHAT, "stream_options": {"include_usage": True}}
        with client.chat.completions.stream(**asked, extra_headers=named("parallel_calls")) as stream:
            final = stream.get_final_completion()
        assert final.usage is not None
        calls = final.choices[0].message.tool_calls or []
        return [(call.function.name, orjson.loads(call.function.arguments)) for call in calls]

    assert [await ask_openai(blocking)] == texts_in("reasoning")
    assert await ask_openai(streaming) == calls_in("parallel_calls")


async def test_chat_that_ends_badly() -> None:
    def ask(client: openai.OpenAI) -> None:
        for _ in client.chat.completions.create(**CHAT, stream=True, extra_headers=named("error")):
            pass

    with pytest.raises(openai.APIError, match="stopped unexpectedly"):
        await ask_openai(ask)


@pytest.mark.parametrize("name", ["plain", "reasoning", "unicode"])
async def test_messages(name: str) -> None:
    def blocking(client: anthropic.Anthropic) -> list[str]:
        content = client.messages.create(**MESSAGES, extra_headers=named(name)).content
        return [block.text for block in content if block.type == "text"]

    def streaming(client: anthropic.Anthropic) -> list[str]:
        with client.messages.stream(**MESSAGES, extra_headers=named(name)) as stream:
            return [block.text for block in stream.get_final_message().content if block.type == "text"]

    assert await ask_anthropic(blocking) == texts_in(name)
    assert await ask_anthropic(streaming) == texts_in(name)


async def test_thinking_and_tools_in_messages() -> None:
    def ask(client: anthropic.Anthropic) -> tuple[list[str], list[tuple[str, Any]]]:
        with client.messages.stream(**MESSAGES, extra_headers=named("parallel_calls")) as stream:
            content = stream.get_final_message().content
        thoughts = [block.thinking for block in content if block.type == "thinking"]
        return thoughts, [(block.name, block.input) for block in content if block.type == "tool_use"]

    assert await ask_anthropic(ask) == (texts_in("parallel_calls", ScriptedThought), calls_in("parallel_calls"))


async def test_messages_that_end_badly() -> None:
    def ask(client: anthropic.Anthropic) -> None:
        with client.messages.stream(**MESSAGES, extra_headers=named("overloaded")) as stream:
            stream.get_final_message()

    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        await ask_anthropic(ask)


async def test_what_else_anthropic_offers() -> None:
    def ask(client: anthropic.Anthropic) -> tuple[int, list[str]]:
        counted = client.messages.count_tokens(**CHAT).input_tokens
        return counted, [model.id for model in client.models.list()]

    counted, models = await ask_anthropic(ask)
    assert counted > 0
    assert models


async def test_openai_lists_models() -> None:
    assert await ask_openai(lambda client: [model.id for model in client.models.list()])


def fated(*fates: str) -> Scenario:
    keys = f'[[keys]]\nkey = "sk-1"\nfates = {list(fates)}'
    return parse_scenario(f'turns = ["a"]\n{keys}\n[answers.a]\nparts = [{{ text = "A." }}]', "test")


@pytest.mark.parametrize(
    ("fate", "error"),
    [
        ("401", "AuthenticationError"),
        ("403", "PermissionDeniedError"),
        ("429:7", "RateLimitError"),
        ("insufficient_quota", "RateLimitError"),
        ("500", "InternalServerError"),
        ("503:2", "InternalServerError"),
    ],
)
async def test_refusals_raise_the_sdks_exceptions(fate: str, error: str) -> None:
    with pytest.raises(getattr(openai, error)):
        await ask_openai(lambda client: client.responses.create(**RESPONSES), fated(fate))
    with pytest.raises(getattr(openai, error)):
        await ask_openai(lambda client: client.chat.completions.create(**CHAT, stream=True), fated(fate))
    with pytest.raises(getattr(anthropic, error)):
        await ask_anthropic(lambda client: client.messages.create(**MESSAGES), fated(fate))


async def test_wrong_requests_raise_bad_request() -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await ask_openai(lambda client: client.responses.create(**{**RESPONSES, "model": 5}))
    assert caught.value.param == "model"
    with pytest.raises(anthropic.BadRequestError):
        await ask_anthropic(lambda client: client.messages.create(**{**MESSAGES, "messages": "Hello"}))


async def test_the_sdk_retries_a_limited_request_by_itself() -> None:
    said = await ask_openai(lambda client: client.responses.create(**RESPONSES).output_text, fated("429:9", "ok"), 1)
    assert said == "A."


async def test_the_asynchronous_clients_on_trio() -> None:
    async with serving(provider()) as url:
        async with openai.AsyncOpenAI(api_key="sk-1", base_url=f"{url}/v1", max_retries=0) as client:
            whole = await client.responses.create(**RESPONSES, extra_headers=named("reasoning"))
            assert [whole.output_text] == texts_in("reasoning")
            async with client.responses.stream(**RESPONSES, extra_headers=named("plain")) as stream:
                assert [(await stream.get_final_response()).output_text] == texts_in("plain")
        async with (
            anthropic.AsyncAnthropic(api_key="sk-1", base_url=url, max_retries=0) as theirs,
            theirs.messages.stream(**MESSAGES, extra_headers=named("plain")) as messages,
        ):
            assert [await messages.get_final_text()] == texts_in("plain")
