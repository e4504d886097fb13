"""One attempt at a request, owned by one `async with`: what the rest of the bridge knows of a provider's server.

No exception of httpx or httpcore leaves this module, since their texts may quote header values, and so a key.
"""

from __future__ import annotations

import os
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import h11
import trio
from attrs import define, evolve, frozen

from bridge.errors import ClearspanError, StartError
from bridge.http.fields import RawHeaders, first_value
from bridge.process.imports import without
from bridge.providers.connections import NoAuthorities, OwnedConnections, OwnedStream

with without("rich", "h2.connection"):  # for a command line, and HTTP/2
    import httpcore
    import httpx

HTTPCORE = "1.0.9"

CLOSE_S = 1.0
"""A peer that does not even take a TLS farewell in this time is left without."""


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
        if httpcore.__version__ != HTTPCORE:
            raise StartError(
                f"clearspan needs httpcore {HTTPCORE} exactly, but {httpcore.__version__} is installed; "
                "reinstall clearspan"
            )
        self._url = httpx.URL(base_url)
        self._path = self._url.raw_path.rstrip(b"/")
        self._connect_timeout = connect_timeout
        self._transport = OwnedConnections(self._url, tls)
        self._limiter = trio.CapacityLimiter(max_connections)

    @asynccontextmanager
    async def attempt(self, call: Call) -> AsyncIterator[Response]:
        """Makes a request and gives its response. Leaving the block ends it, however far it has come.

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
                yield Response(response.status_code, response.headers.raw, stream.receive)
            finally:
                with trio.move_on_after(CLOSE_S, shield=True):
                    await stream.aclose()
        finally:
            self._limiter.release_on_behalf_of(place)

    @property
    def in_use(self) -> int:
        """How many attempts are under way."""
        return self._limiter.borrowed_tokens

    @property
    def is_encrypted(self) -> bool:
        """Whether it is reached by https."""
        return self._url.scheme == "https"

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
        request.method = call.method  # which httpx puts in capitals; methods are case-sensitive (RFC 9110, 9.1)
        try:
            with trio.fail_after(call.head_timeout):
                return await self._transport.handle_async_request(request)
        except trio.TooSlowError:
            raise UpstreamTimeout(f"no answer within {call.head_timeout:g} s") from None
        except NoAuthorities as error:
            raise ConnectFailed(
                f"cannot connect to {self._url.scheme}://{self._url.netloc.decode()}: {error}"
            ) from None
        except PEER_ERRORS as error:
            raise _translated(error, f"{self._url.scheme}://{self._url.netloc.decode()}") from None


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
class Response:
    """A response's head, and its body as it comes."""

    status: int
    headers: RawHeaders
    _receive: Callable[[], Awaitable[bytes]]
    unlabelled_stream: bool = False
    """Its bytes are those of a stream, whatever its headers say."""

    @classmethod
    def read_before(cls, status: int, headers: RawHeaders, body: bytes, *, complete: bool) -> Response:
        """A response whose body was read before, to its end or not: then it breaks off where it did."""
        return cls(status, headers, _one_after_the_other([body], None if complete else _broken_off))

    def after(self, held: Sequence[bytes]) -> Response:
        """This response as it was before these parts of its body were received."""
        return evolve(self, receive=_one_after_the_other(held, self._receive))

    def header(self, name: bytes) -> bytes | None:
        """The first value of that name (given in lower case)."""
        return first_value(self.headers, name)

    @property
    def is_stream(self) -> bool:
        """Whether its body is a stream of events."""
        label = (self.header(b"content-type") or b"").lower()
        return self.unlabelled_stream or label.startswith(b"text/event-stream")

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


class UpstreamError(ClearspanError):
    """There was no response, or it broke off."""


class ConnectFailed(UpstreamError):
    """No connection could be made: name, route, refusal or TLS."""


class UpstreamTimeout(UpstreamError):
    """Upstream took longer than its settings allow."""


class UpstreamBroke(UpstreamError):
    """The connection ended, or what came over it was not HTTP, before the response was whole."""


class UpstreamBusy(UpstreamError):
    """As many requests as we allow are under way, and none ended in time."""


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
