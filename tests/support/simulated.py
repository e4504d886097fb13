"""A bridge before the simulated provider, with what that provider says of each exchange: all three APIs, end to end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
import trio
from attrs import define, frozen

from bridge.app import protocol_error
from bridge.config.settings import ProviderSettings, RecordSettings
from bridge.http.engine import App
from bridge.http.listener import Listener, open_listeners
from bridge.keys.secret import Secret
from bridge.simulator.answers import Commentary, HiddenThought, ScriptedAnswer, ScriptedThought, ToolCall
from bridge.simulator.delivery import ReplyEnding
from bridge.simulator.provider import SimulatedExchange, SimulatedProvider
from bridge.simulator.scenario.scenario import Scenario
from tests.support.until import until
from tests.support.world import KEYS, World, running

SPEED = 10_000.0
"""So fast that scripted times are over at once."""

Fields = dict[str, Any]


@define
class Simulation:
    """A running bridge, and the exchanges that the simulated provider behind it has had."""

    here: World
    exchanges: list[SimulatedExchange]

    async def exchange(self, number: int) -> SimulatedExchange:
        """Waits for the end of the exchange of that number, from 1."""
        await until(lambda: len(self.exchanges) >= number)
        return self.exchanges[number - 1]


@asynccontextmanager
async def serving(provider: App) -> AsyncIterator[str]:
    """The root URL at which a simulated provider, or what stands before one, is served until the block is left."""
    sockets = await open_listeners("127.0.0.1", 0)
    port = sockets[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Listener(provider, sockets, protocol_error).run)
        yield f"http://127.0.0.1:{port}"
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def simulation(
    scenario: Scenario | None = None,
    keys: Sequence[str] = KEYS[:1],
    *,
    record: RecordSettings | None = None,
    server: Fields | None = None,
) -> AsyncIterator[Simulation]:
    """A bridge with the providers `openai` and `anthropic`, both simulated, with the same keys."""
    exchanges: list[SimulatedExchange] = []
    provider = SimulatedProvider(scenario, seed=1, speed=SPEED, on_exchange=exchanges.append)
    secrets = tuple(Secret(key) for key in keys)
    async with serving(provider) as url:
        providers = {
            "openai": ProviderSettings(type="openai", base_url=f"{url}/v1", keys=secrets),
            "anthropic": ProviderSettings(type="anthropic", base_url=url, keys=secrets),
        }
        async with running(providers, record=record, server=server) as here:
            yield Simulation(here, exchanges)


def sent_by(exchange: SimulatedExchange) -> bytes:
    """The bytes of the answer's body as they left the provider."""
    body = b"".join(chunk.data for chunk in exchange.reply.chunks)
    return body if exchange.reply.dropped_at is None else body[: exchange.reply.dropped_at]


def tokens_told(exchange: SimulatedExchange, answers: dict[str, ScriptedAnswer]) -> tuple[int, int]:
    """What of its tokens (input, cached ones included, and output) the provider told before its answer ended."""
    reply = exchange.reply
    if reply.tokens is None or reply.answer is None:
        return 0, 0
    mishap = answers[reply.answer].mishap
    if exchange.ending is ReplyEnding.COMPLETED and mishap.failed is None and mishap.error is None:
        return reply.tokens.input, reply.tokens.output
    sent = sent_by(exchange)
    if sent.startswith(b"event: message_start"):  # which has the input's, and a first one of the output
        end_came = b"\n\n" in sent.partition(b"event: message_delta\n")[2]
        return reply.tokens.input, reply.tokens.output if end_came else 1
    return 0, 0


@frozen
class Told:
    """What an owner is to read of an answer: thoughts with their sources, thoughts withheld, and tool calls."""

    thoughts: list[tuple[str, str]]
    withheld: list[str]
    tools: list[tuple[str, Any]]


def told_by(api: str, answer: ScriptedAnswer) -> Told:
    """What a whole answer tells through that API."""
    thoughts = [part.text for part in answer.parts if isinstance(part, ScriptedThought)]
    hidden = [part for part in answer.parts if isinstance(part, HiddenThought)]
    calls = [(part.tool, part.arguments) for part in answer.parts if isinstance(part, ToolCall)]
    as_object = [(tool, {"input": given} if isinstance(given, str) else given) for tool, given in calls]
    match api:
        case "responses":
            sources = {ScriptedThought: "reasoning_summary", Commentary: "commentary"}
            read = [
                (sources[type(part)], part.text)
                for part in answer.parts
                if isinstance(part, ScriptedThought | Commentary)
            ]
            return Told(read, ["not_summarized" if thought.omitted else "encrypted" for thought in hidden], calls)
        case "chat_completions":  # knows nothing of hidden thoughts, and all others are one text
            return Told([("thinking", "\n\n".join(thoughts))] if thoughts else [], [], as_object)
        case _:
            withheld = ["omitted" if thought.omitted else "redacted" for thought in hidden]
            return Told([("thinking", text) for text in thoughts], withheld, as_object)


def told_in(story: Fields) -> Told:
    """What the record tells of an answer."""
    thoughts = [(thought["source"], thought["text"]) for thought in story["thoughts"] if thought["text"] is not None]
    withheld = [thought["reason"] for thought in story["thoughts"] if thought["text"] is None]
    return Told(thoughts, withheld, [(tool["tool"], tool["arguments"]) for tool in story["tools"]])


def events_in(stream: bytes) -> list[Fields]:
    """The JSON data of a stream's events."""
    lines = [line.removeprefix(b"data: ") for line in stream.split(b"\n") if line.startswith(b"data: ")]
    return [orjson.loads(line) for line in lines if line != b"[DONE]"]
