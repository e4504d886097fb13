"""What is too large, too deep or too many to be read cheaply goes by unread, and the record says why."""

from __future__ import annotations

import gzip
import importlib
import sys
from typing import Any

import pytest
import trio
from attrs import evolve

from bridge.apis.chat_completions.api import ChatCompletions
from bridge.apis.json_text import TOO_DEEP, TOO_MANY_MARKS
from bridge.apis.protocol import UnreadableRequest
from bridge.apis.shortening import CUT
from bridge.events.vocabulary import InterceptionEnded, InterceptionStarted
from bridge.interception import reading
from bridge.interception.reading import NO_ROOM, TOO_LARGE, UNKNOWN_ENCODING, ReadRequest
from bridge.limits import LIMITS, MIB, READING
from tests.support.world import HELLO, Asked, Reply, ask, provider, say_hello, world

zstd: Any = importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
brotli: Any = importlib.import_module("brotli")

CHAT = ChatCompletions()


async def read(body: bytes, encoding: bytes | None = None) -> ReadRequest:
    found = await reading.read(CHAT, "/v1/chat/completions", body, encoding)
    assert READING.used == 0
    return found


def request(content: bytes, *, stream: bytes = b"false") -> bytes:
    return b'{"model":"m","stream":' + stream + b',"messages":[{"role":"user","content":' + content + b"}]}"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"input":[' + b"[]," * 12_000_000 + b"[]]}", TOO_MANY_MARKS),
        (b'{"input":[' + b"[]," * (LIMITS.read_request_marks // 3 + 1) + b"[]]}", TOO_MANY_MARKS),
        (b"{" + b'"a":0,' * (LIMITS.read_request_colons + 1) + b'"b":0}', TOO_MANY_MARKS),
        (b'{"a":"' + b"x" * LIMITS.read_request_bytes + b'"}', TOO_LARGE),
        (b'{"input":' + b"[" * 10_000 + b"]" * 10_000 + b"}", TOO_DEEP),
        (b'{"input":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}", TOO_DEEP),
        (b'{"input":' + b"[" * 1_900_000, TOO_DEEP),
    ],
    ids=lambda value: str(value[:16]),
)
async def test_what_costs_too_much_is_relayed_as_it_came(body: bytes, why: str) -> None:
    found = await read(body)
    assert found.body is body
    assert (found.unread, found.facts.model) == (why, None)


async def test_as_much_as_is_allowed_is_read() -> None:
    many = b"[" + b"1," * (LIMITS.read_request_marks - 20) + b"1]"
    found = await read(request(many))
    assert (found.unread, found.facts.model) == (None, "m")
    text = b'"' + b"x" * (LIMITS.whole_request_bytes - 1000) + b'"'
    found = await read(request(text))
    assert (found.unread, len(found.facts.prompt or "")) == (None, LIMITS.whole_request_bytes - 1000)
    text = b'"' + b"x" * (LIMITS.read_request_bytes - 1000) + b'"'
    found = await read(request(text))
    assert (found.unread, found.facts.model) == (None, "m")
    assert CUT.decode() in (found.facts.prompt or "")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"[" * 10_000,
        b"[" + b"[]," * 1_000_000 + b"[]]",
        b"x" * (LIMITS.read_request_bytes + 1),
        b'{"a":1',
        b'{"a":"' + b"x" * 2 * MIB,
    ],
    ids=lambda body: str(body[:8]),
)
async def test_what_is_no_object_is_refused_at_any_size(body: bytes) -> None:
    with pytest.raises(UnreadableRequest):
        await read(body)


async def test_half_characters_in_a_large_request_are_forgiven() -> None:
    found = await read(request(b'"' + b"x" * 2 * MIB + b'\\ud83d"'))
    assert (found.unread, found.facts.model) == (None, "m")
    too_large = await read(request(b'"' + b"x" * LIMITS.lenient_bytes + b'\\ud83d"'))
    assert too_large.unread is not None
    assert too_large.unread.startswith("no plain JSON, and too large to look closer")


