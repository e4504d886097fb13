"""How far a request has come: its phase in a word, and for how long it has been running."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from bridge.events.entries import Interception
from bridge.events.values import Outcome

RequestPhase = Literal[
    "accepted",
    "sent",
    "connected",  # it answers, and no token has come
    "streaming",  # what comes is not read
    "thinking",
    "tool call",
    "answering",
    "no key",
    "left open",  # a log ended while it ran
    "done",
    "error",  # an error of upstream's reached the client whole
    "failed",
    "cancelled",
    "rejected",
]

ENDED: dict[Outcome, RequestPhase] = {
    Outcome.FAILED: "failed",
    Outcome.CANCELLED: "cancelled",
    Outcome.REJECTED: "rejected",
}


def phase(request: Interception) -> RequestPhase:
    """What is going on, or how it ended."""
    if request.outcome is Outcome.COMPLETED:
        return "done" if (request.status or 200) < 400 else "error"
    return _phase_so_far(request) if request.outcome is None else ENDED[request.outcome]


def _phase_so_far(request: Interception) -> RequestPhase:
    if request.error is not None:
        return "left open"
    if request.waiting_until:
        return "no key"
    found: tuple[tuple[object, RequestPhase], ...] = (
        (request.answer, "answering"),
        (request.tools, "tool call"),
        (request.thoughts, "thinking"),
    )
    for seen, word in found:
        if seen:
            return word
    trying = request.attempts[-1] if request.attempts else None
    if trying is None or trying.reason is not None:
        return "accepted"
    if trying.status is None:
        return "sent"
    return "streaming" if is_unread(request) else "connected"


def is_unread(request: Interception) -> bool:
    """Whether nobody reads what its answer says, so that no token is ever heard of."""
    return request.started.passed_through or request.started.unread is not None


def phase_label(request: Interception) -> str:
    """The phase as it is shown: an error by its status."""
    now = phase(request)
    return f"HTTP {request.status}" if now == "error" else now


def running_ms(request: Interception, now: datetime) -> float:
    """Milliseconds that it took, or has taken until now."""
    if request.duration_ms is not None:
        return request.duration_ms
    return max(0.0, (now - request.started_at).total_seconds() * 1000)
