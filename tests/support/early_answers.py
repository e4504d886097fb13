"""A provider that answers as soon as it has a request's head, over plain TCP or TLS, and does with the body as told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import cast

import trio
from attrs import define, field

from tests.support.tls import Tls

HEAD_END = b"\r\n\r\n"


@define(eq=False)
class EarlyProvider:
    """Knows what came: the heads of requests, the connections, and who is still connected."""

    answer: Callable[[EarlyConnection], Awaitable[None]]
    heads: list[bytes] = field(factory=list)
    connections: int = 0
    open: int = 0
    listens: trio.Event = field(factory=trio.Event)
    """Set it for a provider that takes in the end what it was sent: only then can it see who has left."""

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Has a connection until either side closes it."""
        self.connections += 1
        self.open += 1
        try:
            connection = EarlyConnection(stream, self.listens)
            with suppress(trio.BrokenResourceError):
                while await connection.read_head():
                    self.heads.append(connection.head)
                    await self.answer(connection)
        finally:
            self.open -= 1
            await trio.aclose_forcefully(stream)


@define(eq=False)
class EarlyConnection:
    """One connection to it, and the request under way. What came behind a head is not read until somebody asks."""

    stream: trio.abc.Stream
    listens: trio.Event
    head: bytes = b""
    body: bytearray = field(factory=bytearray)

    async def read_head(self) -> bool:
        """Whether there was one."""
        while HEAD_END not in self.body:
            data = await self.stream.receive_some(4096)
            if not data:
                return False
            self.body += data
        head, _, rest = bytes(self.body).partition(HEAD_END)
        self.head, self.body = head, bytearray(rest)
        return True

    @property
    def key(self) -> str:
        """The API key it came with."""
        return self.head.partition(b"Bearer ")[2].partition(b"\r\n")[0].decode()

    @property
    def length(self) -> int:
        """As its head says it."""
        return int(self.head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])

    async def say(self, data: bytes) -> None:
        """Sends bytes as they are."""
        await self.stream.send_all(data)

    async def until_left(self) -> None:
        """Reads nothing more of the request before the provider `listens`; then to the end, and closes."""
        await self.listens.wait()
        while await self.stream.receive_some(65536):
            pass
        raise trio.BrokenResourceError

    async def read_body(self) -> bytes:
        """All of a body whose length is told."""
        while len(self.body) < self.length and (data := await self.stream.receive_some(65536)):
            self.body += data
        whole, self.body = bytes(self.body), bytearray()
        return whole


@asynccontextmanager
async def answering_early(
    answer: Callable[[EarlyConnection], Awaitable[None]], tls: Tls | None = None
) -> AsyncIterator[tuple[str, EarlyProvider]]:
    """Such a provider and its base URL."""
    served = EarlyProvider(answer)
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    listeners: list[trio.abc.Listener[trio.abc.Stream]] = [cast("trio.abc.Listener[trio.abc.Stream]", listener)]
    if tls is not None:
        listeners = [
            cast("trio.abc.Listener[trio.abc.Stream]", trio.SSLListener(listener, tls.server, https_compatible=True))
        ]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, served.serve, listeners)
        yield f"http{'s' if tls else ''}://127.0.0.1:{port}/v1", served
        nursery.cancel_scope.cancel()
