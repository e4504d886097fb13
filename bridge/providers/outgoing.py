"""A request on its way out over a connection: at once where the kernel takes it so, else beside whoever listens.

Upstream may answer while a body is still going out: it is too long, its key is limited. Whoever hears that shuts the
way out, and the sending ends where it is (RFC 9112, 9.5).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator
from typing import Protocol

import trio

from bridge.http.fields import RawHeaders
from bridge.http.grammar import FIELD_LINE, TOKEN
from bridge.http.kernel import sent_at_once
from bridge.providers.faults import UpstreamBroke, UpstreamTimeout
from bridge.providers.outlet import Outlet
from bridge.value_classes import frozen

SENT_TOGETHER = 64 * 1024
"""A body up to this many bytes goes out in one piece with its head."""
SENT_AT_ONCE = 256 * 1024
"""A larger one goes out in pieces of this size."""


class Departure(Protocol):
    """Is told how a request goes out."""

    def begins(self) -> None:
        """From its first byte, maybe not for the first time."""

    def progresses(self) -> None:
        """Some of it was taken."""

    def went(self, part: bytes) -> None:
        """These bytes of its body were given to the connection, behind those before."""

    def is_out(self) -> None:
        """All of it was."""


class Unwatched:
    """The departure of a request that nobody asks about."""

    def begins(self) -> None:
        """Nothing."""

    progresses = is_out = begins

    def went(self, part: bytes) -> None:
        """Nothing."""


UNWATCHED = Unwatched()

Content = bytes | AsyncIterator[bytes]
"""A request's body: whole, or as it comes."""


@frozen
class UpstreamRequest:
    """What goes over a connection. `target` is whole; of a body in parts the headers say the length, if it is known.

    `idle_timeout` is how long upstream may take nothing, or say nothing, in seconds.
    """

    method: str
    target: bytes
    headers: RawHeaders
    body: Content
    idle_timeout: float
    departure: Departure = UNWATCHED


class Outgoing:
    """One request on its way out: `begin`, and `send_rest` where that was not all. `shut` ends it from another task.

    Raises UpstreamBroke for a request that can't be sent.
    """

    def __init__(self, request: UpstreamRequest, host: bytes, stream: trio.abc.SendStream, outlet: Outlet) -> None:
        self._head, self._chunked = request_head(request, host)
        self._body = request.body
        self._departure = request.departure
        self._idle_timeout = request.idle_timeout
        self._stream = stream
        self._outlet = outlet
        self._pieces = deque[bytes | memoryview]()
        self._next_part: trio.CancelScope | None = None
        self.is_out = False
        """All of it went out."""
        self.is_sending = False
        """It is upstream's turn to take something, and nobody else's to bring it."""
        self.steps = 0
        """How many pieces upstream's connection was given, and took."""

    async def begin(self) -> None:
        """Sends what mostly is all of it: what the kernel takes at once, or a short body with its head.

        Raises BrokenResourceError where upstream takes no more, and UpstreamTimeout.
        """
        self._departure.begins()
        body = self._body
        if not isinstance(body, bytes):
            await self._send(self._head)
            return
        self._departure.went(body)
        if len(body) <= SENT_TOGETHER:
            self._pieces.append(self._head + body)
        else:
            whole = memoryview(body)
            self._pieces += [self._head, *(whole[at : at + SENT_AT_ONCE] for at in range(0, len(whole), SENT_AT_ONCE))]
        if self._stream is self._outlet:
            self._send_at_once()
        else:  # what is encrypted is not for the kernel to take
            await self._send(self._pieces.popleft())
        if not self._pieces:
            self._went_out()

    async def send_rest(self) -> None:
        """Sends the rest. Raises as `begin` does, also where it was shut, and what a body raises as it comes."""
        if isinstance(self._body, bytes):
            while self._pieces:
                await self._send(self._pieces.popleft())
                self._departure.progresses()
        else:
            await self._send_parts(self._body)
        self._went_out()

    def shut(self) -> None:
        """Upstream is to get nothing more of it: its connection can't be used for another request."""
        self._outlet.shut()
        if self._next_part is not None:
            self._next_part.cancel()

    def _went_out(self) -> None:
        self.is_out = True
        self._departure.is_out()

    def _send_at_once(self) -> None:
        """The head, and what mostly is the whole body; not more, so that others have their turn."""
        for _ in range(2):
            if self._pieces:
                piece = self._pieces.popleft()
                sent = self._send_now(piece)
                if sent < len(piece):
                    self._pieces.appendleft(memoryview(piece)[sent:])
                    return

    def _send_now(self, piece: bytes | memoryview) -> int:
        try:
            return sent_at_once(self._outlet.descriptor, piece)
        except OSError:
            raise trio.BrokenResourceError from None

    async def _send_parts(self, body: AsyncIterator[bytes]) -> None:
        while (part := await self._part(body)) is not None:
            if part:  # an empty chunk would be the last
                self._departure.went(part)
                await self._send(b"%x\r\n%b\r\n" % (len(part), part) if self._chunked else part)
                self._departure.progresses()
        if self._chunked:
            await self._send(b"0\r\n\r\n")

    async def _part(self, body: AsyncIterator[bytes]) -> bytes | None:
        """The next part of the body, as soon as there is one; None at its end."""
        self._next_part = trio.CancelScope()
        try:
            with self._next_part:
                return await anext(body, None)
        finally:
            self._next_part = None
        raise trio.BrokenResourceError

    async def _send(self, data: bytes | memoryview) -> None:
        self.is_sending = True
        self.steps += 1
        with trio.move_on_after(self._idle_timeout):
            await self._stream.send_all(data)
            if self._outlet.is_shut:
                raise trio.BrokenResourceError
            self.is_sending = False
            self.steps += 1
            return
        raise UpstreamTimeout("upstream was silent for too long")


_REQUEST_HEAD = re.compile(b"%b [\\x21-\\x7e]+ HTTP/1\\.1\r\n(?:%b)*\r\n" % (TOKEN, FIELD_LINE))
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_WITH_A_BODY = frozenset({"POST", "PUT", "PATCH"})


def request_head(request: UpstreamRequest, host: bytes) -> tuple[bytes, bool]:
    """A request's head, and whether its body goes in chunks. Raises UpstreamBroke for what is no head: a value that
    somebody configured with a line end in it would be a header, or a request, of its own."""
    fields = [b"Host: %b\r\n" % host]
    fields += [b"%b: %b\r\n" % header for header in request.headers]
    chunked = False
    if not any(name.lower() in _FRAMING for name, _ in request.headers):
        if not isinstance(request.body, bytes):
            chunked = True
            fields.append(b"Transfer-Encoding: chunked\r\n")
        elif request.body or request.method in _WITH_A_BODY:
            fields.append(b"Content-Length: %d\r\n" % len(request.body))
    head = b"%b %b HTTP/1.1\r\n%b\r\n" % (request.method.encode("ascii"), request.target, b"".join(fields))
    if _REQUEST_HEAD.fullmatch(head) is None or head.count(b"\n") != len(fields) + 2:
        raise UpstreamBroke("the request can't be sent: a header or the path of it is not well-formed")
    return head, chunked
