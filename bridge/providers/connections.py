"""Connections to one origin, each owned by the request that uses it: HTTP/1.1 on a Trio stream, and nothing besides.

Nothing is added to a request but what frames it, and nothing is kept of a response: no cookies, no redirects, no
proxies from the environment, no decoding. A connection is kept for the next request only when it is clean: the response
whole, nothing after it, the server still there.

httpx and httpcore did this before. httpcore's pool loses slots for ever when requests are cancelled under contention
(measured on 1.0.9), and without it what was left of both (requests made twice over, locks, h11) took a third of the
processor time of a request; docs/performance.md has the figures.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import AsyncIterator
from functools import cache
from typing import Protocol

import trio
from attrs import define, field, frozen

from bridge.http.answer_head import AnswerHead, read_answer_head
from bridge.http.chunked import ChunkedBody
from bridge.http.fields import RawHeaders
from bridge.http.grammar import FIELD_LINE, HEAD_END, TOKEN, ProtocolFault
from bridge.http.kernel import readable, sent_at_once
from bridge.limits import LIMITS
from bridge.process.imports import without
from bridge.providers.faults import ConnectFailed, UpstreamBroke, UpstreamTimeout, connect_failed, no_http

with without("pygments", "rich", "h2.connection", "brotli"):  # for a command line, HTTP/2, and decoding
    import httpx

KEPT_IDLE = 64
IDLE_EXPIRY_S = 50.0
"""Idle connections are kept this long; the common servers and load balancers close at 60 s and above."""
RECEIVE_SIZE = 64 * 1024
SENT_TOGETHER = 64 * 1024
"""A body up to this many bytes goes out in one piece with its head."""
SENT_AT_ONCE = 256 * 1024
"""A larger one goes out in pieces of this size."""

_REQUEST_HEAD = re.compile(b"%b [\\x21-\\x7e]+ HTTP/1\\.1\r\n(?:%b)*\r\n" % (TOKEN, FIELD_LINE))
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_WITH_A_BODY = frozenset({"POST", "PUT", "PATCH"})


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


class Connections:
    """Makes, keeps and lends the connections to one origin."""

    def __init__(self, url: httpx.URL, *, connect_timeout: float, tls: ssl.SSLContext | None) -> None:
        self._host = url.raw_host.decode("ascii")
        self._port = url.port or {"http": 80, "https": 443}[url.scheme]
        self._netloc = url.netloc
        self._where = f"{url.scheme}://{url.netloc.decode()}"
        self._is_encrypted = url.scheme == "https"
        self._tls = tls
        self._connect_timeout = connect_timeout
        self._idle: list[UpstreamConnection] = []
        self._keep = KEPT_IDLE

    async def ask(self, request: UpstreamRequest) -> UpstreamConnection:
        """Sends a request and reads the head of its response; whoever gets the connection has to `release` it.

        It goes over a clean idle connection or a new one; where the idle one proves dead, once more over a new one.
        Raises UpstreamError.
        """
        if isinstance(request.body, bytes):  # else it could not be sent once more
            reused = await self._take_idle()
            if reused is not None:
                try:
                    await reused.ask(request, self._netloc)
                except UpstreamBroke:
                    if reused.response_begun:
                        raise
                else:
                    return reused
        connection = await self._connect()
        await connection.ask(request, self._netloc)
        return connection

    async def release(self, connection: UpstreamConnection) -> None:
        """Takes a connection back when its exchange is over: keeps it if it is clean, closes it otherwise.

        Never waits for the peer (no TLS farewell).
        """
        if connection.is_clean and len(self._idle) < self._keep:
            connection.idle_since = trio.current_time()
            self._idle.append(connection)
        else:
            await connection.close()

    async def close_expired(self) -> None:
        """Closes idle connections that expired, were closed by the server, or have bytes nobody asked for."""
        expired = [connection for connection in self._idle if connection.has_expired]
        # Before waiting: others do the same meanwhile.
        self._idle = [connection for connection in self._idle if connection not in expired]
        for connection in expired:
            await connection.close()

    async def aclose(self) -> None:
        """Closes the idle connections; those in use are not kept any more."""
        self._keep = 0
        while self._idle:
            await self._idle.pop().close()

    async def _take_idle(self) -> UpstreamConnection | None:
        """The connection that was idle for the shortest time, if it is good; those that are not are closed."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.has_expired:
                return connection
            await connection.close()
        return None

    async def _connect(self) -> UpstreamConnection:
        with trio.move_on_after(self._connect_timeout):
            try:
                tls = await self._trust() if self._is_encrypted else None
                stream = await trio.open_tcp_stream(self._host, self._port)
                if tls is None:
                    return UpstreamConnection(stream, stream.socket)
                return UpstreamConnection(await _secured(stream, tls, self._host), stream.socket)
            except NoAuthorities as error:
                raise ConnectFailed(f"cannot connect to {self._where}: {error}") from None
            except (OSError, trio.BrokenResourceError) as error:
                raise connect_failed(error, self._where) from None
        raise UpstreamTimeout(f"cannot connect to {self._where}: timed out")

    async def _trust(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = await load_authorities()
        return self._tls


class NoAuthorities(Exception):
    """The certificate authorities to trust can't be read; its text says why."""


async def load_authorities() -> ssl.SSLContext:
    """Whom every https provider trusts: httpx's list, or that of SSL_CERT_FILE or SSL_CERT_DIR. Raises NoAuthorities.

    The list takes 40 ms of a processor to read: it is read once, in a thread, and no start waits for it.
    """
    try:
        return await trio.to_thread.run_sync(_authorities)
    except OSError as error:  # an SSLError is one
        place = next((name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)), "")
        named = f" that {place} names" if place else ""
        reason = "it holds none" if isinstance(error, ssl.SSLError) else error.strerror
        raise NoAuthorities(f"the file of certificate authorities{named} can't be read: {reason}") from None


