"""In-stream failover: a stream answered 200 that begins with a failure of its key (docs/behaviour.md, Key pool)."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from bridge.events.values import KeyState
from bridge.interception import first_look
from tests.support.world import HELLO, KEYS, STREAM, Asked, Handle, Hang, Reply, ask, provider, sse, world

PROGRESS = sse("response.in_progress", response={"id": "resp_1", "status": "in_progress"})
GOOD = [HELLO[0], PROGRESS, *HELLO[1:]]


def limited(code: str = "rate_limit_exceeded", message: str = "Slow down; try again in 7s.") -> bytes:
    """An error event in the shape that OpenAI documents."""
    return sse("error", code=code, message=message, param=None, sequence_number=2)


def by_key(streams: dict[str, list[bytes]]) -> Handle:
    """Answers each key with its own stream."""

    async def handle(asked: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        for event in streams.get(asked.key, GOOD):
            await reply.chunk(event)
        await reply.end()

    return handle


@pytest.mark.parametrize(
    ("error", "reason", "state", "cooldown"),
    [
        (limited(), "rate_limited", KeyState.TEMPORARY, 7.0),
        (limited(message="no"), "rate_limited", KeyState.TEMPORARY, 60.0),
        (limited("insufficient_quota", "no money"), "quota_exhausted", KeyState.TEMPORARY, 3600.0),
        (limited("server_is_overloaded", "busy"), "overloaded", KeyState.VALID, None),
        (
            sse("response.failed", response={"id": "r", "error": {"code": "rate_limit_exceeded", "message": "no"}}),
            "rate_limited",
            KeyState.TEMPORARY,
            60.0,
        ),
    ],
)
async def test_the_client_never_knows(error: bytes, reason: str, state: KeyState, cooldown: float | None) -> None:
    bad = [HELLO[0], b": a comment\n\n", PROGRESS, error]
    async with provider(by_key({KEYS[0]: bad})) as url, world(url, KEYS[:2]) as here:
        answer = await ask(here.port)
        ended = await here.event("interception.ended")
        assert (answer.status, answer.body, answer.complete) == (200, b"".join(GOOD), True)
        assert (ended.outcome, ended.attempts) == ("completed", 2)
        (failed,) = here.events("attempt.failed")
        assert (failed.attempt, failed.status, failed.reason, failed.cooldown_s) == (1, 200, reason, cooldown)
        assert here.bridge.hub.picture.keys["openai", failed.key].state is state
        assert [event.attempt for event in here.events("response.started")] == [2]


async def test_with_no_further_key_it_goes_out_as_it_came() -> None:
    bad = [HELLO[0], limited()]
    async with provider(by_key(dict.fromkeys(KEYS[:2], bad))) as url, world(url, KEYS[:2]) as here:
        answer = await ask(here.port)
        ended = await here.event("interception.ended")
        assert (answer.status, answer.body, answer.complete) == (200, b"".join(bad), True)
        assert (ended.outcome, ended.attempts) == ("failed", 2)
        assert (await ask(here.port)).status == 429  # both keys cool now


async def test_an_error_that_is_not_the_keys_fault_goes_out_at_once() -> None:
    bad = [HELLO[0], limited("server_error", "something broke")]
    async with provider(by_key({KEYS[0]: bad})) as url, world(url, KEYS[:2]) as here:
        answer = await ask(here.port)
        assert answer.body == b"".join(bad)
        assert (await here.event("interception.ended")).attempts == 1


async def test_an_error_after_content_is_relayed_and_the_key_cools() -> None:
    bad = [*HELLO[:2], limited()]
    async with provider(by_key({KEYS[0]: bad})) as url, world(url, KEYS[:2]) as here:
        answer = await ask(here.port)
        assert answer.body == b"".join(bad)
        assert (await here.event("interception.ended")).attempts == 1
        cooling = [event for event in here.events("key.changed") if event.state is KeyState.TEMPORARY]
        assert [(event.reason, event.source) for event in cooling] == [("rate_limited", "body")]


async def test_content_releases_what_was_held_at_once() -> None:
    seen = trio.Event()

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(HELLO[0])
        await reply.chunk(HELLO[1])
        await seen.wait()
        await reply.chunk(HELLO[2])
        await reply.end()

    async with provider(handle) as url, world(url) as here:
        with trio.fail_after(5):
            answer = await ask(here.port, on_chunk=lambda _: seen.set())
    assert answer.body == b"".join(HELLO)


@pytest.mark.parametrize(("limit", "value"), [("HOLD_S", 0.01), ("HOLD_BYTES", 10)])
async def test_it_is_held_no_longer_than_allowed(monkeypatch: pytest.MonkeyPatch, limit: str, value: Any) -> None:
    monkeypatch.setattr(first_look, limit, value)
    seen = trio.Event()

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(HELLO[0])
        await seen.wait()  # the opening alone has reached the client
        await reply.chunk(limited())
        await reply.end()

    async with provider(handle) as url, world(url, KEYS[:2]) as here:
        with trio.fail_after(5):
            answer = await ask(here.port, on_chunk=lambda _: seen.set())
        assert answer.body == HELLO[0] + limited()
        assert (await here.event("interception.ended")).attempts == 1


async def test_a_stream_that_breaks_off_in_its_opening_goes_out_as_far_as_it_came() -> None:
    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(HELLO[0])
        raise Hang

    async with provider(handle) as url, world(url, KEYS[:2]) as here:
        answer = await ask(here.port)
        ended = await here.event("interception.ended")
    assert answer.body.startswith(HELLO[0] + b"event: error")
    assert not answer.complete
    assert (ended.outcome, ended.attempts) == ("failed", 1)


async def test_a_client_that_leaves_while_it_is_held_frees_everything() -> None:
    held, closed = trio.Event(), trio.Event()

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(HELLO[0])
        held.set()
        await reply.until_closed()
        closed.set()

    async with provider(handle) as url, world(url) as here:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, here.port)
            await held.wait()
            nursery.cancel_scope.cancel()
        with trio.fail_after(5):
            await closed.wait()
        assert (await here.event("interception.ended")).outcome == "cancelled"


async def test_no_more_than_64_kib_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_look, "HOLD_S", 600.0)
    long = sse("response.in_progress", response={"id": "resp_1", "status": "in_progress", "instructions": "x" * 65536})
    seen = trio.Event()

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(long)
        await seen.wait()
        await reply.chunk(HELLO[1] + HELLO[2])
        await reply.end()

    async with provider(handle) as url, world(url) as here:
        with trio.fail_after(10):
            answer = await ask(here.port, on_chunk=lambda _: seen.set())
    assert answer.body == long + HELLO[1] + HELLO[2]
