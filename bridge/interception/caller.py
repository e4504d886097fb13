"""Whose key a request spends: the pool's, or the one that the caller brought."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from attrs import field, frozen

from bridge.errors import ErrorKind, Refused
from bridge.events.place import POOL_WORD
from bridge.events.vocabulary import Credential
from bridge.http.exchange import Exchange
from bridge.keys.secret import Secret, hint
from bridge.providers.kinds import CREDENTIAL_HEADERS


class Unauthorized(Refused):
    """The request may not spend the pool."""

    def __init__(self) -> None:
        super().__init__(
            ErrorKind.UNAUTHORIZED,
            "this bridge asks for a client token: send one of server.client_tokens as the API key",
        )


@frozen
class Caller:
    """Whose key a request spends. `own` is the caller's own credential header, if it brought one; `secret` its key."""

    credential: Credential
    initiator: str | None = None
    own: tuple[bytes, bytes] | None = field(default=None, repr=False)
    secret: str = field(default="", repr=False, eq=False)


def identify(exchange: Exchange, tokens: Mapping[str, Secret]) -> Caller:
    """Who asks, by the credentials of the request. Raises Unauthorized where the pool is closed to it."""
    brought = [
        (header, token)
        for header in exchange.headers
        if header[0].lower() in CREDENTIAL_HEADERS and (token := _token(*header))
    ]
    for name, expected in tokens.items():
        if any(_equal(token, expected) for _, token in brought):
            return Caller(Credential("centralized"), initiator=name)
    for header, token in brought:
        if token != POOL_WORD:
            return Caller(Credential("byok", hint(token)), own=header, secret=token)
    if tokens:
        raise Unauthorized
    return Caller(Credential("centralized"))


def _equal(token: str, expected: Secret) -> bool:
    """Compared in the same time wherever they differ."""
    return hmac.compare_digest(token.encode("utf-8", "surrogateescape"), expected.reveal().encode())


def _token(name: bytes, value: bytes) -> str:
    text = value.decode("latin-1").strip()
    if name.lower() == b"authorization":
        scheme, _, token = text.partition(" ")
        if scheme.lower() == "bearer":
            return token.strip()
    return text