@cache
def _authorities() -> ssl.SSLContext:
    return httpx.create_ssl_context()


async def _secured(stream: trio.SocketStream, tls: ssl.SSLContext, host: str) -> trio.abc.Stream:
    secured = trio.SSLStream(stream, tls, server_hostname=host, https_compatible=True)
    try:
        await secured.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return secured


@define(eq=False)
class UpstreamConnection:
    """One connection, and the exchange that is under way on it."""

    _stream: trio.abc.Stream
    _socket: trio.socket.SocketType
    idle_since: float = 0.0
    response_begun: bool = field(default=False, init=False)
    """Whether any byte of a response has come for the request under way."""
    _head: AnswerHead | None = field(default=None, init=False)
    _arrived: bytearray = field(factory=bytearray, init=False)
    """What has come and was not looked at yet."""
    _left: int | None = field(default=None, init=False)
    """Bytes of the body that are still to come; None where chunks or the end of the connection say it."""
    _chunked: ChunkedBody | None = field(default=None, init=False)
    _idle_timeout: float = field(default=0.0, init=False)
    _ended: bool = field(default=False, init=False)
    """The body has come whole."""
    _spent: bool = field(default=False, init=False)
    """It must not be used for another request."""

    @property
    def status(self) -> int:
        """The response's."""
        assert self._head is not None  # noqa: S101  # nobody gets a connection before
        return self._head.status

    @property
    def headers(self) -> RawHeaders:
        """The response's, as they came."""
        assert self._head is not None  # noqa: S101  # as above
        return self._head.headers

    @property
    def is_clean(self) -> bool:
        """Whether another request may follow: this response has come whole, and nothing behind it."""
        return self._ended and not self._spent and not self._arrived

    @property
    def has_expired(self) -> bool:
        """Whether an idle one must not be used again: too old, or the server has said or ended something."""
        return trio.current_time() - self.idle_since > IDLE_EXPIRY_S or readable(self._socket.fileno())

    async def close(self) -> None:
        """Closes it, however it was left, without waiting for the peer."""
        await trio.aclose_forcefully(self._stream)

    async def ask(self, request: UpstreamRequest, host: bytes) -> None:
        """Sends a request and reads the head of its response. Closes the connection where that fails."""
        self.response_begun, self._ended, self._left, self._chunked = False, False, None, None
        self._idle_timeout = request.idle_timeout
        try:
            await self._send(request, host)
            head = await self._receive_head()
        except BaseException:
            await self.close()
            raise
        self._head = head
        self._spent = self._spent or not head.lasting
        if request.method == "HEAD" or head.status in {204, 304}:  # RFC 9112, 6.3
            self._left = 0
        elif head.chunked:
            self._chunked = ChunkedBody(padded=True)
        else:
            self._left = head.length
        self._ended = self._left == 0

    async def receive(self) -> bytes:
        """The next bytes of the body, as many as are there; none at its end. Cancelled, it loses nothing.

        Raises UpstreamError where the body breaks off.
        """
        while not self._ended:
            # Also with nothing new: a chunk's fault is told by the call after the one that had good data before it.
            if (part := self._decoded()) or self._ended:
                return part
            data = await self._receive()
            if data:
                self._arrived += data
            elif self._chunked is None and self._left is None:  # 6.3: the end of the connection is that of the body
                self._ended = self._spent = True
            else:
                raise no_http()
        return b""

    def take(self) -> bytes:
        """The next bytes of the body as far as they are here. Never raises: a fault is told by `receive`."""
        if self._ended or not self._arrived:
            return b""
        try:
            return self._decoded()
        except UpstreamBroke:
            return b""

    def _decoded(self) -> bytes:
        """What of the body has arrived."""
        data = bytes(self._arrived)
        if self._chunked is not None:
            self._arrived.clear()
            try:
                part = self._chunked.decode(data)
            except ProtocolFault:
                raise no_http() from None
            if self._chunked.ended:
                self._ended = True
                self._arrived += self._chunked.rest
            return part
        if self._left is None:
            self._arrived.clear()
            return data
        part = data[: self._left]
        del self._arrived[: self._left]
        self._left -= len(part)
        self._ended = not self._left
        return part

    async def _send(self, request: UpstreamRequest, host: bytes) -> None:
        head, chunked = _request_head(request, host)
        body, departure = request.body, request.departure
        departure.begins()
        try:
            if isinstance(body, bytes):
                departure.went(body)
                if len(body) <= SENT_TOGETHER:
                    await self._send_small(head + body)
                else:
                    await self._send_all(head)
                    await self._send_large(body, departure)
            else:
                await self._send_all(head)
                async for part in body:
                    departure.went(part)
                    await self._send_all(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
                    departure.progresses()
                if chunked:
                    await self._send_all(b"0\r\n\r\n")
            departure.is_out()
        except trio.BrokenResourceError:
            self._spent = True  # it may have answered before it stopped reading

    async def _send_small(self, data: bytes) -> None:
        """At once, where the kernel takes it so; what is encrypted is not for the kernel to take."""
        if isinstance(self._stream, trio.SocketStream):
            try:
                sent = sent_at_once(self._socket.fileno(), data)
            except OSError:
                raise trio.BrokenResourceError from None
            if sent == len(data):
                return
            data = data[sent:]
        await self._send_all(data)

    async def _send_large(self, body: bytes, departure: Departure) -> None:
        """Piece by piece, so that it shows that it is taken, however slowly."""
        whole = memoryview(body)
        for start in range(0, len(whole), SENT_AT_ONCE):
            await self._send_all(whole[start : start + SENT_AT_ONCE])
            departure.progresses()

    async def _send_all(self, data: bytes | memoryview) -> None:
        with trio.move_on_after(self._idle_timeout):
            await self._stream.send_all(data)
            return
        raise UpstreamTimeout("upstream was silent for too long")

    async def _receive(self) -> bytes:
        try:
            with trio.move_on_after(self._idle_timeout):
                received: bytes | bytearray = await self._stream.receive_some(RECEIVE_SIZE)
                return bytes(received)
        except trio.BrokenResourceError:
            raise UpstreamBroke("the connection to upstream broke") from None
        raise UpstreamTimeout("upstream was silent for too long")

    async def _receive_head(self) -> AnswerHead:
        """The head of the response, behind those that only inform."""
        for _ in range(LIMITS.informational_responses + 1):
            searched = 0
            while (end := self._head_end(searched)) is None:
                searched = max(0, len(self._arrived) - 2)
                data = await self._receive()
                if not data:
                    raise no_http()
                self.response_begun = True
                self._arrived += data
            whole = bytes(self._arrived[:end])
            del self._arrived[:end]
            try:
                head = read_answer_head(whole)
            except ProtocolFault:
                break
            if head.status >= 200:
                return head
            if head.status == 101:  # nobody asked for another protocol
                break
        raise no_http()

    def _head_end(self, searched: int) -> int | None:
        """Where a head ends, if it has; not before `searched`."""
        found = HEAD_END.search(self._arrived, searched, LIMITS.answer_head_bytes)
        if found is not None:
            return found.end()
        if len(self._arrived) >= LIMITS.answer_head_bytes or not b"HTTP/".startswith(self._arrived[:5]):
            raise no_http()
        return None


def _request_head(request: UpstreamRequest, host: bytes) -> tuple[bytes, bool]:
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
