"""A planned reply on its way: chunk by chunk when each is due, until it is complete, breaks off, or nobody listens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Any

import trio

from bridge.simulator.estimate import TokenCounts
from bridge.simulator.request import ResponseHeaders
from bridge.value_classes import frozen

AsgiReceive = Callable[[], Awaitable[dict[str, Any]]]
AsgiSend = Callable[[dict[str, Any]], Awaitable[None]]


@frozen
class Chunk:
    """Some bytes of a body, and the seconds to let pass before them."""

    data: bytes
    pause: float = 0.0


@frozen
class PlannedReply:
    """A whole response as it is planned. `dropped_at` breaks it off after so many bytes of its body."""

    status: int
    headers: ResponseHeaders
    chunks: Sequence[Chunk]
    dropped_at: int | None = None
    answer: str | None = None
    tokens: TokenCounts | None = None


class ReplyEnding(StrEnum):
    """How a reply ended."""

    COMPLETED = "completed"
    DROPPED = "dropped"  # broken off as planned
    CLIENT_LEFT = "client left"


async def read_body(receive: AsgiReceive) -> bytes | None:
    """The whole body of a request; None where the client leaves before its end."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


async def deliver(reply: PlannedReply, receive: AsgiReceive, send: AsgiSend) -> ReplyEnding:
    """Sends the reply. To break off it returns without the last body message, so that the server closes uncleanly."""
    delivery = _Delivery(reply, send)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_watch, receive, nursery.cancel_scope)
        await delivery.run()
        nursery.cancel_scope.cancel()
    return delivery.ending


async def _watch(receive: AsgiReceive, scope: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


class _Delivery:
    def __init__(self, reply: PlannedReply, send: AsgiSend) -> None:
        self._reply = reply
        self._send = send
        self.ending = ReplyEnding.CLIENT_LEFT  # until it turns out better

    async def run(self) -> None:
        reply = self._reply
        chunks, breaks = _cut(reply.chunks, reply.dropped_at)
        due = trio.current_time()
        for number, chunk in enumerate(chunks):
            due += chunk.pause
            await trio.sleep_until(due)
            if number == 0:
                await self._send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
            last = number + 1 == len(chunks)
            if last:
                self.ending = ReplyEnding.DROPPED if breaks else ReplyEnding.COMPLETED
            await self._send({"type": "http.response.body", "body": chunk.data, "more_body": breaks or not last})


def _cut(chunks: Sequence[Chunk], at: int | None) -> tuple[Sequence[Chunk], bool]:
    """The chunks up to the byte, and whether the reply is to break off after them."""
    if at is None:
        return chunks, False
    kept: list[Chunk] = []
    room = at
    for chunk in chunks:
        kept.append(Chunk(chunk.data[:room], chunk.pause))
        room -= len(chunk.data)
        if room <= 0:
            break
    return kept, True
