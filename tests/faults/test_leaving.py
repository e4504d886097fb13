"""The client leaves, in every manner and at every moment: what was done for it stops at once and nothing is left.

The provider in these tests never sends again, so what ends there can only have been ended by the bridge.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from attrs import define, field

from tests.faults.census import nothing_left
from tests.faults.wire import BEGUN, BODY, RawClient, client, request
from tests.support.until import until
from tests.support.world import HELLO, KEYS, STREAM, Asked, Reply, World, ask, provider, say_hello, world

KILLS = 200
MANNERS = ("orderly", "reset", "half-close")


@define
class Silent:
    """A provider that sends so much of an answer, then nothing more, and sees when the bridge closes the connection."""

    begins: bytes | None
    asked: list[Asked] = field(factory=list)
    closed: int = 0

    async def handle(self, asked: Asked, reply: Reply) -> None:
        """Answers one request."""
        self.asked.append(asked)
        if self.begins is not None:
            await reply.head(200, STREAM)
            await reply.chunk(self.begins)
        await reply.until_closed()
        self.closed += 1


async def leave(here: RawClient, manner: str) -> None:
    """Ends the client's side; a half-close leaves it able to listen, which no client that waits for an answer does."""
    if manner == "half-close":
        await here.stream.send_eof()
    else:
        await here.leave(reset=manner == "reset")


async def until_cancelled(here: World) -> None:
    """Waits for the one interception to end; it was the client's leaving that ended it, and no key is blamed."""
    ended = await here.event("interception.ended")
    assert (ended.outcome, ended.error) == ("cancelled", "the client left")
    assert here.events("attempt.failed") == []
    assert [event.state for event in here.events("key.changed")] == ["valid"]


@asynccontextmanager
async def silent_world(begins: bytes | None) -> AsyncIterator[tuple[World, Silent]]:
    """A bridge before a silent provider, which must see every connection closed in the end."""
    silent = Silent(begins)
    async with provider(silent.handle) as url, world(url) as here:
        with trio.fail_after(10):
            async with nothing_left(here):
                yield here, silent
        assert silent.closed == len(silent.asked)


@pytest.mark.parametrize("manner", MANNERS)
async def test_mid_stream(manner: str) -> None:
    async with silent_world(BEGUN) as (here, silent), client(here.port) as connection:
        await connection.send(request(here.port))
        await connection.received(BEGUN)
        await leave(connection, manner)
        await until_cancelled(here)
        assert len(silent.asked) == 1


@pytest.mark.parametrize("manner", MANNERS)
async def test_inside_an_event(manner: str) -> None:
    async with silent_world(BEGUN + HELLO[1][:-3]) as (here, _), client(here.port) as connection:
        await connection.send(request(here.port))
        await connection.received(BEGUN + HELLO[1][:-3])
        await leave(connection, manner)
        await until_cancelled(here)


@pytest.mark.parametrize("manner", MANNERS)
async def test_before_the_answer_begins(manner: str) -> None:
    async with silent_world(None) as (here, _), client(here.port) as connection:
        await connection.send(request(here.port))
        await here.event("attempt.started")
        await leave(connection, manner)
        await until_cancelled(here)


@pytest.mark.parametrize("manner", MANNERS)
async def test_while_the_opening_is_held_back(manner: str) -> None:
    async with silent_world(HELLO[0]) as (here, silent), client(here.port) as connection:
        await connection.send(request(here.port))
        await until(lambda: silent.asked)  # the client has nothing of it yet
        await leave(connection, manner)
        await until_cancelled(here)


@pytest.mark.parametrize("manner", MANNERS)
async def test_while_waiting_for_a_place_upstream(manner: str) -> None:
    async with silent_world(BEGUN) as (here, silent), client(here.port) as first, client(here.port) as second:
        here.bridge.providers["openai"].upstream._limiter.total_tokens = 1
        await first.send(request(here.port))
        await first.received(BEGUN)
        await second.send(request(here.port))
        await here.event("attempt.started", 2)
        await leave(second, manner)
        await until_cancelled(here)
        assert len(silent.asked) == 1
        await first.leave()


@pytest.mark.parametrize("manner", MANNERS)
async def test_while_waiting_for_a_key(manner: str) -> None:
    async def handle(_: Asked, reply: Reply) -> None:
        await reply.whole(429, b"{}", [("retry-after", "30")])

    async with (
        provider(handle) as url,
        world(url, wait_for_key=60.0) as here,
        nothing_left(here),
        client(here.port) as connection,
    ):
        await connection.send(request(here.port))
        await here.event("interception.waiting")
        await leave(connection, manner)
        assert (await here.event("interception.ended")).outcome == "cancelled"


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("sent", [0, 1, len(BODY) - 1])
async def test_during_the_request_body(manner: str, sent: int) -> None:
    async with silent_world(BEGUN) as (here, silent):
        async with client(here.port) as connection:
            await connection.send(request(here.port)[: sent - len(BODY)])
            await until(lambda: here.bridge.health()["live"])  # a reset could overtake the head
            await leave(connection, manner)
            await until_cancelled(here)
        assert silent.asked == []


@pytest.mark.parametrize("manner", MANNERS)
async def test_behind_bytes_that_nobody_reads(manner: str) -> None:
    """What was sent ahead must not hide that the client has left; see `READ_AHEAD`."""
    async with silent_world(BEGUN) as (here, silent), client(here.port) as connection:
        await connection.send(request(here.port) + request(here.port, b"x" * 60_000) * 3)
        await connection.received(BEGUN)
        await leave(connection, manner)
        await until_cancelled(here)
        assert len(silent.asked) == 1


@pytest.mark.parametrize("manner", MANNERS)
async def test_with_much_on_its_way(manner: str) -> None:
    """The bridge is in the middle of sending what the client does not read."""

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        while True:
            await reply.chunk(HELLO[1] * 200)

    async with (
        provider(handle) as url,
        world(url) as here,
        nothing_left(here),
        client(here.port, receive_buffer=4096) as connection,
    ):
        await connection.send(request(here.port))
        await connection.received(b"Hello")
        await trio.testing.wait_all_tasks_blocked(0.01)  # all buffers are full
        await leave(connection, manner)
        await until_cancelled(here)


@pytest.mark.parametrize("manner", MANNERS)
async def test_after_the_whole_answer(manner: str) -> None:
    async with provider(say_hello) as url, world(url) as here:
        async with nothing_left(here), client(here.port) as connection:
            await connection.send(request(here.port))
            assert (await connection.answer()) is not None
            await leave(connection, manner)
        assert (await here.event("interception.ended")).outcome == "completed"


@pytest.mark.parametrize("manner", MANNERS)
async def test_killed_again_and_again(manner: str) -> None:
    async def handle(asked: Asked, reply: Reply) -> None:
        await (say_hello if b'"last"' in asked.body else silent.handle)(asked, reply)

    silent = Silent(BEGUN)
    async with provider(handle) as url, world(url, KEYS) as here:
        async with nothing_left(here):
            for _ in range(KILLS):
                async with client(here.port) as connection:
                    await connection.send(request(here.port))
                    await connection.received(BEGUN)
                    await leave(connection, manner)
            await here.event("interception.ended", KILLS)
        assert {event.outcome for event in here.events("interception.ended")} == {"cancelled"}
        assert silent.closed == KILLS
        assert (await ask(here.port, b'{"model":"last"}')).body == b"".join(HELLO)
