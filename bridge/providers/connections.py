"""Connections to one origin, each owned by the request that uses it.

This is httpx at its transport level, below the client, so that nothing is added to a request and nothing is kept of a
response: no cookies, no redirects, no proxies from the environment, no decoding. httpcore's connection pool is left
out: cancelled under contention it loses slots for ever (measured on 1.0.9). Here each attempt owns its connection from
start to end, and a connection is kept for the next one only when it is clean: the response whole, nothing after it, the
server still there. Private parts of httpcore are used, so its version is pinned; `attempt.py`, the only user of this
module, checks it.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Awaitable, Callable
from functools import cache, partial

import h11
import trio
from attrs import define

from bridge.http.chunked import ChunkedBody
from bridge.http.fields import first_value
from bridge.http.grammar import HEAD_END, ProtocolFault, check_response_head
from bridge.limits import LIMITS
from bridge.process.imports import without

with without("rich", "h2.connection"):  # for a command line, and HTTP/2
    import httpcore
    import httpx

KEPT_IDLE = 64
IDLE_EXPIRY_S = 50.0
"""Idle connections are kept this long; the common servers and load balancers close at 60 s and above."""
RECEIVE_SIZE = 64 * 1024


class OwnedConnections(httpx.AsyncBaseTransport):
    """An httpx transport for one origin, in which every request owns the connection it uses."""

    def __init__(self, url: httpx.URL, tls: ssl.SSLContext | None) -> None:
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        self._origin = httpcore.Origin(url.raw_scheme, url.raw_host, port)
        self._is_encrypted = url.scheme == "https"
        self._tls = tls
        self._backend = httpcore.TrioBackend()
        self._idle: list[UpstreamConnection] = []
        self._keep = KEPT_IDLE

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends on a clean idle connection or a new one; where the idle one proves dead, once more on a new one."""
        await self.close_expired()
        if self._idle and isinstance(request.stream, httpx.ByteStream):  # else it could not be sent once more
            reused = self._idle.pop()
            try:
                return await self._exchange(reused, request)
            except (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError):
                if reused.response_begun:
                    raise
        return await self._exchange(await self._connect(request), request)

    async def close_expired(self) -> None:
        """Closes idle connections that expired, were closed by the server, or have bytes nobody asked for."""
        expired = [connection for connection in self._idle if connection.has_expired()]
        # Before waiting: others do the same meanwhile.
        self._idle = [connection for connection in self._idle if connection not in expired]
        for connection in expired:
            await connection.aclose_now()

    async def aclose(self) -> None:
        """Closes the idle connections; those in use are not kept any more."""
        self._keep = 0
        while self._idle:
            await self._idle.pop().aclose_now()

    async def release(self, connection: UpstreamConnection) -> None:
        """Takes a connection back when its exchange is over: keeps it if it is clean, closes it otherwise."""
        if connection.is_idle() and not connection.has_expired() and len(self._idle) < self._keep:
            self._idle.append(connection)
        else:
            await connection.aclose_now()

    async def _exchange(self, connection: UpstreamConnection, request: httpx.Request) -> httpx.Response:
        sent = httpcore.Request(
            request.method,
            httpcore.URL(scheme=self._origin.scheme, host=self._origin.host, port=self._origin.port, target=b"/"),
            headers=request.headers.raw,
            content=WholeBody(request.content) if isinstance(request.stream, httpx.ByteStream) else request.stream,
            extensions=request.extensions,
        )
        try:
            response = await connection.handle_async_request(sent)
        except BaseException:
            await connection.aclose_now()
            raise
        timeout = request.extensions["timeout"]["read"]
        body = OwnedStream(self, connection, response, partial(connection.receive, timeout))
        return httpx.Response(response.status, headers=response.headers, stream=body)

    async def _connect(self, request: httpx.Request) -> UpstreamConnection:
        timeout = request.extensions["timeout"]["connect"]
        tls = await self._trust() if self._is_encrypted else None
        stream = await self._backend.connect_tcp(
            self._origin.host.decode("ascii"), self._origin.port, timeout=timeout, socket_options=[]
        )
        if tls is not None:
            raw = stream
            try:
                stream = await raw.start_tls(tls, self._origin.host.decode("ascii"), timeout)
            except BaseException:  # httpcore closes it on an Exception only; cancelled, it would leak
                with trio.CancelScope(shield=True):
                    await raw.aclose()
                raise
        return UpstreamConnection(self._origin, stream, IDLE_EXPIRY_S)

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


@define
class WholeBody:
    """A request body in one piece. httpx's own is a generator, which a cancelled send would leave unfinished."""

    _left: bytes

    def __aiter__(self) -> WholeBody:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        whole, self._left = self._left, b""
        return whole


