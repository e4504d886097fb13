"""What a response says about the key of its request (docs/behaviour.md, Key pool); the pool applies it."""

from __future__ import annotations

import re
from datetime import datetime

from attrs import evolve

from bridge.apis.provider_errors import ProviderError
from bridge.events.values import DeadlineSource, FailureReason
from bridge.keys.groups import LimitScope, scope_of
from bridge.keys.rate_limits import DURATION, Headers, duration_s, retry_after, within_bounds
from bridge.value_classes import frozen

RATE_LIMIT_S = 60.0
QUOTA_S = 3600.0

_TRY_AGAIN = re.compile(rf"(?:try again|retry)\s+(?:in|after)\s+({DURATION})")


@frozen
class Failure:
    """An attempt failed because of its key.

    `cooldown_s`: seconds of rest, by the word of `source`; None means no mark. `permanent`: refused until a check
    says otherwise. `recheck`: the key stays as it is, but a check is wanted at once. `scope`: whose limit it is, where
    the response says so.
    """

    reason: FailureReason
    cooldown_s: float | None = None
    source: DeadlineSource | None = None
    permanent: bool = False
    recheck: bool = False
    scope: LimitScope | None = None


def judge(status: int, headers: Headers, body: bytes, now: datetime) -> Failure | None:
    """What this response says about its key; None: nothing, it is the request's business. `now` is aware.

    Of a body only what it says of the account counts, and only in an error (4xx): any other words touch no key.
    """
    if status in (503, 529):
        return _overloaded(status, headers, now)
    if not 400 <= status <= 499:
        return None
    error = ProviderError.from_body(body)
    no_credit = error.reason is FailureReason.QUOTA_EXHAUSTED
    failure: Failure | None = None
    if error.on_hold:
        failure = Failure(FailureReason.FORBIDDEN, permanent=True)
    elif status == 401:
        failure = Failure(FailureReason.UNAUTHORIZED, permanent=True)
    elif status == 402 or (status in (400, 403, 429) and no_credit):
        failure = _limited(retry_after(headers, now), error.message, quota=True)
    elif status == 429:
        failure = _limited(retry_after(headers, now), error.message, quota=False)
    elif status == 403:
        failure = Failure(FailureReason.FORBIDDEN, recheck=True)
    if failure is not None and failure.cooldown_s is not None:
        failure = evolve(failure, scope=scope_of(error.codes, error.message))
    return failure


def _overloaded(status: int, headers: Headers, now: datetime) -> Failure | None:
    delay = retry_after(headers, now)
    if delay is not None:
        return Failure(FailureReason.OVERLOADED, delay, "header")
    return Failure(FailureReason.OVERLOADED) if status == 529 else None


def judge_stream_failure(reason: FailureReason | None, message: str = "") -> Failure | None:
    """The same for an error event that opens a stream answered 200; `reason` is the reader's.

    There are no headers to go by: a wait comes from the error's text or the defaults, an overload marks nothing.
    """
    match reason:
        case FailureReason.RATE_LIMITED | FailureReason.QUOTA_EXHAUSTED:
            limited = _limited(None, message, quota=reason is FailureReason.QUOTA_EXHAUSTED)
            return evolve(limited, scope=scope_of((), message))
        case FailureReason.OVERLOADED:
            return Failure(FailureReason.OVERLOADED)
        case FailureReason.UNAUTHORIZED:
            return Failure(FailureReason.UNAUTHORIZED, permanent=True)
        case FailureReason.FORBIDDEN:
            return Failure(FailureReason.FORBIDDEN, recheck=True)
        case _:
            return None


def _limited(delay: float | None, message: str, *, quota: bool) -> Failure:
    if quota:
        # A short Retry-After speaks of the next request, not of the money: an hour at least.
        if delay is not None and delay > QUOTA_S:
            return Failure(FailureReason.QUOTA_EXHAUSTED, delay, "header")
        return Failure(FailureReason.QUOTA_EXHAUSTED, QUOTA_S, "default")
    if delay is not None:
        return Failure(FailureReason.RATE_LIMITED, delay, "header")
    delay = _delay_in(message)
    if delay is not None:
        return Failure(FailureReason.RATE_LIMITED, delay, "body")
    return Failure(FailureReason.RATE_LIMITED, RATE_LIMIT_S, "default")


def _delay_in(message: str) -> float | None:
    found = _TRY_AGAIN.search(message.lower())
    seconds = duration_s(found[1]) if found else None
    return None if seconds is None else within_bounds(seconds)
