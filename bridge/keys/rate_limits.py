"""What is left on a key, from the rate-limit headers of both providers (behaviour 2.6)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from attrs import evolve

from bridge.events.vocabulary import Limit, Limits
from bridge.keys.duration import duration_s
from bridge.keys.headers import Headers, values

T = TypeVar("T")

HORIZON = timedelta(days=366)
"""A reset further away than this, on either side, is nonsense."""

SAME_RESET = timedelta(seconds=1)
"""Two resets this close are one: providers tell a length of time, and the way here takes a moment."""

LONGEST_COUNT = 15  # digits; more would not survive JSON's numbers

PREFIXES = (b"x-ratelimit-", b"anthropic-ratelimit-")


def read_limits(headers: Headers, before: Limits, now: datetime) -> Limits:
    """The gauges after this answer: those it speaks of are read anew, the others stay. `now` is aware.

    OpenAI's `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` give the reset as a duration, Anthropic's
    `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}` as RFC 3339.
    Of several token gauges the tightest counts. A value that makes no sense is as good as absent.
    """
    if not any(name.lower().startswith(PREFIXES) for name, _ in headers):
        return before
    told = {
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
        requests=_newer(before.requests, told["requests"]),
        tokens=_newer(before.tokens, told["tokens"]),
    )


def headroom(limits: Limits, now: datetime) -> float:
    """How much of its allowance a key has left, 0 to 1, by its tightest gauge. Unknown, or reset since, is all."""
    return min(_share(limits.requests, now), _share(limits.tokens, now))


def _share(gauge: Limit, now: datetime) -> float:
    if gauge.remaining is None or (gauge.reset_at is not None and gauge.reset_at <= now):
        return 1.0
    if not gauge.limit:
        return 1.0 if gauge.remaining else 0.0
    return min(gauge.remaining / gauge.limit, 1.0)


def _newer(before: Limit, told: list[Limit | None]) -> Limit:
    gauges = [gauge for gauge in told if gauge is not None]
    if not gauges:
        return before
    gauge = min(gauges, key=_tightness)
    moved = gauge.reset_at != before.reset_at and not _close(gauge.reset_at, before.reset_at)
    return gauge if moved or evolve(gauge, reset_at=before.reset_at) != before else before


def _tightness(gauge: Limit) -> tuple[float, int]:
    if gauge.remaining is None:
        return (2.0, 0)
    return (gauge.remaining / gauge.limit if gauge.limit else 1.0, gauge.remaining)


def _close(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and other is not None and abs(one - other) < SAME_RESET


def _gauge(headers: Headers, now: datetime, name: str) -> Limit | None:
    def told(part: str, read: Callable[[str], T | None]) -> T | None:
        return next(
            (found for value in values(headers, name.format(part)) if (found := read(value)) is not None),
            None,
        )

    gauge = Limit(told("limit", _count), told("remaining", _count), told("reset", lambda text: _moment(text, now)))
    return None if gauge == Limit() else gauge


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
