"""What no good client sends: each of these costs its own connection at most, and leaves nothing behind."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio

from tests.faults.census import nothing_left
from tests.faults.wire import BEGUN, BODY, RawClient, client, health, request
from tests.support.world import HELLO, RESPONSES, STREAM, Answered, Asked, Reply, ask, provider, say_hello, world

TIMES = 20
SILENT = b'{"model":"silent","input":"x","stream":true}'

Probe = Callable[[RawClient, int], Awaitable[None]]
"""Misbehaves on a connection to that port."""


async def answer_by_model(asked: Asked, reply: Reply) -> None:
    """Answers well; or begins and falls silent."""
    if b'"silent"' in asked.body:
        await reply.head(200, STREAM)
        await reply.chunk(BEGUN)
        await reply.until_closed()
    else:
        await say_hello(asked, reply)


def check_refused(answer: Answered | None, status: int) -> None:
    """An error of the bridge's own: that status, in the API's shape, with its interception's id, and no CORS grant."""
    assert answer is not None
    assert answer.status == status
    assert answer.json["error"]["message"]
    assert answer.header("x-clearspan-interception")
    assert answer.header("access-control-allow-origin") is None


async def random_bytes(here: RawClient, _port: int, *, seed: int) -> None:
    await here.send(random.Random(seed).randbytes(2000))  # noqa: S311
    await here.send(b"\r\n\r\n")
    await here.until_closed()


async def half_a_request(here: RawClient, port: int) -> None:
    await here.send(request(port)[:40])


async def half_a_body(here: RawClient, port: int) -> None:
    await here.send(request(port)[:-10])


async def half_a_chunked_body(here: RawClient, port: int) -> None:
    await here.send(chunked(port) + b"5\r\nab")


async def h2c_upgrade(here: RawClient, port: int) -> None:
    offer = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAA"]
    await here.send(health(port, offer))
    answer = await here.answer()
    assert answer is not None
    assert answer.status == 200  # an offer that is not taken up (RFC 9110, 7.8)


async def websocket_upgrade(here: RawClient, port: int) -> None:
    offer = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: \xff\xfe"]
    await here.send(request(port, b"", offer, method="GET") + b"\xff\xff\xff\xff\x00garbage\r\n\r\n")
    check_refused(await here.answer(), 426)
    await here.until_closed()


async def pipelined_then_reset(here: RawClient, port: int) -> None:
    await here.send(request(port) * 30)
    await here.leave(reset=True)


async def pipelined_then_gone_unread(here: RawClient, port: int) -> None:
    await here.send(request(port, SILENT) + request(port) * 30)
    await here.received(BEGUN)
    await here.leave()


async def trailing_line_end_then_gone(here: RawClient, port: int) -> None:
    await here.send(request(port, SILENT) + b"\r\n")
    await here.received(BEGUN)
    await here.leave()


async def too_large_by_length(here: RawClient, port: int) -> None:
    await here.send(request(port, b"x" * 1000, length=200 * 1024 * 1024))
    check_refused(await here.answer(), 413)
    await here.until_closed()


async def too_large_without_length(here: RawClient, port: int) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(here.send, chunked(port) + b"10000\r\n%s\r\n" % (b"x" * 65536) * 64)
        check_refused(await here.answer(), 413)
    await here.until_closed()


