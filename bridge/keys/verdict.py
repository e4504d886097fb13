"""What a response says about the key of its request (docs/behaviour.md, Key pool); the pool applies it."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import orjson
from attrs import frozen

from bridge.apis.quota import QUOTA_CODES
from bridge.events.vocabulary import DeadlineSource, FailureReason
from bridge.keys.rate_limits import DURATION, Headers, duration_s, retry_after, within_bounds

RATE_LIMIT_S = 60.0
QUOTA_S = 3600.0

QUOTA_WORDS = ("credit balance is too low",)  # Anthropic says it in the message alone

LONGEST_BODY = 1 << 20
"""Bytes; an error that is longer than this is not looked into."""

_TRY_AGAIN = re.compile(rf"(?:try again|retry)\s+(?:in|after)\s+({DURATION})")


@frozen
class Failure:
    """An attempt failed because of its key.

    `cooldown_s`: seconds of rest, by the word of `source`; None means no mark. `permanent`: refused until a check
    says otherwise. `recheck`: the key stays as it is, but a check is wanted at once.
    """

    reason: FailureReason
    cooldown_s: float | None = None
    source: DeadlineSource | None = None
    permanent: bool = False
    recheck: bool = False


def judge(status: int, headers: Headers, body: bytes, now: datetime) -> Failure | None:
    """What this response says about its key; None: nothing, it is the request's business. `now` is aware."""
    match status:
        case 401:
            return Failure(FailureReason.UNAUTHORIZED, permanent=True)
        case 403:
            return Failure(FailureReason.FORBIDDEN, recheck=True)
        case 429:
            delay = retry_after(headers, now)
            error = _Error.read(body)
            return _limited(delay, error.message, quota=error.tells_quota())
        case 503 | 529:
            delay = retry_after(headers, now)
            if delay is not None:
                return Failure(FailureReason.OVERLOADED, delay, "header")
            return Failure(FailureReason.OVERLOADED) if status == 529 else None
        case _:
            return None


def judge_stream_failure(reason: FailureReason | None, message: str = "") -> Failure | None:
    """The same for an error event that opens a stream answered 200; `reason` is the reader's.

    There are no headers to go by: a wait comes from the error's text or the defaults, an overload marks nothing.
    """
    match reason:
        case FailureReason.RATE_LIMITED | FailureReason.QUOTA_EXHAUSTED:
            return _limited(None, message, quota=reason is FailureReason.QUOTA_EXHAUSTED)
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


@frozen
class _Error:
    """The parts of an error body that matter here, from OpenAI's shape, Anthropic's, and their imitations."""

    codes: frozenset[str] = frozenset()
    message: str = ""

    @classmethod
    def read(cls, body: bytes) -> _Error:
        if len(body) > LONGEST_BODY:
            return cls()
        try:
            found = orjson.loads(body)
        except orjson.JSONDecodeError:
            return cls(message=body.decode("utf-8", "replace"))
        if isinstance(found, list) and found:  # Google's OpenAI-compatible endpoint wraps it in a list
            found = found[0]
        error: Any = found.get("error", found) if isinstance(found, dict) else found
        if not isinstance(error, dict):
            return cls(message=error if isinstance(error, str) else "")
        details = error.get("details")
        told = [error.get("code"), error.get("type")]
        if isinstance(details, dict):  # Anthropic's place for `enforced_spend_limit_reached`
            told.append(details.get("error_code"))
        codes = frozenset(value for value in told if isinstance(value, str))
        message = error.get("message")
        return cls(codes, message if isinstance(message, str) else "")

    def tells_quota(self) -> bool:
        message = self.message.lower()
        return not QUOTA_CODES.isdisjoint(self.codes) or any(words in message for words in QUOTA_WORDS)
