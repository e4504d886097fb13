"""Plays the day: simulated providers, a real bridge in a process of its own, which ends twice, clients on sockets."""

from __future__ import annotations

import contextlib
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import trio
from attrs import frozen

from bridge.simulator.delivery import AsgiReceive, AsgiSend
from bridge.simulator.provider import SimulatedProvider
from tests.support.command_line import Home, Running, home, running
from tests.support.day.plan import Turn, key_of, scenario, turns
from tests.support.many_keys import COUNT, PROVIDERS
from tests.support.simulated import SPEED, serving
from tests.support.world import ask

AT_ONCE = 8
"""Sessions that ask at the same time."""

LEAVES_AFTER_S = 0.5
"""After so long a client that leaves has seen the beginning of its answer."""

SETTLES_S = 0.6
"""Until all that was told is in the record, which takes 0.25 s, and the last stream has begun."""

USER_AGENTS = {
    "claude": {"user-agent": "claude-cli/2.1.0 (external, cli)"},
    "codex": {"user-agent": "codex_exec/0.169.0", "originator": "codex_exec"},
    "cursor": {"user-agent": "connect-es/1.6.1", "x-cursor-client-version": "2.4.21"},
    "sdk": {"user-agent": "AsyncOpenAI/Python 3.54.0"},
}


@frozen
class PlayedDay:
    """What is there when the day is over: a home with a record and a bridge that still runs, with a stream in it that
    does not move."""

    here: Home
    turns: list[Turn]
    port: int
    """Where that bridge listens."""

    @property
    def record(self) -> Path:
        """Where the record is."""
        return self.here.path / "data" / "clearspan" / "clearspan.db"


@asynccontextmanager
async def played(seed: int, longest: int) -> AsyncIterator[PlayedDay]:
    """The day, played, until the block is left. `longest` is how many turns the longest session has."""
    day = turns(seed, longest)
    async with serving(_Unusual(SimulatedProvider(scenario(seed), seed=seed, speed=SPEED))) as url:
        keys: dict[str, list[str]] = {name: [] for name in PROVIDERS}
        for provider, secret in map(key_of, range(COUNT)):
            keys[provider].append(secret)
        variables = {_variable(name): ",".join(secrets) for name, secrets in keys.items()}
        with home(**variables) as here:
            here.configure("\n".join(_provider(name, url) for name in PROVIDERS))
            for part, ending in ((0, signal.SIGKILL), (1, signal.SIGTERM)):
                async with _part(here, day, part) as bridge:
                    await bridge.ends(ending)
            async with _part(here, day, 2) as bridge:
                yield PlayedDay(here, day, _port(bridge))
                assert await bridge.ends(signal.SIGTERM) == 0


@asynccontextmanager
async def _part(here: Home, day: list[Turn], part: int) -> AsyncIterator[Running]:
    """A bridge that has served its part of the day, and has one stream left, which does not move."""
    async with running(here, "serve", "--port", "0", "--log-level", "error") as bridge, trio.open_nursery() as nursery:
        await bridge.says("\n")
        port = _port(bridge)
        await _ask_all([turn for turn in day if turn.part == part], port)
        nursery.start_soon(ask_turn, _stuck(part), port)
        await trio.sleep(SETTLES_S)
        yield bridge
        nursery.cancel_scope.cancel()


def _port(bridge: Running) -> int:
    """What a bridge says first of itself ends in where it listens."""
    return int(bridge.lines[0].rpartition(":")[2])


def _stuck(part: int) -> Turn:
    return Turn(0, part, "codex", "openai", f"stuck-session-{part}", None, "gpt-5.1", "wait for it", "stuck")


def _variable(provider: str) -> str:
    return f"DAY_{provider.replace('-', '_').upper()}"


def _provider(name: str, url: str) -> str:
    kind = "anthropic" if name.startswith("anthropic") else "openai"
    more = "" if name.startswith("anthropic") else 'strategy = "round_robin"\n'
    more += "affinity = false\n" if name in ("azure", "openai", "openrouter") else ""
    base = url if kind == "anthropic" else f"{url}/v1"
    return f'[providers.{name}]\ntype = "{kind}"\nbase_url = "{base}"\nkeys = ["env:{_variable(name)}"]\n{more}'


async def _ask_all(day: list[Turn], port: int) -> None:
    """Each session's turns one after the other, several sessions at a time."""
    sessions: dict[str, list[Turn]] = {}
    for turn in day:
        sessions.setdefault(turn.session, []).append(turn)
    room = trio.CapacityLimiter(AT_ONCE)

    async def live(own: list[Turn]) -> None:
        for turn in own:
            async with room:
                await ask_turn(turn, port)

    async with trio.open_nursery() as nursery:
        for own in sessions.values():
            nursery.start_soon(live, own)


async def ask_turn(turn: Turn, port: int) -> None:
    """One request of the day, to its end or until its client leaves."""
    with trio.move_on_after(LEAVES_AFTER_S if turn.leaves else float("inf")):
        path, body = f"/{turn.provider}/v1/{turn.api}", _body(turn)
        with contextlib.suppress(AssertionError, OSError, trio.BrokenResourceError):  # its bridge was killed
            await ask(port, body, path=path, headers=list(_headers(turn).items()))


def _headers(turn: Turn) -> dict[str, str]:
    headers = {**USER_AGENTS[turn.who], "x-simulate-answer": turn.answer, "authorization": "Bearer clearspan"}
    if turn.who == "claude":
        headers |= {"x-claude-code-session-id": turn.session, "anthropic-version": "2023-06-01"}
        if turn.agent is not None:
            headers |= {"x-claude-code-agent-id": turn.agent, "x-claude-code-agent-type": "explorer"}
    else:
        headers["session-id"] = turn.session
    if turn.serves is not None:
        headers["x-day-serves"] = turn.serves
    return headers | ({"x-day-compacts": "yes"} if turn.compacts else {})


def _body(turn: Turn) -> dict[str, Any]:
    common: dict[str, Any] = {"model": turn.model, "stream": True}
    if turn.api == "messages":
        return {**common, "max_tokens": 1_000, "messages": [{"role": "user", "content": turn.prompt}]}
    return {**common, "input": turn.prompt, "reasoning": {"summary": "auto"}}


COMPACTION = b"".join(
    b"event: %s\ndata: %s\n\n" % (str(fields["type"]).encode(), orjson.dumps(fields))
    for fields in (
        {"type": "content_block_start", "index": 99, "content_block": {"type": "compaction"}},
        {
            "type": "content_block_delta",
            "index": 99,
            "delta": {"type": "compaction_delta", "content": "They looked for the missing index."},
        },
        {"type": "content_block_stop", "index": 99},
    )
)


@frozen
class _Unusual:
    """The simulated provider, with what its scenarios do not know: another model that serves, and a compaction."""

    inner: SimulatedProvider

    async def __call__(self, scope: dict[str, Any], receive: AsgiReceive, send: AsgiSend) -> None:
        headers = dict(scope.get("headers", []))
        serves, compacts = headers.get(b"x-day-serves"), b"x-day-compacts" in headers

        async def changed(message: dict[str, Any]) -> None:
            body = message.get("body", b"")
            if serves is not None:
                body = re.sub(rb'"model":\s*"[^"]+"', b'"model":"' + serves + b'"', body)
            if compacts and b"event: message_delta" in body:
                body = body.replace(b"event: message_delta", COMPACTION + b"event: message_delta", 1)
            await send({**message, "body": body} if "body" in message else message)

        await self.inner(scope, receive, changed)
