"""What settings must fulfil beyond their types: names, ranges, and how they go together."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

from bridge.settings import PROVIDER_NAME, RESERVED_NAMES, STRATEGIES, ProviderSettings, ServerSettings, Settings

TYPES = ("openai", "anthropic")
HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
HEADER_VALUE = re.compile(r"[\x20-\x7e\x80-\xff]*")
NOT_TO_BE_ADDED = frozenset({"authorization", "x-api-key", "host", "content-length", "transfer-encoding", "connection"})


def broken_rules(settings: Settings) -> Iterator[tuple[str, str]]:
    """Every fault, as the setting's dotted name and what is wrong with how to mend it."""
    yield from _server(settings.server)
    for name, provider in settings.providers.items():
        yield from ((f"providers.{name}{rest}", fault) for rest, fault in _provider(name, provider))
    for name, tools in settings.mcp_servers.items():
        for setting in ("allow", "deny"):
            try:
                re.compile(getattr(tools, setting))
            except re.error as error:
                yield f"mcp.servers.{name}.{setting}", f"not a regular expression: {error}"


def _server(server: ServerSettings) -> Iterator[tuple[str, str]]:
    if not 0 <= server.port <= 65_535:
        yield "server.port", f"must be 0 to 65535, not {server.port}"
    if server.max_request_bytes < 1:
        yield "server.max_request_bytes", "must be at least 1"
    if not _is_loopback(server.host) and not server.client_tokens:
        mend = "set server.client_tokens, or use 127.0.0.1"
        yield "server.host", f"{server.host} can be reached by other machines, which could spend your keys; {mend}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _provider(name: str, provider: ProviderSettings) -> Iterator[tuple[str, str]]:
    if not PROVIDER_NAME.match(name):
        yield "", f"{name!r} can't be a provider's name; use lower-case letters and digits, joined by single dashes"
    if name in RESERVED_NAMES:
        yield "", f"{name!r} is a route of the bridge itself; choose another name"
    if provider.type not in TYPES:
        yield ".type", f'must be "openai" or "anthropic", not {provider.type!r}'
    if provider.strategy not in STRATEGIES:
        yield ".strategy", f"must be one of {', '.join(STRATEGIES)}, not {provider.strategy!r}"
    if fault := _url_fault(provider):
        yield ".base_url", fault
    for key, count in Counter(provider.keys).items():
        if count > 1:
            yield ".keys", f"the key {key.hint} is given {count} times; once is enough"
    breaker = provider.circuit_breaker
    if min(breaker.failure_threshold, breaker.max_requests) < 1:
        yield ".circuit_breaker", "failure_threshold and max_requests must be at least 1"
    yield from _headers(provider.extra_headers)


def _headers(extra: dict[str, str]) -> Iterator[tuple[str, str]]:
    for header, value in extra.items():
        if not HEADER_NAME.fullmatch(header) or not HEADER_VALUE.fullmatch(value):
            yield f".extra_headers.{header}", "not a header name with a one-line value"
        elif header.lower() in NOT_TO_BE_ADDED:
            yield f".extra_headers.{header}", "is set by the bridge itself; keys belong into keys"


def _url_fault(provider: ProviderSettings) -> str | None:
    try:
        parts = urlsplit(provider.base_url)
        port = parts.port
    except ValueError as error:
        return f"not a URL: {error}"
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return f"must be an http or https URL, not {provider.base_url!r}"
    if parts.username or parts.password or parts.query or parts.fragment:
        return "must not hold a user, a query or a fragment"
    if port == 0:
        return "port 0 can't be connected to"
    if provider.type == "anthropic" and parts.path.rstrip("/").endswith("/v1"):
        return "an Anthropic base URL has no /v1 at its end; the request's path brings it"
    return None
