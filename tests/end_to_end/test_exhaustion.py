"""No key is left: what the client is answered, and how a request may wait instead."""

from __future__ import annotations

import trio

from tests.end_to_end.fated import HINTS, JSON, LIMITED, SECOND, UNAUTHORIZED, FatedProvider, failures
from tests.support.world import HELLO, KEYS, Asked, Reply, ask, provider, say_hello, world


async def test_all_keys_cooling_is_429_until_the_first_is_back() -> None:
    waits = {KEYS[0]: [("retry-after", "30")], KEYS[1]: [("retry-after-ms", "6500")], KEYS[2]: []}
    upstream = FatedProvider(dict.fromkeys(KEYS, LIMITED), waits)
    async with provider(upstream) as url, world(url, KEYS) as here:
        answers = [await ask(here.port), await ask(here.port)]
        ended = await here.event("interception.ended", 2)
        assert upstream.keys == list(KEYS)  # the second request asked nobody
        assert [failure[2:] for failure in failures(here)] == [
            (429, "rate_limited", 30.0),
            (429, "rate_limited", 6.5),
            (429, "rate_limited", 60.0),
        ]
        assert (ended.outcome, ended.status, ended.attempts) == ("rejected", 429, 0)
    for answer in answers:
        assert answer.status == 429
        assert (answer.header("retry-after") or "").isdecimal()
        assert 1 <= int(answer.header("retry-after") or "") <= 7
        error = answer.json["error"]
        assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
        _names_all_keys(error["message"])


def _names_all_keys(message: str) -> None:
    assert "3" in message
    assert all(hint in message for hint in HINTS)
    assert not any(key in message for key in KEYS)


async def test_all_keys_dead_is_502() -> None:
    upstream = FatedProvider(dict.fromkeys(KEYS, UNAUTHORIZED))
    async with provider(upstream) as url, world(url, KEYS) as here:
        answer = await ask(here.port)
        ended = await here.event("interception.ended")
        assert {key.state for key in here.bridge.providers["openai"].pool.keys} == {"permanent"}
    assert answer.status == 502
    assert (answer.json["error"]["type"], answer.json["error"]["code"]) == ("api_error", "server_error")
    assert answer.header("retry-after") is None
    _names_all_keys(answer.json["error"]["message"])
    assert (ended.status, ended.attempts) == (502, 3)


async def test_one_cooling_among_dead_keys_is_429() -> None:
    upstream = FatedProvider(
        {KEYS[0]: UNAUTHORIZED, KEYS[1]: LIMITED, KEYS[2]: UNAUTHORIZED}, {KEYS[1]: [("retry-after", "5")]}
    )
    async with provider(upstream) as url, world(url, KEYS) as here:
        answer = await ask(here.port)
    assert (answer.status, answer.header("retry-after")) == (429, "5")


async def test_a_provider_without_keys_says_so() -> None:
    async with provider(say_hello) as url, world(url, ()) as here:
        answer = await ask(here.port)
    assert (answer.status, answer.json["error"]["code"]) == (502, "server_error")
    assert "no API key" in answer.json["error"]["message"]


async def test_where_every_key_is_forbidden_the_last_answer_is_relayed() -> None:
    body = b'{"error": {"message": "The model may not be used",\n "code": "model_not_allowed"} }'

    async def handle(asked: Asked, reply: Reply) -> None:
        if asked.method == "GET":
            await reply.whole(200, b"{}", [JSON])
            return
        number = KEYS.index(asked.key)
        await reply.whole(403, body + b"\n" * number, [JSON, ("x-request-id", f"req_{number}")])

    async with provider(handle) as url, world(url, KEYS) as here:
        answer = await ask(here.port)
        ended = await here.event("interception.ended")
        assert {key.state for key in here.bridge.providers["openai"].pool.keys} == {"valid"}
        assert [event.reason for event in here.events("attempt.failed")] == ["forbidden"] * 3
    assert (answer.status, answer.body, answer.header("x-request-id")) == (403, body + b"\n\n", "req_2")
    assert (ended.outcome, ended.status, ended.attempts) == ("failed", 403, 3)


async def test_a_request_may_wait_for_the_first_key_to_come_back() -> None:
    async def handle(asked: Asked, reply: Reply) -> None:
        if len(here.events("attempt.failed")) < 2:
            await reply.whole(429, b"{}", [JSON, ("retry-after-ms", "60" if asked.key == KEYS[1] else "20000")])
        else:
            await say_hello(asked, reply)

    async with provider(handle) as url, world(url, KEYS[:2], wait_for_key=5.0) as here:
        answer = await ask(here.port)
        ended = await here.event("interception.ended")
        (waiting,) = here.events("interception.waiting")
        third = here.events("attempt.started")[2]
    assert (answer.status, answer.body) == (200, b"".join(HELLO))
    assert (third.key, ended.attempts, ended.outcome) == (SECOND, 3, "completed")
    assert waiting.id == ended.id


async def test_a_client_that_leaves_while_it_waits_is_let_go() -> None:
    upstream = FatedProvider({KEYS[0]: LIMITED}, {KEYS[0]: [("retry-after", "30")]})
    async with provider(upstream) as url, world(url, wait_for_key=60.0) as here:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, here.port)
            await here.event("interception.waiting")
            nursery.cancel_scope.cancel()
        ended = await here.event("interception.ended")
    assert (ended.outcome, ended.error, ended.attempts) == ("cancelled", "the client left", 1)


async def test_a_wait_that_is_too_long_is_answered_at_once() -> None:
    upstream = FatedProvider({KEYS[0]: LIMITED}, {KEYS[0]: [("retry-after", "30")]})
    async with provider(upstream) as url, world(url, wait_for_key=5.0) as here:
        answer = await ask(here.port)
        assert not here.events("interception.waiting")
    assert (answer.status, answer.header("retry-after")) == (429, "30")


async def test_the_wait_counts_from_the_requests_beginning() -> None:
    """Two waits, each short enough by itself and together too long: the second is not begun."""

    async def handle(asked: Asked, reply: Reply) -> None:
        if len(here.events("interception.waiting")) < 2:
            await reply.whole(429, b"{}", [JSON, ("retry-after-ms", "700")])
        else:
            await say_hello(asked, reply)

    async with provider(handle) as url, world(url, wait_for_key=1.2) as here:
        answer = await ask(here.port)
        assert len(here.events("interception.waiting")) <= 1
    assert answer.status == 429
