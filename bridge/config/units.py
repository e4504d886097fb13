"""How durations and sizes are written: `250ms`, `1m30s`, `30d`; `512MiB`, `1GiB`."""

from __future__ import annotations

import re
from typing import Any, NewType

Seconds = NewType("Seconds", float)
Size = NewType("Size", int)
"""Bytes."""

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
LONGEST_S = 36_500 * UNITS["d"]
"""The longest duration that can be set: a hundred years."""

SIZE_UNITS = {"GiB": 1024**3, "MiB": 1024**2, "KiB": 1024, "B": 1}


def parse_duration(text: Any) -> Seconds:
    """Seconds in a text such as `250ms`, `10s`, `1m30s`, `30d`. Raises ValueError with how to write one."""
    if not isinstance(text, str) or not re.fullmatch(r"(\d+(\.\d+)?(ms|s|m|h|d))+", text):
        raise ValueError(f'{text!r} is not a duration; write it like "250ms", "10s", "1m30s" or "30d"')
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text)
    return Seconds(sum(float(number) * UNITS[unit] for number, unit in parts))


def configured_duration(value: Any) -> Seconds:
    """As `parse_duration`, for a setting: no longer than `LONGEST_S`, so that it can be taken off a date."""
    seconds = parse_duration(value)
    if seconds > LONGEST_S:
        raise ValueError(f"is longer than {format_duration(LONGEST_S)}, which is the longest duration")
    return seconds


def format_duration(seconds: float) -> str:
    """A short text that `parse_duration` reads as this, e.g. `600s` or `30d`."""
    unit = next((unit for unit in ("d", "h") if seconds >= UNITS[unit] and seconds % UNITS[unit] == 0), "s")
    return f"{seconds / UNITS[unit]:g}{unit}"


def parse_size(value: Any) -> Size:
    """Bytes in a whole number, or in a text such as `512MiB` or `1GiB`. Raises ValueError with how to write one."""
    if type(value) is int and value >= 0:
        return Size(value)
    found = re.fullmatch(r"(\d{1,15})(B|KiB|MiB|GiB)", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f'{value!r} is not a size; write it like "512MiB" or "1GiB", or as a whole number of bytes')
    return Size(int(found[1]) * SIZE_UNITS[found[2]])


def format_size(size: int) -> str:
    """A short text that `parse_size` reads as this, e.g. `1GiB`."""
    unit = next(unit for unit, many in SIZE_UNITS.items() if size % many == 0 and (size or unit == "B"))
    return f"{size // SIZE_UNITS[unit]}{unit}"
