"""The failures that the pool's tests speak of."""

from __future__ import annotations

from bridge.events.values import FailureReason
from bridge.keys.verdict import Failure

UNAUTHORIZED = Failure(FailureReason.UNAUTHORIZED, permanent=True)
FORBIDDEN = Failure(FailureReason.FORBIDDEN, recheck=True)
OVERLOADED = Failure(FailureReason.OVERLOADED)
QUOTA = Failure(FailureReason.QUOTA_EXHAUSTED, 3600.0, "default")


def limited(seconds: float) -> Failure:
    """A 429 with that Retry-After."""
    return Failure(FailureReason.RATE_LIMITED, seconds, "header")