async def test_a_large_request_is_read_elsewhere_and_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    gone_on = trio.Event()
    kept = reading._read

    def slow(*arguments: object) -> ReadRequest:
        trio.from_thread.run(gone_on.wait)  # which fails on the loop itself
        return kept(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(reading, "_read", slow)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(read, request(b'"' + b"x" * 2 * MIB + b'"', stream=b"true"))
        await trio.testing.wait_all_tasks_blocked()
        gone_on.set()


async def test_what_is_read_at_one_time_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    body = request(b'"' + b"x" * 2 * MIB + b'"')
    monkeypatch.setattr(READING, "total", 3 * MIB)
    assert READING.take(2 * MIB)  # as another request does
    found = await reading.read(CHAT, "/", body, None)
    READING.give_back(2 * MIB)
    assert (found.body, found.unread) == (body, NO_ROOM)
    assert (await read(body)).unread is None
    many = b"[" + b"1," * MIB + b"1]"
    assert (await read(request(many))).unread == NO_ROOM  # what it would take in memory counts, too


async def test_what_is_encoded_is_read_elsewhere_and_within_bounds() -> None:
    packed = gzip.compress(request(b'"hello"'))
    found = await read(packed, b"gzip")
    assert (found.body, found.unread, found.facts.prompt) == (packed, None, "hello")
    assert (await read(gzip.compress(b"x" * 50_000_000), b"gzip")).unread == TOO_LARGE
    assert (await read(b"?", b"compress")).unread == UNKNOWN_ENCODING
    with pytest.raises(UnreadableRequest, match="not in the encoding"):
        await read(b"not gzip", b"gzip")
    with pytest.raises(UnreadableRequest, match="not in the encoding"):
        await read(packed[:-4], b"gzip")


@pytest.mark.parametrize(("encoding", "packer"), [(b"zstd", zstd), (b"br", brotli)], ids=["zstd", "br"])
async def test_what_is_in_zstd_or_br_is_read_within_the_same_bounds(encoding: bytes, packer: Any) -> None:
    packed = packer.compress(request(b'"hello"'))
    found = await read(packed, encoding)
    assert (found.body, found.unread, found.facts.prompt) == (packed, None, "hello")
    assert (await read(packer.compress(b"x" * 50_000_000), encoding)).unread == TOO_LARGE
    assert (await read(packed, encoding + b", gzip")).unread == UNKNOWN_ENCODING
    for broken in (b"not so encoded", packed[:-4], packed + b"garbage"):
        with pytest.raises(UnreadableRequest, match="not in the encoding"):
            await read(broken, encoding)


@pytest.mark.parametrize(("encoding", "packer"), [("zstd", zstd), ("br", brotli)], ids=["zstd", "br"])
async def test_a_request_in_zstd_or_br_is_told_and_crosses_byte_for_byte(encoding: str, packer: Any) -> None:
    packed = packer.compress(b'{"model":"gpt-5.2-codex","stream":true,"input":"look round"}')
    crossed: list[tuple[bytes, str | None]] = []

    async def handle(asked: Asked, reply: Reply) -> None:
        crossed.append((asked.body, asked.header("content-encoding")))
        await say_hello(asked, reply)

    async with provider(handle) as url, world(url) as here:
        answer = await ask(here.port, packed, headers=[("content-encoding", encoding)])
        await here.event("interception.ended")
        (started,) = [event for event in here.events() if isinstance(event, InterceptionStarted)]
        (prompt,) = here.events("prompt.recorded")
    assert (answer.status, crossed) == (200, [(packed, encoding)])
    assert (started.unread, started.model, prompt.text) == (None, "gpt-5.2-codex", "look round")


async def test_the_bridge_relays_it_and_tells_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LIMITS", evolve(LIMITS, read_request_bytes=2 * MIB))
    body = b'{"model":"m","stream":true,"input":"' + b"x" * 3 * MIB + b'"}'
    async with provider(say_hello) as url, world(url) as here:
        assert (await ask(here.port, body)).body == b"".join(HELLO)
        ended = await here.event("interception.ended")
        assert isinstance(ended, InterceptionEnded)
        (started,) = [event for event in here.events() if isinstance(event, InterceptionStarted)]
    assert (started.unread, started.model) == (TOO_LARGE, None)
    assert ended.outcome == "completed"
