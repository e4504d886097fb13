"""Scripted agents: clients that work through their stories over the bridge, as a Codex, a Cursor, a Grok and a script
would.

Each runs the loop that all agents run: send the prompt, take the answer, run the tools it calls, send their results,
until an answer calls none. What goes wrong on the way they take as agents do: they wait as told, and ask again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from itertools import count
from uuid import UUID

import httpx
import orjson
import trio

from bridge.simulator.answers import ToolCall
from bridge.simulator.chance import Chance
from bridge.simulator.request import JsonObject
from bridge.simulator.scenario.stories import Role, Story, Subagent, roles

_TRIES = 6
_LONGEST_WAIT = 30.0
_TIMEOUT = httpx.Timeout(120.0, connect=10.0)


async def run_agents(
    base_url: str,
    *,
    rounds: int | None = None,
    speed: float = 1.0,
    seed: int = 0,
    credential: str = "clearspan",
) -> None:
    """Runs all agents, each through all its stories `rounds` times, or for ever.

    `base_url` is what an SDK would be given, such as `http://127.0.0.1:8484/openai/v1`. `speed` divides the time that
    the agents spend between requests; what they are told to wait they wait in full. Raises nothing but cancellation.
    """
    async with (
        httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False) as client,
        trio.open_nursery() as nursery,
    ):
        for number, role in enumerate(roles()):
            agent = _Agent(
                client, f"{base_url.rstrip('/')}/responses", role, speed, Chance(seed, role.name), credential
            )
            nursery.start_soon(agent.work, rounds, 0.6 * number)


class _Agent:
    def __init__(
        self, client: httpx.AsyncClient, url: str, role: Role, speed: float, chance: Chance, credential: str
    ) -> None:
        self._client = client
        self._url = url
        self._role = role
        self._speed = speed
        self._chance = chance
        self._credential = credential

    async def work(self, rounds: int | None, start_after: float) -> None:
        """All stories, one after the other, again and again."""
        await self._pause(start_after, start_after)
        for _ in count() if rounds is None else range(rounds):
            for story in self._role.stories:
                session = str(UUID(int=int(self._chance.hex(32), 16), version=4))
                await self._live(story, session, None)
                await self._pause(1.0, 2.5)

    async def _live(self, story: Story | Subagent, session: str, agent: str | None) -> None:
        """One piece of work of a session's agent. It is given up where no answer is to be had."""
        conversation: list[JsonObject] = [user_input(story.prompt)]
        for step in story.steps:
            output = await self._request(session, agent, conversation)
            calls = [item for item in output or () if str(item.get("type")).endswith("_call")]
            if output is None or not calls:
                return
            async with trio.open_nursery() as nursery:
                for helper in step.agents:
                    nursery.start_soon(self._live, helper, session, f"{helper.name}-{self._chance.hex(4)}")
            await self._pause(0.4, 1.2)
            conversation += output
            conversation += [_result(call, result) for call, result in zip(calls, step.results, strict=False)]

    async def _request(
        self, session: str, agent: str | None, conversation: list[JsonObject]
    ) -> list[JsonObject] | None:
        """The output items of the answer; None where there is none after several tries."""
        body = orjson.dumps(_body(self._role, session, conversation))
        headers = {**headers_of(self._role.name, session, agent), "authorization": f"Bearer {self._credential}"}
        for _ in range(_TRIES):
            request = self._client.build_request("POST", self._url, headers=headers, content=body)
            request.stream = WholeBody(body)
            try:
                async with aclosing(await self._client.send(request, stream=True)) as response:
                    output = await _read(response) if response.status_code == 200 else None
                    wait = _retry_after(response)
            except httpx.HTTPError:
                output, wait = None, None
            if output is not None:
                return output
            if wait is None:
                await self._pause(0.5, 1.0)
            else:
                await trio.sleep(min(wait, _LONGEST_WAIT))
        return None

    async def _pause(self, low: float, high: float) -> None:
        await trio.sleep(self._chance.between(low, high) / self._speed)


class WholeBody(httpx.AsyncByteStream):
    """A request's body, all at once. httpx's own is an async generator, which a cancelled request leaves unfinished
    to the garbage collector."""

    def __init__(self, data: bytes) -> None:
        self._rest = [data]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._rest:
            raise StopAsyncIteration
        return self._rest.pop()


async def _read(response: httpx.Response) -> list[JsonObject] | None:
    """The output of a stream that ends well; None for one that does not. Raises httpx.HTTPError where it breaks."""
    output: list[JsonObject] | None = None
    rest = b""
    async for chunk in response.aiter_raw():  # to its end, so that the connection can be used again
        *events, rest = (rest + chunk).split(b"\n\n")
        for event in events:
            name, _, data = event.partition(b"\ndata: ")
            if name == b"event: response.completed":
                output = orjson.loads(data)["response"]["output"]
    return output


def _retry_after(response: httpx.Response) -> float | None:
    try:
        return float(response.headers["retry-after"])
    except (KeyError, ValueError):
        return None


def user_input(text: str) -> JsonObject:
    """What a person says, as an item of a request's input."""
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def _result(call: JsonObject, result: str) -> JsonObject:
    return {"type": f"{call['type']}_output", "call_id": call["call_id"], "output": result}


def _body(role: Role, session: str, conversation: list[JsonObject]) -> JsonObject:
    return {
        "model": role.model,
        "instructions": _INSTRUCTIONS,
        "input": conversation,
        "tools": list(_tools(role)),
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning": {"effort": "medium", "summary": "auto"},
        "store": False,
        "stream": True,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": session,
    }


def _tools(role: Role) -> Iterator[JsonObject]:
    """The tools that the agent's stories call, as it offers them."""
    parts = [part for _, work in role.work for step in work.steps for part in step.parts]
    calls = {part.tool: part.arguments for part in parts if isinstance(part, ToolCall)}
    for name, arguments in sorted(calls.items(), key=lambda item: item[0]):
        if isinstance(arguments, str):
            yield {"type": "custom", "name": name, "description": f"Runs {name} with free text."}
        else:
            properties: JsonObject = {key: {} for key in arguments}
            parameters = {"type": "object", "properties": properties, "additionalProperties": False}
            yield {"type": "function", "name": name, "parameters": parameters, "strict": False}


def headers_of(name: str, session: str, agent: str | None = None) -> dict[str, str]:
    """What the real one of this name sends, as far as it tells who is calling."""
    common = {"content-type": "application/json", "accept": "text/event-stream"}
    match name:
        case "codex":
            return {
                **common,
                "user-agent": "codex_exec/0.169.0 (Debian 12.0.0; x86_64) unknown (codex_exec; 0.169.0)",
                "originator": "codex_exec",
                "session-id": session,
                "thread-id": session,
            }
        case "cursor":
            return {**common, "user-agent": "connect-es/1.6.1", "x-cursor-client-version": "2.4.21"}
        case "grok":
            named = {} if agent is None else {"x-grok-agent-id": agent}
            return {**common, "user-agent": "grok-shell/0.4.2", "x-grok-session-id": session, **named}
        case _:
            return {
                **common,
                "accept": "application/json",
                "user-agent": "AsyncOpenAI/Python 3.54.0",
                "x-stainless-lang": "python",
                "x-stainless-package-version": "3.54.0",
                "x-stainless-retry-count": "0",
            }


_INSTRUCTIONS = """\
You are a coding agent. You work in the user's repository with the tools you are given. Look before you change \
anything, make the smallest change that is right, and prove that it works. Say in a sentence what you are about to do \
where it helps whoever watches. When you are done, say what was wrong and what you did, without ceremony.
"""
