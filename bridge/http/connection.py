"""HTTP/1.1 connections: Hypercorn's protocol engine under a connection layer of our own.

`hypercorn.trio.serve` can't face clients that misbehave: measured on 0.18.0, one malformed connection ends the whole
process, a send to a client that stopped reading can't be cancelled, bytes after a request hide that the client left (a
task and a descriptor leak for ever), and an answer before the whole body was read deadlocks. This file and
`bridge.http.engine` keep the engine (`H11Protocol`, `HTTPStream`) and replace what is around it. The promises, each
with a test in `tests/faults`:

- An exception ends its own connection and nothing else.
- HTTP/1.1 and 1.0 only, by the RFC (`bridge.http.grammar`): HTTP/2, h2c, WebSockets, CONNECT, foreign targets are
  refused or treated as plain HTTP.
- Sending can be cancelled, and a client that takes nothing for STALL_S is cut off; a slow one is not.
- The reader does not park behind bytes sent ahead, so a client that leaves is noticed at once.
- Telling the app of a disconnect never blocks; an answer may come before the body was read.
- No timer task per connection: deadlines are those of the one read that is always pending.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from math import inf

import trio

from bridge.http.engine import App, ErrorResponse, Http1, Phase, RequestTasks
from bridge.http.hypercorn_parts import Closed, Config, Event, RawData, Updated, WorkerContext
from bridge.http.kernel import established, sent_at_once, unsent
from bridge.observe.logs import logger

log = logger("http")

KEEP_ALIVE_S = 120.0
"""An idle connection is kept this long: longer than clients keep theirs (Python SDKs 5 s, reqwest 90 s), since a
server that closes first races with the next request."""
HEAD_S = 20.0
"""A request's head must be complete this long after its first byte (or after accept)."""
BODY_STALL_S = 60.0
"""The longest pause within a request's body."""
STALL_S = 60.0
"""A client that takes not one byte for so long is gone."""
LINGER_S = 2.0
"""How long bytes still on their way are taken before a close, so that a reset does not destroy our last answer."""
READ_AHEAD = 64 * 1024
"""Bytes taken of the next requests while one is being answered."""
WATCH_S = 0.25
"""How often a connection whose further bytes are not read is asked whether the client is still there."""
RECEIVE_SIZE = 64 * 1024
SEND_BUFFER = 256 * 1024
"""Kernel send buffer: what a client that stops reading can make us hold for it."""


