"""Certificates for a provider behind TLS."""

from __future__ import annotations

import ssl

import trustme
from attrs import define


@define
class Tls:
    """A certificate authority that nobody else trusts, and a certificate of it for 127.0.0.1."""

    server: ssl.SSLContext
    client: ssl.SSLContext

    @classmethod
    def new(cls) -> Tls:
        """Another one; its keys take a while to make."""
        authority = trustme.CA()
        contexts = cls(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context())
        authority.issue_cert("127.0.0.1").configure_cert(contexts.server)
        authority.configure_trust(contexts.client)
        return contexts
