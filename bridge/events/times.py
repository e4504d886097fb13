"""Times as they are written, in events and in the record: whoever reads the one need not load the other."""

from __future__ import annotations

from datetime import UTC, datetime


def format_time(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def parse_time(text: object) -> datetime | None:
    """An RFC 3339 time; None for what is none, such as what somebody else may have written into the record."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return at if at.tzinfo else None


def clock(seconds: float) -> str:
    """Whole seconds for what is running: 0s, 48s, 3m07s, 2h05m, 3d04h."""
    whole = max(0, int(seconds))
    minutes, seconds_left = divmod(whole, 60)
    hours, minutes_left = divmod(minutes, 60)
    days, hours_left = divmod(hours, 24)
    if days:
        return f"{days}d{hours_left:02}h" if days < 100 else f"{days}d"
    if hours:
        return f"{hours}h{minutes_left:02}m"
    return f"{minutes}m{seconds_left:02}s" if minutes else f"{whole}s"
