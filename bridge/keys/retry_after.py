"""How long a provider asks to be left alone, from the headers of an answer."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from bridge.keys.headers import Headers, values

LONGEST_S = 24 * 3600.0
"""No header, and no clock that stands wrong, may rest a key for longer than this."""

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)")


def retry_after(headers: Headers, now: datetime) -> float | None:
    """Seconds from 0 to 24 h, or None where the headers say nothing that makes sense. `now` is aware.

    `retry-after-ms` (milliseconds) goes before `retry-after`, which is seconds or an HTTP date (RFC 9110 sections
    10.2.3 and 5.6.7, all three forms). Fractions are fine. Of several headers the first that makes sense counts.
    """
    for value in values(headers, "retry-after-ms"):
        milliseconds = _number(value)
        if milliseconds is not None:
            return within_bounds(milliseconds / 1000)
    for value in values(headers, "retry-after"):
        seconds = _number(value)
        if seconds is None:
            seconds = _seconds_until(value, now)
        if seconds is not None:
            return within_bounds(seconds)
    return None


def within_bounds(seconds: float) -> float:
    """The nearest cooldown that may be: never negative, at most 24 h."""
    return min(max(seconds, 0.0), LONGEST_S)


def _number(text: str) -> float | None:
    # `float` alone would take "nan", "inf", "1e9" and "1_0".
    return float(text) if _NUMBER.fullmatch(text) else None


def _seconds_until(text: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:  # "-0000", and asctime's form, which has no zone: both mean UTC
            moment = moment.replace(tzinfo=UTC)
        return (moment - now).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):  # what the parser raises for what is no date
        return None
