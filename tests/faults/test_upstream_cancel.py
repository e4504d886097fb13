"""Attempts cancelled at every stage, over plain TCP and TLS: the socket is closed at once, the place is given back."""

from __future__ import annotations

import random
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import cast

import pytest
import trio
import trio.testing
from attrs import define, field

from bridge.providers.attempt import Upstream
from bridge.providers.faults import ConnectFailed, UpstreamError, UpstreamTimeout
from tests.faults.attempts import OK, call, fetch
from tests.faults.census import nothing_left
from tests.support.tls import Tls
from tests.support.until import until
from tests.support.world import Asked, Hang, Reply, _serve_provider, provider

TIMES = 40


@pytest.fixture(scope="module")
def tls() -> Tls:
    """Made once: keys take a while."""
    return Tls.new()


@asynccontextmanager
async def tls_provider(context: ssl.SSLContext, handle: Callable[[Asked, Reply], object]) -> AsyncIterator[str]:
    """A provider behind TLS; gives its base URL."""
    (listener,) = await trio.open_ssl_over_tcp_listeners(0, context, host="127.0.0.1", https_compatible=True)
    port = cast("trio.SocketListener", listener.transport_listener).socket.getsockname()[1]

    async def serve(stream: trio.SSLStream[trio.SocketStream]) -> None:
        try:
            await _serve_provider(cast("trio.SocketStream", stream), handle)  # type: ignore[arg-type]
        except (Hang, trio.BrokenResourceError):
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        yield f"https://127.0.0.1:{port}/v1"
        nursery.cancel_scope.cancel()


@define
class Mute:
    """A server that accepts connections and never says a word. `listens` is set: it takes what it is sent."""

    port: int
    connections: list[trio.SocketStream] = field(factory=list)
    received: int = 0
    listens: trio.Event = field(factory=trio.Event)

    async def serve(self, stream: trio.SocketStream) -> None:
        """Has a connection until the other side closes it."""
        self.connections.append(stream)
        async with stream:
            await self.listens.wait()
            while data := await stream.receive_some(65536):
                self.received += len(data)
        self.connections.remove(stream)


@asynccontextmanager
async def mute_server(*, listens: bool = True) -> AsyncIterator[Mute]:
    """A mute server at work."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    mute = Mute(listener.socket.getsockname()[1])
    if listens:
        mute.listens.set()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, mute.serve, [listener])
        yield mute
        nursery.cancel_scope.cancel()


async def cancelled_when(upstream: Upstream, ready: Callable[[], object]) -> None:
    """An attempt that is cancelled once `ready` says so."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fetch, upstream)
        await until(ready)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert upstream.in_use == 0


async def begin_and_hang(_: Asked, reply: Reply) -> None:
    """Begins an answer that never ends."""
    await reply.head(200)
    await reply.chunk(b"ok")
    await reply.until_closed()


