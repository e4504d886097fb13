"""Keys that fail, one after the other: what the client sees, what upstream sees, what the owner is told."""

from __future__ import annotations

import orjson
import pytest
import trio

from tests.end_to_end.fated import (
    FIRST,
    FORBIDDEN,
    JSON,
    LIMITED,
    OVERLOADED,
    QUOTA,
    SECOND,
    STREAM,
    THIRD,
    UNAUTHORIZED,
    FatedProvider,
    failures,
)
from tests.support.command_line import clearspan, home
from tests.support.world import HELLO, KEYS, Asked, Reply, World, ask, provider, say_hello, sse, world


async def test_a_limited_and_a_dead_key_are_passed_over_unseen() -> None:
    upstream = FatedProvider({KEYS[0]: LIMITED, KEYS[1]: UNAUTHORIZED}, {KEYS[0]: [("retry-after", "7")]})
    async with provider(upstream) as url, world(url, KEYS) as here:
        answer = await ask(here.port)
        ended = await here.event("interception.ended")
        assert (answer.status, answer.body, answer.complete) == (200, b"".join(HELLO), True)
        assert answer.header("retry-after") is None
        assert upstream.keys == list(KEYS)
        assert {(request.target, request.body) for request in upstream.asked} == {
            ("/v1/responses", upstream.asked[0].body)
        }
        assert failures(here) == [(1, FIRST, 429, "rate_limited", 7.0), (2, SECOND, 401, "unauthorized", None)]
        assert (ended.outcome, ended.status, ended.attempts, ended.error) == ("completed", 200, 3, None)
        changed = [event for event in here.events("key.changed") if event.state != "valid"]
        assert [(event.key, event.state, event.reason, event.source) for event in changed] == [
            (FIRST, "temporary", "rate_limited", "header"),
            (SECOND, "permanent", "unauthorized", "check"),
        ]
        assert [event.cause.text for event in changed] == ["slow down", "no"]
        assert changed[0].retry_at is not None
        said = [event.cause_text for event in here.events("attempt.failed")]
        shown = here.bridge.hub.picture.interceptions[ended.id]
        assert said == ["slow down", "no"] == [attempt.cause_text for attempt in shown.attempts[:2]]
        await _shows_the_keys(here)

        again = await ask(here.port)
        assert again.status == 200
        assert upstream.keys == [*KEYS, KEYS[2]]


async def _shows_the_keys(here: World) -> None:
    with home() as somewhere:
        told = await clearspan(somewhere, "keys", "--json", "--socket", str(here.socket))
        table = await clearspan(somewhere, "keys", "--socket", str(here.socket))
    assert (told.code, told.err) == (0, "")
    first, second, third = orjson.loads(told.out)
    assert (first["provider"], first["key"], first["state"], first["reason"]) == (
        *("openai", FIRST),
        *("temporary", "rate_limited"),
    )
    assert 0 < first["cooldown_s"] <= 7
    assert (second["key"], second["state"], second["reason"], second["cooldown_s"]) == (
        *(SECOND, "permanent"),
        *("unauthorized", None),
    )
    assert (third["key"], third["state"], third["reason"], third["retry_at"]) == (THIRD, "valid", None, None)
    assert [line.split()[2:5] for line in table.out.splitlines()[1:4]] == [
        ["cooling", "rate", "limited"],
        ["dead", "401", "unauthorized"],
        ["valid", "-", "-"],
    ]


async def test_a_key_that_is_forbidden_everything_is_dead() -> None:
    checked = trio.Event()

    async def handle(asked: Asked, reply: Reply) -> None:
        if asked.key == KEYS[0]:
            await reply.whole(403, orjson.dumps(FORBIDDEN[1]), [JSON])
        elif asked.method == "POST":
            await say_hello(asked, reply)
        if asked.method == "GET":
            checked.set()

    async with provider(handle) as url, world(url, KEYS[:2]) as here:
        assert (await ask(here.port)).status == 200
        with trio.fail_after(5):
            await checked.wait()
        while not [event for event in here.events("key.changed") if event.state == "permanent"]:
            await here.event("key.changed", len(here.events("key.changed")) + 1)
        (dead,) = [event for event in here.events("key.changed") if event.state == "permanent"]
        assert (dead.key, dead.reason) == (FIRST, "forbidden")


