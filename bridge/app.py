"""The ASGI app: guards, finds the route, hands over. Errors that belong to no provider are in OpenAI's shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import orjson
import trio
from attrs import evolve

from bridge.access import Caller, Forbidden, HostGuard, Unauthorized, identify
from bridge.apis.errors import anthropic_error, openai_error
from bridge.apis.protocol import ErrorKind
from bridge.config.settings import ServerSettings
from bridge.http.engine import Receive, Scope, Send
from bridge.http.exchange import INTERCEPTION_HEADER, Exchange, new_id
from bridge.http.fields import RawHeaders
from bridge.interception.interception import STOPPING, Interception, Route, Services
from bridge.interception.lifecycle import Progress
from bridge.keys.secret import Secret
from bridge.observe.logs import logger, redactor
from bridge.providers.provider import Provider
from bridge.providers.routes import INTERCEPTED, passthrough_api

log = logger("app")

CUT_OFF_S = 2.0
"""How long a cancelled request may take to end; a client that takes nothing must not hold up a stop."""


class App:
    """Everything between a connection and an interception."""

    def __init__(
        self,
        services: Services,
        providers: Mapping[str, Provider],
        guard: HostGuard,
        tokens: Mapping[str, Secret],
    ) -> None:
        self._services = services
        self._providers = providers
        self._guard = guard
        self._tokens = tokens
        self._local: dict[str, Callable[[], tuple[bytes, bytes]]] = {}
        self._idle = trio.Event()
        self._idle.set()
        self._running = 0
        self._stopping = False
        self.live: dict[str, Progress] = {}
        """The interceptions under way, by id."""

    def reconfigure(self, server: ServerSettings) -> None:
        """Takes over changed settings for the requests to come."""
        self._services = evolve(self._services, max_request_bytes=server.max_request_bytes)
        self._tokens = server.client_tokens
        self._guard.allow(server.allowed_hosts)

    def serve_locally(self, path: str, page: Callable[[], tuple[bytes, bytes]]) -> None:
        """Answers GET `path` with `page()`: content type and body."""
        self._local[path] = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        exchange = Exchange(scope, receive, send)
        self._running += 1
        if self._running == 1:
            self._idle = trio.Event()
        try:
            await self._serve(exchange)
        except* Exception:  # a boundary: a bug costs its own request alone, and says nothing of what it saw
            log.exception("a request failed inside the bridge", interception=exchange.id)
            if not exchange.started:
                await _refuse(exchange, ErrorKind.INTERNAL, "the bridge failed; its log says why")
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    async def stop(self, grace: float) -> None:
        """Answers new requests 503 from now on, gives running ones `grace` seconds, then cancels them.

        Those that have not ended when it returns end with their connections.
        """
        self._stopping = True
        with trio.move_on_after(grace):
            await self._idle.wait()
        for progress in list(self.live.values()):
            progress.cancel(STOPPING)
        with trio.move_on_after(CUT_OFF_S):
            await self._idle.wait()

    async def _serve(self, exchange: Exchange) -> None:
        try:
            self._guard.check(exchange)
        except Forbidden as error:
            await _refuse(exchange, ErrorKind.FORBIDDEN, str(error), [(b"connection", b"close")])
            return
        if page := self._local.get(exchange.path):
            if exchange.method not in {"GET", "HEAD"}:
                message = "this route takes GET and HEAD alone"
                await _refuse(exchange, ErrorKind.METHOD_NOT_ALLOWED, message, [(b"allow", b"GET, HEAD")])
                return
            content_type, body = page()
            await exchange.answer(200, body, content_type=content_type)
            return
        if self._stopping:
            headers = [(b"retry-after", b"1"), (b"connection", b"close")]
            await _refuse(exchange, ErrorKind.UNAVAILABLE, STOPPING, headers)
            return
        name, path = _split(exchange.path)
        provider = self._providers.get(name)
        if provider is None:
            await _refuse(exchange, ErrorKind.NOT_FOUND, self._no_route())
            return
        await self._serve_provider(exchange, provider, path)

    async def _serve_provider(self, exchange: Exchange, provider: Provider, path: str) -> None:
        kind = provider.settings.type
        api = INTERCEPTED[kind].get(path)
        if api is None:
            api = passthrough_api(kind, path)
        elif (exchange.header(b"upgrade") or "").lower() == "websocket":
            headers = [(b"upgrade", b"HTTP/1.1")]
            await _refuse(exchange, ErrorKind.UPGRADE_REQUIRED, "WebSocket is not relayed; use HTTP", headers, kind)
            return
        elif exchange.method != "POST":
            message = "this route takes POST alone"
            await _refuse(exchange, ErrorKind.METHOD_NOT_ALLOWED, message, [(b"allow", b"POST")], kind)
            return
        if api is None:
            await _refuse(exchange, ErrorKind.NOT_FOUND, self._no_route(), provider_type=kind)
            return
        try:
            caller = identify(exchange, self._tokens)
        except Unauthorized as error:
            await _refuse(exchange, ErrorKind.UNAUTHORIZED, str(error), provider_type=kind)
            return
        query = b"?" + exchange.query if exchange.query else b""
        target = path.removeprefix("/v1") if kind == "openai" else path  # an OpenAI base URL ends in /v1
        await self._intercept(exchange, Route(provider, api, target.encode("ascii") + query), caller)

    async def _intercept(self, exchange: Exchange, route: Route, caller: Caller) -> None:
        interception = Interception(exchange, route, caller, self._services)
        self.live[exchange.id] = interception.progress
        try:
            with redactor.knowing(caller.secret, caller.credential.hint or "") if caller.secret else nullcontext():
                await interception.run()
        finally:
            del self.live[exchange.id]

    def _no_route(self) -> str:
        served = ", ".join(
            f"POST /{name}{path}"
            for name, provider in self._providers.items()
            for path in INTERCEPTED[provider.settings.type]
        )
        return f"no such route is served here; these are: {served}"


def _split(path: str) -> tuple[str, str]:
    """`/openai/v1/responses` as (`openai`, `/v1/responses`)."""
    name, slash, rest = path[1:].partition("/")
    return name, slash + rest


async def _refuse(
    exchange: Exchange, kind: ErrorKind, message: str, headers: RawHeaders | None = None, provider_type: str = "openai"
) -> None:
    error_body = anthropic_error if provider_type == "anthropic" else openai_error
    await exchange.answer(kind.status, error_body(kind, message), headers or [])


def protocol_error(reason: str) -> tuple[RawHeaders, bytes]:
    """Headers and body for what is not even a request for the app; see `bridge.http.engine.ErrorAnswer`."""
    headers = [(b"content-type", b"application/json"), (INTERCEPTION_HEADER, new_id().encode())]
    return headers, openai_error(ErrorKind.INVALID_REQUEST, reason)


def json_page(value: Callable[[], Any]) -> Callable[[], tuple[bytes, bytes]]:
    """A page for `App.serve_locally` that shows a JSON value."""
    return lambda: (b"application/json", orjson.dumps(value()))
