"""What is said of a request that somebody wanted to cancel, once it is known what came of it."""

from __future__ import annotations

from bridge.events.values import Outcome
from monitor.lines import format as fmt
from monitor.lines.span import Span
from monitor.state.cancels import SettledCancel


def settled(cancel: SettledCancel) -> Span:
    """In a line, whether it is over, and how soon its connection upstream was closed."""
    took = f"{cancel.took_ms:,.0f} ms" if cancel.took_ms < 10_000 else fmt.clock(cancel.took_ms / 1000)
    match cancel.outcome:
        case None:
            return f"{cancel.name} goes on, {took} after it was to be cancelled", "bad"
        case Outcome.CANCELLED if cancel.was_upstream:
            return f"cancelled {cancel.name}; upstream closed after {took}", "good"
        case Outcome.CANCELLED:
            return f"cancelled {cancel.name} after {took}; nothing was open upstream", "good"
        case Outcome.COMPLETED:
            return f"{cancel.name} had its whole answer before it could be cancelled", "muted"
        case _:
            return f"{cancel.name} had ended before it could be cancelled: {fmt.words(cancel.outcome)}", "muted"
