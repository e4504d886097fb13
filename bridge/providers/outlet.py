"""The way out of a connection, below its encryption: it can be shut while what comes in is still read."""

from __future__ import annotations

import errno

import trio

RECEIVED = 64 * 1024
"""Bytes that are received at once, where nobody says how many."""


class Outlet(trio.abc.Stream):
    """A TCP stream whose way out can be shut: what is being sent, and all that follows, then counts as sent.

    It uses the socket itself. The stream's own methods have errors translated by a generator, and what is thrown
    through one holds its frames, and they what was thrown: from Python 3.13 on that waits for the garbage collector.

    To cancel the sending would do for plain TCP. But a TLS stream whose sending is cancelled does not receive any more
    either, since it can't know how much of a record went out.
    """

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._sending: trio.CancelScope | None = None
        self.is_shut = False

    @property
    def descriptor(self) -> int:
        """The socket's."""
        return self._stream.socket.fileno()

    def shut(self) -> None:
        """Lets nothing more out. It can't be opened again."""
        self.is_shut = True
        if self._sending is not None:
            self._sending.cancel()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Sends, or drops what is not wanted any more."""
        if self.is_shut or not data:
            await trio.lowlevel.checkpoint()
            return
        self._sending = trio.CancelScope()
        try:
            with self._sending:
                await self._send_all(data)
        finally:
            self._sending = None

    async def _send_all(self, data: bytes | bytearray | memoryview) -> None:
        try:
            with memoryview(data) as whole:
                sent = 0
                while sent < len(whole):
                    with whole[sent:] as rest:
                        sent += await self._stream.socket.send(rest)
        except OSError as error:
            raise _as_a_stream_has_it(error) from None

    async def wait_send_all_might_not_block(self) -> None:
        """As for any stream."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """The next bytes."""
        try:
            return await self._stream.socket.recv(RECEIVED if max_bytes is None else max_bytes)
        except OSError as error:
            raise _as_a_stream_has_it(error) from None

    async def aclose(self) -> None:
        """Closes both ways."""
        await self._stream.aclose()


def _as_a_stream_has_it(error: OSError) -> trio.ClosedResourceError | trio.BrokenResourceError:
    """What a stream of Trio raises for what a socket raised."""
    if error.errno == errno.EBADF:
        return trio.ClosedResourceError("the connection was closed already")
    return trio.BrokenResourceError(f"the connection broke: {error}")