async def one_byte_chunks(here: RawClient, port: int) -> None:
    await here.send(chunked(port) + b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n")
    answer = await here.answer()
    assert answer is not None
    assert (answer.status, answer.complete) == (200, True)


async def expecting_too_much(here: RawClient, port: int) -> None:
    await here.send(request(port, b"", ["Expect: 100-continue"], length=200 * 1024 * 1024))
    check_refused(await here.answer(), 413)


async def head_request(here: RawClient, port: int) -> None:
    await here.send(request(port, b"", method="HEAD") + health(port))
    assert (await here.next_head()).startswith(b"HTTP/1.1 405 ")
    assert (await here.next_head()).startswith(b"HTTP/1.1 200 ")


def chunked(port: int) -> bytes:
    return f"POST {RESPONSES} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()


PROBES: dict[str, Probe] = {
    "a half request": half_a_request,
    "a half body": half_a_body,
    "a half chunked body": half_a_chunked_body,
    "an h2c upgrade": h2c_upgrade,
    "a websocket upgrade and a garbage frame": websocket_upgrade,
    "pipelined requests and a reset": pipelined_then_reset,
    "pipelined requests and a disconnect mid-stream": pipelined_then_gone_unread,
    "a trailing CRLF and a disconnect mid-stream": trailing_line_end_then_gone,
    "200 MiB by their length": too_large_by_length,
    "an endless chunked body": too_large_without_length,
    "chunks of one byte": one_byte_chunks,
    "Expect: 100-continue with too much to come": expecting_too_much,
    "HEAD": head_request,
}
"""Those that are more than a few bytes and their answer; see also REFUSED."""

HOST = b"Host: 127.0.0.1:PORT\r\n"
POST = b"POST /openai/v1/responses HTTP/1.1\r\n" + HOST
EMPTY = b"Content-Length: 2\r\n\r\n{}"

REFUSED: dict[str, tuple[bytes, int]] = {
    "PRI * HTTP/2.0": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), 505),
    "HTTP/9.9": (b"GET /healthz HTTP/9.9\r\n" + HOST + b"\r\n", 505),
    "a TLS handshake": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), 400),
    "a non-ASCII path": (b"GET /\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a non-ASCII method": (b"G\xc3\x89T / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "a NUL in the path": (b"GET /\x00 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "an absolute-form target": (b"POST http://evil.example/openai/v1/responses HTTP/1.1\r\n" + HOST + EMPTY, 400),
    "an asterisk target": (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    "CONNECT": (b"CONNECT evil.example:443 HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    "a length and an encoding": (POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (POST + b"Content-Length: 3\r\n" + EMPTY, 400),
    "a signed length": (POST + b"Content-Length: +2\r\n\r\n{}", 400),
    "an unknown transfer encoding": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    "a bad chunk size": (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    "a space before a colon": (POST + b"X-Odd : 1\r\n" + EMPTY, 400),
    "a NUL in a header": (POST + b"X-Odd: \x00\r\n" + EMPTY, 400),
    "a head of 200 KB": (POST + b"X-Long: " + b"x" * 200_000 + b"\r\n" + EMPTY, 431),
    "no Host": (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (b"GET /healthz HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
    "no Host in HTTP/1.0": (b"GET /healthz HTTP/1.0\r\n\r\n", 400),
    "a foreign Host": (b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
    "a Host that begins like ours": (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:PORT.evil.example\r\n\r\n", 400),
    "a Host whose name begins like ours": (b"GET /healthz HTTP/1.1\r\nHost: localhost.evil:PORT\r\n\r\n", 403),
    "a foreign Host at our port": (b"GET /healthz HTTP/1.1\r\nHost: evil.example:PORT\r\n\r\n", 403),
    "a non-ASCII Host": (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:PORT\xff\r\n\r\n", 400),
    "an Origin": (b"GET /healthz HTTP/1.1\r\n" + HOST + b"Origin: http://127.0.0.1:PORT\r\n\r\n", 403),
    "a web page's fetch": (POST + b"Sec-Fetch-Site: cross-site\r\n" + EMPTY, 403),
    "a preflight": (b"OPTIONS /openai/v1/responses HTTP/1.1\r\n" + HOST + b"Origin: null\r\n\r\n", 403),
    "a path out of the root": (b"GET /openai/v1/../../etc HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    "an encoded path": (b"GET /%ff%00%0d%0a HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    "a double slash": (b"POST //openai/v1/responses HTTP/1.1\r\n" + HOST + EMPTY, 404),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_it_is_refused(name: str) -> None:
    said, status = REFUSED[name]
    async with provider(say_hello) as url, world(url) as here:
        message = said.replace(b"PORT", str(here.port).encode())
        async with nothing_left(here):
            for _ in range(TIMES):
                async with client(here.port) as connection:
                    await connection.send(message)
                    check_refused(await connection.answer(), status)
        assert (await ask(here.port)).body == b"".join(HELLO)


async def test_random_bytes_leave_nothing_behind() -> None:
    async with provider(say_hello) as url, world(url) as here:
        async with nothing_left(here):
            for seed in range(TIMES):
                async with client(here.port) as connection:
                    await random_bytes(connection, here.port, seed=seed)
        assert (await ask(here.port)).body == b"".join(HELLO)


@pytest.mark.parametrize("name", PROBES)
async def test_it_leaves_nothing_behind(name: str) -> None:
    probe = PROBES[name]
    async with provider(answer_by_model) as url, world(url, server={"max_request_bytes": 2 * 1024 * 1024}) as here:
        async with nothing_left(here):
            for _ in range(TIMES):
                async with client(here.port) as connection:
                    await probe(connection, here.port)
        assert (await ask(here.port)).body == b"".join(HELLO)


async def test_all_of_it_at_once_beside_a_good_stream() -> None:
    resume = trio.Event()

    async def handle(asked: Asked, reply: Reply) -> None:
        if b'"patient"' not in asked.body:
            await answer_by_model(asked, reply)
            return
        await reply.head(200, STREAM)
        await reply.chunk(BEGUN)
        await resume.wait()
        await reply.chunk(HELLO[2])
        await reply.end()

    async def throw(probe: Probe, port: int) -> None:
        async with client(port) as connection:
            await probe(connection, port)

    async def say(said: bytes, here: RawClient, port: int) -> None:
        await here.send(said.replace(b"PORT", str(port).encode()))
        await here.answer()

    probes: list[Probe] = [
        *PROBES.values(),
        *(partial(say, said) for said, _ in REFUSED.values()),
        *(partial(random_bytes, seed=seed) for seed in range(TIMES)),
    ]
    random.Random(1).shuffle(probes)  # noqa: S311
    patient = b'{"model":"patient","input":"x","stream":true}'
    async with provider(handle) as url, world(url, server={"max_request_bytes": 2 * 1024 * 1024}) as here:
        async with nothing_left(here), client(here.port) as good:
            await good.send(request(here.port, patient))
            await good.received(BEGUN)
            async with trio.open_nursery() as nursery:
                for probe in probes:
                    nursery.start_soon(throw, probe, here.port)
            resume.set()
            answer = await good.answer()
        assert answer is not None
        assert (answer.body, answer.complete) == (b"".join(HELLO), True)


async def test_200_mib_are_refused_while_they_come() -> None:
    async with provider(say_hello) as url, world(url) as here, nothing_left(here), client(here.port) as connection:
        piece = b"100000\r\n%s\r\n" % bytes(0x100000)
        answers: list[Answered | None] = []

        async def send() -> None:
            await connection.send(chunked(here.port))
            for _ in range(200):
                await connection.send(piece)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            answers.append(await connection.answer())
            nursery.cancel_scope.cancel()
        check_refused(answers[0], 413)


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r\n\r\n"])
async def test_a_trailing_line_end_is_no_request(end: bytes) -> None:
    """RFC 9112, 2.2: a server should ignore empty lines before a request line."""
    async with provider(say_hello) as url, world(url) as here, client(here.port) as connection:
        for _ in range(3):
            await connection.send(request(here.port) + end)
            answer = await connection.answer()
            assert answer is not None
            assert answer.status == 200
