"""Servers at a URL that answer as no MCP server does."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import orjson
import pytest
import trio

from bridge.config.settings import McpServerSettings
from bridge.limits import LIMITS
from bridge.tools import server as tool_server
from tests.support.log_setup import logging_put_back
from tests.support.tool_servers import Kept, kept, odd
from tests.support.world import Asked, Reply, provider

Answer = Callable[[Asked, Reply, dict[str, object]], Awaitable[None]]

JSON = [("content-type", "application/json")]
HELLO = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "x", "version": "1"}}


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(tool_server, "FIRST_RETRY_S", 0.05)
    with logging_put_back():
        yield


def result(message: dict[str, object], value: object) -> bytes:
    return orjson.dumps({"jsonrpc": "2.0", "id": message["id"], "result": value})


@asynccontextmanager
async def answering(answer: Answer, **settings: dict[str, str]) -> AsyncIterator[tuple[Kept, list[Asked]]]:
    """A server `sim` whose calls are answered by the test; and one beside it that is well."""
    asked: list[Asked] = []

    async def handle(request: Asked, reply: Reply) -> None:
        asked.append(request)
        message = orjson.loads(request.body) if request.body else {}
        match message.get("method"):
            case "initialize":
                await reply.whole(200, result(message, HELLO), JSON)
            case "tools/list":
                await reply.whole(200, result(message, {"tools": [{"name": "t", "inputSchema": {}}]}), JSON)
            case "tools/call":
                await answer(request, reply, message)
            case None:
                await reply.whole(405, b"")
            case _:
                await reply.whole(202, b"")

    async with provider(handle) as url:
        sim = McpServerSettings(url=url.removesuffix("/v1") + "/mcp?key=canary-in-a-query", **settings)  # type: ignore[arg-type]
        async with kept(sim=sim, well=odd("a")) as found:
            await found.until_told("sim", "ready")
            await found.until_told("well", "ready")
            yield found, asked
            well = await found.servers.call(found.tool("bmcp_well_a"), {})
            assert not well.is_error


async def error(found: Kept) -> str:
    """What a call of the odd server comes to."""
    called = await found.servers.call(found.tool("bmcp_sim_t"), {})
    assert called.error is not None
    return called.error


async def test_a_body_of_a_hundred_megabytes_is_not_read() -> None:
    sent = 0

    async def answer(_: Asked, reply: Reply, __: dict[str, object]) -> None:
        nonlocal sent
        await reply.head(200, JSON, length=100 * 1024 * 1024)
        for _piece in range(1600):
            await reply.raw(b"x" * 65536)
            sent += 65536

    async with answering(answer) as (found, _):
        assert f"more than {LIMITS.tool_message_bytes} bytes" in await error(found)
        assert sent < 20 * 1024 * 1024


async def test_a_stream_of_a_hundred_megabytes_is_not_read() -> None:
    async def answer(_: Asked, reply: Reply, __: dict[str, object]) -> None:
        await reply.head(200, [("content-type", "text/event-stream")])
        for _piece in range(1600):
            await reply.chunk(b": " + b"x" * 65536 + b"\n\n")

    async with answering(answer) as (found, _):
        assert "SSE stream" in await error(found)


async def test_an_answer_that_is_packed_is_refused() -> None:
    async def answer(asked: Asked, reply: Reply, _: dict[str, object]) -> None:
        assert asked.header("accept-encoding") == "identity"
        await reply.whole(200, gzip.compress(b" " * 50_000_000), [*JSON, ("content-encoding", "gzip")])

    async with answering(answer) as (found, _):
        assert await error(found)
        told = await found.until_told("sim", "failed")
        assert told.error == "it answers in an encoding that it was not asked for"


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (200, b"no JSON", "Failed to parse JSON response"),
        (200, b'{"jsonrpc":"2.0","id":99}', "Failed to parse JSON response"),
        (200, b'{"jsonrpc":"2.0","id":ID,"result":{"content":"none"}}', "its answer is not as the protocol says"),
        (500, b"oh", "it answers with HTTP 500"),
        (401, b"who?", "it answers with HTTP 401"),
    ],
)
async def test_what_is_no_result_is_an_error(status: int, body: bytes, told: str) -> None:
    async def answer(_: Asked, reply: Reply, message: dict[str, object]) -> None:
        await reply.whole(status, body.replace(b"ID", str(message["id"]).encode()), JSON)

    async with answering(answer) as (found, _):
        assert told in await error(found)


async def test_a_server_that_cuts_the_connection_fails_the_call_and_is_tried_again() -> None:
    async def answer(_: Asked, reply: Reply, __: dict[str, object]) -> None:
        await reply.head(200, JSON, length=100)
        await reply.stream.aclose()

    async with answering(answer) as (found, _):
        assert await error(found)
        await found.until_told("sim", "ready", 2)


async def test_headers_go_along_and_no_key_is_told() -> None:
    async def answer(_: Asked, reply: Reply, message: dict[str, object]) -> None:
        await reply.whole(200, result(message, {"content": []}), JSON)

    async with answering(answer, headers={"Authorization": "Bearer canary-in-a-header"}) as (found, asked):
        called = await found.servers.call(found.tool("bmcp_sim_t"), {"a": None, "n": 1.0})
        assert called.result == {"content": []}
        assert {request.header("authorization") for request in asked} == {"Bearer canary-in-a-header"}
        assert all(request.target == "/mcp?key=canary-in-a-query" for request in asked)
        assert b'"arguments":{"a":null,"n":1.0}' in asked[-1].body
        assert found.tool("bmcp_sim_t").server_url.endswith("/mcp")
        assert "canary" not in repr((found.told, found.servers.catalogue))


async def test_a_call_without_an_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool_server, "CALL_S", 0.2)

    async def answer(_: Asked, reply: Reply, __: dict[str, object]) -> None:
        await reply.until_closed()

    async with answering(answer) as (found, _):
        assert await error(found) == "no answer within 0.2 s"
        monkeypatch.undo()
        await trio.testing.wait_all_tasks_blocked()
