"""Corners where two rules meet: each of these was wrong once."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import trio
import trio.lowlevel
import trio.testing
from trio.testing import MockClock

from bridge.config import reload
from bridge.config.load import Loaded, Options, load
from bridge.config.reload import follow_configuration
from bridge.config.settings import CircuitBreakerSettings
from bridge.interception import first_look, interception
from tests.support.frozen_time import frozen
from tests.support.world import HELLO, KEYS, STREAM, Asked, Hang, Reply, World, ask, provider, say_hello, sse, world


async def test_a_stream_has_no_total_limit_whatever_its_request_looks_like(clock: MockClock) -> None:
    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(HELLO[0])
        await trio.testing.wait_all_tasks_blocked()
        clock.jump(0.2)  # four times the limit for requests that are not streams
        await reply.chunk(HELLO[2])
        await reply.end()

    async with provider(handle) as url, world(url, request_timeout=0.05) as here:
        answer = await ask(here.port, b"", path="/openai/v1/responses/resp_1?stream=true", method="GET")
    assert (answer.status, answer.body, answer.complete) == (200, HELLO[0] + HELLO[2], True)


async def test_a_compressed_request_too_large_to_read_is_sent_all_the_same() -> None:
    body = gzip.compress(b'{"input":"' + b"x" * 17 * 1024 * 1024 + b'"}')
    seen: list[bytes] = []

    async def handle(asked: Asked, reply: Reply) -> None:
        seen.append(asked.body)
        await say_hello(asked, reply)

    async with provider(handle) as url, world(url) as here:
        answer = await ask(here.port, body, headers=[("content-encoding", "gzip")])
        broken = await ask(here.port, b"not gzip", headers=[("content-encoding", "gzip")])
    assert (answer.status, seen) == (200, [body])
    assert (broken.status, broken.json["error"]["type"]) == (400, "invalid_request_error")


async def test_an_error_that_could_not_be_read_whole_breaks_off_where_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_look, "ERROR_BODY_S", 0.05)

    async def handle(asked: Asked, reply: Reply) -> None:
        if asked.method == "GET":
            await reply.whole(200, b"{}")
            return
        await reply.head(403, length=1000)
        await reply.raw(b"the beginning")
        await reply.until_closed()
        raise Hang

    async with provider(handle) as url, world(url, KEYS[:2]) as here:
        answer = await ask(here.port)
        ended = await here.event("interception.ended")
    assert (answer.status, answer.body, answer.complete) == (403, b"the beginning", False)
    assert (ended.outcome, ended.error) == ("failed", "upstream's answer was not read to its end")


async def test_an_encoded_chat_stream_passes_as_it_comes() -> None:
    packed = gzip.compress(b'data: {"choices":[{"delta":{"content":"x"}}]}\n\ndata: [DONE]\n\n')
    seen = trio.Event()

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, [*STREAM, ("content-encoding", "gzip")])
        await reply.chunk(packed[:20])
        await seen.wait()
        await reply.chunk(packed[20:])
        await reply.end()

    async with provider(handle) as url, world(url) as here:
        with trio.fail_after(5):
            body = {"model": "m", "stream": True, "messages": []}
            answer = await ask(here.port, body, path="/openai/v1/chat/completions", on_chunk=lambda _: seen.set())
    assert answer.body == packed


async def test_a_reload_can_not_open_the_pool_to_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reload, "LOOK_S", 0.01)
    file = tmp_path / "config.toml"
    server = '[server]\nhost = "0.0.0.0"\nclient_tokens = { alice = "token-alice-000000" }\n'
    rest = f'[providers.openai]\ntype = "openai"\nkeys = ["{KEYS[0]}"]\n'
    file.write_text(server + rest)

    def read() -> Loaded:
        return load(Options(config=file), {})

    tokens = read().settings.server.client_tokens
    async with (
        provider(say_hello) as url,
        world(url, server={"client_tokens": tokens}) as here,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(follow_configuration, here.bridge.reconfigure, read, read())
        await trio.testing.wait_all_tasks_blocked()
        file.write_text(rest)
        told = ""
        with trio.fail_after(10):
            while "refused" not in told:
                await trio.sleep(0.005)
                told += capsys.readouterr().out
        assert (await ask(here.port)).status == 401
        nursery.cancel_scope.cancel()


async def test_a_limit_told_to_a_client_that_leaves_at_once_is_remembered() -> None:
    told = trio.Event()

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(HELLO[0] + HELLO[1])
        await reply.chunk(sse("error", code="rate_limit_exceeded", message="no"))
        await reply.until_closed()

    def watch(chunk: bytes) -> None:
        if b"rate_limit_exceeded" in chunk:
            told.set()

    async with provider(handle) as url, world(url) as here:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: ask(here.port, on_chunk=watch))
            await told.wait()
            nursery.cancel_scope.cancel()
        await here.event("interception.ended")
        assert here.bridge.hub.picture.keys["openai", "sk-c...0001"].state == "temporary"


async def test_an_attempt_is_told_as_failed_once(clock: MockClock) -> None:
    async def handle(_: Asked, reply: Reply) -> None:
        await reply.whole(429, b"{}", [("retry-after", "2")])

    async def run_out_of_time(here: World) -> None:
        while not here.events("interception.waiting"):
            await trio.lowlevel.checkpoint()
        clock.jump(0.2)

    async with (
        provider(handle) as url,
        world(url, wait_for_key=5, request_timeout=0.1) as here,
        trio.open_nursery() as nursery,
    ):
        with frozen(clock):
            nursery.start_soon(run_out_of_time, here)
            answer = await ask(here.port, {"model": "m", "input": "x"})
        await here.event("interception.ended")
        assert answer.status == 504
        assert [event.reason for event in here.events("attempt.failed")] == ["rate_limited"]


async def test_a_bug_is_answered_and_told_with_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(interception, "Call", broken)
    async with provider(say_hello) as url, world(url) as here:
        answer = await ask(here.port)
        ended = await here.event("interception.ended")
    assert (answer.status, answer.json["error"]["type"]) == (500, "api_error")
    assert (ended.outcome, ended.status, ended.error) == ("failed", 500, "the bridge failed")


async def test_a_key_that_comes_in_pieces_is_whole_in_no_snapshot() -> None:
    pieces = [KEYS[0][:7], KEYS[0][7:14], KEYS[0][14:]]

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(HELLO[0])
        for piece in pieces:
            await reply.chunk(sse("response.output_text.delta", delta=piece))
        await reply.end()

    async with provider(handle) as url, world(url) as here:
        await ask(here.port)
        await here.event("interception.ended")
        (interception,) = here.bridge.hub.snapshot().interceptions
        assert interception.answer == "sk-c...0001"


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
async def test_local_pages_take_get_alone(path: str) -> None:
    async with provider(say_hello) as url, world(url) as here:
        assert (await ask(here.port, b"", path=path, method="GET")).status == 200
        assert (await ask(here.port, path=path)).status == 405


async def test_our_own_congestion_opens_no_circuit(clock: MockClock) -> None:
    async with provider(say_hello) as url:
        breaker = CircuitBreakerSettings(failure_threshold=1)
        async with world(url, connect_timeout=0.05, circuit_breaker=breaker) as here:
            upstream = here.bridge.providers["openai"].upstream
            places = [object() for _ in range(1000)]
            for place in places:
                upstream._limiter.acquire_on_behalf_of_nowait(place)
            assert (await ask(here.port)).status == 503
            for place in places:
                upstream._limiter.release_on_behalf_of(place)
            with frozen(clock):
                assert (await ask(here.port)).status == 200
            assert here.events("circuit.changed") == []


async def test_our_own_congestion_is_told_as_a_time_out() -> None:
    async with provider(say_hello) as url, world(url, connect_timeout=0.05) as here:
        here.bridge.providers["openai"].upstream._limiter.total_tokens = 1
        here.bridge.providers["openai"].upstream._limiter.acquire_on_behalf_of_nowait(object())
        answer = await ask(here.port)
        assert answer.status == 503
        assert [(event.status, event.reason) for event in here.events("attempt.failed")] == [(None, "timeout")]
