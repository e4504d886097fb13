"""Times as they are written, in events and in the record: whoever reads the one need not load the other."""

from __future__ import annotations

from datetime import UTC, datetime


def format_time(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"
