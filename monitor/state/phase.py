"""How far a request has come: its phase in a word, and for how long it has been running."""

from __future__ import annotations

from datetime import datetime

from bridge.events.picture import Interception
from bridge.events.vocabulary import Outcome


def phase(request: Interception) -> str:
    """What is going on, or how it ended."""
    if request.outcome is Outcome.COMPLETED:
        return "done" if (request.status or 200) < 400 else f"HTTP {request.status}"
    if request.outcome is not None:
        return request.outcome.value
    if request.waiting_until:
        return "no key"
    for seen, word in ((request.answer, "answering"), (request.tools, "tool call"), (request.thoughts, "thinking")):
        if seen:
            return word
    trying = request.attempts[-1] if request.attempts else None
    if trying is None or trying.reason is not None:
        return "accepted"
    return "sent" if trying.status is None else "streaming"


def running_ms(request: Interception, now: datetime) -> float:
    """Milliseconds that it took, or has taken until now."""
    if request.duration_ms is not None:
        return request.duration_ms
    return max(0.0, (now - request.started_at).total_seconds() * 1000)
