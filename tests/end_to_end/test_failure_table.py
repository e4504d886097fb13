"""The table of failures: API x streaming x failure x what else is in the pool, one test per cell.

Each cell says what the client gets (status, Retry-After, whose body), how the attempt is told, and what becomes of the
key (docs/behaviour.md, Key pool and Failure types).
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import orjson
import pytest
import trio
import trustme
from attrs import Factory, frozen

from bridge.events.values import FailureReason, KeyState
from bridge.keys.verdict import Failure
from tests.support.until import until
from tests.support.world import KEYS, STREAM, Answered, Asked, Hang, Reply, World, ask, provider, sse, world

FIRST, SECOND = KEYS[:2]
GOOD, COOLING, DEAD = "others good", "all cooling", "all dead"
APIS = {"responses": "openai", "chat_completions": "openai", "messages": "anthropic"}
PATHS = {"responses": "/v1/responses", "chat_completions": "/v1/chat/completions", "messages": "/v1/messages"}
THE_OTHERS_REST_S = 30


def chat(**fields: Any) -> bytes:
    """One event of a Chat Completions stream."""
    return b"data: " + orjson.dumps(fields) + b"\n\n"


SERVED: dict[str, list[bytes]] = {
    "responses": [
        sse("response.created", response={"id": "resp_1"}),
        sse("response.output_text.delta", delta="ok"),
        sse("response.completed", response={"id": "resp_1", "output": []}),
    ],
    "chat_completions": [chat(id="c1", choices=[{"index": 0, "delta": {"content": "ok"}}]), b"data: [DONE]\n\n"],
    "messages": [
        sse("message_start", message={"id": "msg_1", "usage": {"input_tokens": 1, "output_tokens": 1}}),
        sse("content_block_delta", index=0, delta={"type": "text_delta", "text": "ok"}),
        sse("message_stop"),
    ],
}
LIMIT_EVENT = {
    "responses": sse("error", code="rate_limit_exceeded", message="try again in 7s", sequence_number=1),
    "chat_completions": chat(error={"code": "rate_limit_exceeded", "message": "try again in 7s"}),
    "messages": sse("error", error={"type": "rate_limit_error", "message": "try again in 7s"}),
}
WHOLE = b'{"id":"whole_1"}'
"""A good answer to a blocking request."""


def error(api: str, code: str, message: str = "no") -> bytes:
    """An upstream's error body."""
    if api == "messages":
        return orjson.dumps({"type": "error", "error": {"type": code, "message": message}})
    return orjson.dumps({"error": {"message": message, "type": code, "code": code}})


@frozen
class Case:
    """One failure of the first key. `client` and `wait` are by what else is in the pool; None: no Retry-After of ours.

    `relayed`: the client gets upstream's own answer wherever that status is upstream's.
    """

    reason: str
    state: KeyState
    client: dict[str, int]
    wait: dict[str, int] = Factory(dict)
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: tuple[str, str] = ("some_error", "no")
    cooldown: float | None = None
    check: int = 401
    streaming_only: bool = False


LIMITED = {GOOD: 200, COOLING: 429, DEAD: 429}
REFUSED = {GOOD: 200, COOLING: 429, DEAD: 403}
IN_THREE_DAYS = format_datetime(datetime.now(UTC) + timedelta(days=3), usegmt=True)
"""A Retry-After beyond the longest that is believed, 24 h: exact, however slowly the tests run."""


def limited(cooldown: float, *headers: tuple[str, str], **more: Any) -> Case:
    """A 429 that makes the key rest."""
    wait = {COOLING: min(int(cooldown), THE_OTHERS_REST_S), DEAD: int(cooldown)}
    return Case("rate_limited", KeyState.TEMPORARY, LIMITED, wait, 429, headers, cooldown=cooldown, **more)


