"""The simulated provider on a real socket, and its plans without one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import orjson
import trio
from hypercorn.config import Config
from hypercorn.trio import serve

from bridge.simulator.delivery import AsgiReceive, AsgiSend, PlannedReply
from bridge.simulator.provider import SimulatedProvider
from bridge.simulator.routes import IncomingRequest
from tests.support.simulated import SPEED

EPOCH = 1_790_000_000.0

App = Callable[[dict[str, Any], AsgiReceive, AsgiSend], Awaitable[None]]


def provider(*args: Any, **kwargs: Any) -> SimulatedProvider:
    """A provider whose clock stands and whose times are short."""
    return SimulatedProvider(*args, **{"speed": SPEED, "clock": lambda: EPOCH, **kwargs})


@asynccontextmanager
async def serving(app: App) -> AsyncIterator[str]:
    """The root URL at which the app is served until the block is left."""
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.errorlog = None
    async with trio.open_nursery() as nursery:
        urls: list[str] = await nursery.start(partial(serve, app, config))  # type: ignore[arg-type] # our ASGI types are wider
        yield urls[0]
        nursery.cancel_scope.cancel()


def request(
    answer: str | None = None, *, key: str = "sk-any", path: str = "/v1/responses", **fields: Any
) -> IncomingRequest:
    """A request for an answer, in the shape of the path's API."""
    said: dict[str, Any] = {"input": "Hello"} if path == "/v1/responses" else {"messages": [_HELLO]}
    if path == "/v1/messages":
        said["max_tokens"] = 4096
    headers = {"authorization": f"Bearer {key}", "x-api-key": key}
    if answer is not None:
        headers["x-simulate-answer"] = answer
    return IncomingRequest("POST", path, headers, orjson.dumps({"model": "some-model", **said, **fields}))


_HELLO = {"role": "user", "content": "Hello"}


def body_of(reply: PlannedReply) -> bytes:
    """The whole body, what is to be dropped included."""
    return b"".join(chunk.data for chunk in reply.chunks)


def header_of(reply: PlannedReply, name: str) -> str | None:
    """A response header's value."""
    return next((value.decode() for key, value in reply.headers if key == name.encode()), None)


def events_of(body: bytes) -> list[tuple[str | None, dict[str, Any]]]:
    """The (name, data) of each server-sent event in a body; `[DONE]` and comments left out."""
    events = []
    for block in body.split(b"\n\n"):
        lines = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line)
        if b"data" in lines and lines[b"data"] != b"[DONE]":
            name = lines[b"event"].decode() if b"event" in lines else None
            events.append((name, orjson.loads(lines[b"data"])))
    return events
