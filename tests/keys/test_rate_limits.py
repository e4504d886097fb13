"""The gauges of both providers."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.events.values import LimitWindow, RateLimit, RateLimits
from bridge.keys.rate_limits import Headers, read_limits
from bridge.keys.strategy import headroom
from tests.keys.clocks import NOON

NOTHING = RateLimits()


def later(seconds: float) -> datetime:
    """That many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def openai(kind: str, limit: str, remaining: str, reset: str) -> list[tuple[bytes, bytes]]:
    """OpenAI's three headers of one gauge."""
    return [
        (f"x-ratelimit-{part}-{kind}".encode(), value.encode())
        for part, value in (("limit", limit), ("remaining", remaining), ("reset", reset))
    ]


def anthropic(kind: str, limit: str, remaining: str, reset: str) -> list[tuple[bytes, bytes]]:
    """Anthropic's three headers of one gauge."""
    return [
        (f"Anthropic-RateLimit-{kind}-{part}".encode(), value.encode())
        for part, value in (("limit", limit), ("remaining", remaining), ("reset", reset))
    ]


def test_openai() -> None:
    headers = openai("requests", "60", "59", "1s") + openai("tokens", "150000", "149984", "6m0s")
    assert read_limits(headers, NOTHING, NOON) == RateLimits(
        requests=RateLimit(60, 59, later(1)), tokens=RateLimit(150000, 149984, later(360))
    )


def test_anthropic() -> None:
    headers = anthropic("requests", "50", "49", "2026-03-01T12:00:05Z") + anthropic(
        "tokens", "80000", "75000", "2026-03-01T13:01:00+01:00"
    )
    assert read_limits(headers, NOTHING, NOON) == RateLimits(
        requests=RateLimit(50, 49, later(5)), tokens=RateLimit(80000, 75000, later(60))
    )


def test_anthropic_tokens_are_the_tightest_of_three() -> None:
    loose = anthropic("input-tokens", "40000", "39000", "2026-03-01T12:00:01Z")
    tight = anthropic("output-tokens", "8000", "100", "2026-03-01T12:00:45Z")
    total = anthropic("tokens", "48000", "39100", "2026-03-01T12:00:45Z")
    assert read_limits(loose + tight, NOTHING, NOON).tokens == RateLimit(8000, 100, later(45))
    assert read_limits(total + loose + tight, NOTHING, NOON).tokens == RateLimit(8000, 100, later(45))
    assert read_limits(loose, NOTHING, NOON).tokens == RateLimit(40000, 39000, later(1))


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [("120ms", 0.12), ("1s", 1), ("6m0s", 360), ("1h0m0s", 3600), ("12", 12), ("0.5", 0.5),
     ("2026-03-01T12:00:05Z", 5), ("2026-03-01T12:00:05.25Z", 5.25), ("2026-03-01T14:00:05+02:00", 5)],
)  # fmt: skip
def test_resets(reset: str, seconds: float) -> None:
    gauge = read_limits(openai("requests", "9", "8", reset), NOTHING, NOON).requests
    assert gauge.reset_at == later(seconds)


@pytest.mark.parametrize(
    "reset",
    ["", "soon", "-1s", "nan", "99999999h", "9" * 40, "2026-13-01T00:00:00Z", "0001-01-01T00:00:00Z",
     "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-23:59"],
)  # fmt: skip
def test_a_reset_without_sense_is_unknown(reset: str) -> None:
    assert read_limits(openai("requests", "9", "8", reset), NOTHING, NOON).requests == RateLimit(9, 8, None)


@pytest.mark.parametrize("count", ["", "-1", "1.5", "many", "1e3", "1_0", "9" * 16, "²", "\u0667"])
def test_a_count_without_sense_is_unknown(count: str) -> None:
    assert read_limits(openai("tokens", count, "8", "1s"), NOTHING, NOON).tokens == RateLimit(None, 8, later(1))
    assert read_limits(openai("tokens", count, count, "x"), NOTHING, NOON) == NOTHING


def test_an_answer_that_tells_nothing_changes_nothing() -> None:
    before = read_limits(openai("requests", "60", "59", "1s"), NOTHING, NOON)
    assert read_limits([], before, NOON) is before
    assert read_limits([(b"content-type", b"text/plain")], before, NOON) is before
    assert read_limits([(b"x-ratelimit-other", b"1")], before, NOON) == before


def test_each_gauge_is_replaced_as_a_whole_and_alone() -> None:
    before = read_limits(openai("requests", "60", "59", "1s") + openai("tokens", "9", "8", "1s"), NOTHING, NOON)
    after = read_limits([(b"x-ratelimit-remaining-requests", b"3")], before, NOON)
    assert after == RateLimits(requests=RateLimit(None, 3, None), tokens=before.tokens)