CASES: dict[str, Case] = {
    "429 short": limited(7, ("retry-after", "7")),
    "429 long": limited(1200, ("retry-after", "1200")),
    "429 without header": limited(60),
    "429 date header": limited(86_400, ("retry-after", IN_THREE_DAYS)),
    "quota": Case(
        "quota_exhausted",
        KeyState.TEMPORARY,
        LIMITED,
        {COOLING: THE_OTHERS_REST_S, DEAD: 3600},
        429,
        body=("insufficient_quota", "Your credit balance is too low"),
        cooldown=3600,
    ),
    "401": Case(
        "unauthorized", KeyState.PERMANENT, {GOOD: 200, COOLING: 429, DEAD: 502}, {COOLING: THE_OTHERS_REST_S}, 401
    ),
    "403 key": Case("forbidden", KeyState.PERMANENT, REFUSED, {COOLING: THE_OTHERS_REST_S}, 403, check=403),
    "403 model": Case("forbidden", KeyState.VALID, REFUSED, {COOLING: THE_OTHERS_REST_S}, 403, check=200),
    "500": Case("server_error", KeyState.VALID, dict.fromkeys((GOOD, COOLING, DEAD), 500), {}, 500),
    "503 with Retry-After": Case(
        "overloaded", KeyState.TEMPORARY, LIMITED, {COOLING: 2, DEAD: 2}, 503, (("retry-after", "2"),), cooldown=2
    ),
    "529": Case("overloaded", KeyState.VALID, {GOOD: 200, COOLING: 429, DEAD: 529}, {COOLING: THE_OTHERS_REST_S}, 529),
    "connect refused": Case("connect_error", KeyState.VALID, dict.fromkeys((GOOD, COOLING, DEAD), 502)),
    "TLS failure": Case("connect_error", KeyState.VALID, dict.fromkeys((GOOD, COOLING, DEAD), 502)),
    "timeout before headers": Case("timeout", KeyState.VALID, dict.fromkeys((GOOD, COOLING, DEAD), 504)),
    "error as first stream event": Case(
        "rate_limited",
        KeyState.TEMPORARY,
        dict.fromkeys((GOOD, COOLING, DEAD), 200),
        status=200,
        cooldown=7,
        streaming_only=True,
    ),
    "error after content": Case(
        "",
        KeyState.TEMPORARY,
        dict.fromkeys((GOOD, COOLING, DEAD), 200),
        status=200,
        streaming_only=True,
    ),
}

CELLS = [
    pytest.param(api, streaming, name, rest, id=f"{api}-{'stream' if streaming else 'blocking'}-{name}-{rest}")
    for api in APIS
    for streaming in (True, False)
    for name, case in CASES.items()
    for rest in (GOOD, COOLING, DEAD)
    if streaming or not case.streaming_only
]


@pytest.mark.parametrize(("api", "streaming", "name", "rest"), CELLS)
async def test_cell(api: str, *, streaming: bool, name: str, rest: str) -> None:
    case = CASES[name]
    async with failing(api, name) as url, pool_of_two(url, api, name, rest) as here:
        answer = await ask(here.port, {"model": "m", "stream": streaming}, path="/openai" + PATHS[api])
        ended = await here.event("interception.ended")
        await here.event("key.changed", 2 if case.state is KeyState.VALID else 3)
        await until(lambda: state_of_first(here) is case.state)  # a check may be on its way
        tell = (answer.status, ended.status, ended.outcome)
        check_client(answer, api, name, rest, streaming=streaming)
        assert ended.status == answer.status, tell
        failed = here.events("attempt.failed")
        if case.reason:
            assert [(event.attempt, event.reason, event.status) for event in failed] == [
                (1, case.reason, case.status)
            ], tell
            if case.cooldown is None:
                assert failed[0].cooldown_s is None
            else:
                assert failed[0].cooldown_s == pytest.approx(case.cooldown, abs=2)
        else:
            assert failed == []


