"""A client that may misbehave: a bare connection to the bridge, and what to say on it."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import h11
import trio
from attrs import define, field

from tests.support.world import HELLO, RESPONSES, Answered

BEGUN = HELLO[0] + HELLO[1]
"""A stream that has begun: more than the opening that the bridge holds back; HELLO[2] is the rest."""
BODY = b'{"model":"m","input":"hello","stream":true}'


def request(
    port: int,
    body: bytes = BODY,
    headers: Sequence[str] = (),
    *,
    method: str = "POST",
    path: str = RESPONSES,
    length: int | None = None,
) -> bytes:
    """A good request, as bytes; `length` is what its Content-Length says where that is not the truth."""
    said = len(body) if length is None else length
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Content-Length: {said}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def health(port: int, headers: Sequence[str] = ()) -> bytes:
    """A request that needs no upstream."""
    return request(port, b"", headers, method="GET", path="/healthz")


@define
class RawClient:
    """One connection to the bridge."""

    stream: trio.SocketStream
    _ahead: bytes = field(default=b"", init=False)

    async def send(self, data: bytes) -> None:
        """Sends bytes, or as many of them as the bridge takes before it ends the connection."""
        with suppress(trio.BrokenResourceError):
            await self.stream.send_all(data)

    async def answer(self) -> Answered | None:
        """The next answer; None where the connection ends without one."""
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))
        parser.send(h11.EndOfMessage())
        if self._ahead:  # to h11, no bytes are the end
            parser.receive_data(self._ahead)
        head: h11.Response | None = None
        body = bytearray()
        complete = False
        while not complete:
            try:
                event = parser.next_event()
                if event is h11.NEED_DATA:
                    parser.receive_data(await self._receive())
                    continue
            except h11.RemoteProtocolError:
                break
            if isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                complete = True
            elif isinstance(event, h11.ConnectionClosed):
                break
        self._ahead = parser.trailing_data[0]
        return None if head is None else Answered(head.status_code, head.headers.raw_items(), bytes(body), complete)

    async def received(self, text: bytes) -> None:
        """Waits until the bridge has sent this text."""
        while text not in self._ahead:
            data = await self._receive()
            assert data, f"the connection ended after {self._ahead!r}"
            self._ahead += data

    async def next_head(self) -> bytes:
        """The next answer's head, however its body is framed."""
        await self.received(b"\r\n\r\n")
        head, _, self._ahead = self._ahead.partition(b"\r\n\r\n")
        return head

    async def until_closed(self) -> bytes:
        """All the bridge sends until it ends the connection, and what came before that."""
        while data := await self._receive():
            self._ahead += data
        return self._ahead

    async def leave(self, *, reset: bool = False) -> None:
        """Closes the connection: orderly (FIN), or as a killed process with unread bytes does (RST)."""
        if reset:
            self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await self.stream.aclose()

    async def _receive(self) -> bytes:
        try:
            return bytes(await self.stream.receive_some(65536))
        except trio.BrokenResourceError:
            return b""


@asynccontextmanager
async def client(port: int, *, receive_buffer: int | None = None) -> AsyncIterator[RawClient]:
    """A connection to the bridge, closed at the end; `receive_buffer` bounds what the kernel takes for it."""
    connecting = trio.socket.socket()
    try:
        if receive_buffer is not None:
            connecting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await connecting.connect(("127.0.0.1", port))
    except BaseException:
        connecting.close()
        raise
    async with trio.SocketStream(connecting) as stream:
        yield RawClient(stream)
