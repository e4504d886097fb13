"""What a demo did, in a line: 40 requests, 2 failovers, 1 key died, 5 failed on purpose, $0.13."""

from __future__ import annotations

from bridge.events.picture import Picture
from bridge.events.values import KeyState


def summary(picture: Picture) -> str:
    """The line. What did not happen is left out, and so is a cost that is not known."""
    totals = picture.totals
    dead = sum(key.state is KeyState.PERMANENT for key in picture.keys.values())
    parts = [
        _count(totals.interceptions, "request", "requests"),
        _count(totals.failovers, "failover", "failovers"),
        _count(dead, "key died", "keys died"),
        _count(totals.failed + totals.rejected, "failed on purpose", "failed on purpose"),
        _count(totals.cancelled, "cancelled", "cancelled"),
    ]
    if totals.tokens.cost_usd is not None:
        parts.append(f"{totals.tokens.cost_mark}${totals.tokens.cost_usd:.2f}")
    return ", ".join(part for part in parts if part)


def _count(number: int, singular: str, plural: str) -> str:
    return f"{number:,} {singular if number == 1 else plural}" if number else ""