def check_client(answer: Answered, api: str, name: str, rest: str, *, streaming: bool) -> None:
    """What the client got."""
    case = CASES[name]
    assert answer.status == case.client[rest]
    wait = case.wait.get(rest)
    if wait is not None:
        assert int(answer.header("retry-after") or "-1") == pytest.approx(wait, abs=2)
    if name == "error after content":
        assert answer.body == SERVED[api][0] + content(api) + LIMIT_EVENT[api]
    elif name == "error as first stream event" and rest != GOOD:
        assert answer.body == opening(api) + LIMIT_EVENT[api]
    elif answer.status == 200:
        assert answer.body == (b"".join(SERVED[api]) if streaming else WHOLE)
    elif answer.status == case.status and wait is None:
        assert answer.body == error(api, *case.body)  # upstream's own
    else:
        kinds = {429: "rate_limit_error", 502: "api_error", 504: "timeout_error" if api == "messages" else "api_error"}
        assert answer.json["error"]["type"] == kinds[answer.status]
        assert ("type" in answer.json) is (api == "messages")


def opening(api: str) -> bytes:
    """What may come of a stream before its first event that counts."""
    return b"" if api == "chat_completions" else SERVED[api][0]


def content(api: str) -> bytes:
    """The first piece of an answer, where the opening is not one already."""
    return b"" if api == "chat_completions" else SERVED[api][1]


@asynccontextmanager
async def failing(api: str, name: str) -> AsyncIterator[str]:
    """A provider whose first key fails so, and whose second is served."""
    case = CASES[name]
    if name == "connect refused":
        yield "http://127.0.0.1:1/v1"
        return
    if name == "TLS failure":
        async with tls_of_a_stranger() as url:
            yield url
        return

    async def handle(asked: Asked, reply: Reply) -> None:
        key = asked.header("x-api-key") or asked.key
        if asked.method == "GET":
            await reply.whole(case.check, b"{}")
        elif key == SECOND:
            await serve(asked, reply, SERVED[api])
        elif name == "timeout before headers":
            await reply.until_closed()
            raise Hang
        elif name == "error as first stream event":
            await serve(asked, reply, [opening(api), LIMIT_EVENT[api]])
        elif name == "error after content":
            await serve(asked, reply, [SERVED[api][0], content(api), LIMIT_EVENT[api]])
        else:
            assert case.status is not None
            await reply.whole(
                case.status, error(api, *case.body), [("content-type", "application/json"), *case.headers]
            )

    async with provider(handle) as url:
        yield url


async def serve(asked: Asked, reply: Reply, events: Sequence[bytes]) -> None:
    """Answers as asked: with events, or with a body."""
    if not orjson.loads(asked.body)["stream"]:
        await reply.whole(200, WHOLE, [("content-type", "application/json")])
        return
    await reply.head(200, STREAM)
    for event in filter(None, events):
        await reply.chunk(event)
    await reply.end()


@asynccontextmanager
async def tls_of_a_stranger() -> AsyncIterator[str]:
    """A TLS server whose certificate nobody here trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

    async def handshake(stream: trio.SSLStream[trio.SocketStream]) -> None:
        try:
            await stream.do_handshake()
        except trio.BrokenResourceError:
            await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_ssl_over_tcp_listeners(0, context, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, handshake, listeners)
        tcp = listeners[0].transport_listener
        assert isinstance(tcp, trio.SocketListener)
        port = tcp.socket.getsockname()[1]
        yield f"https://127.0.0.1:{port}/v1"
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def pool_of_two(url: str, api: str, name: str, rest: str) -> AsyncIterator[World]:
    """A bridge with two keys, the second in the state that the cell asks for."""
    timeout = 0.05 if name == "timeout before headers" else 30
    kind = APIS[api]
    base = url.removesuffix("/v1") if kind == "anthropic" else url
    async with world(base, (FIRST, SECOND), type=kind, idle_timeout=timeout, request_timeout=timeout) as here:
        pool = here.bridge.providers["openai"].pool
        second = pool.keys[1]
        if rest == COOLING:
            pool.fail(second, Failure(FailureReason.RATE_LIMITED, THE_OTHERS_REST_S, "header"))
        elif rest == DEAD:
            pool.fail(second, Failure(FailureReason.UNAUTHORIZED, permanent=True))
        yield here


def state_of_first(here: World) -> KeyState:
    """The state in which a new subscriber would see the first key."""
    return here.bridge.hub.picture.keys["openai", "sk-c...0001"].state
