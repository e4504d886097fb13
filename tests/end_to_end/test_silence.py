"""Silence told by its right name, on real sockets. Times are short: what counts is their order, and who is silent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import trio

from bridge.config.settings import ProviderSettings
from bridge.config.units import Seconds
from bridge.events.values import ErrorType, FailureReason, Outcome, SilenceKind
from bridge.interception import relay
from bridge.keys.secret import Secret
from tests.support.dialects import DIALECTS, Dialect
from tests.support.until import until
from tests.support.world import KEYS, STREAM, Answered, Asked, Handle, Reply, World, ask, provider, running, say_hello

SILENT_AFTER = 0.2
PINGS = {
    "responses": [
        b": waiting\n\n",
        b'event: keepalive\ndata: {"type":"keepalive","sequence_number":3}\n\n',
        b": no end\n",
    ],
    "chat_completions": [b": OPENROUTER PROCESSING\n\n"],
    "messages": [b'event: ping\ndata: {"type": "ping"}\n\n', b'data: {"type": "ping"}\n\n', b": waiting\n\n"],
}
FIRST = {
    "responses": b'event: response.output_item.added\ndata: {"type":"response.output_item.added","output_index":0}\n\n',
    "chat_completions": b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n',
    "messages": b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{}}\n\n',
}


@asynccontextmanager
async def quick(handle: Handle, kind: str = "openai", **settings: Any) -> AsyncIterator[World]:
    """A bridge that tells of silence soon, before a provider of that kind."""
    async with provider(handle) as url:
        base = url if kind == "openai" else url.removesuffix("/v1")
        chosen = ProviderSettings(type=kind, base_url=base, keys=(Secret(KEYS[0]),), **settings)
        async with running({kind: chosen}) as here:
            here.bridge.silence.silent_after = SILENT_AFTER
            here.bridge.silence.look_every = 0.02
            yield here


def told(here: World) -> list[tuple[str, SilenceKind]]:
    """What was told of silence, in order."""
    events = here.events("interception.silent", "interception.heard")
    return [(event.type.removeprefix("interception."), event.kind) for event in events]


async def asking(here: World, dialect: Dialect) -> Answered:
    """A stream asked for in that dialect."""
    return await ask(here.port, {"model": "m", "stream": True, **dialect.asking}, path=dialect.path)


async def say_rest(reply: Reply, api: str) -> None:
    """Goes on, and ends in the way of HTTP."""
    await reply.chunk(FIRST[api])
    await reply.end()


@asynccontextmanager
async def asked_meanwhile(here: World, api: str = "responses") -> AsyncIterator[None]:
    """A request is under way while the block runs, and has its answer after it."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(asking, here, DIALECTS[api])
        yield


async def test_a_provider_that_does_not_answer_is_told_and_heard_again() -> None:
    go_on = trio.Event()

    async def handle(asked: Asked, reply: Reply) -> None:
        await go_on.wait()
        await say_hello(asked, reply)

    async with quick(handle) as here, asked_meanwhile(here):
        silent = await here.event("interception.silent")
        assert silent.kind is SilenceKind.NO_ANSWER
        began = next(e.at for e in here.envelopes if e.event.type == "attempt.started")
        assert silent.since >= began - timedelta(milliseconds=1)  # each is told in whole milliseconds
        [shown] = here.bridge.hub.picture.interceptions.values()
        assert (shown.silence and shown.silence.kind) == SilenceKind.NO_ANSWER
        go_on.set()
        ended = await here.event("interception.ended")
        assert ended.outcome is Outcome.COMPLETED
    assert told(here) == [("silent", SilenceKind.NO_ANSWER), ("heard", SilenceKind.NO_ANSWER)]
    assert shown.silence is None


@pytest.mark.parametrize("api", DIALECTS)
async def test_a_stream_without_a_byte_is_told_whatever_we_say_ourselves(
    monkeypatch: pytest.MonkeyPatch, api: str
) -> None:
    monkeypatch.setattr(relay, "SILENCE_S", 0.03)  # our own keep-alives are no sign of upstream's life
    go_on = trio.Event()

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(FIRST[api])
        await go_on.wait()
        await say_rest(reply, api)

    kind = DIALECTS[api].path.split("/")[1]
    async with quick(handle, kind) as here, asked_meanwhile(here, api):
        silent = await here.event("interception.silent")
        assert silent.kind is SilenceKind.NO_BYTES
        go_on.set()
        await here.event("interception.ended")
    assert told(here) == [("silent", SilenceKind.NO_BYTES), ("heard", SilenceKind.NO_BYTES)]


