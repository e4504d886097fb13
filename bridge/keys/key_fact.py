"""What is told of one key: its whole health, and what of it subscribers can see."""

from __future__ import annotations

from datetime import datetime, timedelta

from bridge.events.values import DeadlineSource, FailureReason, KeyCause, KeyState, RateLimits
from bridge.events.vocabulary import KeyChanged
from bridge.keys.key import Cooldown, Key

Visible = tuple[KeyState, FailureReason | None, Cooldown | None, float | None, KeyCause | None, RateLimits]
"""All of a key that subscribers can see; the number is a dead key's next check."""


def key_event(provider: str, key: Key, now: float, wall: datetime) -> KeyChanged:
    """The key as it is at the monotonic time `now`; `wall` is the same moment."""
    at, source = _retry_at(key)
    return KeyChanged(
        provider=provider,
        key=key.hint,
        state=key.state,
        reason=key.reason,
        retry_at=None if at is None else wall + timedelta(seconds=at - now),
        source=source,
        cause=key.cause,
        limits=key.limits,
    )


def visible(key: Key) -> Visible:
    """What tells one state of a key from another."""
    # Not the event: its `retry_at` follows a wall clock that may be set, and would differ each time.
    check_at = key.check_at if key.state is KeyState.PERMANENT else None
    return (key.state, key.reason, key.cooling, check_at, key.cause, key.limits)


def _retry_at(key: Key) -> tuple[float | None, DeadlineSource | None]:
    """When a key that is out may serve again, or is checked; and who says so."""
    if key.cooling is not None:
        return key.cooling.until, key.cooling.source
    if key.state is KeyState.PERMANENT and key.check_at is not None:
        return key.check_at, "check"
    return None, None
