"""Who may come in: the Host and Origin of a request, before anything else happens to it.

A proxy on loopback holds the owner's keys, and every web page the owner opens can reach it. A page that rebinds its own
name to 127.0.0.1 betrays itself by Host, one that posts across origins by Origin or Sec-Fetch-Site. Nobody can rebind
the names of loopback itself, so any port may stand behind them: tunnels and containers have ports of their own. The
dashboard as a web page (`monitor.web.server`) asks the same guard, with pages of its own let in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from bridge.errors import ErrorKind, Refused

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

LARGEST_PORT = 65_535

PORT = re.compile(r"[1-9][0-9]{0,4}")
HOST = re.compile(r"(?:\[[0-9a-f:.%]+\]|[0-9a-z._~!$&'()*+,;=%-]+)(?::[0-9]*)?", re.ASCII)
"""What is a host at all (RFC 3986 3.2.2), in lower case."""


class Forbidden(Refused):
    """The request comes from where none may come from; its text says why and how to allow it."""

    def __init__(self, message: str, kind: ErrorKind = ErrorKind.FORBIDDEN) -> None:
        super().__init__(kind, message, [(b"connection", b"close")])


class HostGuard:
    """Knows the Host values that mean us. `pages`: web pages that came from there may ask, too."""

    def __init__(self, host: str, port: int, allowed: Iterable[str] = (), *, pages: bool = False) -> None:
        bound = f"[{host}]".lower() if ":" in host else host.lower()
        self._exact = {f"{name}:{port}" for name in (*LOOPBACK, bound)}
        if port == 80:
            self._exact |= {*LOOPBACK, bound}
        self._pages = pages
        self.allow(allowed)

    def allow(self, names: Iterable[str]) -> None:
        """Further Host values that mean us, with or without a port, in the place of those given before."""
        self._names = {name.lower() for name in names}

    def check(self, host: str | None, origin: str | None, site: str | None) -> None:
        """Raises Forbidden for a foreign Host and for requests that a foreign web page made.

        The values are those of `Host`, `Origin` and `Sec-Fetch-Site`; None where there is no such header.
        """
        if not host:
            raise Forbidden("a request needs a Host header", ErrorKind.INVALID_REQUEST)
        if not HOST.fullmatch(host.lower()):
            raise Forbidden("this Host is no host", ErrorKind.INVALID_REQUEST)
        if not self._means_us(host.lower()):
            raise Forbidden("this Host is not served here; if it is yours, add its name to server.allowed_hosts")
        if origin is not None and not (self._pages and self._is_ours(origin.lower())):
            raise Forbidden("requests from web pages (with an Origin header) are not served")
        if site not in {None, "none", "same-origin"}:
            raise Forbidden("requests from web pages (Sec-Fetch-Site) are not served")

    def _means_us(self, host: str) -> bool:
        name = _without_port(host)
        return host in self._exact or name in LOOPBACK or host in self._names or name in self._names

    def _is_ours(self, origin: str) -> bool:
        scheme, _, host = origin.partition("://")
        return scheme == "http" and host in self._exact  # another port is another program's page


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and PORT.fullmatch(port) and int(port) <= LARGEST_PORT else host
