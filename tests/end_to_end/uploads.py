"""An upload, and a provider that takes it slowly: how much of it is where, on both sides of the bridge."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import h11
import trio
from attrs import define, field

PIECE = bytes(range(256)) * 256
SMALL_BUFFER = 64 * 1024
STALLED_S = 0.3
"""A send that makes no step for so long waits for somebody."""


@define(eq=False)
class Upload:
    """`size` bytes from a client. The provider takes the first of them, and the rest when told to `go_on`."""

    size: int
    sent: int = 0
    received: int = 0
    keys: list[str] = field(factory=list)
    first_bytes_came: trio.Event = field(factory=trio.Event)
    go_on: trio.Event = field(factory=trio.Event)
    closed: trio.Event = field(factory=trio.Event)
    arrived: hashlib._Hash = field(factory=hashlib.sha256)

    @property
    def is_whole(self) -> bool:
        """Whether what arrived is what was sent."""
        whole = hashlib.sha256()
        for piece in self._pieces(0):
            whole.update(piece)
        return self.received == self.size and self.arrived.digest() == whole.digest()

    def head(self, path: str, port: int, *, length_told: bool = True) -> bytes:
        """The request's head."""
        framing = f"Content-Length: {self.size}" if length_told else "Transfer-Encoding: chunked"
        return f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{framing}\r\n\r\n".encode()

    async def send_until_it_stalls(self, client: trio.SocketStream) -> None:
        """Sends as much as is taken while the provider waits."""
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)
        while self.sent < self.size:
            with trio.move_on_after(STALLED_S):
                self.sent += await client.socket.send(self._from(self.sent))
                continue
            return

    async def send_rest(self, client: trio.SocketStream) -> None:
        """Sends what has not been sent."""
        for piece in self._pieces(self.sent):
            await client.send_all(piece)
            self.sent += len(piece)

    async def send_chunked(self, client: trio.SocketStream) -> None:
        """Sends all of it in chunks, as far as the other side wants it."""
        try:
            for piece in self._pieces(0):
                await client.send_all(b"%x\r\n%s\r\n" % (len(piece), piece))
            await client.send_all(b"0\r\n\r\n")
        except trio.BrokenResourceError:
            pass

    def _from(self, start: int) -> bytes:
        return PIECE[start % len(PIECE) :][: self.size - start]

    def _pieces(self, start: int) -> Iterator[bytes]:
        while piece := self._from(start):
            yield piece
            start += len(piece)


@asynccontextmanager
async def receiving(upload: Upload) -> AsyncIterator[str]:
    """The base URL of a provider that takes the upload and then says 429."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    listeners[0].socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
    port = listeners[0].socket.getsockname()[1]

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            try:
                await _receive(upload, stream)
            finally:
                upload.closed.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        yield f"http://127.0.0.1:{port}/v1"
        nursery.cancel_scope.cancel()


async def _receive(upload: Upload, stream: trio.SocketStream) -> None:
    connection = h11.Connection(h11.SERVER)
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            data = await stream.receive_some(65536)
            if not data:
                return
            connection.receive_data(data)
        elif isinstance(event, h11.Request):
            upload.keys += [
                value.decode().removeprefix("Bearer ")
                for name, value in event.headers
                if name in {b"authorization", b"x-api-key"}
            ]
        elif isinstance(event, h11.Data):
            upload.received += len(event.data)
            upload.arrived.update(event.data)
            upload.first_bytes_came.set()
            await upload.go_on.wait()
        elif isinstance(event, h11.EndOfMessage):
            await stream.send_all(b"HTTP/1.1 429 Later\r\nRetry-After: 30\r\nContent-Length: 2\r\n\r\n{}")
            return
        else:
            return
