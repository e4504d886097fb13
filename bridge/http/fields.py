"""Header fields as they stand on the wire: names and values in bytes, in order, repeated ones apart."""

from __future__ import annotations

from collections.abc import Iterable

RawHeaders = list[tuple[bytes, bytes]]

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""What speaks of one connection and is never passed on (RFC 9110, 7.6.1), `Connection` and its kin included."""

TRANSPORT = frozenset({b"host", b"content-length", b"accept-encoding", b"expect"})
"""What each side of a proxy says for itself."""

CREDENTIALS = frozenset({b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key"})
"""Where clients of any provider put their keys. None of these goes upstream unless it is the caller's own."""


def first_value(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """The first value of that name, which is given in lower case."""
    return next((value for key, value in headers if key.lower() == name), None)


def named_by_connection(headers: Iterable[tuple[bytes, bytes]]) -> frozenset[bytes]:
    """The further hop-by-hop fields that `Connection` names."""
    return frozenset(
        token.strip().lower() for name, value in headers if name.lower() == b"connection" for token in value.split(b",")
    )
