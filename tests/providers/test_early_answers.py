"""An answer that comes while the request's body is still going out: it is heard at once (RFC 9112, 9.3 and 9.5)."""

from __future__ import annotations

import hashlib

import pytest
import trio
import trio.testing
from attrs import evolve
from trio.testing import MockClock

from bridge.http.exchange import BodyTooLarge, ClientGone
from bridge.providers import upstream_connection
from bridge.providers.attempt import Upstream
from bridge.providers.faults import UpstreamBroke, UpstreamTimeout
from bridge.providers.outgoing import Content
from tests.faults.attempts import OK, call, fetch
from tests.faults.census import nothing_left
from tests.support.early_answers import EarlyConnection, answering_early
from tests.support.tls import Tls
from tests.support.until import until

LONG = b"x" * 20_000_000
"""More than the kernel takes for a server that does not read."""
HALF = 300_000
REFUSAL = b"HTTP/1.1 413 Too Large\r\nContent-Length: %d\r\n\r\n" % (2 * HALF)
PLAIN_AND_TLS = pytest.mark.parametrize("encrypted", [False, True])


@pytest.fixture(scope="module")
def tls() -> Tls:
    return Tls.new()


async def refuse(connection: EarlyConnection) -> None:
    """Says no in two halves, and reads nothing of the body."""
    await connection.say(REFUSAL + b"y" * HALF)
    await trio.testing.wait_all_tasks_blocked(0.01)
    await connection.say(b"z" * HALF)
    await connection.until_left()


class Upload:
    """A body in parts. After them comes `then`: an error, or a wait without end."""

    def __init__(self, *parts: bytes, then: BaseException | None = None) -> None:
        self._parts = [*parts]
        self._then = then

    def __aiter__(self) -> Upload:
        return self

    async def __anext__(self) -> bytes:
        await trio.lowlevel.checkpoint()
        if self._parts:
            return self._parts.pop(0)
        if self._then is not None:
            raise self._then
        return await trio.sleep_forever()


def long_bodies() -> dict[str, Content]:
    return {"whole": LONG, "in parts": Upload(*[LONG[:1_000_000]] * 20), "waiting for its next part": Upload(b"begun")}


@PLAIN_AND_TLS
@pytest.mark.parametrize("kind", [*long_bodies()])
async def test_a_refusal_ends_the_sending_and_is_read_to_its_end(encrypted: bool, kind: str, tls: Tls) -> None:
    async with answering_early(refuse, tls if encrypted else None) as (url, server):
        upstream = Upstream(url, tls=tls.client if encrypted else None)
        async with nothing_left():
            for _ in range(2):
                asked = evolve(call(head_timeout=60, idle_timeout=60), body=long_bodies()[kind])
                with trio.fail_after(30):
                    assert await fetch(upstream, asked) == (413, b"y" * HALF + b"z" * HALF)
            server.listens.set()
            await until(lambda: not server.open)
        assert upstream.in_use == 0
    assert server.connections == 2  # neither was used again


