"""A provider that answers before it has the whole request: its word goes on at once, to the client or to the pool."""

from __future__ import annotations

import orjson
import pytest
import trio

from bridge.config.settings import CircuitBreakerSettings
from tests.support.early_answers import EarlyConnection, answering_early
from tests.support.world import KEYS, ask, world

SIZE = 20_000_000
"""More than the kernel takes for a server that does not read."""
LONG = orjson.dumps({"model": "m", "input": "x" * SIZE})
ANSWER = b'{"id":"resp_1","status":"completed","output":[],"usage":{"input_tokens":1}}'
JSON = b"Content-Type: application/json\r\n"


def whole(status: int, body: bytes, headers: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d Odd\r\n%b%bContent-Length: %d\r\n\r\n%b" % (status, JSON, headers, len(body), body)


async def test_a_limited_key_is_left_for_the_next_which_gets_all_of_the_request() -> None:
    async def limit_the_first(connection: EarlyConnection) -> None:
        if connection.key == KEYS[0]:
            await connection.say(whole(429, b'{"error":{"message":"later"}}', b"Retry-After: 30\r\n"))
            await connection.until_left()
        assert await connection.read_body() == LONG
        await connection.say(whole(200, ANSWER))

    async with answering_early(limit_the_first) as (url, server), world(url, KEYS[:2]) as here:
        with trio.fail_after(60):
            answer = await ask(here.port, LONG)
        ended = await here.event("interception.ended")
        (failed,) = here.events("attempt.failed")
    assert (answer.status, answer.body) == (200, ANSWER)
    assert (failed.status, failed.reason, failed.cause_text) == (429, "rate_limited", "later")
    assert (ended.outcome, ended.attempts, ended.request_equal, ended.answer_equal) == ("completed", 2, True, True)
    assert server.connections == 2


async def test_a_refusal_reaches_the_client_and_no_circuit_opens() -> None:
    async def refuse(connection: EarlyConnection) -> None:
        if connection.length > 1000:
            await connection.say(whole(413, b'{"error":{"message":"too long"}}'))
            await connection.until_left()
        await connection.read_body()
        await connection.say(whole(200, ANSWER))

    circuit = CircuitBreakerSettings(failure_threshold=1)
    async with answering_early(refuse) as (url, _), world(url, KEYS[:2], circuit_breaker=circuit) as here:
        for _ in range(2):
            with trio.fail_after(60):
                answer = await ask(here.port, LONG)
            assert (answer.status, answer.body) == (413, b'{"error":{"message":"too long"}}')
        served = await ask(here.port, {"model": "m", "input": "hello"})
        first, _, last = [await here.event("interception.ended", count) for count in (1, 2, 3)]
        assert here.events("circuit.changed", "attempt.failed") == []
    assert (first.outcome, first.status, first.error_type, first.attempts) == ("failed", 413, "bad_request", 1)
    assert (first.request_equal, first.answer_equal) == (None, True)  # it did not go out whole, so there is no proof
    assert (served.status, last.outcome, last.request_equal) == (200, "completed", True)


@pytest.mark.parametrize("length_told", [True, False])
async def test_an_upload_that_is_refused_while_its_client_still_sends(length_told: bool) -> None:
    """Here the client waits for the answer with half of its body; so does one that sends it all and then looks."""
    refusal = b'{"error":{"message":"bad key"}}'

    async def refuse(connection: EarlyConnection) -> None:
        await connection.say(whole(401, refusal))
        await connection.until_left()

    framing = f"Content-Length: {SIZE}" if length_told else "Transfer-Encoding: chunked"
    head = "POST /openai/v1/files HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{}\r\n\r\n"
    async with answering_early(refuse) as (url, server), world(url, KEYS[:2]) as here:
        async with await trio.open_tcp_stream("127.0.0.1", here.port) as client:
            await client.send_all(head.format(here.port, framing).encode())
            begun = b"x" * 2_000_000
            await client.send_all(begun if length_told else b"%x\r\n%b\r\n" % (len(begun), begun))
            answer = bytearray()
            with trio.fail_after(30):
                while refusal not in answer:
                    answer += await client.receive_some()
        ended = await here.event("interception.ended")
        (failed,) = here.events("attempt.failed")
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert (failed.status, failed.reason) == (401, "unauthorized")
    assert (ended.status, ended.attempts, ended.request_equal) == (401, 1, None)
    assert server.connections == 1
