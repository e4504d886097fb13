"""Who may come in: Host and Origin before anything else, then whose key a request may spend (`contract.md` section 6).

A proxy on loopback holds the owner's keys, and every web page the owner opens can reach it. A page that rebinds its own
name to 127.0.0.1 betrays itself by Host, one that posts across origins by Origin or Sec-Fetch-Site.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping

from attrs import field, frozen

from bridge.config.settings import POOL_WORD
from bridge.events.vocabulary import Credential
from bridge.http.exchange import Exchange
from bridge.keys.secret import Secret, hint

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Forbidden(Exception):
    """The request comes from where none may come from; its text says why and how to allow it."""


class Unauthorized(Exception):
    """The request may not spend the pool; its text says what is missing."""


@frozen
class Caller:
    """Whose key a request spends. `own` is the caller's own credential header, if it brought one; `secret` its key."""

    credential: Credential
    initiator: str | None = None
    own: tuple[bytes, bytes] | None = field(default=None, repr=False)
    secret: str = field(default="", repr=False, eq=False)


class HostGuard:
    """Knows the Host values that mean us."""

    def __init__(self, host: str, port: int, allowed: Iterable[str] = ()) -> None:
        bound = f"[{host}]".lower() if ":" in host else host.lower()
        self._exact = {f"{name}:{port}" for name in (*LOOPBACK, bound)}
        if port == 80:
            self._exact |= {*LOOPBACK, bound}
        self.allow(allowed)

    def allow(self, names: Iterable[str]) -> None:
        """Further Host values that mean us, with or without a port, in the place of those given before."""
        self._names = {name.lower() for name in names}

    def check(self, exchange: Exchange) -> None:
        """Raises Forbidden for a foreign Host and for requests that a web page made."""
        host = (exchange.header(b"host") or "").lower()
        if host not in self._exact and host not in self._names and _without_port(host) not in self._names:
            raise Forbidden(
                "this Host is not served here; if it is yours, add its name to server.allowed_hosts"
                if host
                else "a request needs a Host header"
            )
        if exchange.has_header(b"origin"):
            raise Forbidden("requests from web pages (with an Origin header) are not served")
        if exchange.header(b"sec-fetch-site") not in {None, "none", "same-origin"}:
            raise Forbidden("requests from web pages (Sec-Fetch-Site) are not served")


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host


def identify(exchange: Exchange, tokens: Mapping[str, Secret]) -> Caller:
    """Whose key this request spends. Raises Unauthorized where the pool is closed to it."""
    brought = [
        (name, value)
        for name, value in exchange.headers
        if name.lower() in {b"authorization", b"x-api-key"} and _token(name, value)
    ]
    credentials = [_token(name, value) for name, value in brought]
    for name, token in tokens.items():
        expected = token.reveal().encode()
        if any(hmac.compare_digest(one.encode("utf-8", "surrogateescape"), expected) for one in credentials):
            return Caller(Credential("centralized"), initiator=name)
    for header, one in zip(brought, credentials, strict=True):
        if one != POOL_WORD:
            return Caller(Credential("byok", hint(one)), own=header, secret=one)
    if tokens:
        raise Unauthorized("this bridge asks for a client token: send one of server.client_tokens as the API key")
    return Caller(Credential("centralized"))


def _token(name: bytes, value: bytes) -> str:
    text = value.decode("latin-1").strip()
    if name.lower() == b"authorization":
        scheme, _, token = text.partition(" ")
        if scheme.lower() == "bearer":
            return token.strip()
    return text