async def test_an_account_out_of_quota_rests_for_an_hour() -> None:
    upstream = FatedProvider({KEYS[0]: QUOTA}, {KEYS[0]: [("retry-after", "7")]})
    async with provider(upstream) as url, world(url, KEYS[:2]) as here:
        assert (await ask(here.port)).status == 200
        await here.event("interception.ended")
        assert failures(here) == [(1, FIRST, 429, "quota_exhausted", 3600.0)]
        (changed,) = [event for event in here.events("key.changed") if event.state != "valid"]
        assert (changed.state, changed.reason, changed.source) == ("temporary", "quota_exhausted", "default")


async def test_overload_moves_on_and_is_relayed_where_there_is_no_other_key() -> None:
    upstream = FatedProvider({KEYS[0]: OVERLOADED})
    async with provider(upstream) as url, world(url, KEYS[:2]) as here:
        assert (await ask(here.port)).status == 200
        await here.event("interception.ended")
        assert failures(here) == [(1, FIRST, 529, "overloaded", None)]
        assert {key.state for key in here.bridge.providers["openai"].pool.keys} == {"valid"}
    async with provider(upstream) as url, world(url, KEYS[:1]) as here:
        answer = await ask(here.port)
        assert (answer.status, answer.json) == OVERLOADED


@pytest.mark.parametrize("status", [400, 404, 409, 422, 500, 502, 503, 504])
async def test_what_is_no_keys_fault_is_relayed_at_once(status: int) -> None:
    upstream = FatedProvider({KEYS[0]: (status, {"error": {"message": "as it came"}})})
    async with provider(upstream) as url, world(url, KEYS) as here:
        answer = await ask(here.port)
        ended = await here.event("interception.ended")
        assert upstream.keys == [KEYS[0]]
        assert here.bridge.providers["openai"].pool.keys[0].state == "valid"
    assert (answer.status, answer.json) == (status, {"error": {"message": "as it came"}})
    assert (ended.outcome, ended.status) == ("failed", status)


async def test_a_failed_attempts_connection_is_let_go_before_the_next_begins() -> None:
    let_go = trio.Event()

    async def handle(asked: Asked, reply: Reply) -> None:
        if asked.key == KEYS[1]:
            with trio.fail_after(5):
                await let_go.wait()  # nothing but this answer could make the bridge close it now
            await say_hello(asked, reply)
            return
        await reply.head(429, [JSON, ("retry-after", "7")])  # and a body that never ends
        try:
            await reply.chunk(b"x" * 2 * 1024 * 1024)  # may be cut short by a reset, which is a close too
            await reply.until_closed()
        finally:
            let_go.set()

    async with provider(handle) as url, world(url, KEYS[:2]) as here:
        answer = await ask(here.port)
    assert answer.status == 200


async def test_there_is_no_failover_once_the_client_has_seen_something() -> None:
    seen: list[str] = []

    async def handle(asked: Asked, reply: Reply) -> None:
        seen.append(asked.key)
        await reply.head(200, [STREAM])
        await reply.chunk(HELLO[0] + HELLO[1])
        await reply.chunk(sse("error", error={"code": "rate_limit_exceeded", "message": "slow down"}))
        await reply.end()

    async with provider(handle) as url, world(url, KEYS) as here:
        answer = await ask(here.port)
        ended = await here.event("interception.ended")
    assert seen == [KEYS[0]]
    assert answer.body.startswith(HELLO[0] + HELLO[1])
    assert b"rate_limit_exceeded" in answer.body
    assert (ended.outcome, ended.attempts) == ("failed", 1)


async def test_a_stream_that_opens_with_a_limit_moves_on() -> None:
    async def handle(asked: Asked, reply: Reply) -> None:
        if asked.key != KEYS[0]:
            await say_hello(asked, reply)
            return
        await reply.head(200, [STREAM])
        await reply.chunk(HELLO[0])
        error = {"code": "rate_limit_exceeded", "message": "Please try again in 7s."}
        await reply.chunk(sse("error", error=error, **error))
        await reply.end()

    async with provider(handle) as url, world(url, KEYS[:2]) as here:
        answer = await ask(here.port)
        await here.event("interception.ended")
        assert failures(here) == [(1, FIRST, 200, "rate_limited", 7.0)]
    assert answer.body == b"".join(HELLO)
