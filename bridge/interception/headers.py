"""Which headers cross the bridge, in each direction (docs/behaviour.md, Relay)."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.http.fields import HOP_BY_HOP, TRANSPORT, RawHeaders, named_by_connection
from bridge.providers.kinds import CREDENTIAL_HEADERS

CREDENTIALS = CREDENTIAL_HEADERS | {b"cookie"}
IDENTITY = frozenset({b"forwarded", b"x-real-ip"})
IDENTITY_PREFIXES = (b"x-clearspan-", b"x-forwarded-", b"x-ai-bridge-actor-")
"""Who is asking is for the bridge to say, where it is asked to; see `actor_headers`."""

KEPT_BACK = HOP_BY_HOP | TRANSPORT | CREDENTIALS | IDENTITY


def headers_upstream(client: RawHeaders, extra: Iterable[tuple[str, str]] = ()) -> RawHeaders:
    """What goes upstream of a client's headers, and what the configuration adds; the credential is put to it later.

    An added header replaces the client's own of the same name. Identity encoding is asked for, so that the answer can
    be read while it passes.
    """
    added = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in extra]
    dropped = KEPT_BACK | named_by_connection(client) | {name.lower() for name, _ in added}
    kept = [
        (name, value)
        for name, value in client
        if (lower := name.lower()) not in dropped and not lower.startswith(IDENTITY_PREFIXES)
    ]
    return [*kept, (b"Accept-Encoding", b"identity"), *added]


def actor_headers(initiator: str) -> list[tuple[str, str]]:
    """Who spends the pool, for an upstream that keeps count itself (`send_actor_headers`)."""
    return [("X-AI-Bridge-Actor-ID", initiator), ("X-AI-Bridge-Actor-Metadata-Username", initiator)]


def headers_down(upstream: RawHeaders) -> RawHeaders:
    """What goes to the client of an answer's headers: all but hop-by-hop."""
    dropped = HOP_BY_HOP | named_by_connection(upstream)
    names = {name.lower() for name, _ in upstream}
    if {b"transfer-encoding", b"content-length"} <= names:
        dropped |= {b"content-length"}  # the length was not what framed the body (RFC 9112, 6.3)
    return [(name, value) for name, value in upstream if name.lower() not in dropped]
