"""Each interception says whether both bodies crossed byte for byte; a relay that changes one is found out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve

from bridge.config.settings import ProviderSettings, RecordSettings
from bridge.events.vocabulary import InterceptionEnded
from bridge.http.exchange import Exchange
from bridge.interception.interception import Interceptor
from bridge.interception.reading import ReadRequest
from bridge.interception.relay import Relay
from bridge.keys.secret import Secret
from tests.support.dialects import DIALECTS, recorded
from tests.support.world import HELLO, KEYS, STREAM, Asked, Reply, World, ask, provider, running, say_hello, world


async def ended(here: World) -> InterceptionEnded:
    """How the one request ended."""
    found: InterceptionEnded = await here.event("interception.ended")
    return found


def proof(event: InterceptionEnded) -> tuple[bool | None, bool | None, list[str]]:
    """What it proves."""
    return event.request_equal, event.answer_equal, event.added


@pytest.mark.parametrize("size", [10, 70_000, 1_500_000])
async def test_what_crosses_untouched_is_proved(tmp_path: Path, size: int) -> None:
    body = b'{"model":"m","stream":true,"input":"%b"}' % (b"x" * size)
    record = RecordSettings(path=tmp_path / "record.db")
    async with provider(say_hello) as url, world(url, record=record) as here:
        answer = await ask(here.port, body)
        event = await ended(here)
        assert proof(event) == (True, True, [])
        assert (event.bytes_in, event.bytes_out) == (len(body), len(answer.body))
    kept = recorded(tmp_path, event.id)
    assert (kept["request_equal"], kept["answer_equal"], kept["added"], kept["bytes_in"]) == (True, True, [], len(body))


async def test_a_failover_in_between_changes_nothing_of_that() -> None:
    async def handle(asked: Asked, reply: Reply) -> None:
        if asked.key == KEYS[0]:
            await reply.whole(429, b'{"error":{"message":"slow down"}}')
        else:
            await say_hello(asked, reply)

    async with provider(handle) as url, world(url, KEYS[:2]) as here:
        await ask(here.port)
        assert proof(await ended(here)) == (True, True, [])


@pytest.mark.parametrize("stream", [True, False])
async def test_what_the_bridge_adds_on_purpose_is_named_and_proves_nothing(stream: bool) -> None:
    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM if stream else [("content-type", "application/json")])
        await reply.chunk(b"data: [DONE]\n\n" if stream else b"{}")
        await reply.end()

    dialect = DIALECTS["chat_completions"]
    async with provider(handle) as url, world(url) as here:
        await ask(here.port, {"model": "m", "stream": stream, **dialect.asking}, path=dialect.path)
        assert proof(await ended(here)) == ((None, None, ["include_usage"]) if stream else (True, True, []))


async def test_where_nothing_went_nothing_is_proved() -> None:
    async with provider(say_hello) as url, world(url, ()) as here:
        await ask(here.port)
        assert proof(await ended(here)) == (None, None, [])


async def test_a_request_that_upstream_did_not_want_whole_proves_nothing() -> None:
    """It answers, and closes, after the first bytes."""

    async def refuse(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some(1000)
            await stream.send_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")

    async with trio.open_nursery() as nursery:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, refuse, [listener])
        async with world(f"http://127.0.0.1:{listener.socket.getsockname()[1]}/v1") as here:
            await ask(here.port, b'{"model":"m","input":"%b"}' % (b"x" * 30_000_000))
            assert (await ended(here)).request_equal is None
        nursery.cancel_scope.cancel()


def flipped(chunk: bytes) -> bytes:
    """One bit of it is another."""
    return chunk[:-1] + bytes([chunk[-1] ^ 1])


async def test_a_relay_that_changes_a_byte_of_the_answer_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    pass_on = Relay._pass_on

    async def change(self: Relay, chunk: bytes) -> None:
        await pass_on(self, flipped(chunk) if b"Hello" in chunk else chunk)

    monkeypatch.setattr(Relay, "_pass_on", change)

    seen = trio.Event()

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(HELLO[0])
        await seen.wait()  # what comes now goes behind the head, not with it
        for event in HELLO[1:]:
            await reply.chunk(event)
        await reply.end()

    async with provider(handle) as url, world(url) as here:
        answer = await ask(here.port, on_chunk=lambda _: seen.set())
        assert answer.body != b"".join(HELLO)
        assert proof(await ended(here)) == (True, False, [])


async def test_one_that_changes_what_goes_with_the_head_is_caught_too(monkeypatch: pytest.MonkeyPatch) -> None:
    start = Exchange.start

    async def change(self: Exchange, status: int, headers: Any, first: bytes = b"") -> None:
        assert first
        await start(self, status, headers, flipped(first))

    monkeypatch.setattr(Exchange, "start", change)

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.raw(b'HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{"id":"resp_1"}')

    async with provider(handle) as url, world(url) as here:
        await ask(here.port, {"model": "m", "input": "x"})
        assert proof(await ended(here)) == (True, False, [])


async def test_one_that_changes_a_byte_of_the_request_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    read = Interceptor._read

    async def change(self: Interceptor, body: bytes) -> ReadRequest:
        found = await read(self, body)
        return evolve(found, body=found.body.replace(b"hello", b"hullo"))

    monkeypatch.setattr(Interceptor, "_read", change)
    got = []

    async def handle(asked: Asked, reply: Reply) -> None:
        got.append(asked.body)
        await say_hello(asked, reply)

    async with provider(handle) as url, world(url) as here:
        await ask(here.port)
        assert b"hullo" in got[0]
        assert proof(await ended(here)) == (False, True, [])


REVEALED = {
    "responses": (
        {"reasoning": {"effort": "high"}},
        b'"reasoning":{"effort":"high"}',
        b'"reasoning":{"summary":"auto","effort":"high"}',
    ),
    "messages": (
        {"thinking": {"type": "adaptive"}},
        b'"thinking":{"type":"adaptive"}',
        b'"thinking":{"display":"summarized","type":"adaptive"}',
    ),
}


@pytest.mark.parametrize("api", REVEALED)
@pytest.mark.parametrize("reveal", [True, False])
async def test_thoughts_are_asked_for_where_the_owner_says_so(tmp_path: Path, api: str, reveal: bool) -> None:
    got = []

    async def handle(asked: Asked, reply: Reply) -> None:
        got.append(asked.body)
        await reply.whole(200, b'{"id":"x"}')

    asking, as_it_came, as_it_went = REVEALED[api]
    dialect, kind = DIALECTS[api], DIALECTS[api].path.split("/")[1]
    async with provider(handle) as url:
        base = url if kind == "openai" else url.removesuffix("/v1")
        chosen = ProviderSettings(type=kind, base_url=base, keys=(Secret(KEYS[0]),), reveal_thoughts=reveal)
        record = RecordSettings(path=tmp_path / "record.db")
        async with running({kind: chosen}, record=record) as here:
            await ask(here.port, {"model": "m", **dialect.asking, **asking}, path=dialect.path)
            event = await ended(here)
    assert (as_it_went in got[0], as_it_came in got[0]) == (reveal, not reveal)
    assert proof(event) == ((None, True, ["thoughts"]) if reveal else (True, True, []))
    assert recorded(tmp_path, event.id)["added"] == (["thoughts"] if reveal else [])
