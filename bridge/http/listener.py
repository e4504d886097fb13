"""The accept loop: listens, gives each client its own task, and knows how to stop."""

from __future__ import annotations

import errno
import resource
import socket
from collections.abc import Sequence

import trio

from bridge.accept import accept
from bridge.errors import StartError
from bridge.http.connection import Connection
from bridge.http.engine import App, ErrorResponse, engine_config
from bridge.http.health import bridge_on
from bridge.http.hypercorn_parts import WorkerContext, check_version
from bridge.observe.logs import logger

log = logger("http")

ANSWER_S = 2.0
"""How long whoever has our address may take to say what it is, in seconds."""

RESERVED_DESCRIPTORS = 64
"""Kept for the event socket's subscribers, the record and the logs."""


async def open_listeners(host: str, port: int) -> list[trio.SocketListener]:
    """Listens on every address of `host`; port 0 takes one free port for all. Raises StartError with the reason."""
    try:
        listeners = await trio.open_tcp_listeners(port, host=host, backlog=1024)
        if port == 0 and len(listeners) > 1:
            for listener in listeners[1:]:
                await listener.aclose()
            chosen = listeners[0]
            return [chosen]
    except (OSError, socket.gaierror) as error:
        pid = None
        if error.errno == errno.EADDRINUSE:
            pid = await trio.to_thread.run_sync(bridge_on, host, port, ANSWER_S)
        reason = error.strerror or str(error)
        if pid is not None:
            reason = f"a bridge runs there already (process {pid}): see it with 'clearspan monitor'"
        raise StartError(
            f"cannot listen on {host} port {port}: {reason}; choose another with --host or --port"
        ) from error
    return listeners


def raise_descriptor_limit() -> int:
    """Lifts this process's soft limit on open descriptors to the hard one (at most 65,536). Returns it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 65_536) if hard != resource.RLIM_INFINITY else 65_536
    if wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft


class Listener:
    """Accepts clients on some sockets and serves `app` to them."""

    def __init__(self, app: App, sockets: Sequence[trio.SocketListener], error_response: ErrorResponse) -> None:
        check_version()
        self._app = app
        self._sockets = sockets
        self._error_response = error_response
        self._config = engine_config()
        self._context = WorkerContext(None)
        self._connections: set[Connection] = set()
        # Each client may need an upstream connection too. Who comes in above that waits in the kernel's queue.
        self._room = trio.CapacityLimiter(max(1, (raise_descriptor_limit() - RESERVED_DESCRIPTORS) // 2))

    async def run(self) -> None:
        """Accepts until cancelled; the connections end with it."""
        async with trio.open_nursery() as nursery:
            for sock in self._sockets:
                nursery.start_soon(self._accept, sock, nursery)

    async def drain(self) -> None:
        """From now on a connection ends after the request it is serving."""
        await self._context.terminated.set()
        for connection in self._connections:
            connection.close_if_idle()

    async def _accept(self, sock: trio.SocketListener, nursery: trio.Nursery) -> None:
        async with sock:
            while True:
                connection = object()
                await self._room.acquire_on_behalf_of(connection)
                try:
                    stream = await accept(sock, log)
                except BaseException:
                    self._room.release_on_behalf_of(connection)
                    raise
                nursery.start_soon(self._serve, stream, connection)

    async def _serve(self, stream: trio.SocketStream, place: object) -> None:
        connection = Connection(stream, self._app, self._error_response, self._config, self._context)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            self._room.release_on_behalf_of(place)
