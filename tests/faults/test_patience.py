"""How long the bridge waits for a client: not for ever, and not less for one that is only slow."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from bridge.http import connection
from tests.faults.census import nothing_left
from tests.faults.wire import BEGUN, client, request
from tests.support.frozen_time import frozen
from tests.support.world import HELLO, STREAM, Asked, Reply, provider, say_hello, world

TIMES = 20
POST = b"POST /openai/v1/responses HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n"


async def never_end(_: Asked, reply: Reply) -> None:
    """Answers with a stream that goes on while anybody takes it."""
    await reply.head(200, STREAM)
    await reply.chunk(BEGUN)
    while True:
        await reply.chunk(HELLO[1] * 200)


@pytest.mark.parametrize(
    ("said", "limit", "answered"),
    [
        (b"", "HEAD_S", b""),
        (b"POST /openai/v1/responses HT", "HEAD_S", b"HTTP/1.1 408 "),
        (POST + b"Content-Length: 100\r\n\r\n{", "BODY_STALL_S", b"HTTP/1.1 408 "),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", "BODY_STALL_S", b"HTTP/1.1 408 "),
    ],
)
async def test_a_request_that_does_not_come_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, clock: MockClock, said: bytes, limit: str, answered: bytes
) -> None:
    monkeypatch.setattr(connection, limit, 0.05)
    async with provider(say_hello) as url, world(url) as here, nothing_left(here):
        with frozen(clock):
            async with client(here.port) as sender:
                await sender.send(said.replace(b"PORT", str(here.port).encode()))
                await trio.testing.wait_all_tasks_blocked(0.01)  # the bridge has read it
                clock.jump(0.1)
                got = await sender.until_closed()
        assert got.startswith(answered)
        assert bool(got) == bool(answered)


async def test_a_client_that_stops_reading_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "STALL_S", 0.1)
    async with provider(never_end) as url, world(url) as here:
        async with nothing_left(here):
            stalled = [client(here.port, receive_buffer=4096) for _ in range(TIMES)]
            for stalling in stalled:
                await (await stalling.__aenter__()).send(request(here.port))
            await here.event("interception.ended", TIMES)
            for stalling in stalled:
                await stalling.__aexit__(None, None, None)
        assert {event.outcome for event in here.events("interception.ended")} == {"cancelled"}


async def test_a_client_that_reads_slowly_is_not_cut_off(monkeypatch: pytest.MonkeyPatch, clock: MockClock) -> None:
    monkeypatch.setattr(connection, "STALL_S", 0.1)
    body = b"x" * 1_000_000

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.whole(200, body, [("content-type", "application/json")])

    async with provider(handle) as url, world(url) as here, client(here.port, receive_buffer=32768) as slow:
        await slow.send(request(here.port))
        with frozen(clock):
            began, taken = trio.current_time(), 0
            while taken < len(body):
                taken += len(await slow.stream.receive_some(16384))
                clock.jump(0.02)
            assert trio.current_time() - began > 10 * connection.STALL_S
        assert (await here.event("interception.ended")).outcome == "completed"