def test_a_reset_that_only_trembles_is_the_same_reset() -> None:
    before = read_limits(openai("requests", "60", "59", "1s"), NOTHING, NOON)
    assert read_limits(openai("requests", "60", "59", "980ms"), before, later(0.05)) == before
    assert read_limits(openai("requests", "60", "59", "1s"), before, later(2)) != before
    assert read_limits(openai("requests", "60", "58", "1s"), before, NOON) != before


UNIFIED = [
    (b"anthropic-ratelimit-unified-status", b"allowed_warning"),
    (b"anthropic-ratelimit-unified-representative-claim", b"five_hour"),
    (b"anthropic-ratelimit-unified-5h-utilization", b"0.82"),
    (b"anthropic-ratelimit-unified-5h-reset", b"%d" % later(3600).timestamp()),
    (b"Anthropic-Ratelimit-Unified-7d-Utilization", b"0.1"),
    (b"anthropic-ratelimit-unified-7d-reset", b"2026-03-05T12:00:00Z"),
]


def test_windows_of_hours_and_days() -> None:
    limits = read_limits(UNIFIED, NOTHING, NOON)
    assert limits == RateLimits(
        five_hours=LimitWindow(0.82, later(3600)),
        seven_days=LimitWindow(0.1, later(4 * 86400)),
        status="allowed_warning",
    )
    assert read_limits([(b"x-ratelimit-remaining-requests", b"3")], limits, NOON).five_hours == limits.five_hours
    seven = [(b"anthropic-ratelimit-unified-7d-utilization", b"1.2")]
    assert read_limits(seven, limits, NOON).seven_days == LimitWindow(1.0, None)


@pytest.mark.parametrize(
    ("status", "overage", "told"),
    [
        (b"allowed", b"", "allowed"),
        (b"rejected", b"", "rejected"),
        (b"rejected", b"rejected", "rejected"),
        (b"rejected", b"allowed", "allowed_overage"),
        (b"rejected", b"allowed_warning", "allowed_overage"),
        (b"sk-ant-1", b"", None),
        (b"a" * 41, b"", None),
    ],
)
def test_the_status_of_all_windows(status: bytes, overage: bytes, told: str | None) -> None:
    headers = [(b"anthropic-ratelimit-unified-status", status)]
    headers += [(b"anthropic-ratelimit-unified-overage-status", overage)] if overage else []
    assert read_limits(headers, NOTHING, NOON).status == told


@pytest.mark.parametrize("share", ["-0.1", "nan", "", "1e3", "most"])
@pytest.mark.parametrize("reset", ["0", "9" * 15, "9" * 16, "99999999999", "soon", "-1"])
def test_a_window_without_sense_is_unknown(share: str, reset: str) -> None:
    headers = [
        (b"anthropic-ratelimit-unified-5h-utilization", share.encode()),
        (b"anthropic-ratelimit-unified-5h-reset", reset.encode()),
    ]
    window = read_limits(headers, NOTHING, NOON).five_hours
    assert window is None or (window.utilization is None and window.reset_at == later(int(reset)))


@pytest.mark.parametrize(
    ("limits", "share"),
    [
        (NOTHING, 1.0),
        (RateLimits(requests=RateLimit(100, 25)), 0.25),
        (RateLimits(requests=RateLimit(100, 25), tokens=RateLimit(1000, 10)), 0.01),
        (RateLimits(requests=RateLimit(100, 0, later(-1))), 1.0),
        (RateLimits(requests=RateLimit(100, 0, later(1))), 0.0),
        (RateLimits(requests=RateLimit(None, 0)), 0.0),
        (RateLimits(requests=RateLimit(None, 5)), 1.0),
        (RateLimits(requests=RateLimit(0, 5)), 1.0),
        (RateLimits(requests=RateLimit(10, 50)), 1.0),
        (RateLimits(requests=RateLimit(10, None)), 1.0),
    ],
)
def test_headroom(limits: RateLimits, share: float) -> None:
    assert headroom(limits, NOON) == share


names = st.sampled_from(
    [name for name, _ in openai("requests", "", "", "") + openai("tokens", "", "", "")]
    + [name for kind in ("requests", "tokens", "input-tokens", "output-tokens") for name, _ in anthropic(kind, *"   ")]
)
texts = st.text("0123456789.:hmsTZ+- ", max_size=30).map(str.encode)


@given(st.lists(st.tuples(names, st.binary(max_size=30) | texts), max_size=12))
def test_no_header_can_harm(headers: Headers) -> None:
    limits = read_limits(headers, NOTHING, NOON)
    assert read_limits(headers, limits, NOON) == limits
    for gauge in (limits.requests, limits.tokens):
        assert all(count is None or 0 <= count < 10**15 for count in (gauge.limit, gauge.remaining))
        assert gauge.reset_at is None or abs(gauge.reset_at - NOON) <= timedelta(days=366)
    assert 0.0 <= headroom(limits, NOON) <= 1.0
