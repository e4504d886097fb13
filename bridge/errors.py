"""The bridge's own exceptions: few, each with the words a person needs."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum


class ErrorKind(Enum):
    """The errors the bridge answers by itself, whatever an API's words for them are."""

    INVALID_REQUEST = 400
    UNAUTHORIZED = 401
    FORBIDDEN = 403
    NOT_FOUND = 404
    METHOD_NOT_ALLOWED = 405
    TOO_LARGE = 413
    UPGRADE_REQUIRED = 426
    RATE_LIMITED = 429
    INTERNAL = 500
    NOT_IMPLEMENTED = 501
    BAD_GATEWAY = 502
    UNAVAILABLE = 503
    GATEWAY_TIMEOUT = 504

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.value


NO_RETRY = (b"x-should-retry", b"false")
"""The header by which SDKs are told that asking again mends nothing."""


class ClearspanError(Exception):
    """What the bridge raises on purpose. Its text is for people: what is wrong, where, and how to mend it."""


class Refused(ClearspanError):
    """A request that the bridge answers by itself, as an error of that kind in the shape of the client's API.

    Raised wherever it is known, turned into HTTP in two places: `bridge.app` and `bridge.interception.interception`.
    The message goes to whoever sent the request, and never repeats what was sent. `headers` go with the response.
    """

    def __init__(self, kind: ErrorKind, message: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(message)
        self.kind = kind
        self.headers = headers


class ConfigurationError(ClearspanError):
    """Settings that can't be used, one line a fault. The command ends with exit code 2."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class StartError(ClearspanError):
    """The bridge can't start though its settings are well: a port or socket is taken. Exit code 1."""
