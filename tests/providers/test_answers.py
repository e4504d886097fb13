"""What a provider's server may answer: by RFC 9110 and 9112, the same in however many pieces it comes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from attrs import evolve

from bridge.http.chunked import ChunkedBody
from bridge.limits import LIMITS
from bridge.providers import upstream_connection
from bridge.providers.attempt import Response, Upstream
from bridge.providers.faults import UpstreamBroke
from tests.faults.attempts import OK, call, fetch
from tests.support.world import Asked, Hang, Reply, provider, world
from tests.support.world import ask as ask_bridge

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"

WHOLE: dict[str, bytes] = {
    "a length": OK,
    "a length said twice": HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "no length": HEAD + b"\r\nok",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\nok",
    "a later HTTP/1": b"HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
    "a reason above ASCII": b"HTTP/1.1 200 \xe9\r\nContent-Length: 2\r\n\r\nok",
    "bare LFs": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "a line that goes on": HEAD + b"X-Odd: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
    "chunks": CHUNKED + b"1\r\no\r\n1;a=b\r\nk\r\n" + LAST,
    "a padded size": CHUNKED + b"2  \r\nok\r\n0  \r\n\r\n",
    "a trailer": CHUNKED + b"2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n",
    "chunks beside a length": HEAD + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n" + LAST,
    "100 heads before it": b"HTTP/1.1 103 Early Hints\r\n\r\n" * LIMITS.informational_responses + OK,
}

NO_HEAD: dict[str, bytes] = {
    "HTTP/5.6": b"HTTP/5.6 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "no HTTP": b"nothing of the kind",
    "an empty line before it": b"\r\n" + OK,
    "empty lines without end": b"\r\n" * 100_000,
    "a DEL in a value": HEAD + b"X-Odd: a\x7fb\r\nContent-Length: 2\r\n\r\nok",
    "an escape in a value": HEAD + b"X-Odd: \x1b[2J\r\nContent-Length: 2\r\n\r\nok",
    "a NUL in a value": HEAD + b"X-Odd: \x00\r\nContent-Length: 2\r\n\r\nok",
    "a CR in a value": HEAD + b"X-Odd: a\rb\r\nContent-Length: 2\r\n\r\nok",
    "a BEL in the reason": b"HTTP/1.1 200 \x07\r\nContent-Length: 2\r\n\r\nok",
    "a space before a colon": HEAD + b"X-Odd : a\r\nContent-Length: 2\r\n\r\nok",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
    "a list of lengths": HEAD + b"Content-Length: 2, 3\r\n\r\nok!",
    "a signed length": HEAD + b"Content-Length: +2\r\n\r\nok",
    "another coding": HEAD + b"Transfer-Encoding: gzip\r\n\r\nok",
    "two codings": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n" + LAST,
    "101 heads before it": b"HTTP/1.1 103 Early Hints\r\n\r\n" * (LIMITS.informational_responses + 1) + OK,
    "a status of one digit": b"HTTP/1.1 2 OK\r\nContent-Length: 2\r\n\r\nok",
    "a head of 200 KB": HEAD + b"X-Odd: " + b"x" * 200_000 + b"\r\nContent-Length: 2\r\n\r\nok",
    "half a head": HEAD[:12],
}

BROKEN: dict[str, bytes] = {
    "a size that is no number": b"zz\r\nmore\r\n",
    "a size with an x": b"0x2\r\nok\r\n",
    "a signed size": b"+2\r\nok\r\n",
    "a size of 17 digits": b"00000000000000002\r\nok\r\n",
    "a semicolon and nothing": b"2;\r\nok\r\n",
    "a NUL in an extension": b"2;a\x00\r\nok\r\n",
    "a CR in an extension": b"2;a\rb\r\nok\r\n",
    "a LF behind a size": b"2\nok\r\n",
    "no line end behind the data": b"2\r\nokXX" + LAST,
    "more data than its size": b"1\r\nok\r\n" + LAST,
    "an extension without an end": b"2;" + b"a" * 100_000,
    "no end": b"",
}


@asynccontextmanager
async def answering(said: bytes, longest: int) -> AsyncIterator[Upstream]:
    """An upstream whose server says so, in pieces, and closes the connection."""

    async def handle(_: Asked, reply: Reply) -> None:
        for at in range(0, len(said), longest):
            await reply.raw(said[at : at + longest])
            await trio.lowlevel.checkpoint()
        raise Hang

    async with provider(handle) as url:
        upstream = Upstream(url)
        yield upstream
        await upstream.aclose()


async def read_into(body: bytearray, answer: Response) -> None:
    """Reads an answer to its end."""
    while part := await answer.receive():
        body += part


def cuts(said: bytes) -> tuple[int, int]:
    return len(said), max(1, len(said) // 500)


@pytest.mark.parametrize("name", WHOLE)
async def test_a_good_answer(name: str) -> None:
    for longest in cuts(WHOLE[name]):
        async with answering(WHOLE[name], longest) as upstream:
            assert await fetch(upstream) == (200, b"ok")


@pytest.mark.parametrize("name", NO_HEAD)
async def test_an_answer_without_a_good_head(name: str) -> None:
    for longest in cuts(NO_HEAD[name]):
        async with answering(NO_HEAD[name], longest) as upstream:
            with pytest.raises(UpstreamBroke):
                await fetch(upstream)


@pytest.mark.parametrize("name", BROKEN)
async def test_a_chunk_that_is_none(name: str) -> None:
    said = CHUNKED + b"5\r\nbegun\r\n" + BROKEN[name]
    for longest in cuts(said):
        async with answering(said, longest) as upstream, upstream.attempt(call()) as answer:
            body = bytearray()
            for _ in range(2):  # it stays broken
                with pytest.raises(UpstreamBroke):
                    await read_into(body, answer)
            assert body.startswith(b"begun")  # what was good has arrived


async def test_an_answer_without_a_good_head_is_502_and_a_broken_body_is_cut_off() -> None:
    async def handle(asked: Asked, reply: Reply) -> None:
        await reply.raw(NO_HEAD["a DEL in a value"] if b"head" in asked.body else CHUNKED + b"5\r\nbegun\r\nzz\r\n")
        await reply.until_closed()

    async with provider(handle) as url, world(url) as here:
        no_head = await ask_bridge(here.port, b'{"model":"head"}')
        assert (no_head.status, no_head.json["error"]["code"]) == (502, "server_error")
        broken = await ask_bridge(here.port, b'{"model":"body"}')
        assert (broken.status, broken.body, broken.complete) == (200, b"begun", False)
        outcomes = [event.outcome for event in here.events("interception.ended")]
        assert outcomes == ["failed", "failed"]


async def test_heads_that_only_inform_are_counted_by_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_connection, "LIMITS", evolve(LIMITS, informational_responses=3))

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + OK)

    async with provider(handle) as url:
        upstream = Upstream(url)
        for _ in range(3):  # on one connection
            assert await fetch(upstream) == (200, b"ok")
        await upstream.aclose()


def test_one_read_of_the_smallest_chunks_takes_no_time() -> None:
    body = ChunkedBody()
    read = b"1\r\nx\r\n" * (upstream_connection.RECEIVE_SIZE // 6)
    took = []
    for _ in range(3):
        began = time.process_time()
        assert len(body.decode(read)) == upstream_connection.RECEIVE_SIZE // 6
        took.append(time.process_time() - began)
    assert min(took) < 0.1


async def test_a_header_with_a_line_end_in_it_is_not_sent() -> None:
    asked: list[Asked] = []

    async def handle(request: Asked, reply: Reply) -> None:
        asked.append(request)
        await reply.raw(OK)

    async with provider(handle) as url:
        upstream = Upstream(url)
        smuggled = evolve(call(), headers=[(b"X-Odd", b"a\r\nX-Private: smuggled")])
        with pytest.raises(UpstreamBroke, match="can't be sent") as fault:
            await fetch(upstream, smuggled)
        assert "smuggled" not in str(fault.value)
        assert not asked
        await upstream.aclose()