@pytest.mark.parametrize(("api", "ping"), [(api, ping) for api in PINGS for ping in PINGS[api]])
async def test_pings_alone_are_told_as_such_and_their_end_as_another_silence(api: str, ping: bytes) -> None:
    only_pings, nothing, go_on = trio.Event(), trio.Event(), trio.Event()

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(FIRST[api])
        while not only_pings.is_set():
            await reply.chunk(ping)
            await trio.sleep(0.02)
        await nothing.wait()
        await reply.chunk(FIRST[api])
        await go_on.wait()
        await reply.end()

    kind = DIALECTS[api].path.split("/")[1]
    async with quick(handle, kind) as here, asked_meanwhile(here, api):
        assert (await here.event("interception.silent")).kind is SilenceKind.PINGS_ONLY
        only_pings.set()
        assert (await here.event("interception.silent", 2)).kind is SilenceKind.NO_BYTES
        nothing.set()
        assert (await here.event("interception.heard")).kind is SilenceKind.NO_BYTES
        go_on.set()


async def test_white_space_before_a_body_is_no_sign_of_life() -> None:
    """DeepSeek sends empty lines while a request that is no stream waits for its turn."""
    go_on = trio.Event()

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, [("content-type", "application/json")])
        while not go_on.is_set():
            await reply.chunk(b"\n")
            await trio.sleep(0.02)
        await reply.chunk(b'{"id":"resp_1"}')
        await reply.end()

    async with quick(handle) as here, trio.open_nursery() as nursery:
        nursery.start_soon(ask, here.port, {"model": "m", "input": "x"})
        assert (await here.event("interception.silent")).kind is SilenceKind.PINGS_ONLY
        go_on.set()
        await here.event("interception.ended")


