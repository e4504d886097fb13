"""An error that speaks of its key, and whose body is late: the key rests at once, and the next one follows soon."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from bridge.interception import first_look
from tests.support.frozen_time import frozen
from tests.support.until import until
from tests.support.world import KEYS, Asked, Hang, Reply, ask, provider, say_hello, world

NO_QUOTA = b'{"error":{"code":"insufficient_quota","message":"you have no credit"}}'
LATER = b'{"error":{"message":"try again later"}}'
LATE_HEADERS = [("content-type", "application/json")]


@pytest.mark.parametrize(
    ("status", "headers", "body", "at_first", "in_the_end"),
    [
        (429, [("retry-after", "30")], LATER, ("temporary", "rate_limited", "header"), ("temporary", "rate_limited")),
        (
            429,
            [("retry-after", "30")],
            NO_QUOTA,
            ("temporary", "rate_limited", "header"),
            ("temporary", "quota_exhausted"),
        ),
        (429, [], LATER, ("temporary", "rate_limited", "default"), ("temporary", "rate_limited")),
        (401, [], LATER, ("temporary", "unauthorized", "default"), ("permanent", "unauthorized")),
        (402, [], LATER, ("temporary", "quota_exhausted", "default"), ("temporary", "quota_exhausted")),
    ],
)
async def test_no_other_request_goes_to_a_key_whose_words_are_late(
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    headers: list[tuple[str, str]],
    body: bytes,
    at_first: tuple[str, str, str],
    in_the_end: tuple[str, str],
) -> None:
    monkeypatch.setattr(first_look, "ERROR_BODY_S", 60.0)
    go_on = trio.Event()
    asked: list[str] = []

    async def handle(request: Asked, reply: Reply) -> None:
        if request.method == "GET":
            raise Hang
        asked.append(request.key)
        if request.key == KEYS[0]:
            await reply.head(status, [*LATE_HEADERS, *headers], length=len(body))
            await reply.raw(body[:5])
            await go_on.wait()
            await reply.raw(body[5:])
        else:
            await say_hello(request, reply)

    async with provider(handle) as url, world(url, KEYS[:2]) as here, trio.open_nursery() as nursery:
        nursery.start_soon(ask, here.port)
        await until(lambda: [event for event in here.events("key.changed") if event.state != "valid"])
        rest = here.events("key.changed")[-1]
        assert (rest.state, rest.reason, rest.source) == at_first
        assert rest.cause.status == status
        assert (await ask(here.port)).status == 200
        assert asked == list(KEYS[:2])
        assert here.events("attempt.failed") == []  # the first is still being looked at
        go_on.set()
        await here.event("interception.ended", 2)
        (failed,) = here.events("attempt.failed")
        last = [event for event in here.events("key.changed") if event.state != "valid"][-1]
        assert (last.state, last.reason) == in_the_end
        assert last.cause.text == failed.cause_text
        assert last.cause.text
        assert asked == [*KEYS[:2], KEYS[1]]
        assert {event.outcome for event in here.events("interception.ended")} == {"completed"}
        if last.retry_at is not None:
            assert last.retry_at >= rest.retry_at


@pytest.mark.parametrize("status", [401, 402, 403, 429])
async def test_a_body_that_never_comes_costs_its_time_once(clock: MockClock, status: int) -> None:
    asked: list[str] = []

    async def handle(request: Asked, reply: Reply) -> None:
        if request.method == "GET":
            raise Hang
        asked.append(request.key)
        if request.key == KEYS[0]:
            await reply.head(status, [*LATE_HEADERS, ("retry-after", "30")], length=100)
            await reply.raw(b"{")
            await reply.until_closed()
            raise Hang
        await say_hello(request, reply)

    async def settle() -> None:
        for _ in range(20):
            await trio.testing.wait_all_tasks_blocked(0.005)

    async with provider(handle) as url, world(url, KEYS[:2]) as here:
        async with trio.open_nursery() as nursery:
            with frozen(clock):
                nursery.start_soon(ask, here.port)
                await settle()
                for step in (first_look.PROMPT_S, first_look.ERROR_BODY_S - first_look.PROMPT_S):
                    assert asked == [KEYS[0]]
                    clock.jump(step)
                    await settle()
                assert asked == list(KEYS[:2])
        ended = await here.event("interception.ended")
        assert (ended.outcome, ended.attempts) == ("completed", 2)


async def test_a_body_that_comes_with_its_head_is_judged_once() -> None:
    async def handle(request: Asked, reply: Reply) -> None:
        if request.key == KEYS[0]:
            await reply.whole(429, NO_QUOTA, [*LATE_HEADERS, ("retry-after", "30")])
        else:
            await say_hello(request, reply)

    async with provider(handle) as url, world(url, KEYS[:2]) as here:
        assert (await ask(here.port)).status == 200
        changed = [event.reason for event in here.events("key.changed") if event.state != "valid"]
    assert changed == ["quota_exhausted"]
