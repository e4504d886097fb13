"""The provider's side of the bridge: one attempt at a request, owned by one `async with`.

This is the only module that knows httpx and httpcore. It works at httpx's transport level, below the client, so that
nothing is added to a request and nothing is kept of an answer: no cookies, no redirects, no proxies from the
environment, no decoding. httpcore's connection pool is left out: cancelled under contention it loses slots for ever
(measured on 1.0.9). Here each attempt owns its connection from start to end, and a connection is kept for the next one
only when it is clean: the answer whole, nothing after it, the server still there.

No exception of httpx or httpcore leaves this module, since their texts may quote header values, and so a key.
"""

from __future__ import annotations

import importlib.metadata
import os
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import h11
import httpcore
import httpx
import trio
from attrs import define, frozen

from bridge.errors import ClearspanError, StartError
from bridge.http.fields import RawHeaders, first_value

HTTPCORE = "1.0.9"

KEPT_IDLE = 64
IDLE_EXPIRY_S = 50.0
"""Idle connections are kept this long; the common servers and load balancers close at 60 s and above."""
RECEIVE_SIZE = 64 * 1024
CLOSE_S = 1.0
"""A peer that does not even take a TLS farewell in this time is left without."""


class UpstreamError(ClearspanError):
    """There was no answer, or the answer broke off."""


class ConnectFailed(UpstreamError):
    """No connection could be made: name, route, refusal or TLS."""


class UpstreamTimeout(UpstreamError):
    """Upstream took longer than its settings allow."""


class UpstreamBroke(UpstreamError):
    """The connection ended, or what came over it was not HTTP, before the answer was whole."""


class UpstreamBusy(UpstreamError):
    """As many requests as we allow are under way, and none ended in time."""


@frozen
class Call:
    """A request to make. `target` is its path and query below the base URL; times in seconds.

    A body that comes in parts can be sent once only; its framing is in the headers, chunked where they say nothing.
    """

    method: str
    target: bytes
    headers: RawHeaders
    body: bytes | AsyncIterator[bytes]
    head_timeout: float
    idle_timeout: float


@define
class Answer:
    """An answer's head, and its body as it comes."""

    status: int
    headers: RawHeaders
    _receive: Callable[[], Awaitable[bytes]]

    @classmethod
    def read_before(cls, status: int, headers: RawHeaders, body: bytes, *, complete: bool) -> Answer:
        """An answer whose body was read before, to its end or not: then it breaks off where it did."""
        return cls(status, headers, _one_after_the_other([body], None if complete else _broken_off))

    def after(self, held: Sequence[bytes]) -> Answer:
        """This answer as it was before these parts of its body were received."""
        return Answer(self.status, self.headers, _one_after_the_other(held, self._receive))

    def header(self, name: bytes) -> bytes | None:
        """The first value of that name (given in lower case)."""
        return first_value(self.headers, name)

    @property
    def is_stream(self) -> bool:
        """Whether its body is a stream of events."""
        return (self.header(b"content-type") or b"").lower().startswith(b"text/event-stream")

    async def receive(self) -> bytes:
        """The next bytes of the body, all that are there; none at its end. Cancelled, it loses nothing.

        Raises UpstreamError where the body breaks off.
        """
        try:
            return await self._receive()
        except PEER_ERRORS as error:
            raise _translated(error) from None


async def _broken_off() -> bytes:
    raise UpstreamBroke("upstream's answer was not read to its end")


def _one_after_the_other(
    parts: Sequence[bytes], then: Callable[[], Awaitable[bytes]] | None = None
) -> Callable[[], Awaitable[bytes]]:
    waiting = deque(part for part in parts if part)

    async def receive() -> bytes:
        if waiting:
            return waiting.popleft()
        return b"" if then is None else await then()

    return receive


