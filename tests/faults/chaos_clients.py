"""The clients of the chaos run: each has a connection and a way to misbehave on it."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio
from attrs import define, field

from tests.faults.chaos_provider import ANY_FAULT, GOOD, HARMLESS, HUGE, Wish
from tests.faults.wire import RawClient, client, health, request
from tests.support.world import Answered

SMALL_BUFFER = 4096
ENOUGH_S = 1.0
"""After so long a client that wanted to see more leaves all the same: the answer may have been shorter."""
OWN_KEY = "Authorization: Bearer sk-the-callers-own-key"
"""With it a request does not depend on what others did to the pool's keys."""
H2C = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAA"]
WEBSOCKET = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: \xff"]


@define
class ChaosClient:
    """One connection of the run. `seed` and `number` decide all that it does."""

    port: int
    number: int
    chance: random.Random
    wrong: list[str]
    """What it got that it should not have got."""
    _asked: int = field(default=0, init=False)

    def wish(self, *faults: str) -> Wish:
        """A new request's wish, for one of these faults."""
        self._asked += 1
        chance = self.chance
        return Wish(
            self.number * 100 + self._asked, chance.choice(faults), chance.randrange(1, 4), chance.getrandbits(30)
        )

    def request(self, wish: Wish, *, own_key: bool | None = None) -> bytes:
        """A request with that wish."""
        own = self.chance.random() < 0.3 if own_key is None else own_key
        return request(self.port, wish.body(streaming=self.chance.random() < 0.9), [OWN_KEY] if own else [])

    def check(self, wish: Wish, answer: Answered | None) -> None:
        """A harmless fault must not be seen at all."""
        expected = HUGE if wish.fault == "huge event" else GOOD
        if answer is None or (answer.status, answer.body, answer.complete) != (200, expected, True):
            got = "nothing" if answer is None else f"{answer.status}, {len(answer.body)} bytes, {answer.complete}"
            self.wrong.append(f"connection {self.number}: {wish.fault} gave {got}")

    async def behave(self, connection: RawClient) -> None:
        """Asks a few times, and reads the answers."""
        for _ in range(self.chance.randrange(1, 4)):
            wish = self.wish(*ANY_FAULT)
            await connection.send(self.request(wish))
            if await connection.answer() is None or wish.fault == "silent":  # one such wait is enough
                return

    async def expect(self, connection: RawClient) -> None:
        """Asks for what must be answered in full, with or without a line end after it."""
        for _ in range(self.chance.randrange(1, 4)):
            wish = self.wish(*HARMLESS)
            await connection.send(self.request(wish, own_key=True) + self.chance.choice([b"", b"\r\n"]))
            self.check(wish, await connection.answer())

    async def pipeline(self, connection: RawClient) -> None:
        """Sends several requests at once; reads all answers, or some."""
        wishes = [self.wish(*HARMLESS) for _ in range(self.chance.randrange(2, 9))]
        await connection.send(b"".join(self.request(wish, own_key=True) for wish in wishes))
        for wish in wishes[: self.chance.randrange(2 * len(wishes))]:
            self.check(wish, await connection.answer())
        await self._leave(connection)

    async def read_slowly(self, connection: RawClient) -> None:
        """Takes the answer a little at a time."""
        await connection.send(self.request(self.wish("huge event", "flood", "none", "slow")))
        with trio.move_on_after(ENOUGH_S):
            for _ in range(self.chance.randrange(100)):
                if not await connection.stream.receive_some(self.chance.randrange(1, 2000)):
                    return
                await trio.sleep(self.chance.random() * 0.004)

    async def stop_reading(self, connection: RawClient) -> None:
        """Reads nothing, for longer than the bridge allows, or not quite."""
        await connection.send(self.request(self.wish("flood", "huge event")))
        await trio.sleep(self.chance.random())

    async def leave_early(self, connection: RawClient) -> None:
        """Leaves at some point of the request or the answer, in some manner."""
        wish = self.wish(*ANY_FAULT, "flood")
        said = self.request(wish) + self.chance.choice([b"", b"", b"\r\n", b"x" * 100_000])
        point = self.chance.randrange(len(said) + 800) if self.chance.random() < 0.8 else 0
        await connection.send(said[:point])
        if point > len(said):
            got = 0
            with trio.move_on_after(ENOUGH_S):
                while got < point - len(said) and (data := await connection.stream.receive_some(500)):
                    got += len(data)
        elif self.chance.random() < 0.5:
            await trio.sleep(self.chance.random() * 0.02)
        await self._leave(connection)

    async def _leave(self, connection: RawClient) -> None:
        manner = self.chance.choice(["orderly", "reset", "half-close"])
        if manner == "half-close":
            await connection.stream.send_eof()
            await connection.until_closed()
        else:
            await connection.leave(reset=manner == "reset")

    async def babble(self, connection: RawClient) -> None:
        """Says what is no HTTP, or no good one."""
        head = self.request(self.wish("none")).partition(b"\r\n\r\n")[0]
        await connection.send(
            self.chance.choice(
                [
                    self.chance.randbytes(self.chance.randrange(1, 3000)) + b"\r\n\r\n",
                    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + self.chance.randbytes(30),
                    b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n",
                    head + b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                    head.replace(b"Content-Length", b"X-Was") + b"\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                    head.replace(b"127.0.0.1", b"evil.example") + b"\r\n\r\n",
                    head + b"\r\nX-Long: " + b"x" * 200_000,
                    health(self.port, H2C) + self.chance.randbytes(50),
                    request(self.port, b"", WEBSOCKET, method="GET") + self.chance.randbytes(50) + b"\r\n\r\n",
                ]
            )
        )
        await connection.answer()

    async def say_nothing(self, connection: RawClient) -> None:
        """Connects and leaves."""
        await self._leave(connection)


Behaviour = Callable[[ChaosClient, RawClient], Awaitable[None]]

BEHAVIOURS: dict[str, tuple[Behaviour, int]] = {
    "good": (ChaosClient.behave, 20),
    "good, with harmless faults": (ChaosClient.expect, 15),
    "pipelining": (ChaosClient.pipeline, 10),
    "slow": (ChaosClient.read_slowly, 5),
    "not reading": (ChaosClient.stop_reading, 5),
    "leaving early": (ChaosClient.leave_early, 30),
    "babbling": (ChaosClient.babble, 10),
    "silent": (ChaosClient.say_nothing, 5),
}
"""With their weights."""


async def run_client(port: int, number: int, seed: int, wrong: list[str]) -> str:
    """One connection from beginning to end. Returns which behaviour it had."""
    chance = random.Random(f"{seed}:{number}")  # noqa: S311
    (name,) = chance.choices(list(BEHAVIOURS), [weight for _, weight in BEHAVIOURS.values()])
    behaviour, _ = BEHAVIOURS[name]
    small = name in {"slow", "not reading"}
    async with client(port, receive_buffer=SMALL_BUFFER if small else None) as connection:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):  # the bridge ended it, as it may
            await behaviour(ChaosClient(port, number, chance, wrong), connection)
    return name
