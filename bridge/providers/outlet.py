"""The way out of a connection, below its encryption: it can be shut while what comes in is still read."""

from __future__ import annotations

import trio


class Outlet(trio.abc.Stream):
    """A TCP stream whose way out can be shut: what is being sent, and all that follows, then counts as sent.

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
        if self.is_shut:
            await trio.lowlevel.checkpoint()
            return
        self._sending = trio.CancelScope()
        try:
            with self._sending:
                await self._stream.send_all(data)
        finally:
            self._sending = None

    async def wait_send_all_might_not_block(self) -> None:
        """As for any stream."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """The next bytes."""
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        """Closes both ways."""
        await self._stream.aclose()
