"""What a provider's response headers say of a key's limits: what is left on it, and how long to leave it alone.

Headers are read as they come off the wire: names in any case, as often as they like, values in each provider's own
notation of a length of time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeVar

from attrs import evolve

from bridge.events.values import LimitWindow, RateLimit, RateLimits

T = TypeVar("T")

Headers = Sequence[tuple[bytes, bytes]]
"""Raw names and values, in the order in which they came."""

SHORTEST_S = 1.0
"""The rest of a key that is told to rest for no time."""

LONGEST_S = 24 * 3600.0
"""No header, and no clock that stands wrong, may rest a key for longer than this."""

HORIZON = timedelta(days=366)
"""A reset further away than this, on either side, is nonsense."""

SAME_RESET = timedelta(seconds=1)
"""Two resets this close are one: providers send a length of time, and the way here takes a moment."""

LONGEST_COUNT = 15  # digits; more would not survive JSON's numbers

WORD = re.compile(r"[a-z_]{1,40}")

LATEST_STAMP = 10**11  # seconds since 1970; later ones are no dates

PREFIXES = (b"x-ratelimit-", b"anthropic-ratelimit-")

UNIT_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "ns": 1e-9}

NUMBER = r"(?:\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})"
UNIT = (
    r"(?:ms|milliseconds?|us|µs|ns|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?)"
    r"(?![a-zµ])"  # a unit is a whole word
)
DURATION = rf"{NUMBER}\s?{UNIT}(?:\s?{NUMBER}\s?{UNIT})*"
"""Matches a duration with units (lower case), with or without blanks between its parts."""

_DURATION_PART = re.compile(rf"({NUMBER})\s?({UNIT})")
_WHOLE_DURATION = re.compile(DURATION)
_BARE_NUMBER = re.compile(NUMBER)

_SIGNED_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)")


def read_limits(headers: Headers, before: RateLimits, now: datetime) -> RateLimits:
    """The gauges after this response: those it speaks of are read anew, the others stay. `now` is aware.

    OpenAI's `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` give the reset as a duration, Anthropic's
    `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}` as RFC 3339.
    Of several token gauges the tightest counts; `anthropic-ratelimit-unified-*` speaks of windows of 5 hours and of 7
    days. A value that makes no sense is as good as absent.
    """
    if not any(name.lower().startswith(PREFIXES) for name, _ in headers):
        return before
    gauges = {
        kind: [
            _gauge(headers, now, f"x-ratelimit-{{}}-{kind}"),
            *(_gauge(headers, now, f"anthropic-ratelimit-{name}-{{}}") for name in names),
        ]
        for kind, names in (
            ("requests", ("requests",)),
            ("tokens", ("tokens", "input-tokens", "output-tokens")),
        )
    }
    return evolve(
        before,
        requests=_newer(before.requests, gauges["requests"]),
        tokens=_newer(before.tokens, gauges["tokens"]),
        five_hours=_window(headers, now, "5h") or before.five_hours,
        seven_days=_window(headers, now, "7d") or before.seven_days,
        status=_status(headers) or before.status,
    )


def _window(headers: Headers, now: datetime, name: str) -> LimitWindow | None:
    """Anthropic's `anthropic-ratelimit-unified-{5h,7d}-{utilization,reset}`: a share, and seconds since 1970."""
    shares = [_share(text) for text in _values(headers, f"anthropic-ratelimit-unified-{name}-utilization")]
    resets = [_stamp(text, now) for text in _values(headers, f"anthropic-ratelimit-unified-{name}-reset")]
    window = LimitWindow(next(filter(_known, shares), None), next(filter(_known, resets), None))
    return None if window == LimitWindow() else window


def _status(headers: Headers) -> str | None:
    """`rejected` with overage allowed still serves, and is told as `allowed_overage`."""
    status = next(filter(WORD.fullmatch, _values(headers, "anthropic-ratelimit-unified-status")), "")
    overage = next(_values(headers, "anthropic-ratelimit-unified-overage-status"), "")
    return "allowed_overage" if status == "rejected" and overage.startswith("allowed") else status or None


def _known(value: object) -> bool:
    return value is not None


def _share(text: str) -> float | None:
    number = _number(text)
    return min(number, 1.0) if number is not None and number >= 0 else None


def _stamp(text: str, now: datetime) -> datetime | None:
    if text.isdigit() and len(text) <= LONGEST_COUNT and int(text) > HORIZON.total_seconds():
        moment = datetime.fromtimestamp(int(text), UTC) if int(text) < LATEST_STAMP else None
        return moment if moment is not None and abs(moment - now) <= HORIZON else None
    return _moment(text, now)


