"""Lengths of time the way providers write them: `6m0s`, `120ms`, `1h2m3.5s`, `20 seconds`, or bare seconds."""

from __future__ import annotations

import re

UNIT_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "ns": 1e-9}

NUMBER = r"(?:\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})"
UNIT = (
    r"(?:ms|milliseconds?|us|µs|ns|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?)"
    r"(?![a-zµ])"  # a unit is a whole word
)
DURATION = rf"{NUMBER}\s?{UNIT}(?:\s?{NUMBER}\s?{UNIT})*"
"""Matches a duration with units (lower case), with or without blanks between its parts."""

_PART = re.compile(rf"({NUMBER})\s?({UNIT})")
_WHOLE = re.compile(DURATION)
_BARE = re.compile(NUMBER)


def duration_s(text: str) -> float | None:
    """Seconds, never negative; None for anything that is no duration. A bare number counts seconds."""
    text = text.strip().lower()
    if _BARE.fullmatch(text):
        return float(text)
    if not _WHOLE.fullmatch(text):
        return None
    return sum(float(number) * UNIT_S[_short(unit)] for number, unit in _PART.findall(text))


def _short(unit: str) -> str:
    if unit in ("ms", "us", "ns"):
        return unit
    if unit == "µs":
        return "us"
    return "ms" if unit.startswith("milli") else unit[0]
