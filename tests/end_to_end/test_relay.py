"""What crosses the bridge, in both directions: bytes, headers, pace, and how it looks when upstream breaks off."""

from __future__ import annotations

import gzip

import pytest
import trio

from bridge.interception import relay
from tests.support.world import HELLO, RESPONSES, Asked, Hang, Reply, ask, provider, say_hello, sse, world

STREAM = [("content-type", "text/event-stream; charset=utf-8")]


async def test_a_stream_reaches_the_client_byte_for_byte_and_is_read() -> None:
    async with provider(say_hello) as url, world(url) as here:
        answer = await ask(here.port)
        assert (answer.status, answer.body, answer.complete) == (200, b"".join(HELLO), True)
        assert answer.header("x-request-id") == "req_1"
        ended = await here.event("interception.ended")
        assert answer.header("x-clearspan-interception") == ended.id
        (prompt,) = here.events("prompt.recorded")
        (tokens,) = here.events("tokens.used")
        assert (prompt.text, prompt.response_id) == ("hello", "resp_1")
        assert (tokens.input, tokens.output) == (12, 3)
        assert (ended.outcome, ended.status, ended.attempts) == ("completed", 200, 1)
        assert ended.bytes_out == len(answer.body)


async def test_each_chunk_goes_on_as_it_comes() -> None:
    received = trio.Event()

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(HELLO[0][:10])  # not even a whole line
        await received.wait()
        await reply.chunk(HELLO[0][10:])
        await reply.end()

    async with provider(handle) as url, world(url) as here:
        with trio.fail_after(5):
            answer = await ask(here.port, on_chunk=lambda _: received.set())
        assert answer.body == HELLO[0]


async def test_what_goes_upstream_of_a_request() -> None:
    seen: list[Asked] = []

    async def handle(asked: Asked, reply: Reply) -> None:
        seen.append(asked)
        await reply.whole(200, b"{}", [("content-type", "application/json")])

    body = b'{ "model":"m",\n "input": "\xc3\xa9",  "unknown": [1,{"x":null}] }'
    sent = [
        ("User-Agent", "agent/1"),
        ("Authorization", "Bearer clearspan"),
        ("Cookie", "secret=1"),
        ("Connection", "close, X-Mine"),
        ("X-Mine", "1"),
        ("TE", "trailers"),
        ("Accept-Encoding", "gzip"),
        ("X-Forwarded-For", "1.2.3.4"),
        ("Forwarded", "for=1.2.3.4"),
        ("X-Real-IP", "1.2.3.4"),
        ("X-Clearspan-Anything", "1"),
        ("OpenAI-Beta", "a"),
        ("X-Odd", "a\xe9"),
    ]
    async with provider(handle) as url, world(url, extra_headers={"X-Team": "blue"}) as here:
        answer = await ask(here.port, body, path=f"{RESPONSES}?a=%20b", headers=sent)
    assert answer.status == 200
    (asked,) = seen
    assert (asked.method, asked.target, asked.body) == ("POST", "/v1/responses?a=%20b", body)
    names = {name.lower().decode() for name, _ in asked.headers}
    expected = {"host", "content-length", "content-type", "user-agent", "openai-beta", "x-odd", "x-team"}
    assert names == expected | {"accept-encoding", "authorization"}
    assert asked.header("authorization") == "Bearer sk-canary-first-0001"
    assert asked.header("accept-encoding") == "identity"
    assert asked.header("user-agent") == "agent/1"
    assert asked.header("x-odd") == "a\xe9"


