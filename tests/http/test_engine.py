"""The engine of one connection by itself, where a client could hardly bring it about."""

from __future__ import annotations

from typing import Any

import trio
from hypercorn.events import Event, RawData
from hypercorn.trio.worker_context import WorkerContext

from bridge.http.engine import Http1, RequestTasks, engine_config

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"


class NoTasks:
    """Fails where the app is started."""

    async def spawn_app(self, *_: Any) -> None:
        """There is no app."""
        raise AssertionError("the app was asked")


async def test_a_request_behind_a_break_is_not_looked_at() -> None:
    """To h11, a request is a fault of its own then: `KeyError: (Request, CLIENT)`, and an AttributeError after it."""
    asked: list[Event] = []

    async def note(event: Event) -> None:
        asked.append(event)

    unused: Any = None
    tasks: Any = NoTasks()
    here = ("127.0.0.1", 1)
    engine = Http1(unused, engine_config(), WorkerContext(None), tasks, here, here, note, unused, int)
    engine.break_off()
    await engine.handle(RawData(GET))
    await engine.handle(RawData(b"no HTTP\r\n\r\n"))
    assert asked == []


async def test_what_is_there_with_the_head_goes_with_it_and_the_end_is_nothing_of_its_own() -> None:
    """Two sends, each with a turn of the scheduler, would be told apart by nobody but the clock."""
    assert await sent_for([(b"content-length", b"2")], b"ok") == [
        b"HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\nok",
    ]


async def test_a_chunk_of_nothing_does_not_end_an_answer() -> None:
    head, *parts = await sent_for([], b"", b"ab", b"", b"c")
    assert head.endswith(b"\r\n\r\n")
    assert parts == [b"2\r\nab\r\n", b"1\r\nc\r\n", b"0\r\n\r\n"]


async def sent_for(headers: list[tuple[bytes, bytes]], first: bytes, *parts: bytes) -> list[bytes]:
    """What goes out for an answer, send by send."""
    sent: list[bytes] = []

    async def note(event: Event) -> None:
        if isinstance(event, RawData):
            sent.append(event.data)

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers, "first": first})
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    unused: Any = None
    here = ("127.0.0.1", 1)
    async with trio.open_nursery() as nursery:
        tasks = RequestTasks(nursery)
        engine = Http1(app, engine_config(), WorkerContext(None), tasks, here, here, note, unused, int)
        await engine.handle(RawData(GET))
    return sent