class Connection:
    """One client connection, from accept to close."""

    def __init__(
        self, stream: trio.SocketStream, app: App, error_response: ErrorResponse, config: Config, context: WorkerContext
    ) -> None:
        self._socket = stream.socket
        self._app = app
        self._error_response = error_response
        self._config = config
        self._context = context
        self._protocol: Http1 | None = None
        self._send_lock = trio.Lock()
        self._read_scope = trio.CancelScope()
        self._head_deadline = inf
        self._head_begun = False
        self._resume = False  # the reader should look at what it has read ahead
        self._closing = False  # no further request is served
        self._broken = False  # nothing more can be sent
        self._at_eof = False
        self._handed_over = 0  # bytes that the kernel has taken for the client

    async def run(self) -> None:
        """Serves the connection to its end. Raises nothing but cancellation."""
        try:
            await self._serve()
            await self._close_gently()
        except* OSError:
            self._broken = True  # it was gone before we could ask who it is
        except* Exception:  # the boundary this file is for: one connection's fault is its own
            self._broken = True
            log.warning("a connection failed", exc_info=True)
        finally:
            if self._broken:  # what the kernel still holds for it must not outlive it
                with contextlib.suppress(OSError):
                    self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._socket.close()
            self._protocol = None  # they hold each other: both would be garbage that waits to be found

    def close_if_idle(self) -> None:
        """Ends the connection unless a request is being served on it."""
        if self._protocol is None or self._protocol.phase is Phase.HEAD:
            self._end()

    async def _serve(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        client, server = self._socket.getpeername()[:2], self._socket.getsockname()[:2]
        async with trio.open_nursery() as nursery:
            self._protocol = Http1(
                self._app,
                self._config,
                self._context,
                RequestTasks(nursery),
                client,
                server,
                self._handle_event,
                self._error_response,
                self._taken,
            )
            self._head_deadline = trio.current_time() + HEAD_S
            await self._read(self._protocol)
            await self._protocol.handle(Closed())

    async def _read(self, protocol: Http1) -> None:
        while not self._closing:
            data = await self._receive(protocol)
            if data:
                await protocol.handle(RawData(data))
            elif self._resume:
                self._resume = False
                await protocol.resume()
            else:
                return
            if protocol.phase is Phase.HEAD and protocol.ahead and not self._head_begun:
                self._head_begun = True
                self._head_deadline = trio.current_time() + HEAD_S

    async def _receive(self, protocol: Http1) -> bytes:
        """The next bytes; none at the end, at a deadline, or when there is something else to do."""
        data = b""
        if self._resume:
            return data
        with trio.CancelScope(deadline=self._deadline(protocol)) as self._read_scope:
            if protocol.phase is Phase.RESPONSE and protocol.ahead >= READ_AHEAD:
                await self._until_gone()
                return data
            try:
                data = await self._socket.recv(RECEIVE_SIZE)
                self._at_eof = not data
            except OSError:
                self._break(protocol)
        if self._read_scope.cancelled_caught and not self._resume and not self._closing:
            await protocol.time_out()
        return data

    async def _until_gone(self) -> None:
        """Waits until the client has left, which bytes that nobody reads for now would hide."""
        while established(self._socket):  # noqa: ASYNC110  # the kernel has no event for it
            await trio.sleep(WATCH_S)

    def _deadline(self, protocol: Http1) -> float:
        match protocol.phase:
            case Phase.HEAD:
                return self._head_deadline
            case Phase.BODY:
                return trio.current_time() + BODY_STALL_S
            case Phase.RESPONSE:
                return inf

    async def _handle_event(self, event: Event) -> None:
        """Does what the protocol asks for."""
        if isinstance(event, RawData):
            await self._send(event.data)
        elif isinstance(event, Closed):
            await self._end_request()
        elif isinstance(event, Updated):
            self._head_begun = False
            if event.idle:
                self._await_next_request()

    def _await_next_request(self) -> None:
        self._head_deadline = trio.current_time() + KEEP_ALIVE_S
        self._read_scope.deadline = self._head_deadline
        if self._protocol is not None and self._protocol.ahead:
            self._resume = True
            self._read_scope.cancel()

    def _break(self, protocol: Http1 | None) -> None:
        self._broken = True
        if protocol is not None:
            protocol.break_off()

    def _end(self) -> None:
        self._closing = True
        self._read_scope.cancel()

    async def _end_request(self) -> None:
        self._end()
        if self._protocol is not None:
            await self._protocol.handle(Closed())

    async def _send(self, data: bytes) -> None:
        try:
            try:
                self._send_lock.acquire_nowait()  # which costs no turn of the scheduler
            except trio.WouldBlock:
                await self._send_lock.acquire()
            try:
                if self._broken:
                    return  # the app has been told; what it still says goes nowhere
                await self._send_all(memoryview(data))
            finally:
                self._send_lock.release()
        except OSError:
            self._break(self._protocol)
        except trio.Cancelled:
            self._break(self._protocol)  # the engine counts as sent what is out in part, or not at all
            raise
        if self._broken:
            await self._end_request()

    def _taken(self) -> int:
        """How many bytes the client has taken, counted from anywhere: it stands still with a client that does."""
        return self._handed_over - unsent(self._socket.fileno())

    async def _send_all(self, data: memoryview) -> None:
        sent = sent_at_once(self._socket.fileno(), data)
        self._handed_over += sent
        data = data[sent:]
        waiting = sys.maxsize
        while data:
            with trio.move_on_after(STALL_S) as scope:
                sent = await self._socket.send(data)
                self._handed_over += sent
                data, waiting = data[sent:], sys.maxsize  # what was taken and sent since is no stall
            if scope.cancelled_caught:
                # The kernel reports room in large steps, so a slow reader shows first in what it holds for it.
                before, waiting = waiting, unsent(self._socket.fileno())
                if waiting >= before:
                    raise TimeoutError("the client takes nothing")

    async def _close_gently(self) -> None:
        if self._broken:
            return
        with contextlib.suppress(OSError), trio.move_on_after(LINGER_S):
            self._socket.shutdown(socket.SHUT_WR)
            while not self._at_eof:
                self._at_eof = not await self._socket.recv(RECEIVE_SIZE)
