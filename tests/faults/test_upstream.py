"""The attempt and its connection: kept only when clean, retried once when it was dead, and nothing left of a cancel."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from attrs import define, field
from trio.testing import MockClock

from bridge.providers.attempt import Upstream
from bridge.providers.faults import ConnectFailed, UpstreamBroke, UpstreamBusy, UpstreamError, UpstreamTimeout
from tests.faults.attempts import KEY, OK, call, fetch
from tests.faults.census import nothing_left
from tests.support.frozen_time import frozen
from tests.support.world import Asked, Hang, Reply, provider


@define
class Script:
    """A server that treats its connections as told: the n-th request on each gets the n-th step."""

    steps: list[bytes | type[Hang] | str]
    connections: int = 0
    requests: int = 0
    _seen: dict[trio.abc.Stream, int] = field(factory=dict)

    async def handle(self, _: Asked, reply: Reply) -> None:
        """Answers one request."""
        self.requests += 1
        number = self._seen.get(reply.stream, 0)
        self._seen[reply.stream] = number + 1
        self.connections += number == 0
        step = self.steps[min(number, len(self.steps) - 1)]
        if step == "reset":
            reply.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise Hang
        if isinstance(step, bytes):
            await reply.raw(step.removesuffix(b"<close>"))
            if not step.endswith(b"<close>"):
                return
        raise Hang


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[Upstream]:
    """An upstream with that server behind it; its idle connections are closed at the end."""
    async with provider(script.handle) as url:
        upstream = Upstream(url)
        yield upstream
        await upstream.aclose()
        assert upstream.in_use == 0


async def test_a_clean_connection_is_used_again() -> None:
    script = Script([OK])
    async with serving(script) as upstream:
        for _ in range(3):
            assert await fetch(upstream) == (200, b"ok")
    assert (script.connections, script.requests) == (1, 3)


@pytest.mark.parametrize(
    "first",
    [
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL",
        b"HTTP/1.1 204 No Content\r\n\r\nEVIL",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nEVIL",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK + b"<close>",
    ],
)
async def test_an_unclean_connection_is_not_used_again(first: bytes) -> None:
    script = Script([first])
    async with serving(script) as upstream:
        for _ in range(3):
            status, body = await fetch(upstream)
            assert (status, body) in {(200, b"ok"), (204, b"")}
            await trio.testing.wait_all_tasks_blocked(0.005)  # what comes late is here now
    assert (script.connections, script.requests) == (3, 3)


@pytest.mark.parametrize(
    "first",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok<close>",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n<close>",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n<close>",
    ],
)
async def test_a_truncated_answer_says_so_after_what_came(first: bytes) -> None:
    script = Script([first])
    async with serving(script) as upstream, upstream.attempt(call()) as answer:
        assert await answer.receive() == b"ok"
        with pytest.raises(UpstreamBroke):
            await answer.receive()
    assert script.requests == 1


async def test_a_body_that_is_left_half_read_costs_its_connection() -> None:
    script = Script([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"])
    async with serving(script) as upstream:
        for _ in range(2):
            async with upstream.attempt(call()) as answer:
                await answer.receive()
    assert script.connections == 2


@pytest.mark.parametrize("end", [Hang, "reset"])
async def test_a_pooled_connection_that_proves_dead_is_retried_once(end: type[Hang] | str) -> None:
    """The server closes it just as the second request arrives."""
    script = Script([OK, end])
    async with serving(script) as upstream:
        assert [await fetch(upstream) for _ in range(3)] == [(200, b"ok")] * 3
    assert (script.connections, script.requests) == (3, 5)


@pytest.mark.parametrize("end", [Hang, "reset"])
async def test_a_fresh_connection_that_proves_dead_is_not_retried(end: type[Hang] | str) -> None:
    script = Script([end])
    async with serving(script) as upstream:
        with pytest.raises(UpstreamBroke):
            await fetch(upstream)
    assert script.requests == 1


async def test_the_retry_is_not_retried() -> None:
    requests = 0

    async def handle(_: Asked, reply: Reply) -> None:
        nonlocal requests
        requests += 1
        if requests > 1:
            raise Hang
        await reply.raw(OK)

    async with provider(handle) as url:
        upstream = Upstream(url)
        await fetch(upstream)
        with pytest.raises(UpstreamBroke):
            await fetch(upstream)
    assert requests == 3


@pytest.mark.parametrize(
    "begun", [b"HTTP/1.1 2<close>", b"HTTP/1.1 103 Early Hints\r\n\r\n<close>", b"x", b"garbage\r\n\r\n<close>"]
)
async def test_nothing_is_retried_once_a_byte_of_an_answer_came(begun: bytes) -> None:
    script = Script([OK, begun if begun.endswith(b"<close>") else begun + b"<close>"])
    async with serving(script) as upstream:
        await fetch(upstream)
        with pytest.raises(UpstreamBroke):
            await fetch(upstream)
    assert (script.connections, script.requests) == (1, 2)


async def test_many_requests_at_once_after_the_server_closed_all_idle_connections() -> None:
    close = trio.Event()

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.raw(OK)
        if not close.is_set():
            await close.wait()
            raise Hang

    answers: list[tuple[int, bytes]] = []

    async def fetch_one(upstream: Upstream) -> None:
        answers.append(await fetch(upstream))

    async def all_at_once(upstream: Upstream) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(fetch_one, upstream)

    async with provider(handle) as url:
        upstream = Upstream(url)
        async with nothing_left():
            await all_at_once(upstream)
            close.set()
            await trio.testing.wait_all_tasks_blocked(0.005)
            await all_at_once(upstream)
            await upstream.aclose()
    assert answers == [(200, b"ok")] * 20


@pytest.mark.parametrize("status", [100, 101, 600, 999])
async def test_a_status_that_is_no_answer(status: int) -> None:
    script = Script([b"HTTP/1.1 %d Odd\r\nContent-Length: 2\r\n\r\nok<close>" % status])
    async with serving(script) as upstream:
        with pytest.raises(UpstreamBroke):
            await fetch(upstream)


async def test_informational_answers_come_before_the_real_one() -> None:
    script = Script([b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK])
    async with serving(script) as upstream:
        assert await fetch(upstream) == (200, b"ok")


async def test_silence_before_and_within_an_answer() -> None:
    async def silent(asked: Asked, reply: Reply) -> None:
        if asked.body == b"begin":
            await reply.head(200)
            await reply.chunk(b"ok")
        await reply.until_closed()

    async with provider(silent) as url:
        upstream = Upstream(url)
        async with nothing_left():
            for what in (call(head_timeout=0.02), call(b"begin", idle_timeout=0.02), call(idle_timeout=0.02)):
                with pytest.raises(UpstreamTimeout):
                    await fetch(upstream, what)
        assert upstream.in_use == 0


async def test_too_many_at_once(clock: MockClock) -> None:
    async def silent(_: Asked, reply: Reply) -> None:
        await reply.until_closed()

    async with provider(silent) as url, trio.open_nursery() as nursery:
        upstream = Upstream(url, connect_timeout=0.02, max_connections=1)
        with frozen(clock):  # the first connects in time
            nursery.start_soon(fetch, upstream)
            await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(UpstreamBusy):
            await fetch(upstream)
        assert upstream.in_use == 1
        nursery.cancel_scope.cancel()


async def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serving(Script([OK])) as upstream:
        assert await fetch(upstream) == (200, b"ok")


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nX-Secret: %s\r\nContent-Length: 9\r\n\r\nok<close>" % KEY.encode(),
        b"HTTP/1.1 200 OK\r\nX-Secret %s\r\n\r\n<close>" % KEY.encode(),
        b"%s\r\n\r\n<close>" % KEY.encode(),
        b"HTTP/1.1 999 %s\r\nContent-Length: 0\r\n\r\n<close>" % KEY.encode(),
        b"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n<close>" % KEY.encode(),
    ],
)
async def test_no_error_quotes_what_was_sent_or_received(said: bytes) -> None:
    async with serving(Script([said])) as upstream:
        with pytest.raises(UpstreamError) as caught:
            await fetch(upstream)
    error = caught.value
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
    assert KEY not in str(error)
    assert "private" not in repr(error)


async def test_an_address_where_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        upstream = Upstream(f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
        async with nothing_left():
            with pytest.raises(ConnectFailed, match=r"cannot connect to http://127.0.0.1:\d+: Connection refused"):
                await fetch(upstream)
