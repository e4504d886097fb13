"""The ASGI app: asks the guard, finds the route, hands over.

Errors have the shape of the API of the provider that the path names, OpenAI's where it names none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs

import orjson
import trio
from attrs import evolve

from bridge import __version__
from bridge.access import HostGuard
from bridge.apis.errors import openai_error
from bridge.apis.protocol import RequestFacts
from bridge.config.settings import ServerSettings
from bridge.errors import ErrorKind, Refused
from bridge.http.engine import Receive, Scope, Send
from bridge.http.exchange import INTERCEPTION_HEADER, Exchange, new_id
from bridge.http.fields import RawHeaders
from bridge.interception.agent import session_of
from bridge.interception.caller import Caller, Unauthorized, identify
from bridge.interception.interception import FAILED_MESSAGE, Interceptor, Services
from bridge.interception.lifecycle import Cancellation, CancelReason
from bridge.interception.routing import Route, find_route, split
from bridge.observe.logs import Redactor, logger, masking, redactor
from bridge.providers.provider import Provider
from bridge.tools.toolset import Toolsets

log = logger("app")

CUT_OFF_S = 2.0
"""How long a cancelled request may take to end; a client that takes nothing must not hold up a stop."""

FAILED_INSIDE = "a request failed inside the bridge"

Page = Callable[[], Awaitable[tuple[bytes, bytes]]]
"""Makes a page of the bridge's own: content type and body."""

SELF = "/clearspan/self"
"""Where a session asks what it has used."""

OwnUsagePage = Callable[[str | None], Awaitable[dict[str, Any]]]
"""What a session, if any is named, has used so far."""


