"""What goes wrong on the way to a provider's server. No text here holds a header or a body, and so none holds a key."""

from __future__ import annotations

import os
import ssl

from bridge.errors import ClearspanError


class UpstreamError(ClearspanError):
    """There was no response, or it broke off."""


class ConnectFailed(UpstreamError):
    """No connection could be made: name, route, refusal or TLS."""


class UpstreamTimeout(UpstreamError):
    """Upstream took longer than its settings allow."""


class UpstreamSilent(UpstreamTimeout):
    """A stream gave no sign of life for as long as its owner waits for one."""


class UpstreamBroke(UpstreamError):
    """The connection ended, or what came over it was not HTTP, before the response was whole."""


class UpstreamBusy(UpstreamError):
    """As many requests as we allow are under way, and none ended in time."""


def no_http() -> UpstreamBroke:
    """Upstream ended too early, or sent what nobody may."""
    return UpstreamBroke("upstream closed the connection or sent something that is not HTTP")


def connect_failed(error: BaseException, where: str) -> ConnectFailed:
    """A connection could not be made, with the most telling reason in the chain. None of these quotes a request."""
    return ConnectFailed(f"cannot connect to {where}: {_cause(error)}")


def _cause(error: BaseException) -> str:
    seen: BaseException | None = error
    reason = "no route, name or answer"
    while seen is not None:
        match seen:
            case ssl.SSLCertVerificationError():
                return f"the server's certificate is not trusted ({seen.verify_message})"
            case ssl.SSLError():
                reason = f"TLS failed ({seen.reason or 'handshake'})"
            case OSError() if seen.errno is not None and seen.errno > 0:
                reason = os.strerror(seen.errno)
            case OSError() if seen.strerror:  # name resolution has numbers of its own
                reason = seen.strerror
        # Where a name has several addresses, Trio tells of each; the first one's reason will do.
        seen = seen.exceptions[0] if isinstance(seen, BaseExceptionGroup) else seen.__cause__ or seen.__context__
    return reason