class Upstream:
    """One provider's server, with the connections to it."""

    def __init__(
        self,
        base_url: str,
        *,
        connect_timeout: float = 10.0,
        max_connections: int = 1000,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        found = importlib.metadata.version("httpcore")
        if found != HTTPCORE:
            raise StartError(
                f"clearspan needs httpcore {HTTPCORE} exactly, but {found} is installed; reinstall clearspan"
            )
        self._url = httpx.URL(base_url)
        self._path = self._url.raw_path.rstrip(b"/")
        self._connect_timeout = connect_timeout
        self._transport = OwnedConnections(self._url, tls)
        self._limiter = trio.CapacityLimiter(max_connections)

    @asynccontextmanager
    async def attempt(self, call: Call) -> AsyncIterator[Answer]:
        """Makes a request and gives its answer. Leaving the block ends it, however far it has come.

        Raises UpstreamError, with a text that holds no header and no body.
        """
        place = object()
        with trio.move_on_after(self._connect_timeout) as patience:
            await self._limiter.acquire_on_behalf_of(place)
        if patience.cancelled_caught:
            raise UpstreamBusy("too many requests are under way to this provider")
        try:
            response = await self._send(call)
            stream = response.stream
            assert isinstance(stream, OwnedStream)  # noqa: S101  # what our own transport makes
            try:
                if not 200 <= response.status_code <= 599:  # 101 would leave HTTP, and there is nothing above 599
                    raise UpstreamBroke(f"upstream answered with status {response.status_code}, which is no answer")
                yield Answer(response.status_code, response.headers.raw, stream.receive)
            finally:
                with trio.move_on_after(CLOSE_S, shield=True):
                    await stream.aclose()
        finally:
            self._limiter.release_on_behalf_of(place)

    @property
    def in_use(self) -> int:
        """How many attempts are under way."""
        return self._limiter.borrowed_tokens

    async def close_expired(self) -> None:
        """Closes idle connections that nobody should use any more."""
        await self._transport.close_expired()

    async def aclose(self) -> None:
        """Closes idle connections; those in use end with their attempts."""
        await self._transport.aclose()

    async def _send(self, call: Call) -> httpx.Response:
        request = httpx.Request(
            call.method,
            self._url,
            headers=call.headers,
            content=call.body or None,
            extensions={
                "target": self._path + call.target,
                "timeout": {
                    "connect": self._connect_timeout,
                    "read": call.idle_timeout,
                    "write": call.idle_timeout,
                },
            },
        )
        try:
            with trio.fail_after(call.head_timeout):
                return await self._transport.handle_async_request(request)
        except trio.TooSlowError:
            raise UpstreamTimeout(f"no answer within {call.head_timeout:g} s") from None
        except PEER_ERRORS as error:
            raise _translated(error, f"{self._url.scheme}://{self._url.netloc.decode()}") from None


class OwnedConnections(httpx.AsyncBaseTransport):
    """An httpx transport for one origin, in which every request owns the connection it uses."""

    def __init__(self, url: httpx.URL, tls: ssl.SSLContext | None) -> None:
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        self._origin = httpcore.Origin(url.raw_scheme, url.raw_host, port)
        self._tls = tls
        if url.scheme == "https" and tls is None:
            self._tls = httpx.create_ssl_context()
        self._backend = httpcore.TrioBackend()
        self._idle: list[Connection] = []
        self._keep = KEPT_IDLE

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends on a clean idle connection or a new one; where the idle one proves dead, once more on a new one."""
        await self.close_expired()
        if self._idle and isinstance(request.stream, httpx.ByteStream):  # else it could not be sent once more
            reused = self._idle.pop()
            try:
                return await self._exchange(reused, request)
            except (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError):
                if reused.answer_begun:
                    raise
        return await self._exchange(await self._connect(request), request)

    async def close_expired(self) -> None:
        """Closes idle connections that expired, were closed by the server, or have bytes nobody asked for."""
        expired = [one for one in self._idle if one.has_expired()]
        self._idle = [one for one in self._idle if one not in expired]  # before waiting: others do the same meanwhile
        for connection in expired:
            await connection.aclose_now()

    async def aclose(self) -> None:
        """Closes the idle connections; those in use are not kept any more."""
        self._keep = 0
        while self._idle:
            await self._idle.pop().aclose_now()

    async def release(self, connection: Connection) -> None:
        """Takes a connection back when its exchange is over: keeps it if it is clean, closes it otherwise."""
        if connection.is_idle() and not connection.has_expired() and len(self._idle) < self._keep:
            self._idle.append(connection)
        else:
            await connection.aclose_now()

    async def _exchange(self, connection: Connection, request: httpx.Request) -> httpx.Response:
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

    async def _connect(self, request: httpx.Request) -> Connection:
        timeout = request.extensions["timeout"]["connect"]
        stream = await self._backend.connect_tcp(
            self._origin.host.decode("ascii"), self._origin.port, timeout=timeout, socket_options=[]
        )
        if self._tls is not None:
            raw = stream
            try:
                stream = await raw.start_tls(self._tls, self._origin.host.decode("ascii"), timeout)
            except BaseException:  # httpcore closes it on an Exception only; cancelled, it would leak
                with trio.CancelScope(shield=True):
                    await raw.aclose()
                raise
        return Connection(self._origin, stream, IDLE_EXPIRY_S)


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


class Connection(httpcore.AsyncHTTP11Connection):
    """httpcore's HTTP/1.1 connection, which knows whether it is clean and gives all bytes of one read at once."""

    _heard = False
    _body_ended = False

    @property
    def answer_begun(self) -> bool:
        """Whether any byte of an answer has come for the request under way."""
        h11_state = self._h11_state
        return self._heard or bool(h11_state.trailing_data[0]) or h11_state.their_state is not h11.SEND_RESPONSE

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Sends a request and reads the head of its answer."""
        self._heard = self._body_ended = False
        return await super().handle_async_request(request)

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
            if arrived := self._arrived():
                return arrived
            if not self._body_ended:
                self._h11_state.receive_data(await self._network_stream.read(RECEIVE_SIZE, timeout=timeout))
        return b""

    def _arrived(self) -> bytes:
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
        event = await super()._receive_event(timeout)
        self._heard = True  # even by an informational answer, after which h11 looks as before
        return event


@define
class OwnedStream(httpx.AsyncByteStream):
    """An answer's body, and the connection it comes on."""

    _owner: OwnedConnections
    _connection: Connection
    _response: httpcore.Response
    receive: Callable[[], Awaitable[bytes]]

    async def aclose(self) -> None:
        """Ends the exchange. Never waits for the peer."""
        await self._response.aclose()
        await self._owner.release(self._connection)


PEER_ERRORS = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    h11.RemoteProtocolError,
)
"""What httpx, httpcore and h11 raise for what the other side does, or does not do."""