class App:
    """Everything between a connection and an interception."""

    def __init__(
        self,
        services: Services,
        providers: Mapping[str, Provider],
        guard: HostGuard,
        settings: ServerSettings,
    ) -> None:
        self._services = services
        self._providers = providers
        self._guard = guard
        self._settings = settings
        self._pages: dict[str, Page] = {}
        self._own_usage: OwnUsagePage | None = None
        self._idle = trio.Event()
        self._idle.set()
        self._running = 0
        self._stopping = False
        self.on_request: Callable[[Exchange, Redactor], None] | None = None
        """Told of each request that is to be served, before anything is known of it but what masks its secrets."""
        self.live: dict[str, Cancellation] = {}
        """How to stop the interceptions under way, by id."""

    def reconfigure(self, server: ServerSettings, toolsets: Toolsets | None) -> None:
        """Takes over changed settings for the requests to come."""
        self._services = evolve(self._services, max_request_bytes=server.max_request_bytes, toolsets=toolsets)
        self._settings = server
        self._guard.allow(server.allowed_hosts)

    def serve_locally(self, path: str, page: Page) -> None:
        """Responds to GET `path` with `page()`."""
        self._pages[path] = page

    def serve_own_usage(self, page: OwnUsagePage) -> None:
        """Responds to GET `/clearspan/self` with `page(session)`."""
        self._own_usage = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        exchange = Exchange(scope, receive, send)
        self._running += 1
        if self._running == 1:
            self._idle = trio.Event()
        try:
            await self._serve(exchange)
        except* Exception:  # a boundary: a bug costs its own request alone, and says nothing of what it saw
            log.exception(FAILED_INSIDE, interception=exchange.id)
            await self._refuse_if_silent(exchange)
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    async def stop(self, grace: float) -> None:
        """Refuses new requests from now on, gives running ones `grace` seconds, then cancels them.

        Those that have not ended when it returns end with their connections.
        """
        self._stopping = True
        with trio.move_on_after(grace):
            await self._idle.wait()
        for cancellation in list(self.live.values()):
            cancellation.cancel(CancelReason.STOPPING)
        with trio.move_on_after(CUT_OFF_S):
            await self._idle.wait()

    async def _refuse_if_silent(self, exchange: Exchange) -> None:
        if not exchange.started:
            await self._refuse(exchange, Refused(ErrorKind.INTERNAL, FAILED_MESSAGE))

    async def _serve(self, exchange: Exchange) -> None:
        try:
            self._guard.check(exchange.header(b"host"), exchange.header(b"origin"), exchange.header(b"sec-fetch-site"))
            page = self._pages.get(exchange.path) or self._front_page(exchange) or self._own_usage_page(exchange)
            if page is not None:
                await _show(exchange, page)
                return
            self._check_serving()
            route = find_route(exchange, self._providers)
            settings, kind = self._settings, route.provider.kind
            caller = identify(exchange, settings.client_tokens, byok=settings.byok, key_header=kind.key_header)
        except Refused as refused:
            await self._refuse(exchange, refused)
        else:
            await self._intercept(exchange, route, caller)

    def _front_page(self, exchange: Exchange) -> Page | None:
        """Agents ask for the base URL to see whether anybody is there, and people out of curiosity."""
        name, below = split(exchange.path)
        is_front = below in {"", "/"} and (name in self._providers or exchange.path == "/")
        return FRONT_PAGE if is_front and exchange.method in {"GET", "HEAD"} else None

    def _own_usage_page(self, exchange: Exchange) -> Page | None:
        """Tells the session that calls, or that `?session=` names, what it used. Raises Refused as for any request."""
        if exchange.path != SELF or self._own_usage is None:
            return None
        caller = identify(exchange, self._settings.client_tokens, byok=self._settings.byok)
        if self._settings.client_tokens and caller.initiator is None:
            raise Unauthorized
        named = parse_qs(exchange.query.decode("latin-1"), errors="replace").get("session", [""])[0]
        session, usage = named or session_of(exchange.header, RequestFacts()), self._own_usage
        session = session and caller.secrets.redact(session)  # as its requests were told

        async def page() -> tuple[bytes, bytes]:
            return b"application/json", orjson.dumps(await usage(session))

        return page

    def _check_serving(self) -> None:
        if self._stopping:
            headers = [(b"retry-after", b"1"), (b"connection", b"close")]
            raise Refused(ErrorKind.UNAVAILABLE, CancelReason.STOPPING, headers)

    async def _intercept(self, exchange: Exchange, route: Route, caller: Caller) -> None:
        if self.on_request is not None:
            self.on_request(exchange, caller.secrets)
        interceptor = Interceptor(exchange, route, caller, self._services)
        self.live[exchange.id] = interceptor.cancellation
        try:
            if caller.secrets is redactor:
                await interceptor.run()
            else:
                with masking(caller.secrets):
                    try:
                        await interceptor.run()
                    except* Exception:  # the same boundary, while the caller's own key is known
                        log.exception(FAILED_INSIDE, interception=exchange.id)
                        await self._refuse_if_silent(exchange)
        finally:
            del self.live[exchange.id]

    async def _refuse(self, exchange: Exchange, refused: Refused) -> None:
        body = _error_body(exchange.path, self._providers)(refused.kind, str(refused))
        await exchange.respond(refused.kind.status, body, refused.headers)

    def protocol_error(self, reason: str, path: str) -> tuple[RawHeaders, bytes]:
        """Headers and body for what is not even a request for the app; see `bridge.http.engine.ErrorResponse`."""
        return protocol_error(reason, path, self._providers)


async def _show(exchange: Exchange, page: Page) -> None:
    if exchange.method not in {"GET", "HEAD"}:
        message = "this route takes GET and HEAD alone"
        raise Refused(ErrorKind.METHOD_NOT_ALLOWED, message, [(b"allow", b"GET, HEAD")])
    content_type, body = await page()
    await exchange.respond(200, body, content_type=content_type)


def protocol_error(
    reason: str, path: str, providers: Mapping[str, Provider] = MappingProxyType({})
) -> tuple[RawHeaders, bytes]:
    """An `ErrorResponse` of `bridge.http.engine`, in the shape of the API of the provider that the path names."""
    headers = [(b"content-type", b"application/json"), (INTERCEPTION_HEADER, new_id().encode())]
    return headers, _error_body(path, providers)(ErrorKind.INVALID_REQUEST, reason)


def _error_body(path: str, providers: Mapping[str, Provider]) -> Callable[[ErrorKind, str], bytes]:
    provider = providers.get(split(path)[0])
    return openai_error if provider is None else provider.kind.error_body


def json_page(value: Callable[[], Any]) -> Page:
    """A page that shows a JSON value."""

    async def page() -> tuple[bytes, bytes]:
        return b"application/json", orjson.dumps(value())

    return page


FRONT_PAGE = json_page(
    lambda: {
        "name": "clearspan",
        "version": __version__,
        "read_more": "README.md and docs/ of the repository; `clearspan env` prints how to point an agent here",
    }
)
