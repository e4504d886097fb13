"""A graceful stop: new requests are turned away, running ones have their grace, and nobody can hold it up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import trio
import trio.testing

from bridge import app
from tests.faults.answers import begin_and_hang, hang
from tests.faults.subscriber import subscriber
from tests.faults.wire import BEGUN, RawClient, client, health, request
from tests.support.until import until
from tests.support.world import HELLO, STREAM, Asked, Handle, Reply, World, provider, say_hello, world

GRACE_S = 0.05
"""Long enough for a bridge to notice, short for a test that waits it out."""


async def flood(_: Asked, reply: Reply) -> None:
    """Sends for as long as anybody takes it."""
    await reply.head(200, STREAM)
    while True:
        await reply.chunk(HELLO[1] * 200)


@asynccontextmanager
async def ends_in_time() -> AsyncIterator[None]:
    """Fails a test in which the bridge does not end by itself."""
    with trio.fail_after(10):
        yield


async def begun(here: World, connection: RawClient, text: bytes = BEGUN) -> None:
    """A request whose answer has begun."""
    await connection.send(request(here.port))
    await connection.received(text)


async def test_a_running_stream_has_its_grace_and_new_requests_are_turned_away() -> None:
    resume = trio.Event()

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(BEGUN)
        await resume.wait()
        await reply.chunk(HELLO[2])
        await reply.end()

    async with (
        ends_in_time(),
        provider(handle) as url,
        world(url, grace=60.0) as here,
        client(here.port) as running,
        client(here.port) as idle,
        client(here.port) as new,
        subscriber(here.socket) as listening,
    ):
        await begun(here, running)
        await idle.send(health(here.port))
        assert (await idle.answer()) is not None
        here.bridge.stop("for a test")
        assert (await listening.until("bridge.stopping"))["reason"] == "for a test"
        for connection in (new, idle):  # a connection from before is no way round it
            await connection.send(request(here.port))
            refused = await connection.answer()
            assert refused is not None
            assert (refused.status, refused.header("retry-after"), refused.header("connection")) == (503, "1", "close")
            assert refused.json["error"]["code"] == "service_unavailable"
            assert await connection.until_closed() == b""
        resume.set()
        answer = await running.answer()
        assert answer is not None
        assert (answer.complete, len(here.events("interception.started"))) == (True, 1)
        assert (await listening.until("interception.ended"))["outcome"] == "completed"
        assert await listening.next() is None


async def test_a_stream_that_never_ends_is_cancelled_and_told() -> None:
    async with (
        ends_in_time(),
        provider(begin_and_hang) as url,
        world(url, grace=GRACE_S) as here,
        client(here.port) as connection,
        subscriber(here.socket) as listening,
    ):
        await begun(here, connection)
        here.bridge.stop("for a test")
        answer = await connection.answer()
        assert answer is not None
        assert not answer.complete
        assert answer.body.startswith(BEGUN + b"event: error\n")
        assert b"the bridge is stopping" in answer.body
        await listening.until("bridge.stopping")
        ended = await listening.until("interception.ended")
        assert (ended["outcome"], ended["error"], ended["status"]) == ("cancelled", "the bridge is stopping", 200)
        assert await listening.next() is None


async def test_a_request_without_an_answer_yet_gets_503_when_the_grace_is_over() -> None:
    async with (
        ends_in_time(),
        provider(hang) as url,
        world(url, grace=GRACE_S) as here,
        client(here.port) as connection,
    ):
        await connection.send(request(here.port))
        await here.event("attempt.started")
        here.bridge.stop("for a test")
        answer = await connection.answer()
        assert answer is not None
        assert (answer.status, answer.json["error"]["message"]) == (503, "the bridge is stopping")


async def test_half_a_request_gets_503_when_the_grace_is_over() -> None:
    async with (
        ends_in_time(),
        provider(hang) as url,
        world(url, grace=GRACE_S) as here,
        client(here.port) as connection,
    ):
        await connection.send(request(here.port)[:-5])
        await until(lambda: here.bridge.health()["live"])  # nothing is told of it before its body is here
        here.bridge.stop("for a test")
        answer = await connection.answer()
        assert answer is not None
        assert answer.status == 503
        assert (await here.event("interception.ended")).outcome == "cancelled"


@asynccontextmanager
async def stopped_around(handle: Handle) -> AsyncIterator[tuple[World, AsyncExitStack]]:
    """A bridge that must have ended before the clients entered into the stack are closed."""
    async with ends_in_time(), provider(handle) as url, AsyncExitStack() as clients, world(url, grace=GRACE_S) as here:
        yield here, clients
        await trio.testing.wait_all_tasks_blocked(0.01)  # all buffers are full


@pytest.mark.parametrize("count", [1, 20])
async def test_clients_that_read_nothing_do_not_hold_it_up(count: int) -> None:
    async with stopped_around(flood) as (here, clients):
        for _ in range(count):
            await begun(here, await clients.enter_async_context(client(here.port, receive_buffer=4096)), b"Hello")
    assert [event.outcome for event in here.events("interception.ended")] == ["cancelled"] * count


async def test_answers_that_nobody_takes_do_not_hold_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refusals of the bridge's own are no interceptions: what cancels those does not reach them."""
    monkeypatch.setattr(app, "CUT_OFF_S", GRACE_S)
    async with stopped_around(hang) as (here, clients):
        connection = await clients.enter_async_context(client(here.port, receive_buffer=4096))
        with trio.move_on_after(0.5) as stuck:  # it takes no more at some point
            await connection.send(request(here.port, b"", method="GET", path="/nothing") * 50_000)
        assert stuck.cancelled_caught


async def test_idle_connections_are_closed() -> None:
    async with (
        ends_in_time(),
        provider(say_hello) as url,
        world(url, grace=60.0) as here,
        client(here.port) as fresh,
        client(here.port) as used,
        client(here.port) as begun_head,
    ):
        await used.send(request(here.port))
        assert (await used.answer()) is not None
        await begun_head.send(b"GET /heal")
        here.bridge.stop("for a test")
        assert [await connection.until_closed() for connection in (fresh, used, begun_head)] == [b"", b"", b""]


async def test_ended_from_outside_it_still_says_how_each_request_ended() -> None:
    """A second signal cancels the bridge as a whole."""
    async with (
        provider(begin_and_hang) as url,
        trio.open_nursery() as nursery,
        world(url, grace=60.0) as here,
        client(here.port) as connection,
    ):
        await begun(here, connection)
        nursery.cancel_scope.cancel()
    (ended,) = here.events("interception.ended")
    assert (ended.outcome, ended.error) == ("cancelled", "the bridge is stopping")