async def test_in_a_tcp_connect() -> None:
    """The listener's queue is full, so that the kernel lets a further connection wait."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for connecting in waiting:
            connecting.setblocking(False)
            connecting.connect_ex(address)
        upstream = Upstream(f"http://127.0.0.1:{address[1]}/v1")
        async with nothing_left():
            for _ in range(TIMES):
                await cancelled_when(upstream, lambda: upstream.in_use)
        for connecting in waiting:
            connecting.close()


async def test_in_a_tls_handshake(tls: Tls) -> None:
    """Nothing but the garbage collector would close the socket, were it left to httpcore."""
    async with mute_server() as mute:
        upstream = Upstream(f"https://127.0.0.1:{mute.port}/v1", tls=tls.client)
        async with nothing_left():
            for _ in range(TIMES):
                await cancelled_when(upstream, lambda: mute.connections)


async def test_a_tls_handshake_that_takes_too_long(tls: Tls) -> None:
    async with mute_server() as mute:
        upstream = Upstream(f"https://127.0.0.1:{mute.port}/v1", tls=tls.client, connect_timeout=0.02)
        async with nothing_left():
            with pytest.raises(UpstreamTimeout, match=r"cannot connect to https://127\.0\.0\.1:\d+: timed out"):
                await fetch(upstream)


async def test_before_an_answer() -> None:
    async with mute_server() as mute:
        upstream = Upstream(f"http://127.0.0.1:{mute.port}/v1")
        async with nothing_left():
            for _ in range(TIMES):
                await cancelled_when(upstream, lambda: mute.connections)


async def test_while_a_large_request_is_sent() -> None:
    size = 20_000_000  # more than the kernel takes for a server that does not read
    async with mute_server(listens=False) as mute:
        upstream = Upstream(f"http://127.0.0.1:{mute.port}/v1")
        async with nothing_left():
            async with trio.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(fetch, upstream, call(b"x" * size))
                await until(lambda: len(mute.connections) == 5)
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
            assert upstream.in_use == 0
            mute.listens.set()
        assert 0 < mute.received < 5 * size


async def test_in_the_middle_of_an_answer(tls: Tls) -> None:
    async with provider(begin_and_hang) as plain, tls_provider(tls.server, begin_and_hang) as secure:
        for upstream in (Upstream(plain), Upstream(secure, tls=tls.client)):
            async with nothing_left():
                for _ in range(TIMES):
                    async with upstream.attempt(call()) as answer:
                        assert await answer.receive() == b"ok"
                        with trio.CancelScope() as scope:
                            scope.cancel()
                            await answer.receive()
                assert upstream.in_use == 0


async def test_tls_works_and_a_clean_connection_is_used_again(tls: Tls) -> None:
    connections: set[object] = set()

    async def handle(_: Asked, reply: Reply) -> None:
        connections.add(reply.stream)
        await reply.raw(OK)

    async with tls_provider(tls.server, handle) as url:
        upstream = Upstream(url, tls=tls.client)
        assert [await fetch(upstream) for _ in range(3)] == [(200, b"ok")] * 3
        await upstream.aclose()
    assert len(connections) == 1


async def test_a_certificate_that_is_not_trusted_is_named_as_the_reason(tls: Tls) -> None:
    async with tls_provider(tls.server, begin_and_hang) as url, nothing_left():
        upstream = Upstream(url, tls=ssl.create_default_context())
        with pytest.raises(
            ConnectFailed,
            match=r"cannot connect to https://127.0.0.1:\d+: the server's certificate is not trusted \(.*\)",
        ):
            await fetch(upstream)


async def test_a_server_that_speaks_no_tls(tls: Tls) -> None:
    async def answer_in_plain(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some(1000)
            await stream.send_all(OK)

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, answer_in_plain, [listener])
        with pytest.raises(ConnectFailed, match="TLS failed"):
            await fetch(Upstream(f"https://127.0.0.1:{port}/v1", tls=tls.client))
        nursery.cancel_scope.cancel()


async def answer_by_size(asked: Asked, reply: Reply) -> None:
    """Takes a while, then closes, or begins and hangs, or answers: by the size of the request."""
    for _ in range(len(asked.body) % 5):
        await trio.lowlevel.checkpoint()
    match len(asked.body) % 4:
        case 0:
            raise Hang
        case 1:
            await begin_and_hang(asked, reply)
        case _:
            await reply.raw(OK)


async def attempt_for(upstream: Upstream, size: int, steps: int) -> None:
    """An attempt that is cancelled after so many steps of the scheduler, if it is not over by then."""

    async def attempt() -> None:
        with suppress(UpstreamError):
            await fetch(upstream, call(b"x" * size))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(attempt)
        for _ in range(steps):
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()


async def test_places_come_back_whatever_is_cancelled_and_when() -> None:
    chance = random.Random(5)  # noqa: S311
    async with provider(answer_by_size) as url:
        upstream = Upstream(url, max_connections=4)
        async with nothing_left():
            for _ in range(50):
                async with trio.open_nursery() as nursery:
                    for _ in range(20):
                        nursery.start_soon(attempt_for, upstream, chance.randrange(1, 100), chance.randrange(200))
                assert upstream.in_use == 0
            assert await fetch(upstream, call(b"xx")) == (200, b"ok")
            await upstream.aclose()
