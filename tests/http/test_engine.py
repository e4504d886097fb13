"""The engine of one connection by itself, where a client could hardly bring it about."""

from __future__ import annotations

from typing import Any

from hypercorn.events import Event, RawData
from hypercorn.trio.worker_context import WorkerContext

from bridge.http.engine import Http1, engine_config

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
    engine = Http1(unused, engine_config(), WorkerContext(None), tasks, here, here, note, unused)
    engine.break_off()
    await engine.handle(RawData(GET))
    await engine.handle(RawData(b"no HTTP\r\n\r\n"))
    assert asked == []
