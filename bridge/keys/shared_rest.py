"""Which keys rest together: those that a limit is of besides the one that met it, and those that rest for the same.

docs/behaviour.md, Key pool, has the rules; `bridge.keys.groups` says whose limit a response speaks of.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge.events.values import FailureReason
from bridge.keys.groups import limited_with
from bridge.keys.key import Cooldown, Key
from bridge.keys.rate_limits import Headers
from bridge.keys.verdict import Failure

SHARED = (FailureReason.RATE_LIMITED, FailureReason.QUOTA_EXHAUSTED)
"""What can be a limit of more than one key."""


def limited_too(key: Key, keys: Sequence[Key], failure: Failure, headers: Headers) -> list[Key]:
    """The other keys that the limit is of which this one met; `headers` are those of the response."""
    if failure.cooldown_s is None or failure.reason not in SHARED:
        return []
    account, scope = limited_with(key.account, failure.scope, headers)
    return [other for other in keys if other is not key and account.shares(other.account, scope)]


def resting_for(rest: Cooldown, keys: Sequence[Key]) -> list[Key]:
    """The keys that rest for the same limit as one whose rest that is or was."""
    if rest.shared is None:
        return []
    return [key for key in keys if key.cooldown is not None and key.cooldown.shared == rest.shared]
