"""Whose key a request spends: the pool's, or the one that the caller brought (docs/behaviour.md, Who is calling)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from attrs import field

from bridge.errors import ErrorKind, Refused
from bridge.events.place import POOL_WORD
from bridge.events.values import Credential
from bridge.http.exchange import Exchange
from bridge.keys.secret import Secret, hint
from bridge.observe.logs import Redactor, redactor
from bridge.providers.kinds import CREDENTIAL_HEADERS
from bridge.value_classes import frozen


class Unauthorized(Refused):
    """The request may not spend the pool."""

    def __init__(self) -> None:
        super().__init__(
            ErrorKind.UNAUTHORIZED,
            "this bridge asks for a client token: send one of server.client_tokens as the API key",
        )


class OwnKeyRefused(Refused):
    """The caller brought a key of its own, and only the pool is to be spent."""

    def __init__(self) -> None:
        super().__init__(
            ErrorKind.FORBIDDEN,
            f"this bridge spends its own keys alone: send the word {POOL_WORD!r} or a client token as the API key, or "
            "set server.byok = true",
        )


@frozen
class Caller:
    """Whose key a request spends. `own` are the caller's own credential headers, if it brought any; `secrets` masks
    what is told of its requests, and knows the keys in these headers too."""

    credential: Credential
    initiator: str | None = None
    own: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)
    secrets: Redactor = field(default=redactor, repr=False, eq=False)


def identify(
    exchange: Exchange, tokens: Mapping[str, Secret], *, byok: bool = True, key_header: bytes = b"authorization"
) -> Caller:
    """Who asks, by the credentials of the request. Raises Unauthorized where the pool is closed to it, OwnKeyRefused
    where it brought a key of its own and `byok` is off. Of several own keys the one in `key_header`, the provider's
    own, names the caller.
    """
    brought = [
        (header, key)
        for header in exchange.headers
        if header[0].lower() in CREDENTIAL_HEADERS and (key := _key(*header))
    ]
    for name, expected in tokens.items():
        if any(_equal(key, expected) for _, key in brought):
            return Caller(Credential("centralized"), initiator=name)
    own = [(header, key) for header, key in brought if key != POOL_WORD]
    if own and (tokens or len(own) == len(brought)):
        if not byok:
            raise OwnKeyRefused
        named = next((key for header, key in own if header[0].lower() == key_header.lower()), own[0][1])
        headers = tuple(header for header, _ in own)
        secrets = redactor.also((key, hint(key)) for _, key in own)
        return Caller(Credential("byok", hint(named)), own=headers, secrets=secrets)
    if tokens:
        raise Unauthorized
    return Caller(Credential("centralized"))


def _equal(key: str, expected: Secret) -> bool:
    """Compared in the same time wherever they differ."""
    return hmac.compare_digest(key.encode("utf-8", "surrogateescape"), expected.reveal().encode())


def _key(name: bytes, value: bytes) -> str:
    text = value.decode("latin-1").strip()
    if name.lower() == b"authorization":
        scheme, _, key = text.partition(" ")
        if scheme.lower() == "bearer":
            return key.strip()
    return text
