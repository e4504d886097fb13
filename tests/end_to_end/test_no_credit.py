"""An account that has nothing left to spend, in every form in which providers say so; and errors that only look so.

docs/behaviour.md, Key pool.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
import trio
from attrs import frozen

from bridge.apis.provider_errors import LONGEST_BODY
from bridge.events.values import KeyState
from bridge.interception import failover, first_look
from tests.end_to_end.fated import FIRST, JSON, failures
from tests.support.world import HELLO, KEYS, STREAM, Asked, Handle, Reply, ask, provider, say_hello, sse, world

BALANCE = (
    "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase "
    "credits."
)


def told_by_anthropic(kind: str, message: str, **more: Any) -> dict[str, Any]:
    """An error body as Anthropic writes it."""
    return {"type": "error", "error": {"type": kind, "message": message, **more}, "request_id": "req_011"}


@frozen
class NoCredit:
    """How a provider says it: the kind of provider, the status, the body."""

    kind: str
    status: int
    body: dict[str, Any]


FORMS = {
    "anthropic 400": NoCredit("anthropic", 400, told_by_anthropic("invalid_request_error", BALANCE)),
    "anthropic 400 by code": NoCredit(
        "anthropic",
        400,
        told_by_anthropic("invalid_request_error", "no", details={"error_code": "credit_balance_too_low"}),
    ),
    "anthropic 402": NoCredit("anthropic", 402, told_by_anthropic("billing_error", "Payment required")),
    "anthropic 403": NoCredit("anthropic", 403, told_by_anthropic("billing_error", BALANCE)),
    "anthropic 429": NoCredit(
        "anthropic",
        429,
        told_by_anthropic("rate_limit_error", "no", details={"error_code": "organization_spend_limit_exceeded"}),
    ),
    "deepseek 402": NoCredit(
        "openai",
        402,
        {
            "error": {
                "message": "Insufficient Balance",
                "type": "unknown_error",
                "param": None,
                "code": "invalid_request_error",
            }
        },
    ),
    "openrouter 402": NoCredit(
        "openai", 402, {"error": {"message": "Insufficient credits. Add more at the settings page.", "code": 402}}
    ),
    "openai 403": NoCredit(
        "openai",
        403,
        {"error": {"message": "no", "type": "billing_hard_limit_reached", "code": "billing_hard_limit_reached"}},
    ),
    "openai 429": NoCredit(
        "openai", 429, {"error": {"message": "no", "type": "insufficient_quota", "code": "insufficient_quota"}}
    ),
}

MESSAGE = [
    sse("message_start", message={"id": "msg_1", "type": "message", "role": "assistant", "content": []}),
    sse("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    sse("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hello"}),
    sse("content_block_stop", index=0),
    sse("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3}),
    sse("message_stop"),
]
GOOD = {"openai": HELLO, "anthropic": MESSAGE}
PATHS = {"openai": "/openai/v1/responses", "anthropic": "/openai/v1/messages"}
QUESTION = {
    "model": "m",
    "stream": True,
    "max_tokens": 9,
    "input": "hello",
    "messages": [{"role": "user", "content": "hello"}],
}


def key_of(asked: Asked) -> str:
    """The key, in whichever provider's header."""
    return asked.header("x-api-key") or asked.key


def all_but_the_first(kind: str, first: Handle) -> Handle:
    """The first key is answered by `first`, every other with a good stream."""

    async def handle(asked: Asked, reply: Reply) -> None:
        if key_of(asked) == KEYS[0]:
            await first(asked, reply)
            return
        await stream(reply, GOOD[kind])

    return handle


async def stream(reply: Reply, events: Sequence[bytes]) -> None:
    """A whole stream of these events."""
    await reply.head(200, STREAM)
    for event in events:
        await reply.chunk(event)
    await reply.end()


async def serves_with_the_next(kind: str, handle: Handle, status: int) -> None:
    """One clean answer for the client, and for the owner an account that rests an hour."""
    async with (
        provider(all_but_the_first(kind, handle)) as url,
        world(url.removesuffix("/v1") if kind == "anthropic" else url, KEYS[:2], type=kind) as here,
    ):
        answer = await ask(here.port, QUESTION, path=PATHS[kind])
        ended = await here.event("interception.ended")
        assert (answer.status, answer.body, answer.complete) == (200, b"".join(GOOD[kind]), True)
        assert (ended.outcome, ended.attempts, ended.error) == ("completed", 2, None)
        assert failures(here) == [(1, FIRST, status, "quota_exhausted", 3600.0)]
        (resting,) = [event for event in here.events("key.changed") if event.state != "valid"]
        assert (resting.key, resting.state, resting.reason) == (FIRST, "temporary", "quota_exhausted")
        assert (resting.cause.id, resting.cause.status) == (ended.id, status)
        assert resting.cause.text


@pytest.mark.parametrize("form", FORMS)
async def test_the_client_sees_one_clean_answer(form: str) -> None:
    told = FORMS[form]

    async def broke(_: Asked, reply: Reply) -> None:
        await reply.whole(told.status, orjson.dumps(told.body), [JSON, ("retry-after", "7")])

    await serves_with_the_next(told.kind, broke, told.status)


