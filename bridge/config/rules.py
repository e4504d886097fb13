"""What settings must fulfil beyond their types: names, ranges, and how they go together."""

from __future__ import annotations

import importlib.util
import ipaddress
import re
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from bridge.config.settings import (
    PROVIDER_NAME,
    RESERVED_NAMES,
    McpServerSettings,
    ProviderSettings,
    ServerSettings,
    Settings,
)
from bridge.config.units import format_duration
from bridge.http.fields import HOP_BY_HOP, TRANSPORT
from bridge.keys.secret import Secret
from bridge.keys.strategy import STRATEGIES
from bridge.observe.secret_values import PLACEHOLDERS, SHORTEST_SECRET
from bridge.providers.kinds import CREDENTIAL_HEADERS, KINDS, KINDS_IN_WORDS

HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
HEADER_VALUE = re.compile(r"(?:[\x21-\x7e\x80-\xff](?:[\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
URL = re.compile(r"[\x21-\x7e]+")
HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+(?:%[a-z0-9._-]+)?")
VARIABLE = re.compile(r"[^=\0]+")
LONGEST_SERVER_NAME = 64
NOT_TO_BE_ADDED = HOP_BY_HOP | TRANSPORT

VERY_SHORT = (
    f"has fewer than {SHORTEST_SECRET} characters: in texts, where such a word stands by chance, it is not masked; "
    "use a longer one"
)


def broken_rules(settings: Settings) -> Iterator[tuple[str, str]]:
    """Every fault, as the setting's dotted name and what is wrong with how to mend it."""
    yield from _server(settings.server)
    if settings.record.path is not None and (fault := _record_fault(settings.record.path)):
        yield "record.path", fault
    for name, provider in settings.providers.items():
        yield from ((f"providers.{name}{rest}", fault) for rest, fault in _provider(name, provider))
    for name, tools in settings.mcp.servers.items():
        yield from ((f"mcp.servers.{name}{rest}", fault) for rest, fault in _tool_server(name, tools))
    if settings.mcp.servers and importlib.util.find_spec("mcp") is None:
        mend = "run: pip install 'clearspan[tools]'"
        yield (
            f"mcp.servers.{next(iter(settings.mcp.servers))}",
            f"needs the extra tools, which is not installed; {mend}",
        )


def doubts(settings: Settings) -> Iterator[tuple[str, str]]:
    """What is most likely a mistake and is used all the same, as the setting's dotted name and how to mend it."""
    for name, token in settings.server.client_tokens.items():
        if _is_short(token):
            yield f"server.client_tokens.{name}", f"the token {token.hint} {VERY_SHORT}"
    for name, provider in settings.providers.items():
        yield from ((f"providers.{name}{rest}", doubt) for rest, doubt in _provider_doubts(provider))


def _is_short(secret: Secret) -> bool:
    """Whether it is shorter than any secret, and not what servers without keys are given on purpose."""
    return len(secret.reveal()) < SHORTEST_SECRET and secret.reveal() not in PLACEHOLDERS


def open_to_all(settings: Settings) -> str | None:
    """What whoever starts the bridge should know of who may use it; None where client tokens say who."""
    if settings.server.client_tokens or not settings.has_keys:
        return None
    return "every user of this machine can spend the pool; server.client_tokens would say who may"


def _provider_doubts(provider: ProviderSettings) -> Iterator[tuple[str, str]]:
    if provider.end_silent >= provider.idle_timeout:
        mend = "streams without a byte end before; make it shorter, or idle_timeout longer"
        yield ".end_silent", f"is not shorter than idle_timeout ({format_duration(provider.idle_timeout)}): {mend}"
    yield from ((".keys", f"the key {key.hint} {VERY_SHORT}") for key in provider.keys if _is_short(key))
    kind, host = provider.kind, urlsplit(provider.base_url).hostname
    for other in KINDS.values():
        if other is kind:
            continue
        for key in provider.keys:
            if other.key_beginning and key.reveal().startswith(other.key_beginning):
                mend = f'put it into a provider with type = "{other.name}"'
                yield (
                    ".keys",
                    f"the key {key.hint} begins as {other.title}'s do, and this is a pool for {kind.title}; {mend}",
                )
        if host == urlsplit(other.default_url).hostname:
            yield ".base_url", f'{host} is {other.title}\'s, and speaks its API; write type = "{other.name}"'
            return
    if not urlsplit(provider.base_url).path.rstrip("/").endswith(kind.base_path):
        mend = f"requests go to this address without it; end it in {kind.base_path} unless the server wants none"
        yield ".base_url", f"does not end in {kind.base_path}: {mend}"


def _server(server: ServerSettings) -> Iterator[tuple[str, str]]:
    if not 0 <= server.port <= 65_535:
        yield "server.port", f"must be 0 to 65535, not {server.port}"
    for name in server.client_tokens:
        if not re.fullmatch(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", name):
            yield "server.client_tokens", f"the name {name!r} can't be told to a provider; use plain ASCII"
    if server.max_request_bytes < 1:
        yield "server.max_request_bytes", "must be at least 1"
    if not _is_loopback(server.host) and not server.client_tokens:
        mend = "set server.client_tokens, or use 127.0.0.1"
        yield "server.host", f"{server.host} can be reached by other machines, which could spend your keys; {mend}"


def _record_fault(path: Path) -> str | None:
    try:
        kind = path.stat().st_mode
    except (OSError, ValueError):  # mostly there is nothing yet; what else is wrong may pass while the bridge runs
        return None
    if stat.S_ISDIR(kind):
        return f"{path} is a directory; name a file in it, such as {path / 'clearspan.db'}"
    if not stat.S_ISREG(kind):
        return f'{path} is no regular file; name one, or write "off" to keep nothing'
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _provider(name: str, provider: ProviderSettings) -> Iterator[tuple[str, str]]:
    if not PROVIDER_NAME.fullmatch(name):
        yield "", f"{name!r} can't be a provider's name; use lower-case letters and digits, joined by single dashes"
    if name in RESERVED_NAMES:
        yield "", f"{name!r} is a route of the bridge itself; choose another name"
    if provider.type not in KINDS:
        yield ".type", f"must be {KINDS_IN_WORDS}, not {provider.type!r}"
    elif fault := _url_fault(provider):
        yield ".base_url", fault
    if provider.strategy not in STRATEGIES:
        yield ".strategy", f"must be one of {', '.join(STRATEGIES)}, not {provider.strategy!r}"
    for key, count in Counter(provider.keys).items():
        if count > 1:
            yield ".keys", f"the key {key.hint} is given {count} times; once is enough"
    yield from ((".groups", fault) for fault in _group_faults(provider))
    yield from ((".routes", fault) for route in provider.routes if (fault := _route_fault(route)))
    if 0 < provider.end_silent < 1:
        yield ".end_silent", "must be 0, which is never, or at least 1s"
    breaker = provider.circuit_breaker
    if min(breaker.failure_threshold, breaker.max_requests) < 1:
        yield ".circuit_breaker", "failure_threshold and max_requests must be at least 1"
    yield from _headers(provider.extra_headers)


def _tool_server(name: str, server: McpServerSettings) -> Iterator[tuple[str, str]]:
    if not name.isprintable() or not 0 < len(name) <= LONGEST_SERVER_NAME:
        yield "", f"a server's name has 1 to {LONGEST_SERVER_NAME} printable characters"
    faults = list(_tool_program(server) if server.command else _remote_tools(server))
    patterns = ((".allow", server.allow), (".deny", server.deny))
    faults += [(name, fault) for name, pattern in patterns if (fault := _expression_fault(pattern))]
    if not faults and bool(server.url) == bool(server.command):
        yield "", "needs either a url or a command" + (", not both" if server.url else "")
    yield from faults


def _tool_program(server: McpServerSettings) -> Iterator[tuple[str, str]]:
    if not server.command[0].strip() or any("\0" in word for word in server.command):
        yield ".command", "must begin with the name of a program, and hold no NUL"
    for variable, value in server.env.items():
        if not VARIABLE.fullmatch(variable) or "\0" in value:
            yield f".env.{variable}", "not a variable's name with a value without NUL"
    if server.headers and not server.url:
        yield ".headers", "are for a server at a url; for a command there is env"


def _remote_tools(server: McpServerSettings) -> Iterator[tuple[str, str]]:
    if server.url and (fault := _tool_url_fault(server.url)):
        yield ".url", fault
    for header, value in server.headers.items():
        if not HEADER_NAME.fullmatch(header) or not HEADER_VALUE.fullmatch(value):
            yield f".headers.{header}", "not a header name with a one-line value"
        elif header.lower().encode() in NOT_TO_BE_ADDED:
            yield f".headers.{header}", "is set by the bridge itself"
    if server.env:
        yield ".env", "is for a server that is a command; for one at a url there are headers"


def _tool_url_fault(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"not a URL: {error}"
    if parts.scheme not in {"http", "https"} or not HOST.fullmatch(parts.hostname or "") or not URL.fullmatch(url):
        return "must be an http or https URL, in ASCII without spaces"
    if "@" in parts.netloc or parts.fragment:
        return "must not hold a user or a fragment; credentials belong into headers"
    return "port 0 can't be connected to" if port == 0 else None


def _group_faults(provider: ProviderSettings) -> Iterator[str]:
    places = Counter(place for group in provider.groups for place in group)
    for group in provider.groups:
        if len(group) < 2:
            yield f"{list(group)} is no group: it takes two keys to share limits"
    for place, count in places.items():
        if count > 1:
            yield f"the place {place} stands in it {count} times; a key is in one group"
        if place < 1 or (provider.keys and place > len(provider.keys)):
            most = f" to {len(provider.keys)}" if provider.keys else ""
            yield f"there is no key in place {place}; places in keys are counted from 1{most}"


def _expression_fault(text: str) -> str | None:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        return f"not a regular expression: {error}"
    return None


def _route_fault(route: str) -> str | None:
    fault = _expression_fault(route)
    if fault is None and re.match(r"\w", route) and "|" not in route:
        return f"{route!r} fits no path; it must match the whole path below /v1, which begins with a slash"
    return fault


def _headers(extra: dict[str, str]) -> Iterator[tuple[str, str]]:
    for header, value in extra.items():
        if not HEADER_NAME.fullmatch(header) or not HEADER_VALUE.fullmatch(value):
            yield f".extra_headers.{header}", "not a header name with a one-line value"
        elif header.lower().encode() in CREDENTIAL_HEADERS:
            yield f".extra_headers.{header}", "is set by the bridge itself; keys belong into keys"
        elif header.lower().encode() in NOT_TO_BE_ADDED:
            yield f".extra_headers.{header}", "is set by the bridge itself"


def _url_fault(provider: ProviderSettings) -> str | None:
    try:
        parts = urlsplit(provider.base_url)
        port = parts.port
    except ValueError as error:
        return f"not a URL: {error}"
    ends_in_v1 = parts.path.rstrip("/").endswith("/v1")
    faults = (
        (parts.scheme not in {"http", "https"} or not parts.hostname, "must be an http or https URL"),
        (
            not URL.fullmatch(provider.base_url),
            "must be ASCII without spaces (a name in other scripts as xn--...)",
        ),
        (not HOST.fullmatch(parts.hostname or ""), "must have a host's name or address in it"),
        ("@" in parts.netloc or parts.query or parts.fragment, "must not hold a user, a query or a fragment"),
        (port == 0, "port 0 can't be connected to"),
        (
            ends_in_v1 and not provider.kind.base_path,
            f"an {provider.kind.title} base URL has no /v1 at its end; the request's path brings it",
        ),
    )
    return next((fault for broken, fault in faults if broken), None)