async def test_what_comes_down_of_an_answer() -> None:
    headers = [
        *STREAM,
        ("Connection", "keep-alive, x-hop"),
        ("X-Hop", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Retry-After", "3"),
        ("openai-version", "2020"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("x-ratelimit-remaining-requests", "9"),
    ]

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(404, headers)
        await reply.chunk(b"no such model")
        await reply.end()

    async with provider(handle) as url, world(url) as here:
        answer = await ask(here.port)
    names = [name.lower().decode() for name, _ in answer.headers]
    assert names.count("set-cookie") == 2
    assert {"retry-after", "openai-version", "x-ratelimit-remaining-requests", "content-type"} <= set(names)
    assert not {"x-hop", "keep-alive", "connection"} & set(names)
    assert (answer.status, answer.body) == (404, b"no such model")


async def test_no_cookie_is_kept_between_requests() -> None:
    seen: list[Asked] = []

    async def handle(asked: Asked, reply: Reply) -> None:
        seen.append(asked)
        await reply.whole(200, b"{}", [("set-cookie", "session=stolen; Path=/")])

    async with provider(handle) as url, world(url) as here:
        await ask(here.port)
        await ask(here.port)
    assert [asked.header("cookie") for asked in seen] == [None, None]


async def test_a_redirect_is_not_followed() -> None:
    async def handle(asked: Asked, reply: Reply) -> None:
        assert asked.target == "/v1/responses"
        await reply.whole(307, b"", [("location", "http://127.0.0.1:1/v1/elsewhere")])

    async with provider(handle) as url, world(url) as here:
        answer = await ask(here.port)
    assert (answer.status, answer.header("location")) == (307, "http://127.0.0.1:1/v1/elsewhere")


async def test_an_encoded_answer_is_relayed_as_it_is_and_read_all_the_same() -> None:
    packed = gzip.compress(b"".join(HELLO))

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, [*STREAM, ("content-encoding", "gzip")])
        await reply.chunk(packed[:20])
        await reply.chunk(packed[20:])
        await reply.end()

    async with provider(handle) as url, world(url) as here:
        answer = await ask(here.port)
        await here.event("interception.ended")
        assert answer.body == packed
        assert answer.header("content-encoding") == "gzip"
        assert here.events("tokens.used")[0].output == 3


@pytest.mark.parametrize("between", [True, False])
async def test_upstream_breaks_off(between: bool) -> None:
    sent = HELLO[0] if between else HELLO[0][:-5]

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(sent)
        raise Hang

    async with provider(handle) as url, world(url) as here:
        answer = await ask(here.port)
        ended = await here.event("interception.ended")
    assert not answer.complete
    assert answer.body.startswith(sent)
    assert (b"event: error" in answer.body) is between
    assert ended.outcome == "failed"
    assert "upstream" in ended.error


async def test_a_stream_without_its_last_event_is_relayed_whole_and_told_as_failed() -> None:
    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(HELLO[0])
        await reply.end()

    async with provider(handle) as url, world(url) as here:
        answer = await ask(here.port)
        ended = await here.event("interception.ended")
    assert (answer.complete, answer.body) == (True, HELLO[0])
    assert ended.outcome == "failed"


async def test_keep_alives_come_between_events_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "SILENCE_S", 0.02)
    comments = trio.Event()
    body = bytearray()

    def watch(chunk: bytes) -> None:
        body.extend(chunk)
        if body.count(b": keep-alive") >= 2:
            comments.set()

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(HELLO[0] + HELLO[1][:7])
        await trio.sleep(0.1)  # silent inside an event: five times the time after which a comment may come
        await reply.chunk(HELLO[1][7:])
        await comments.wait()
        await reply.chunk(HELLO[2])
        await reply.end()

    async with provider(handle) as url, world(url) as here:
        with trio.fail_after(5):
            await ask(here.port, on_chunk=watch)
    events = [event for event in bytes(body).split(b"\n\n") if event]
    assert [event + b"\n\n" for event in events if not event.startswith(b":")] == HELLO
    assert bytes(body).startswith(HELLO[0] + HELLO[1])


async def test_a_large_event_is_relayed_whatever_the_reader_thinks_of_it() -> None:
    huge = sse("response.output_text.delta", delta="x" * (9 * 1024 * 1024))

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        for event in (HELLO[0], huge, HELLO[2]):
            await reply.chunk(event)
        await reply.end()

    async with provider(handle) as url, world(url) as here:
        answer = await ask(here.port)
        await here.event("interception.ended")
        assert answer.body == HELLO[0] + huge + HELLO[2]
        assert here.events("tokens.used")[0].output == 3


@pytest.mark.parametrize("body", [b"", b"not json", b"[1]", b'"text"', b"\xff\xfe"])
async def test_a_body_that_is_no_json_object_is_answered_and_not_sent(body: bytes) -> None:
    async def handle(_: Asked, __: Reply) -> None:
        raise AssertionError("it went upstream")

    async with provider(handle) as url, world(url) as here:
        answer = await ask(here.port, body)
        ended = await here.event("interception.ended")
    assert (answer.status, answer.json["error"]["type"]) == (400, "invalid_request_error")
    assert ended.outcome == "rejected"


async def test_a_background_response_is_refused() -> None:
    async with provider(say_hello) as url, world(url) as here:
        answer = await ask(here.port, {"model": "m", "input": "x", "background": True})
    assert answer.status == 501
    assert "background" in answer.json["error"]["message"]


async def test_a_blocking_answer_is_relayed_and_read() -> None:
    body = b'{"id":"resp_9","output":[],"usage":{"input_tokens":5,"output_tokens":1}}'

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.whole(200, body, [("content-type", "application/json")])

    async with provider(handle) as url, world(url) as here:
        answer = await ask(here.port, {"model": "m", "input": "x"})
        await here.event("interception.ended")
        assert answer.body == body
        assert answer.header("content-length") == str(len(body))
        assert here.events("prompt.recorded")[0].response_id == "resp_9"
        assert here.events("interception.started")[0].streaming is False


async def test_no_answer_is_502_and_a_late_one_504() -> None:
    async def handle(_: Asked, reply: Reply) -> None:
        await reply.until_closed()

    async with world("http://127.0.0.1:1/v1") as here:
        answer = await ask(here.port)
        failed = await here.event("attempt.failed")
    assert (answer.status, answer.json["error"]["code"]) == (502, "server_error")
    assert (failed.reason, failed.status) == ("connect_error", None)
    async with provider(handle) as url, world(url, idle_timeout=0.05) as here:
        answer = await ask(here.port)
    assert answer.status == 504


async def test_nothing_is_put_into_a_stream_of_known_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "SILENCE_S", 0.01)

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM, length=len(HELLO[0]) + 100)
        await reply.raw(HELLO[0])
        await trio.sleep(0.05)  # silent between two events: five times the time after which a comment may come
        raise Hang

    async with provider(handle) as url, world(url) as here:
        answer = await ask(here.port)
        ended = await here.event("interception.ended")
    assert (answer.body, answer.complete, ended.outcome) == (HELLO[0], False, "failed")
