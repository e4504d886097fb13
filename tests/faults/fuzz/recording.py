"""The provider behind the bridge under test: it writes down all that reaches it, and answers as an input wants it."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import h11
import trio
from attrs import define, field

from tests.faults.fuzz.inputs import Input
from tests.faults.fuzz.strict_http import normal

ANSWER = b'{"id":"resp_1","object":"response","status":"completed","output":[],"usage":null}'
GOOD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER)
INPUT_HEADER = b"x-fuzz-input"
"""Names the input whose bytes are the answer."""
STALL_S = 2.0
"""Longer than the bridge's patience with an upstream, where answers may stall."""

Got = tuple[bytes, bytes, bytes]
"""Method, target and body."""


@define
class RecordingProvider:
    """Counts what it got, and how many connections are open to it."""

    got: Counter[Got] = field(factory=Counter)
    odd: list[str] = field(factory=list)
    """What came that is no request."""
    answers: dict[int, Input] = field(factory=dict)
    connections: int = 0
    answering: int = 0
    """Answers that are not over, those included that stall after a whole response."""

    async def serve(self, stream: trio.SocketStream) -> None:
        """One connection."""
        self.connections += 1
        try:
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                async with stream:
                    while await self._serve_next(stream):
                        pass
        finally:
            self.connections -= 1

    async def _serve_next(self, stream: trio.SocketStream) -> bool:
        parser = h11.Connection(h11.SERVER, max_incomplete_event_size=1024 * 1024)
        head: h11.Request | None = None
        body = bytearray()
        while True:
            try:
                event = parser.next_event()
            except h11.RemoteProtocolError as error:
                self.odd.append(f"{error}: {bytes(body[:200])!r}")
                return False
            if event is h11.NEED_DATA:
                part = await stream.receive_some(65536)
                if not part:  # between two requests, or given up within one
                    return False
                parser.receive_data(part)
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
        assert head is not None
        if parser.trailing_data[0]:
            self.odd.append(f"after a request came {parser.trailing_data[0][:200]!r}")
        self.got[head.method, normal(head.target), bytes(body)] += 1
        chosen = next((value for name, value in head.headers if name == INPUT_HEADER), b"")
        answer = self.answers.get(int(chosen)) if re.fullmatch(rb"\d{1,9}", chosen) else None
        if answer is None:
            await stream.send_all(GOOD)
            return True
        return await self._answer(stream, answer)

    async def _answer(self, stream: trio.SocketStream, answer: Input) -> bool:
        self.answering += 1
        try:
            for piece in answer.pieces:
                await stream.send_all(piece)
                await trio.lowlevel.checkpoint()
            match answer.ending:
                case "reset":
                    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                case "stall":
                    with trio.move_on_after(STALL_S), contextlib.suppress(trio.BrokenResourceError):
                        while await stream.receive_some(65536):
                            pass
        finally:
            self.answering -= 1
        return answer.ending == "keep"


@asynccontextmanager
async def recording() -> AsyncIterator[tuple[RecordingProvider, str]]:
    """A provider on a free port, and its root URL."""
    provider = RecordingProvider()
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=1024)
    port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, provider.serve, listeners)
        yield provider, f"http://127.0.0.1:{port}"
        nursery.cancel_scope.cancel()
