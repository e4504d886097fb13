"""One attempt at a request, owned by one `async with`: what the rest of the bridge knows of a provider's server.

What goes wrong is an UpstreamError of `bridge.providers.faults`, whose texts quote neither headers nor bodies.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import trio
from attrs import evolve

from bridge.http.fields import RawHeaders, first_value
from bridge.observe.logs import Redactor
from bridge.providers.connections import Connections
from bridge.providers.faults import UpstreamBroke, UpstreamBusy, UpstreamTimeout
from bridge.providers.httpx_parts import URL
from bridge.providers.outgoing import UNWATCHED, Content, Departure, UpstreamRequest
from bridge.providers.upstream_connection import UpstreamConnection
from bridge.value_classes import define, frozen


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
        url = URL(base_url)
        self.is_encrypted = url.scheme == "https"
        """Whether it is reached by https."""
        self.netloc = url.netloc
        """What it is called in Host."""
        self._path = url.raw_path.rstrip(b"/")
        self.connect_timeout = connect_timeout
        """Seconds, for a connection and for a place among those that are under way."""
        self._connections = Connections(url, connect_timeout=connect_timeout, tls=tls)
        self._limiter = trio.CapacityLimiter(max_connections)

    def attempt(self, call: Call) -> UpstreamAttempt:
        """An attempt at a request; see `UpstreamAttempt`."""
        return UpstreamAttempt(self, self._limiter, self._connections, call)

    def target(self, call: Call) -> bytes:
        """The whole path and query that a request is sent to."""
        return self._path + call.target

    @property
    def in_use(self) -> int:
        """How many attempts are under way."""
        return self._limiter.borrowed_tokens

    async def close_expired(self) -> None:
        """Closes idle connections that nobody should use any more."""
        await self._connections.close_expired()

    async def aclose(self) -> None:
        """Closes idle connections; those in use end with their attempts."""
        await self._connections.aclose()


class UpstreamAttempt:
    """Makes a request as its block is entered, and gives the response. Leaving it ends that, however far it has come.

    Entering raises UpstreamError, with a text that holds no header and no body. A class, since a generator that is
    thrown out of a block stays behind as garbage, and there is one for each request.
    """

    __slots__ = ("_call", "_connection", "_connections", "_limiter", "_upstream")

    def __init__(self, upstream: Upstream, limiter: trio.CapacityLimiter, connections: Connections, call: Call) -> None:
        self._upstream = upstream
        self._limiter = limiter
        self._connections = connections
        self._call = call
        self._connection: UpstreamConnection | None = None

    async def __aenter__(self) -> Response:
        await self._take_place()
        try:
            self._connection = await self._send(self._call)
            del self._call  # its body may be long, and the response take hours
            return _response(self._connection)
        except BaseException:
            await self._end()
            raise

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    async def _end(self) -> None:
        try:
            if self._connection is not None:
                await self._connections.release(self._connection)
        finally:
            self._limiter.release_on_behalf_of(self)

    async def _take_place(self) -> None:
        try:
            self._limiter.acquire_on_behalf_of_nowait(self)  # mostly there is one: nothing to wait for
        except trio.WouldBlock:
            with trio.move_on_after(self._upstream.connect_timeout):
                await self._limiter.acquire_on_behalf_of(self)
                return
            raise UpstreamBusy("too many requests are under way to this provider") from None

    async def _send(self, call: Call) -> UpstreamConnection:
        target = self._upstream.target(call)
        with trio.move_on_after(call.head_timeout):
            return await self._connections.ask(
                UpstreamRequest(call.method, target, call.headers, call.body, call.idle_timeout, call.departure)
            )
        raise UpstreamTimeout(f"no answer within {call.head_timeout:g} s")


def _response(connection: UpstreamConnection) -> Response:
    if connection.status > 599:  # there is nothing above
        raise UpstreamBroke(f"upstream answered with status {connection.status}, which is no answer")
    return Response(connection.status, connection.headers, connection)


@frozen
class Call:
    """A request to make. `target` is its path and query below the base URL; times in seconds.

    A body that comes in parts can be sent once only; its framing is in the headers, chunked where they say nothing.
    """

    method: str
    target: bytes
    headers: RawHeaders
    body: Content
    head_timeout: float
    idle_timeout: float
    departure: Departure = UNWATCHED


class Dumping(Protocol):
    """Makes attempts that are dumped; see `bridge.observe.dumps`."""

    def attempt(
        self, interception_id: str, upstream: Upstream, call: Call, added: Collection[str], secrets: Redactor
    ) -> AbstractAsyncContextManager[Response]: ...


class Body(Protocol):
    """Where a response's body comes from; see `Response`, whose methods these are."""

    def take(self) -> bytes: ...

    async def receive(self) -> bytes: ...


@define
class Response:
    """A response's head, and its body as it comes."""

    status: int
    headers: RawHeaders
    _body: Body
    unlabelled_stream: bool = False
    """Its bytes are those of a stream, whatever its headers say."""

    @classmethod
    def read_before(cls, status: int, headers: RawHeaders, body: bytes, *, complete: bool) -> Response:
        """A response whose body was read before, to its end or not: then it breaks off where it did."""
        return cls(status, headers, HeldBody([body], None, complete=complete))

    def after(self, held: Sequence[bytes]) -> Response:
        """This response as it was before these parts of its body were received."""
        return evolve(self, body=HeldBody(held, self._body))

    def copied(self, to: Callable[[bytes], None]) -> Response:
        """This response, every part of whose body is also given to `to` as it is received."""
        return evolve(self, body=CopiedBody(self._body, to))

    def header(self, name: bytes) -> bytes | None:
        """The first value of that name (given in lower case)."""
        return first_value(self.headers, name)

    @property
    def is_stream(self) -> bool:
        """Whether its body is a stream of events."""
        label = (self.header(b"content-type") or b"").lower()
        return self.unlabelled_stream or label.startswith(b"text/event-stream")

    def take(self) -> bytes:
        """The next bytes of the body as far as they are here; none where they have to be waited for. Never raises."""
        return self._body.take()

    async def receive(self) -> bytes:
        """The next bytes of the body, all that are there; none at its end. Cancelled, it loses nothing.

        Raises UpstreamError where the body breaks off.
        """
        return await self._body.receive()


class CopiedBody:
    """A body whose parts are also given to somebody else, who must not raise."""

    def __init__(self, body: Body, to: Callable[[bytes], None]) -> None:
        self._source = body
        self._to = to

    def take(self) -> bytes:
        """The next bytes, without waiting."""
        return self._copied(self._source.take())

    async def receive(self) -> bytes:
        """The next bytes."""
        return self._copied(await self._source.receive())

    def _copied(self, part: bytes) -> bytes:
        if part:
            self._to(part)
        return part


class HeldBody:
    """Parts of a body that were received before, and what comes after them: nothing more where `then` is None."""

    def __init__(self, parts: Sequence[bytes], then: Body | None, *, complete: bool = True) -> None:
        self._parts = [part for part in reversed(parts) if part]  # the next one last
        self._then = then
        self._complete = complete

    def take(self) -> bytes:
        """The next bytes, without waiting."""
        if self._parts:
            return self._parts.pop()
        return b"" if self._then is None else self._then.take()

    async def receive(self) -> bytes:
        """The next bytes. Raises UpstreamError where the body broke off."""
        if self._parts:
            return self._parts.pop()
        if self._then is not None:
            return await self._then.receive()
        if not self._complete:
            raise UpstreamBroke("upstream's answer was not read to its end")
        return b""
