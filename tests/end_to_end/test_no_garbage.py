"""A request that is over is let go at once: nothing of it waits for the collector of garbage to find it.

The collector looks through what is older only now and then (`bridge/process/collector.py`). What it would have to find
is memory that is held meanwhile, and every peak of it stays with the process.
"""

from __future__ import annotations

import gc
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import pytest
import trio
import trio.testing

from tests.support.dialects import DIALECTS
from tests.support.early_answers import EarlyConnection, answering_early
from tests.support.rounds import Answer, Calls, RoundsProvider, Says
from tests.support.scripted_tools import ScriptedToolsets, bridge_with_tools
from tests.support.world import (
    HELLO,
    KEYS,
    RESPONSES,
    STREAM,
    Asked,
    Handle,
    Hang,
    Reply,
    ask,
    provider,
    say_hello,
    world,
)

OURS = ("bridge.", "hypercorn.")
A_WHOLE_BRIDGE = "bridge.app.App"
JSON = [("content-type", "application/json")]
TIMES = 5


@contextmanager
def garbage() -> Iterator[Counter[str]]:
    """The types of what only the collector could have freed, of the bridge and its engine, once the block is over."""
    found = Counter[str]()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        found.update(name for thing in gc.garbage if (name := place_of(thing)).startswith(OURS))
        if found[A_WHOLE_BRIDGE]:  # that of another test, which a thread still held when this began: ours is in use
            found.clear()
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def place_of(thing: object) -> str:
    """The module and the name of what it is an object of, or of the function whose frame it is."""
    if isinstance(thing, FrameType):
        return f"{thing.f_globals['__name__']}.{thing.f_code.co_name}:{thing.f_lineno}"
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


async def fail_over(asked: Asked, reply: Reply) -> None:
    if asked.key == KEYS[0]:
        await reply.whole(429, b'{"error":{"code":"rate_limit_exceeded"}}', [*JSON, ("retry-after", "0")])
    else:
        await say_hello(asked, reply)


async def answer_whole(_: Asked, reply: Reply) -> None:
    await reply.whole(200, b'{"id":"resp_1","status":"completed","output":[],"usage":{"input_tokens":1}}', JSON)


async def refuse(_: Asked, reply: Reply) -> None:
    await reply.whole(400, b'{"error":{"message":"no"}}', JSON)


async def break_off(_: Asked, reply: Reply) -> None:
    await reply.head(200, STREAM)
    await reply.chunk(HELLO[0])
    raise Hang


async def send_odd_json(_: Asked, reply: Reply) -> None:
    await reply.head(200, STREAM)
    await reply.chunk(b"data: {]\n\ndata: [DONE]\n\n" + b"".join(HELLO))
    await reply.end()


@pytest.mark.parametrize(
    ("handle", "body", "path"),
    [
        (say_hello, b'{"model":"m","input":"hello","stream":true}', RESPONSES),
        (fail_over, b'{"model":"m","input":"hello","stream":true}', RESPONSES),
        (break_off, b'{"model":"m","input":"hello","stream":true}', RESPONSES),
        (send_odd_json, b'{"model":"m","input":"hello","stream":true}', RESPONSES),
        (answer_whole, b'{"model":"m","input":"hello"}', RESPONSES),
        (refuse, b'{"model":"m","input":"hello"}', RESPONSES),
        (say_hello, b"nonsense", RESPONSES),
        (answer_whole, b"anything", "/openai/v1/embeddings"),
        (answer_whole, b"", "/openai/nowhere"),
    ],
)
async def test_an_answered_request_leaves_nothing_behind(handle: Handle, body: bytes, path: str) -> None:
    async with provider(handle) as url, world(url) as here:
        await ask(here.port, body, path=path)
        with garbage() as found:
            for _ in range(TIMES):
                await ask(here.port, body, path=path)
            await trio.testing.wait_all_tasks_blocked(0.05)
        assert not found, dict(found)


@pytest.mark.parametrize("size", [100_000, 5_000_000])
async def test_a_long_request_that_is_answered_early_or_late_leaves_nothing_behind(size: int) -> None:
    async def answer(connection: EarlyConnection) -> None:
        is_late = b"/embeddings" in connection.head
        if is_late:
            await connection.read_body()
        await connection.say(b"HTTP/1.1 413 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
        if not is_late:
            await connection.until_left()

    async with answering_early(answer) as (url, _), world(url) as here:
        paths = ["/openai/v1/embeddings", "/openai/v1/files"]
        for path in paths:
            await ask(here.port, b"x" * size, path=path)
        with garbage() as found:
            for path in paths * TIMES:
                assert (await ask(here.port, b"x" * size, path=path)).status == 413
            await trio.testing.wait_all_tasks_blocked(0.05)
        assert not found, dict(found)


async def test_a_long_request_that_gets_no_answer_leaves_nothing_behind() -> None:
    async def leave(_: EarlyConnection) -> None:
        raise trio.BrokenResourceError

    body = b"x" * 5_000_000
    async with answering_early(leave) as (url, _), world(url) as here:
        await ask(here.port, body, path="/openai/v1/files")
        with garbage() as found:
            for _ in range(TIMES):
                assert (await ask(here.port, body, path="/openai/v1/files")).status in {502, 503}
            await trio.testing.wait_all_tasks_blocked(0.05)
        assert not found, dict(found)


@pytest.mark.parametrize("api", DIALECTS)
async def test_rounds_with_tools_leave_nothing_behind(api: str) -> None:
    dialect = DIALECTS[api]
    call, last = Answer([Calls("bmcp_calc_add", '{"a": 1, "b": 2}')]), Answer([Says("It is 3.")])
    given = RoundsProvider(api, [call, last] * (TIMES * 2))
    async with bridge_with_tools(api, given, ScriptedToolsets()) as here:
        for stream in (True, False):
            with garbage() as found:
                for _ in range(TIMES):
                    await ask(here.port, {"model": "m", "stream": stream, **dialect.asking}, path=dialect.path)
                await trio.testing.wait_all_tasks_blocked(0.05)
            assert not found, dict(found)
        ended = here.events("interception.ended")
    assert [(event.outcome, event.attempts) for event in ended] == [("completed", 2)] * (TIMES * 2)


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("chunks", [1, 500])
async def test_a_client_that_leaves_leaves_nothing_behind(chunks: int, reset: bool) -> None:
    left = trio.Event()

    async def handle(_asked: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        with suppress(trio.BrokenResourceError):
            for _ in range(chunks):
                await reply.chunk(HELLO[1] * 100)  # its beginning would be held back
        await reply.until_closed()
        left.set()

    body = b'{"model":"m","input":"hello","stream":true}'
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (RESPONSES.encode(), len(body))
    async with provider(handle) as url, world(url) as here:
        with garbage() as found:
            for _ in range(TIMES):
                left = trio.Event()
                async with await trio.open_tcp_stream("127.0.0.1", here.port) as stream:
                    await stream.send_all(head + body)
                    assert await stream.receive_some(10)
                    if reset:
                        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                await left.wait()
            await trio.testing.wait_all_tasks_blocked(0.05)
        assert not found, dict(found)