@pytest.mark.parametrize(
    "error",
    [
        {"type": "invalid_request_error", "message": BALANCE},
        {"type": "billing_error", "message": "Payment required"},
        {"type": "rate_limit_error", "message": "no", "details": {"error_code": "credit_balance_exhausted"}},
    ],
)
async def test_so_does_one_whose_stream_opened(error: dict[str, Any]) -> None:
    async def broke(_: Asked, reply: Reply) -> None:
        await stream(reply, [MESSAGE[0], sse("error", error=error)])

    await serves_with_the_next("anthropic", broke, 200)


OTHERS = {
    "another reason": orjson.dumps({"error": {"message": "prompt is too long", "type": "invalid_request_error"}}),
    "no JSON": b"\xff\x00 what?",
    "long, and of credit": b'{"error":{"code":"insufficient_quota","message":"' + b"x" * LONGEST_BODY + b'"}}',
    "very long": b"x" * (3 * LONGEST_BODY + 1),
    "nothing": b"",
}


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("body", OTHERS)
async def test_a_400_for_any_other_reason_is_relayed_byte_for_byte(body: str, told: bool) -> None:
    async def handle(asked: Asked, reply: Reply) -> None:
        asked_with.append(asked.key)
        if told:
            await reply.whole(400, OTHERS[body], [JSON, ("x-request-id", "req_9")])
            return
        await reply.head(400, [JSON, ("x-request-id", "req_9")])
        for start in range(0, len(OTHERS[body]), 10_000):
            await reply.chunk(OTHERS[body][start : start + 10_000])
        await reply.end()

    asked_with: list[str] = []
    async with provider(handle) as url, world(url, KEYS[:2]) as here:
        answer = await ask(here.port)
        await here.event("interception.ended")
        assert here.bridge.providers["openai"].pool.keys[0].state is KeyState.VALID
        assert len(here.events("key.changed")) == 2  # what a start tells
        assert failures(here) == []
    assert asked_with == [KEYS[0]]
    assert (answer.status, answer.body, answer.complete) == (400, OTHERS[body], True)
    assert answer.header("x-request-id") == "req_9"


async def test_a_slow_400_goes_on_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_look, "HOLD_S", 0.05)
    seen = trio.Event()

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(400, [JSON])
        await reply.chunk(b'{"error":')
        await seen.wait()  # the rest comes only when the client has the beginning
        await reply.chunk(b'{"message":"no"}}')
        await reply.end()

    async with provider(handle) as url, world(url, KEYS[:2]) as here:
        with trio.fail_after(20):
            answer = await ask(here.port, on_chunk=lambda _: seen.set())
        assert failures(here) == []
    assert (answer.status, answer.body, answer.complete) == (400, b'{"error":{"message":"no"}}', True)


async def test_a_400_that_breaks_off_is_relayed_as_far_as_it_came() -> None:
    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(400, [JSON], length=100)
        await reply.raw(b'{"error":')
        await reply.stream.aclose()

    async with provider(handle) as url, world(url, KEYS[:2]) as here:
        answer = await ask(here.port)
        ended = await here.event("interception.ended")
    assert (answer.status, answer.body, answer.complete) == (400, b'{"error":', False)
    assert (ended.outcome, ended.attempts) == ("failed", 1)


@pytest.mark.parametrize("status", [200, 201, 404, 409, 422, 500, 503])
async def test_words_of_credit_elsewhere_touch_no_key(status: int) -> None:
    body = orjson.dumps({"error": {"message": BALANCE, "code": "insufficient_quota", "type": "insufficient_quota"}})

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.whole(status, body, [JSON])

    async with provider(handle) as url, world(url, KEYS[:2]) as here:
        answer = await ask(here.port, b'{"model":"m","input":"hello"}')
        await here.event("interception.ended")
        assert (answer.status, answer.body) == (status, body)
        assert [event.key for event in here.events("attempt.started")] == [FIRST]
        assert len(here.events("key.changed")) == 2


async def test_an_account_on_hold_is_dead() -> None:
    body = orjson.dumps(
        told_by_anthropic("permission_error", "on hold", details={"error_code": "organization_on_hold"})
    )

    async def held(_: Asked, reply: Reply) -> None:
        await reply.whole(400, body, [JSON])

    async with provider(all_but_the_first("openai", held)) as url, world(url, KEYS[:2]) as here:
        assert (await ask(here.port)).status == 200
        await here.event("interception.ended")
        assert failures(here) == [(1, FIRST, 400, "forbidden", None)]
        (dead,) = [event for event in here.events("key.changed") if event.state != "valid"]
        assert (dead.state, dead.reason, dead.source, dead.cause.text) == ("permanent", "forbidden", "check", "on hold")