def _translated(error: BaseException, where: str = "upstream") -> UpstreamError:
    match error:
        case httpcore.ConnectTimeout():
            return UpstreamTimeout(f"cannot connect to {where}: timed out")
        case httpcore.ConnectError():
            return ConnectFailed(f"cannot connect to {where}: {_cause(error)}")
        case httpcore.TimeoutException():
            return UpstreamTimeout("upstream was silent for too long")
        case httpcore.RemoteProtocolError() | h11.RemoteProtocolError():
            return UpstreamBroke("upstream closed the connection or sent something that is not HTTP")
        case _:
            return UpstreamBroke("the connection to upstream broke")


def _cause(error: BaseException) -> str:
    """The most telling reason in a chain of connect errors. None of these quotes a request."""
    seen: BaseException | None = error
    reason = "no route, name or answer"
    while seen is not None:
        match seen:
            case ssl.SSLCertVerificationError():
                return f"the server's certificate is not trusted ({seen.verify_message})"
            case ssl.SSLError():
                reason = f"TLS failed ({seen.reason or 'handshake'})"
            case OSError() if seen.errno is not None and seen.errno > 0:
                reason = os.strerror(seen.errno)
            case OSError() if seen.strerror:  # name resolution has numbers of its own
                reason = seen.strerror
        # Where a name has several addresses, Trio tells of each; the first one's reason will do.
        seen = seen.exceptions[0] if isinstance(seen, BaseExceptionGroup) else seen.__cause__ or seen.__context__
    return reason
