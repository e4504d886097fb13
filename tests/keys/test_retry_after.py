"""Retry-After in all its forms, and in none."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.keys.rate_limits import LONGEST_S, SHORTEST_S, retry_after
from tests.keys.clocks import NOON


def asked(value: str | bytes, name: bytes = b"retry-after") -> float | None:
    """What one header alone asks for at noon."""
    return retry_after([(name, value.encode() if isinstance(value, str) else value)], NOON)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0", 1.0),
        ("-0", 1.0),
        ("0.0", 1.0),
        ("1.5", 1.5),
        (".25", 0.25),
        ("7.", 7.0),
        ("+7", 7.0),
        ("  7 ", 7.0),
        ("86400", 86400.0),
        ("86401", 86400.0),
        ("9" * 400, 86400.0),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sunday, 01-Mar-26 12:00:30 GMT", 30.0),
        ("Sun Mar  1 12:00:30 2026", 30.0),
        ("Sun, 01 Mar 2026 13:00:30 +0100", 30.0),
        ("Sun, 01 Mar 2026 12:00:30 -0000", 30.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 1.0),
        ("Mon, 01 Mar 2027 12:00:00 GMT", 86400.0),
    ],
)
def test_seconds_and_dates(value: str, seconds: float) -> None:
    assert asked(value) == seconds


@pytest.mark.parametrize(
    "value",
    ["", " ", "nan", "inf", "-inf", "Infinity", "1e3", "1_000", "0x10", "7s", "seven", "7,5", "7 8", "--1", ".",
     "-5", "-0.5",
     "Sun, 99 Mar 2026 12:00:30 GMT", "Sun, 01 Mar 99999999999 12:00:30 GMT", "12:00", "\x00", "7\n", "\u0667"],
)  # fmt: skip
def test_nonsense_is_nothing(value: str) -> None:
    assert asked(value) is None


@pytest.mark.parametrize(
    ("value", "seconds"), [("250", 0.25), ("0.5", 0.0005), ("0", 1.0), ("-1", None), ("1e3", None)]
)
def test_milliseconds(value: str, seconds: float | None) -> None:
    assert asked(value, b"retry-after-ms") == seconds


def test_milliseconds_go_first_and_a_date_is_none_of_theirs() -> None:
    both = [(b"Retry-After", b"9"), (b"Retry-After-Ms", b"1500")]
    assert retry_after(both, NOON) == 1.5
    assert asked("Sun, 01 Mar 2026 12:00:30 GMT", b"retry-after-ms") is None


def test_nonsense_in_one_header_leaves_the_other() -> None:
    assert retry_after([(b"retry-after-ms", b"soon"), (b"retry-after", b"9")], NOON) == 9.0
    assert retry_after([(b"retry-after-ms", b"-1"), (b"retry-after", b"9")], NOON) == 9.0
    assert retry_after([(b"retry-after", b"soon"), (b"retry-after", b"9")], NOON) == 9.0
    assert retry_after([(b"retry-after", b"-9"), (b"retry-after", b"9")], NOON) == 9.0
    assert retry_after([(b"retry-after", b"\xff\xfe"), (b"RETRY-AFTER", b"9")], NOON) == 9.0


def test_no_header_is_nothing() -> None:
    assert retry_after([], NOON) is None
    assert retry_after([(b"x-retry-after", b"9"), (b"retry-after-sec", b"9")], NOON) is None


@given(st.floats(min_value=-1e7, max_value=1e7))
def test_dates_follow_the_wall_clock_within_bounds(offset: float) -> None:
    moment = NOON + timedelta(seconds=int(offset))
    seconds = asked(moment.strftime("%a, %d %b %Y %H:%M:%S GMT"))
    assert seconds == (min(float(int(offset)), LONGEST_S) if int(offset) > 0 else SHORTEST_S)


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_give_a_bounded_number_or_nothing(value: bytes) -> None:
    for name in (b"retry-after", b"retry-after-ms"):
        seconds = asked(value, name)
        assert seconds is None or 0.0 <= seconds <= LONGEST_S


@given(st.text("MonTueJanFb0123456789:,+- GMT()", max_size=40))
def test_anything_like_a_date_gives_a_bounded_number_or_nothing(value: str) -> None:
    seconds = asked(value)
    assert seconds is None or 0.0 <= seconds <= LONGEST_S