ONE_KEY = {
    "401": (401, b'{"error": {"message": "no such key",\n "code": "invalid_api_key"} }'),
    "402": (402, b'{"error": {"message": "Insufficient Balance"} }'),
    "403": (403, b'{"error": {"message": "not this model"} }'),
    "429": (429, b'{"error": {"message": "slow down",  "code": "rate_limit_exceeded"} }'),
    "429 without sense": (429, b"<html>"),
    "429 that is long": (429, b"x" * (first_look.ERROR_BODY + 9)),
    "529": (529, b'{"error": {"message": "busy"} }'),
}


@pytest.mark.parametrize("form", ONE_KEY)
async def test_the_only_keys_failure_is_relayed_as_it_came(form: str) -> None:
    status, body = ONE_KEY[form]
    headers = [JSON, ("x-request-id", "req_1"), ("retry-after", "30"), ("x-should-retry", "false"), ("x-odd", "1, 2")]

    async def handle(asked: Asked, reply: Reply) -> None:
        if asked.method == "POST":
            await reply.whole(status, body, headers)
        else:
            await reply.whole(404, b"{}", [JSON])

    async with provider(handle) as url, world(url) as here:
        answer = await ask(here.port)
        ended = await here.event("interception.ended")
        assert len(here.events("attempt.failed")) == 1
    assert (answer.status, answer.body, answer.complete) == (status, body, True)
    assert [answer.header(name) for name, _ in headers] == [value for _, value in headers]
    assert (ended.outcome, ended.status, ended.attempts) == ("failed", status, 1)


async def test_a_key_that_is_cut_in_half_in_the_cause_is_told_to_nobody() -> None:
    words = b"x" * (failover.CAUSE_CHARACTERS - len(KEYS[0]) // 2)

    async def handle(asked: Asked, reply: Reply) -> None:
        await reply.whole(401, words + asked.key.encode(), [JSON])

    async with provider(handle) as url, world(url) as here:
        await ask(here.port)
        await here.event("interception.ended")
        (dead,) = [event for event in here.events("key.changed") if event.state != "valid"]
        failed = await here.event("attempt.failed")
    assert dead.cause.text.startswith(words.decode() + "sk-c...")
    assert failed.cause_text == dead.cause.text
    assert KEYS[0][: len(KEYS[0]) // 2] not in dead.cause.text


async def test_our_own_words_stand_where_nobody_was_asked() -> None:
    async def handle(_: Asked, reply: Reply) -> None:
        await reply.whole(401, b'{"error":{"message":"no"}}', [JSON])

    async with provider(handle) as url, world(url) as here:
        assert (await ask(here.port)).status == 401
        answer = await ask(here.port)
        await here.event("interception.ended", 2)
        assert len(here.events("attempt.started")) == 1
    assert (answer.status, answer.header("x-should-retry"), answer.header("retry-after")) == (502, "false", None)
    assert "the only API key" in answer.json["error"]["message"]


async def test_what_no_retry_mends_says_so() -> None:
    async with provider(say_hello) as url, world(url, ()) as here:
        no_key = await ask(here.port)
        background = await ask(here.port, {"model": "m", "input": "hello", "background": True})
        wrong = await ask(here.port, b"{")
    assert (no_key.status, no_key.header("x-should-retry")) == (502, "false")
    assert (background.status, background.header("x-should-retry")) == (501, "false")
    assert wrong.header("x-should-retry") is None


async def test_keys_that_are_well_leave_a_retry_its_chance() -> None:
    async def handle(asked: Asked, reply: Reply) -> None:
        if asked.method == "GET":
            await reply.whole(200, b"{}", [JSON])
        else:
            await reply.whole(529 if asked.key == KEYS[0] else 403, b"{}", [JSON])

    async with provider(handle) as url, world(url, KEYS[:2]) as here:
        answer = await ask(here.port)
    assert (answer.status, answer.header("x-should-retry")) == (502, None)


async def test_a_key_that_says_again_at_once_is_not_asked_without_end() -> None:
    """Each rest is at least a second, so a wait of 2 s has room for three attempts at most: at 0, 1 and 2 s."""

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.whole(429, b'{"error":{"message":"again"}}', [JSON, ("retry-after", "0")])

    async with provider(handle) as url, world(url, wait_for_key=2.0) as here:
        answer = await ask(here.port)
        ended = await here.event("interception.ended")
    assert (answer.status, answer.json) == (429, {"error": {"message": "again"}})
    assert 2 <= ended.attempts <= 3


@pytest.mark.parametrize("encoding", ["gzip", "br", "gzip, not really"])
async def test_an_error_in_an_encoding_is_read_and_relayed_as_it_came(encoding: str) -> None:
    plain = orjson.dumps(told_by_anthropic("invalid_request_error", BALANCE))
    body = gzip.compress(plain) if encoding == "gzip" else plain

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.whole(400, body, [JSON, ("content-encoding", encoding.partition(",")[0])])

    async with provider(handle) as url, world(url) as here:
        answer = await ask(here.port)
        await here.event("interception.ended")
        reasons = [event.reason for event in here.events("attempt.failed")]
    assert (answer.status, answer.body) == (400, body)
    assert reasons == (["quota_exhausted"] if encoding == "gzip" else [])