class UpstreamConnection(httpcore.AsyncHTTP11Connection):
    """httpcore's HTTP/1.1 connection, which knows whether it is clean and gives all bytes of one read at once.

    h11 takes more than the RFC allows. So it gets an answer's head once that was looked at, and nothing of a
    chunked body but its end; `ChunkedBody` takes it apart.
    """

    def __init__(self, origin: httpcore.Origin, stream: httpcore.AsyncNetworkStream, keepalive_expiry: float) -> None:
        super().__init__(origin, stream, keepalive_expiry)
        self._begin()

    def _begin(self) -> None:
        self._heads = 0
        self._arrived = bytearray()
        """What has come of a head, or of a chunked body, and was not looked at yet."""
        self._searched = 0
        """No head ends before this offset."""
        self._chunked: ChunkedBody | None = None
        self._body_ended = False

    @property
    def response_begun(self) -> bool:
        """Whether any byte of a response has come for the request under way."""
        return bool(self._heads or self._arrived) or self._h11_state.their_state is not h11.SEND_RESPONSE

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Sends a request and reads the head of its response."""
        self._begin()
        response = await super().handle_async_request(request)
        bodiless = request.method == b"HEAD" or response.status in {204, 304}  # RFC 9112, 6.3
        if not bodiless and first_value(response.headers, b"transfer-encoding") is not None:
            self._chunked = ChunkedBody(padded=True)
        elif self._arrived:
            self._h11_state.receive_data(bytes(self._arrived))
            self._arrived.clear()
        return response

    def has_expired(self) -> bool:
        """Whether it must not be used again."""
        return super().has_expired() or bool(self._h11_state.trailing_data[0])

    async def aclose_now(self) -> None:
        """Closes it, however it was left, without waiting for the peer (no TLS farewell)."""
        with trio.CancelScope(shield=True, deadline=trio.current_time()):
            await self.aclose()

    async def receive(self, timeout: float) -> bytes:
        """The next bytes of the body, as many as are there; none at its end. Cancelled, it loses nothing."""
        while not self._body_ended:
            if part := self._measured() if self._chunked is None else self._dechunked(self._chunked):
                return part
            if not self._body_ended:
                data = await self._network_stream.read(RECEIVE_SIZE, timeout=timeout)
                if self._chunked is None or not data:
                    self._chunked = None  # h11 knows that this is no end
                    self._h11_state.receive_data(data)
                else:
                    self._arrived += data
        return b""

    def _dechunked(self, body: ChunkedBody) -> bytes:
        data = bytes(self._arrived)
        self._arrived.clear()
        try:
            part = body.decode(data)
        except ProtocolFault:
            raise httpcore.RemoteProtocolError("a malformed chunk") from None
        if body.ended:
            self._h11_state.receive_data(b"0\r\n\r\n" + body.rest)
            self._body_ended = isinstance(self._h11_state.next_event(), h11.EndOfMessage)
        return part

    def _measured(self) -> bytes:
        pieces: list[bytes] = []
        try:
            while isinstance(event := self._h11_state.next_event(), h11.Data):
                pieces.append(bytes(event.data))
            self._body_ended = event is not h11.NEED_DATA
        except h11.RemoteProtocolError:
            if not pieces:  # else these go first; the next call comes here again
                raise
        return b"".join(pieces)

    async def _receive_event(self, timeout: float | None = None) -> h11.Event | type[h11.PAUSED]:
        """The next head: httpcore asks for no other event, since bodies are received here."""
        while (end := self._head_end()) is None:
            data = await self._network_stream.read(RECEIVE_SIZE, timeout=timeout)
            if not data:
                raise httpcore.RemoteProtocolError("the server left before its answer")
            self._arrived += data
        head = bytes(self._arrived[:end])
        del self._arrived[:end]
        self._searched = 0
        self._heads += 1  # also of informational answers, after which h11 looks as before
        try:
            check_response_head(head)
            self._h11_state.receive_data(head)
            event = self._h11_state.next_event()
        except (ProtocolFault, h11.RemoteProtocolError):
            raise httpcore.RemoteProtocolError("no head of an answer") from None
        if self._heads > LIMITS.informational_responses and isinstance(event, h11.InformationalResponse):
            raise httpcore.RemoteProtocolError("too many heads that only inform")
        return event  # type: ignore[return-value]  # never NEED_DATA, since the head is whole

    def _head_end(self) -> int | None:
        arrived = self._arrived
        found = HEAD_END.search(arrived, self._searched, LIMITS.answer_head_bytes)
        if found is not None:
            return found.end()
        if len(arrived) >= LIMITS.answer_head_bytes or not b"HTTP/".startswith(arrived[:5]):
            raise httpcore.RemoteProtocolError("no head of an answer")
        self._searched = max(0, len(arrived) - 2)
        return None


@define
class OwnedStream(httpx.AsyncByteStream):
    """A response's body, and the connection it comes on."""

    _owner: OwnedConnections
    _connection: UpstreamConnection
    _response: httpcore.Response
    receive: Callable[[], Awaitable[bytes]]

    async def aclose(self) -> None:
        """Ends the exchange. Never waits for the peer."""
        await self._response.aclose()
        await self._owner.release(self._connection)
