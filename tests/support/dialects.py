"""The three APIs side by side: how each puts the same things, for tests that hold of all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from attrs import frozen

from bridge.config.settings import ProviderSettings
from bridge.keys.secret import Secret
from bridge.record.database import open_for_reading
from bridge.record.history import story
from bridge.simulator.scenario.file import parse_scenario
from bridge.simulator.scenario.scenario import Scenario
from tests.support.simulated import Simulation
from tests.support.world import KEYS, Answered, Handle, ask, provider, running

PROMPT = "Why is the job slow on Mondays?"

Fields = dict[str, Any]


@frozen
class Dialect:
    """How an API puts things."""

    path: str
    asking: Fields
    """A request with the prompt."""
    asking_on: Fields
    """A request that brings a tool's result."""
    goes_on_from: str
    session: Fields
    """How a request's body names its session `s-1`."""
    kept_alive: bytes
    wrong: Fields
    """What an error for a bad request says, but for its message."""
    limited: Fields
    dead: Fields
    broken_stream: str
    """What the last event of a stream that broke off is."""


OPENAI_WRONG = {"error": {"type": "invalid_request_error", "code": None}}
OPENAI_LIMITED = {"error": {"type": "rate_limit_error", "code": "rate_limit_exceeded"}}
OPENAI_DEAD = {"error": {"type": "api_error", "code": "server_error"}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "read_file", "arguments": "{}"}}

DIALECTS = {
    "responses": Dialect(
        path="/openai/v1/responses",
        asking={"input": PROMPT},
        asking_on={
            "input": [
                {"type": "function_call", "call_id": "call_1", "name": "read_file", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "call_1", "output": "nothing"},
            ]
        },
        goes_on_from="call_1",
        session={"prompt_cache_key": "s-1"},
        kept_alive=b": keep-alive\n\n",
        wrong=OPENAI_WRONG,
        limited=OPENAI_LIMITED,
        dead=OPENAI_DEAD,
        broken_stream="error",
    ),
    "chat_completions": Dialect(
        path="/openai/v1/chat/completions",
        asking={"messages": [{"role": "user", "content": PROMPT}]},
        asking_on={
            "messages": [
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "call_1", "content": "nothing"},
            ]
        },
        goes_on_from="call_1",
        session={"prompt_cache_key": "s-1"},
        kept_alive=b": keep-alive\n\n",
        wrong=OPENAI_WRONG,
        limited=OPENAI_LIMITED,
        dead=OPENAI_DEAD,
        broken_stream="error",
    ),
    "messages": Dialect(
        path="/anthropic/v1/messages",
        asking={"max_tokens": 1000, "messages": [{"role": "user", "content": PROMPT}]},
        asking_on={
            "max_tokens": 1000,
            "messages": [
                {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "x", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "nothing"}]},
            ],
        },
        goes_on_from="toolu_1",
        session={"metadata": {"user_id": '{"device_id":"d","session_id":"s-1"}'}},
        kept_alive=b'event: ping\ndata: {"type": "ping"}\n\n',
        wrong={"type": "error", "error": {"type": "invalid_request_error"}},
        limited={"type": "error", "error": {"type": "rate_limit_error"}},
        dead={"type": "error", "error": {"type": "api_error"}},
        broken_stream="error",
    ),
}


async def say(
    simulated: Simulation, dialect: Dialect, answer: str = "plain", *, stream: bool = True, **more: Any
) -> Answered:
    """Asks for an answer by its name."""
    body = {"model": "some-model", **dialect.asking, "stream": stream, **more}
    headers = [("x-simulate-answer", answer), ("anthropic-version", "2023-06-01")]
    return await ask(simulated.here.port, body, path=dialect.path, headers=headers)


def without_usage_chunk(upstream: bytes) -> bytes:
    """A chat stream without the chunk that the bridge asked for."""
    events = [event + b"\n\n" for event in upstream.split(b"\n\n")[:-1]]
    kept = [event for event in events if b'"choices":[],' not in event]
    assert len(kept) == len(events) - 1
    return b"".join(kept)


def shape(error: Fields) -> Fields:
    """An error of the bridge's own without its words."""
    return {
        **error,
        "error": {name: value for name, value in error["error"].items() if name not in {"message", "param"}},
    }


def fated(*fates: str) -> Scenario:
    """Every key fares like this."""
    return parse_scenario(
        f'turns = ["plain"]\nother_keys = {list(fates)}\n[answers.plain]\nparts = [{{ text = "A." }}]', "test"
    )


@asynccontextmanager
async def raw(dialect: Dialect, handle: Handle) -> AsyncIterator[int]:
    """The port of a bridge before a provider that does as it is told, whichever API it speaks."""
    kind = dialect.path.split("/")[1]
    async with provider(handle) as url:
        base = url if kind == "openai" else url.removesuffix("/v1")
        async with running({kind: ProviderSettings(type=kind, base_url=base, keys=(Secret(KEYS[0]),))}) as here:
            yield here.port


def recorded(place: Path, name: str) -> Fields:
    """What the record in that folder tells of an interception."""
    database = open_for_reading(place / "record.db")
    try:
        return story(database, name)
    finally:
        database.close()
