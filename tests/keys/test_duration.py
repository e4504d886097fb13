"""Lengths of time as providers write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.keys.rate_limits import duration_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360.0),
        ("1s", 1.0),
        ("120ms", 0.12),
        ("1h2m3.5s", 3723.5),
        ("2m59.56s", 179.56),
        ("1m30s", 90.0),
        ("7.5s", 7.5),
        ("0s", 0.0),
        ("20 seconds", 20.0),
        ("1 minute", 60.0),
        ("1 minute 5 seconds", 65.0),
        ("2 hours", 7200.0),
        ("250 milliseconds", 0.25),
        ("500us", 0.0005),
        ("500µs", 0.0005),
        ("500ns", 5e-7),
        ("1M30S", 90.0),
        ("12", 12.0),
        ("12.5", 12.5),
        (" 12 ", 12.0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "s", "-1s", "1x", "1 sheep", "nan", "inf", "1e3", "1s!", "s1", "1_0s", "1" * 16, "1m30"]
)
def test_nonsense_is_nothing(text: str) -> None:
    assert duration_s(text) is None


@given(st.text("0123456789.hmsnuµ ", max_size=30))
def test_never_negative_never_raises(text: str) -> None:
    seconds = duration_s(text)
    assert seconds is None or seconds >= 0
