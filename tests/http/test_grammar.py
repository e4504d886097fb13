"""What the bridge says to requests, right and wrong (`requests.py`): the same however their bytes arrive."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable

import pytest
import trio
import trio.testing

from bridge.config.settings import ProviderSettings
from bridge.keys.secret import Secret
from tests.faults.census import nothing_left
from tests.faults.conftest import in_time  # noqa: F401  # by its import, it holds for this file
from tests.faults.wire import RawClient, client, health
from tests.http.requests import GOOD, HOST, POST, VERDICTS, Judged, cut, get, mutated, to
from tests.support.world import HELLO, Answered, ask, provider, running, say_hello, world


async def say(here: RawClient, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        await here.send(piece)
        await trio.lowlevel.checkpoint()


async def check(here: RawClient, port: int, pieces: Iterable[bytes], verdict: Judged) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(say, here, pieces)
        answer = await here.answer()
        nursery.cancel_scope.cancel()
    assert answer is not None
    assert answer.status == verdict.status
    assert answer.complete
    if verdict.status != 200:
        assert answer.json["error"]["message"]
    if not verdict.kept:
        await here.until_closed()
    else:
        await here.send(health(port))
        another = await here.answer()
        assert another is not None
        assert another.status == 200


@pytest.mark.parametrize("name", VERDICTS)
async def test_a_request_is_judged_by_the_rfc(name: str) -> None:
    verdict = VERDICTS[name]
    async with provider(say_hello) as url, world(url) as here:
        assert here.port > 9999
        said = to(here.port, verdict.said)
        for longest in (len(said), max(1, len(said) // 500)):
            async with client(here.port) as connection:
                await check(connection, here.port, cut(said, longest), verdict)
        assert (await ask(here.port)).body == b"".join(HELLO)


async def test_a_broken_request_is_no_fault_of_the_bridges() -> None:
    draw = random.Random(9112)  # noqa: S311
    async with provider(say_hello) as url, world(url) as here:
        async with nothing_left(here):
            for _ in range(60):
                said = mutated(to(here.port, draw.choice(GOOD)), draw)
                async with client(here.port) as connection:
                    await say(connection, cut(said, draw.choice([1, 7, 1000])))
                    await trio.testing.wait_all_tasks_blocked(0.001)
                    await connection.stream.send_eof()
                    answers = re.findall(rb"HTTP/1\.1 (\d{3}) ", await connection.until_closed())
                assert not {b"500", b"502"} & set(answers), said
        assert (await ask(here.port)).body == b"".join(HELLO)


HEADS: dict[str, tuple[bytes, int]] = {
    "served": (get(b""), 200),
    "refused by a route": (POST + b"\r\n", 405),
    "without a route": (get(b"", line=b"GET /nowhere HTTP/1.1\r\n"), 404),
    "from a web page": (get(b"Origin: null\r\n"), 403),
    "malformed": (get(b"X-Odd : 1\r\n"), 400),
    "of another version": (get(b"", line=b"GET /healthz HTTP/5.6\r\n"), 505),
    "too large": (get(b"X-Odd: " + b"x" * 100_000 + b"\r\n"), 431),
    "with too long a target": (get(b"", line=b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n"), 414),
    "without an upgrade": (POST + b"Upgrade: websocket\r\n\r\n", 426),
}


@pytest.mark.parametrize("name", HEADS)
async def test_head_is_answered_without_a_body(name: str) -> None:
    said, status = HEADS[name]
    said = re.sub(rb"^(GET|POST) ", b"HEAD ", said)
    async with provider(say_hello) as url, world(url) as here, client(here.port) as connection:
        await connection.send(to(here.port, said) + get(b"Connection: close\r\n"))
        head = await connection.next_head()
        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert int(re.findall(rb"content-length: (\d+)", head)[0]) > 0
        rest = await connection.until_closed()
        assert not rest or rest.startswith(b"HTTP/1.1 ")  # the next answer


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"POST /NAME/v1/messages HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"POST /NAME/v1/messages HTTP/5.6\r\n\r\n", 505),
        (b"POST /NAME HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: br\r\n\r\n", 501),
        (b"POST /NAME?a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST /NAME/" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"POST /NAME/v1/messages HTTP/1.1\r\nX-Odd: " + b"x" * 100_000 + b"\r\n\r\n", 431),
        (b"POST /NAME/nowhere HTTP/1.1\r\n" + HOST + b"\r\n", 404),
        (b"POST /NAME/v1/messages HTTP/1.1\r\nHost: a.example\r\n\r\n", 403),
    ],
)
async def test_a_refusal_has_the_shape_of_the_provider_in_the_path(said: bytes, status: int) -> None:
    async def refused(port: int, name: bytes) -> Answered:
        async with client(port) as connection:
            await connection.send(to(port, said).replace(b"NAME", name))
            answer = await connection.answer()
            assert answer is not None
            assert answer.status == status
            return answer

    async with provider(say_hello) as url:
        openai = ProviderSettings(type="openai", base_url=url, keys=(Secret("sk-canary-openai-0001"),))
        anthropic = ProviderSettings(type="anthropic", base_url=url, keys=(Secret("sk-canary-anthropic-0001"),))
        async with running({"openai": openai, "claude": anthropic}) as here:
            assert (await refused(here.port, b"claude")).json["type"] == "error"
            for name in (b"openai", b"nobody", b"%63laude"):
                assert "type" not in (await refused(here.port, name)).json


async def test_405_names_the_methods() -> None:
    async with provider(say_hello) as url, world(url) as here:
        for said in (b"CONNECT a.example:443 HTTP/1.1\r\n\r\n", POST.replace(b"POST", b"post") + b"\r\n"):
            async with client(here.port) as connection:
                await connection.send(to(here.port, said))
                answer = await connection.answer()
                assert answer is not None
                assert answer.status == 405
                assert "POST" in (answer.header("allow") or "")