async def test_an_event_that_comes_in_small_pieces_is_life() -> None:
    async def handle(_asked: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(b"data: ")
        for _ in range(25):
            await reply.chunk(b"x")
            await trio.sleep(SILENT_AFTER / 10)
        await reply.chunk(b"\n\n")
        await reply.end()

    async with quick(handle) as here:
        await asking(here, DIALECTS["responses"])
        await here.event("interception.ended")
        assert told(here) == []


async def flood(_asked: Asked, reply: Reply) -> None:
    """More than all buffers on the way hold."""
    await reply.head(200, STREAM)
    for _ in range(400):
        await reply.chunk(FIRST["responses"] * 600)
    await reply.end()


async def slow_client(here: World, pause: Callable[[int], Any]) -> int:
    """Asks, and takes the answer piece by piece; returns how many bytes that were."""
    body = b'{"model":"m","input":"x","stream":true}'
    head = b"POST /openai/v1/responses HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with await trio.open_tcp_stream("127.0.0.1", here.port) as stream:
        await stream.send_all(head + body)
        taken = 0
        while True:
            await pause(taken)
            data = await stream.receive_some(256 * 1024)
            taken += len(data)
            if not data or data.endswith(b"0\r\n\r\n"):
                return taken


async def test_a_client_that_does_not_read_is_told_and_heard_again() -> None:
    go_on = trio.Event()

    async def pause(taken: int) -> None:
        if taken > 1_000_000:
            await go_on.wait()

    async with quick(flood) as here, trio.open_nursery() as nursery:
        nursery.start_soon(slow_client, here, pause)
        assert (await here.event("interception.silent")).kind is SilenceKind.CLIENT_NOT_READING
        go_on.set()
        ended = await here.event("interception.ended")
        assert told(here) == [(word, SilenceKind.CLIENT_NOT_READING) for word in ("silent", "heard")]
        assert ended.answer_equal


async def test_a_client_that_reads_slowly_is_not_told() -> None:
    async def pause(_taken: int) -> None:
        await trio.sleep(0.005)

    async with quick(flood) as here:
        assert await slow_client(here, pause) > 10_000_000
        await here.event("interception.ended")
        assert told(here) == []


async def test_who_waits_for_a_key_is_not_silent() -> None:
    """That is told as what it is."""

    async def handle(asked: Asked, reply: Reply) -> None:
        if len(here.events("attempt.started")) == 1:
            await reply.whole(429, b"{}", [("retry-after", "1")])
        else:
            await say_hello(asked, reply)

    async with quick(handle, wait_for_key=Seconds(5)) as here:
        await asking(here, DIALECTS["responses"])
        assert here.events("interception.waiting")
        assert told(here) == []


async def test_nobody_is_silent_while_the_client_uploads() -> None:
    async def handle(asked: Asked, reply: Reply) -> None:
        await reply.whole(200, b"%d" % len(asked.body))

    part = b"x" * (2 * 1024 * 1024)
    async with quick(handle) as here, await trio.open_tcp_stream("127.0.0.1", here.port) as stream:
        head = f"POST /openai/v1/files HTTP/1.1\r\nhost: localhost\r\ncontent-length: {2 * len(part)}\r\n\r\n"
        await stream.send_all(head.encode() + part)
        await trio.sleep(2 * SILENT_AFTER)
        await stream.send_all(part)
        ended = await here.event("interception.ended")
        assert (ended.status, ended.bytes_in, ended.request_equal) == (200, 2 * len(part), True)
        assert told(here) == []


@pytest.mark.parametrize("api", DIALECTS)
async def test_a_stream_that_does_not_begin_is_ended_with_504(api: str) -> None:
    async def handle(_: Asked, reply: Reply) -> None:
        await reply.until_closed()

    kind = DIALECTS[api].path.split("/")[1]
    async with quick(handle, kind, end_silent=Seconds(0.3)) as here:
        answer = await asking(here, DIALECTS[api])
        ended = await here.event("interception.ended")
        [failed] = here.events("attempt.failed")
        assert answer.status == 504
        assert "end_silent" in answer.json["error"]["message"]
        assert (ended.outcome, ended.error_type, failed.reason) == (
            Outcome.FAILED,
            ErrorType.TIMEOUT,
            FailureReason.TIMEOUT,
        )


@pytest.mark.parametrize("ping", [True, False])
@pytest.mark.parametrize("api", DIALECTS)
async def test_a_dead_stream_is_ended_with_an_error_that_is_retried(api: str, ping: bool) -> None:
    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(FIRST[api])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reply.until_closed)
            while ping and not reply.closed:
                await reply.chunk(PINGS[api][0])
                await trio.sleep(0.02)

    kind = DIALECTS[api].path.split("/")[1]
    async with quick(handle, kind, end_silent=Seconds(0.3)) as here:
        answer = await asking(here, DIALECTS[api])
        ended = await here.event("interception.ended")
        last = answer.body.rstrip(b"\n").rpartition(b"\n\n")[2]
        assert not answer.complete
        assert (b"overloaded_error" if api == "messages" else b"service_unavailable") in last
        assert (b"nothing but pings came" if ping else b"nothing came") in last
        assert (ended.outcome, ended.error_type) == (Outcome.FAILED, ErrorType.TIMEOUT)
        untouched = api != "chat_completions"  # of which the chunk with the usage may be taken out
        assert ended.answer_equal is (True if untouched else None)  # all that came went; the error is ours


async def test_what_is_no_stream_is_not_ended() -> None:
    async def handle(_: Asked, reply: Reply) -> None:
        await until(lambda: bool(here.events("interception.silent")))
        await trio.sleep(0.2)
        await reply.whole(200, b'{"id":"resp_1"}')

    async with quick(handle, end_silent=Seconds(0.1)) as here:
        answer = await ask(here.port, {"model": "m", "input": "x"})
        assert answer.status == 200


async def test_a_client_that_does_not_read_is_not_taken_for_a_dead_stream() -> None:
    go_on = trio.Event()

    async def pause(taken: int) -> None:
        if taken > 1_000_000:
            await go_on.wait()

    async with quick(flood, end_silent=Seconds(0.3)) as here, trio.open_nursery() as nursery:
        nursery.start_soon(slow_client, here, pause)
        await here.event("interception.silent")
        await trio.sleep(0.4)
        go_on.set()
        ended = await here.event("interception.ended")
        assert ended.error is None or "end_silent" not in ended.error