def _newer(before: RateLimit, read: list[RateLimit | None]) -> RateLimit:
    gauges = [gauge for gauge in read if gauge is not None]
    if not gauges:
        return before
    gauge = min(gauges, key=_tightness)
    moved = gauge.reset_at != before.reset_at and not _close(gauge.reset_at, before.reset_at)
    return gauge if moved or evolve(gauge, reset_at=before.reset_at) != before else before


def _tightness(gauge: RateLimit) -> tuple[float, int]:
    if gauge.remaining is None:
        return (2.0, 0)
    return (gauge.remaining / gauge.limit if gauge.limit else 1.0, gauge.remaining)


def _close(reset: datetime | None, other: datetime | None) -> bool:
    return reset is not None and other is not None and abs(reset - other) < SAME_RESET


def _gauge(headers: Headers, now: datetime, name: str) -> RateLimit | None:
    def first(part: str, read: Callable[[str], T | None]) -> T | None:
        texts = _values(headers, name.format(part))
        return next((value for text in texts if (value := read(text)) is not None), None)

    gauge = RateLimit(
        first("limit", _count), first("remaining", _count), first("reset", lambda text: _moment(text, now))
    )
    return None if gauge == RateLimit() else gauge


def _count(text: str) -> int | None:
    return int(text) if text.isdigit() and len(text) <= LONGEST_COUNT else None


def _moment(text: str, now: datetime) -> datetime | None:
    seconds = duration_s(text)
    if seconds is not None:
        return now + timedelta(seconds=seconds) if seconds <= HORIZON.total_seconds() else None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC) if abs(moment - now) <= HORIZON else None
    except (ValueError, OverflowError):
        return None


def retry_after(headers: Headers, now: datetime) -> float | None:
    """Seconds up to 24 h, or None where the headers say nothing that makes sense. `now` is aware.

    `retry-after-ms` (milliseconds) goes before `retry-after`, which is seconds or an HTTP date (RFC 9110 sections
    10.2.3 and 5.6.7, all three forms). Fractions are fine; none at all, or a date that has passed, is SHORTEST_S; a
    negative number is nonsense. Of several headers the first that makes sense counts.
    """
    for value in _values(headers, "retry-after-ms"):
        milliseconds = _number(value)
        if milliseconds is not None and milliseconds >= 0:
            return within_bounds(milliseconds / 1000)
    for value in _values(headers, "retry-after"):
        seconds = _number(value)
        if seconds is None:
            seconds = _seconds_until(value, now)
        elif seconds < 0:
            continue
        if seconds is not None:
            return within_bounds(seconds)
    return None


def within_bounds(seconds: float) -> float:
    """The nearest cooldown that may be: at most 24 h, and never none: who says "again at once" to a request that it
    refuses would be asked without end."""
    return min(seconds, LONGEST_S) if seconds > 0 else SHORTEST_S


def _number(text: str) -> float | None:
    # `float` alone would take "nan", "inf", "1e9" and "1_0".
    return float(text) if _SIGNED_NUMBER.fullmatch(text) else None


def _seconds_until(text: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:  # "-0000", and asctime's form, which has no zone: both mean UTC
            moment = moment.replace(tzinfo=UTC)
        return (moment - now).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):  # what the parser raises for what is no date
        return None


def duration_s(text: str) -> float | None:
    """Seconds of `6m0s`, `120ms`, `1h2m3.5s`, `20 seconds`, never negative; None for what is no duration.

    A bare number counts seconds.
    """
    text = text.strip().lower()
    if _BARE_NUMBER.fullmatch(text):
        return float(text)
    if not _WHOLE_DURATION.fullmatch(text):
        return None
    return sum(float(number) * UNIT_S[_short(unit)] for number, unit in _DURATION_PART.findall(text))


def _short(unit: str) -> str:
    if unit in ("ms", "us", "ns"):
        return unit
    if unit == "µs":
        return "us"
    return "ms" if unit.startswith("milli") else unit[0]


def _values(headers: Headers, name: str) -> Iterator[str]:
    """The values of a header in order, without surrounding blanks. `name` is in lower case.

    A value that is no ASCII is left out: every header read here is a number, a duration or a date.
    """
    wanted = name.encode("ascii")
    for key, value in headers:
        if key.lower() == wanted and value.isascii():
            yield value.decode("ascii").strip(" \t")
