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
import ssl

import trio

from bridge.providers.faults import ConnectFailed, UpstreamBroke, UpstreamTimeout, connect_failed
from bridge.providers.httpx_parts import URL, trusted_authorities
from bridge.providers.outgoing import UpstreamRequest
from bridge.providers.outlet import Outlet
from bridge.providers.upstream_connection import UpstreamConnection

KEPT_IDLE = 64


class Connections:
    """Makes, keeps and lends the connections to one origin."""

    def __init__(self, url: URL, *, connect_timeout: float, tls: ssl.SSLContext | None) -> None:
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
                return UpstreamConnection.over(stream) if tls is None else await _secured(stream, tls, self._host)
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
        return await trio.to_thread.run_sync(trusted_authorities)
    except OSError as error:  # an SSLError is one
        place = next((name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)), "")
        named = f" that {place} names" if place else ""
        reason = "it holds none" if isinstance(error, ssl.SSLError) else error.strerror
        raise NoAuthorities(f"the file of certificate authorities{named} can't be read: {reason}") from None


async def _secured(stream: trio.SocketStream, tls: ssl.SSLContext, host: str) -> UpstreamConnection:
    outlet = Outlet(stream)
    secured = trio.SSLStream(outlet, tls, server_hostname=host, https_compatible=True)
    try:
        await secured.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return UpstreamConnection(secured, outlet)
