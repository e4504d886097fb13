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


def first_value(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """The first value of that name, which is given in lower case."""
    for key, value in headers:
        if key.lower() == name:
            return value
    return None


def named_by_connection(headers: Iterable[tuple[bytes, bytes]]) -> frozenset[bytes]:
    """The further hop-by-hop fields that `Connection` names."""
    return frozenset(
        token.strip().lower() for name, value in headers if name.lower() == b"connection" for token in value.split(b",")
    )
