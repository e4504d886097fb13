"""The provider of the chaos run: each request says which fault its answer has, and how often."""

from __future__ import annotations

import random
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable

import orjson
import trio
from attrs import define, field, frozen

from tests.support.world import HELLO, STREAM, Asked, Hang, Reply, sse

GOOD = b"".join(HELLO)
HUGE = HELLO[0] + sse("response.output_text.delta", delta="x" * 400_000) + HELLO[2]
OPENING_ERROR = HELLO[0] + sse("error", code="rate_limit_exceeded", message="slow down")
LATE_ERROR = HELLO[0] + HELLO[1] + sse("error", code="server_error", message="sorry")
REFUSALS = {
    "rate limited": 429,
    "unauthorized": 401,
    "forbidden": 403,
    "server error": 500,
    "unavailable": 503,
    "overloaded": 529,
    "bad request": 400,
}


@frozen
class Wish:
    """What a request asks the provider to do to it: `fault` for the first `times` attempts, a good answer after."""

    number: int
    fault: str
    times: int
    seed: int

    def body(self, *, streaming: bool) -> bytes:
        """The request."""
        wish = f"{self.number}:{self.fault}:{self.times}:{self.seed}"
        return orjson.dumps({"model": "chaos", "input": "x", "stream": streaming, "metadata": {"wish": wish}})

    @classmethod
    def of(cls, body: bytes) -> Wish:
        """The wish in a request."""
        number, fault, times, seed = orjson.loads(body)["metadata"]["wish"].split(":")
        return cls(int(number), fault, int(times), int(seed))


@define
class ChaosProvider:
    """Answers as wished, and counts what came of each request."""

    faults: Counter[str] = field(factory=Counter)
    attempts: Counter[int] = field(factory=Counter)
    good: Counter[int] = field(factory=Counter)
    """How many good answers each request had, begun or whole."""
    _dying: set[trio.abc.Stream] = field(factory=set)

    async def handle(self, asked: Asked, reply: Reply) -> None:
        """Answers one request."""
        if reply.stream in self._dying:
            raise Hang  # as a server does that closes an idle connection just when a request arrives
        if asked.method == "GET":
            await reply.whole(200, b'{"data":[]}')
            return
        wish = Wish.of(asked.body)
        self.attempts[wish.number] += 1
        fault = wish.fault if self.attempts[wish.number] <= wish.times else "none"
        self.faults[fault] += 1
        chance = random.Random(wish.seed)  # noqa: S311
        if fault in REFUSALS:
            body = b'{"error":{"message":"no","type":"t","code":"c"}}'
            await reply.whole(REFUSALS[fault], body, [("retry-after", "1")])
        else:
            await FAULTS[fault](self, wish, reply, chance)

    async def answer(self, wish: Wish, reply: Reply, chance: random.Random, body: bytes = GOOD) -> None:
        """A good answer, in pieces of any size."""
        self.good[wish.number] += 1
        await reply.head(200, STREAM)
        for piece in pieces(body, chance):
            await reply.chunk(piece)
        await reply.end()

    async def _good(self, wish: Wish, reply: Reply, chance: random.Random) -> None:
        await self.answer(wish, reply, chance)

    async def _slow(self, wish: Wish, reply: Reply, chance: random.Random) -> None:
        self.good[wish.number] += 1
        await reply.head(200, STREAM)
        for piece in pieces(GOOD, chance):
            await trio.sleep(chance.random() * 0.02)
            await reply.chunk(piece)
        await reply.end()

    async def _huge(self, wish: Wish, reply: Reply, chance: random.Random) -> None:
        await self.answer(wish, reply, chance, HUGE)

    async def _flood(self, _wish: Wish, reply: Reply, _chance: random.Random) -> None:
        await reply.head(200, STREAM)
        while True:
            await reply.chunk(HELLO[1] * 100)

    async def _silent(self, _wish: Wish, reply: Reply, chance: random.Random) -> None:
        if chance.random() < 0.6:
            await reply.head(200, STREAM)
            await reply.raw(chunked(GOOD)[: chance.randrange(len(GOOD))])
        await reply.until_closed()

    async def _truncated(self, _wish: Wish, reply: Reply, chance: random.Random) -> None:
        await reply.head(200, STREAM, length=chance.choice([None, len(GOOD) + 1]))
        await reply.raw(GOOD[: chance.randrange(len(GOOD))])
        raise Hang

    async def _reset(self, wish: Wish, reply: Reply, chance: random.Random) -> None:
        reply.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if chance.random() < 0.3:
            raise Hang
        await reply.head(200, STREAM)
        await reply.raw(chunked(GOOD)[: chance.randrange(len(GOOD))])
        await trio.sleep(chance.random() * 0.01 * (wish.seed % 2))
        raise Hang

    async def _garbage(self, _wish: Wish, reply: Reply, chance: random.Random) -> None:
        await reply.raw(chance.choice([b"", b"HTTP/1.1 2", b"HTTP/1.1 101 Odd\r\n\r\n"]) + chance.randbytes(500))
        raise Hang

    async def _extra(self, wish: Wish, reply: Reply, chance: random.Random) -> None:
        self.good[wish.number] += 1
        await reply.head(200, STREAM, length=len(GOOD))
        await reply.raw(GOOD + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"[: chance.randrange(1, 42)])

    async def _error_event(self, _wish: Wish, reply: Reply, chance: random.Random) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(chance.choice([OPENING_ERROR, LATE_ERROR]))
        await reply.end()

    async def _close_when_reused(self, wish: Wish, reply: Reply, chance: random.Random) -> None:
        await self.answer(wish, reply, chance)
        self._dying.add(reply.stream)


Fault = Callable[[ChaosProvider, Wish, Reply, random.Random], Awaitable[None]]

FAULTS: dict[str, Fault] = {
    "none": ChaosProvider._good,
    "slow": ChaosProvider._slow,
    "huge event": ChaosProvider._huge,
    "flood": ChaosProvider._flood,
    "silent": ChaosProvider._silent,
    "truncated": ChaosProvider._truncated,
    "reset": ChaosProvider._reset,
    "garbage": ChaosProvider._garbage,
    "extra bytes": ChaosProvider._extra,
    "error event": ChaosProvider._error_event,
    "closed when reused": ChaosProvider._close_when_reused,
}
HARMLESS = ("none", "slow", "huge event", "extra bytes", "closed when reused")
"""With these a client gets the whole answer, byte for byte."""
ANY_FAULT = (*FAULTS.keys() - {"flood"}, *REFUSALS)


def pieces(body: bytes, chance: random.Random) -> list[bytes]:
    """The body in a few pieces, cut anywhere."""
    cuts = sorted(chance.sample(range(1, len(body)), k=chance.randrange(6)))
    return [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]


def chunked(body: bytes) -> bytes:
    """A whole chunked body."""
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
