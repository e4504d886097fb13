"""The provider of the benches: as fast as asyncio allows, so that what is measured is what stands before it.

The request's model says what it answers: `whole` a JSON body, `burst` a stream of 202 events in one piece, `short` one
of three (what a model sends first comes by itself), `paced-20` one of 20 events a second until the client leaves, each
with the time at which it was sent. It prints the port it listens on.
"""

from __future__ import annotations

import asyncio
import re
import time

BEGIN = b'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_1"}}\n\n'
EVENT = (
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","item_id":"msg_1",'
    b'"output_index":0,"content_index":0,"delta":"four words of text "}\n\n'
)
USAGE = b'"usage":{"input_tokens":12,"output_tokens":200,"total_tokens":212}'
ITEM = b'{"id":"msg_1","type":"message","role":"assistant","content":[{"type":"output_text","text":"%b"}]}'
RESPONSE = b'{"id":"resp_1","object":"response","status":"completed","output":[%b],%b}'
LAST = b"0\r\n\r\n"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
BODY = RESPONSE % (ITEM % b"hello to you", USAGE)
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)
MODEL = re.compile(rb'"model":"(whole|burst|short|paced-([0-9.]+))"')


def _chunk(event: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(event), event)


def _stream(deltas: int) -> bytes:
    answer = RESPONSE % (ITEM % (b"four words of text " * deltas), USAGE)
    end = b'event: response.completed\ndata: {"type":"response.completed","response":%b}\n\n' % answer
    return STREAM_HEAD + _chunk(BEGIN) + _chunk(EVENT) * deltas + _chunk(end) + LAST


BURST = _stream(200)
SHORT = _stream(1)


class Provider(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._next: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # what a TCP server gives
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answers as soon as a body is whole; all of them are one JSON object."""
        self._received += data
        transport = self._transport
        if transport is None or not self._received.endswith(b"}"):
            return
        asked = MODEL.search(self._received)
        self._received = b""
        if asked is None or asked[1] == b"whole":
            transport.write(WHOLE)
        elif asked[1] in {b"burst", b"short"}:
            transport.write(BURST if asked[1] == b"burst" else SHORT)
        else:
            transport.write(STREAM_HEAD + _chunk(BEGIN))
            self._pace(transport, asyncio.get_running_loop().time(), 1 / float(asked[2]))

    def _pace(self, transport: asyncio.Transport, at: float, gap: float) -> None:
        loop = asyncio.get_running_loop()
        transport.write(_chunk(EVENT.replace(b'"output_index"', b'"at":%.6f,"output_index"' % time.monotonic())))
        self._next = loop.call_at(at + gap, self._pace, transport, at + gap, gap)

    def connection_lost(self, _error: Exception | None) -> None:
        """Nobody listens any more."""
        if self._next is not None:
            self._next.cancel()


async def main() -> None:
    """Serves until it is ended."""
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