async def test_what_only_informs_ends_nothing() -> None:
    async def inform(connection: EarlyConnection) -> None:
        await connection.say(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n")
        body = await connection.read_body()
        await connection.say(OK if body == LONG else b"what came is not what went")

    async with answering_early(inform) as (url, server):
        upstream = Upstream(url)
        for _ in range(2):
            assert await fetch(upstream, call(LONG)) == (200, b"ok")
        await upstream.aclose()
    assert server.connections == 1


@PLAIN_AND_TLS
async def test_who_says_yes_early_and_reads_on_gets_all_of_it(encrypted: bool, tls: Tls) -> None:
    came: list[str] = []

    async def take(connection: EarlyConnection) -> None:
        await connection.say(OK[:-2])
        came.append(hashlib.sha256(await connection.read_body()).hexdigest())
        await connection.say(OK[-2:])

    async with answering_early(take, tls if encrypted else None) as (url, server):
        upstream = Upstream(url, tls=tls.client if encrypted else None)
        for _ in range(2):
            assert await fetch(upstream, call(LONG)) == (200, b"ok")
        await upstream.aclose()
    assert came == [hashlib.sha256(LONG).hexdigest()] * 2
    assert server.connections == 1


@PLAIN_AND_TLS
async def test_who_says_yes_early_and_reads_no_more_is_heard(
    encrypted: bool, tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream_connection, "STALLED_S", 0.05)

    async def take_nothing(connection: EarlyConnection) -> None:
        await connection.say(OK)
        await connection.until_left()

    async with answering_early(take_nothing, tls if encrypted else None) as (url, server):
        upstream = Upstream(url, tls=tls.client if encrypted else None)
        with trio.fail_after(30):
            for _ in range(2):
                assert await fetch(upstream, call(LONG, head_timeout=60, idle_timeout=60)) == (200, b"ok")
    assert server.connections == 2


async def test_a_client_that_is_slow_is_no_server_that_reads_no_more(clock: MockClock) -> None:
    go_on = trio.Event()

    class Slow(Upload):
        async def __anext__(self) -> bytes:
            if not self._parts:
                await go_on.wait()
                raise StopAsyncIteration
            return await super().__anext__()

    async def take(connection: EarlyConnection) -> None:
        await connection.say(OK)
        while b"0\r\n\r\n" not in connection.body:
            connection.body += await connection.stream.receive_some()
        assert connection.body == b"5\r\nbegun\r\n0\r\n\r\n"
        connection.body.clear()

    async with answering_early(take) as (url, server):
        upstream = Upstream(url)
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def later() -> None:
                await until(lambda: server.heads)
                for _ in range(5):
                    await trio.testing.wait_all_tasks_blocked(0.01)
                    clock.jump(upstream_connection.STALLED_S)
                go_on.set()

            asked = evolve(call(head_timeout=600, idle_timeout=600), body=Slow(b"begun"))
            async with upstream.attempt(asked) as answer:
                assert await answer.receive() == b"ok"
            assert await fetch(upstream) == (200, b"ok")  # over the same connection
            await upstream.aclose()
    assert server.connections == 1


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 O", b"nonsense\r\n\r\n", b"HTTP/1.1 101 Odd\r\n\r\n"])
@PLAIN_AND_TLS
async def test_who_breaks_off_is_not_waited_for(encrypted: bool, tls: Tls, said: bytes) -> None:
    async def leave(connection: EarlyConnection) -> None:
        await connection.say(said)
        raise trio.BrokenResourceError

    async with answering_early(leave, tls if encrypted else None) as (url, _):
        upstream = Upstream(url, tls=tls.client if encrypted else None)
        async with nothing_left():
            for body in long_bodies().values():
                with pytest.raises(UpstreamBroke), trio.fail_after(30):
                    await fetch(upstream, evolve(call(head_timeout=60, idle_timeout=60), body=body))


@pytest.mark.parametrize("error", [ClientGone(), BodyTooLarge(5)])
async def test_what_a_body_raises_as_it_comes_comes_out_of_no_group(error: Exception) -> None:
    async def listen(connection: EarlyConnection) -> None:
        await connection.read_head()

    async with answering_early(listen) as (url, server):
        upstream = Upstream(url)
        async with nothing_left():
            with pytest.raises(type(error)) as caught:
                await fetch(upstream, evolve(call(), body=Upload(b"begun", then=error)))
            await until(lambda: not server.open)
    assert caught.value is error


async def test_sending_may_take_longer_than_any_silence(clock: MockClock) -> None:
    """What upstream says is not waited for before it has all of the request, however slowly that comes."""

    class Slow(Upload):
        async def __anext__(self) -> bytes:
            await trio.testing.wait_all_tasks_blocked(0.01)
            clock.jump(4)
            if not self._parts:
                raise StopAsyncIteration
            return await super().__anext__()

    async def take(connection: EarlyConnection) -> None:
        while not connection.body.endswith(b"0\r\n\r\n"):
            connection.body += await connection.stream.receive_some()
        connection.body.clear()
        await connection.say(OK)

    async with answering_early(take) as (url, _):
        asked = evolve(call(head_timeout=600, idle_timeout=5), body=Slow(*[b"part"] * 5))
        upstream = Upstream(url)
        assert await fetch(upstream, asked) == (200, b"ok")
        await upstream.aclose()


async def test_silence_counts_once_all_is_out() -> None:
    async def say_nothing(connection: EarlyConnection) -> None:
        await connection.read_body()
        await connection.until_left()

    async with answering_early(say_nothing) as (url, _):
        with pytest.raises(UpstreamTimeout, match="silent for too long"):
            await fetch(Upstream(url), call(LONG, head_timeout=600, idle_timeout=0.2))


async def test_a_server_that_takes_nothing_and_says_nothing() -> None:
    async def ignore(connection: EarlyConnection) -> None:
        await connection.until_left()

    async with answering_early(ignore) as (url, server):
        upstream = Upstream(url)
        async with nothing_left():
            with pytest.raises(UpstreamTimeout, match="silent for too long"):
                await fetch(upstream, call(LONG, head_timeout=600, idle_timeout=0.05))
            server.listens.set()


@PLAIN_AND_TLS
async def test_cancelled_at_every_step(encrypted: bool, tls: Tls) -> None:
    """Also in the moment between the refusal and what follows of it."""

    async def answer(connection: EarlyConnection) -> None:
        await connection.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await connection.until_left()

    async with answering_early(answer, tls if encrypted else None) as (url, server):
        upstream = Upstream(url, tls=tls.client if encrypted else None)
        async with nothing_left():
            for steps in range(80):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(fetch, upstream, evolve(call(), body=long_bodies()["in parts"]))
                    for _ in range(steps):
                        await trio.lowlevel.checkpoint()
                    nursery.cancel_scope.cancel()
                assert upstream.in_use == 0
            server.listens.set()
            await until(lambda: not server.open)
