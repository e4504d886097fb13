"""Where a request goes: which provider, which of its APIs, and the target below the provider's base URL."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.apis.protocol import Api
from bridge.errors import ErrorKind, Refused
from bridge.http.exchange import Exchange
from bridge.providers.provider import Provider
from bridge.value_classes import frozen


@frozen
class Route:
    """Where one request goes. `endpoint` is its path below the provider's name, with `/v1` also where the request left
    that out; `target` that with the query, below the base URL."""

    provider: Provider
    api: Api
    endpoint: str
    target: bytes


def find_route(exchange: Exchange, providers: Mapping[str, Provider]) -> Route:
    """The route of a request. Raises Refused where there is none, or not for such a request."""
    name, path = split(exchange.path)
    provider = providers.get(name)
    found = None if provider is None else provider.find(path)
    if provider is None or found is None:
        raise Refused(ErrorKind.NOT_FOUND, f"no such route is served here; these are: {_served(providers)}")
    endpoint, api = found
    if api.understood:
        _check_intercepted(exchange)
    query = b"?" + exchange.query if exchange.query else b""
    return Route(provider, api, endpoint, provider.kind.target(endpoint) + query)


def split(path: str) -> tuple[str, str]:
    """`/openai/v1/responses` as (`openai`, `/v1/responses`)."""
    name, slash, rest = path[1:].partition("/")
    return name, slash + rest


def _check_intercepted(exchange: Exchange) -> None:
    if (exchange.header(b"upgrade") or "").lower() == "websocket":
        # Codex tries this first, and falls back to HTTP at once when it reads this status.
        headers = [(b"upgrade", b"HTTP/1.1")]
        raise Refused(ErrorKind.UPGRADE_REQUIRED, "WebSocket is not relayed; use HTTP", headers)
    if exchange.method != "POST":
        raise Refused(ErrorKind.METHOD_NOT_ALLOWED, "this route takes POST alone", [(b"allow", b"POST")])


def _served(providers: Mapping[str, Provider]) -> str:
    served = ((name, path) for name, provider in providers.items() for path in provider.kind.intercepted)
    return ", ".join(f"POST /{name}{path}" for name, path in served)
