"""What we take of httpx: how it reads a URL, and whom it trusts.

All of it takes 25 ms to load, its URLs a quarter of that, and a start needs no more. They name the jar for cookies in
an annotation alone. Where a later httpx keeps its URLs elsewhere it is loaded whole.
"""

from __future__ import annotations

import ssl
from functools import cache
from typing import TYPE_CHECKING

from bridge.process.imports import unused, without_init

if TYPE_CHECKING:
    from httpx import URL
else:
    try:
        with without_init("httpx"), unused("http.cookiejar"):
            from httpx._urls import URL
    except ImportError:
        from httpx import URL

__all__ = ["URL", "trusted_authorities"]


@cache
def trusted_authorities() -> ssl.SSLContext:
    """httpx's list, or that of SSL_CERT_FILE or SSL_CERT_DIR. Takes 70 ms of a processor, once. Raises OSError."""
    import httpx  # noqa: PLC0415  # in a thread after the start, with nothing hidden from other threads meanwhile

    return httpx.create_ssl_context()
