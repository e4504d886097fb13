"""Sends bytes that may be anything to the bridge, and takes what comes back."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
from collections.abc import Sequence
from math import inf

import trio

STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
PATIENCE_S = 30.0
"""For what must come. A busy machine must not look like a fault."""
GLANCE_S = 2.0
"""For what a strict server would answer, and this one may see in another way."""


async def connected(port: int) -> trio.SocketStream:
    """A connection whose segments are the pieces that are sent."""
    connecting = trio.socket.socket()
    try:
        await connecting.connect(("127.0.0.1", port))
    except BaseException:
        connecting.close()
        raise
    stream = trio.SocketStream(connecting)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream


async def throw(port: int, pieces: Sequence[bytes], ending: str, expected: int) -> tuple[bytes, bool]:
    """Sends the pieces and ends as told. Returns what came, and whether the bridge left nobody waiting.

    `expected` is how many responses may be hoped for: the endings that read wait for so many.
    """
    came = bytearray()
    stream = await connected(port)
    with trio.move_on_after(PATIENCE_S) as patience:
        async with stream, trio.open_nursery() as nursery:
            if ending in {"wait", "half-close"}:
                nursery.start_soon(_send, stream, pieces, ending)
                with trio.move_on_after(GLANCE_S if ending == "wait" else inf):
                    while (ending != "wait" or len(STATUS.findall(came)) < expected) and await _receive(stream, came):
                        pass
                nursery.cancel_scope.cancel()
            else:
                await _send(stream, pieces, ending)
                if ending == "reset":
                    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return bytes(came), not patience.cancelled_caught


async def _send(stream: trio.SocketStream, pieces: Sequence[bytes], ending: str) -> None:
    try:
        for piece in pieces:
            await stream.send_all(piece)
            await trio.lowlevel.checkpoint()
        if ending == "half-close":
            await stream.send_eof()
    except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
        pass


async def _receive(stream: trio.SocketStream, came: bytearray) -> bool:
    try:
        part = await stream.receive_some(65536)
    except (trio.BrokenResourceError, OSError):
        return False
    came += part
    return bool(part)


async def until_closed(port: int, request: bytes) -> bytes | None:
    """All that comes of a request that asks for the connection's end; None where it does not end."""
    came, ended = bytearray(), False
    stream = await connected(port)
    async with stream:
        with trio.move_on_after(PATIENCE_S):
            with contextlib.suppress(trio.BrokenResourceError):
                await stream.send_all(request)
            while await _receive(stream, came):
                pass
            ended = True
    return bytes(came) if ended else None
