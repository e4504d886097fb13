"""What is told in a line for a few seconds: what came of something that a person did, or what they wait for."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.events.values import Outcome
from monitor.lines import format as fmt
from monitor.lines import names
from monitor.lines.span import Span
from monitor.lines.verdict import WORDS
from monitor.state.alerts import QUIET, Alert
from monitor.state.cancels import SettledCancel
from monitor.state.state import MonitorState

TOLD = 3
"""Alerts that are told in words where several begin at once."""

BELL = f"bell when all keys of a provider are out, an agent ends, or is quiet for {QUIET.seconds}s"


def settled(cancel: SettledCancel) -> Span:
    """Whether a request that was to be cancelled is over, and how soon its connection upstream was closed."""
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


def called(state: MonitorState, request: str) -> str:
    """A request by its session: Codex 2; of none that is known, by its id."""
    name = state.roster.name(request)
    return names.short(name) if name else fmt.one_line(request)[:8]


def alerts(begun: Sequence[Alert], state: MonitorState) -> Span:
    """Why it rings; in a tone that says whether somebody has to do something."""
    said = [_alert(alert, state) for alert in begun[:TOLD]]
    more = f" · {len(begun) - TOLD} more" if len(begun) > TOLD else ""
    tones = [tone for _, tone in said]
    return " · ".join(text for text, _ in said) + more, "good" if set(tones) == {"good"} else "bad"


def _alert(alert: Alert, state: MonitorState) -> Span:
    if alert.kind == "keys out":
        return f"all keys of {fmt.one_line(alert.about)} are out", "bad"
    name, request = called(state, alert.about), state.request(alert.about)
    if alert.kind == "finished":
        return f"{name} finished", "good"
    if alert.kind == "gave up":
        why = f": {fmt.one_line(request.error)}" if request is not None and request.error else ""
        return f"{name} failed, and has not tried again{why}", "bad"
    why = f": {WORDS[request.silence.kind]}" if request is not None and request.silence is not None else ""
    return f"{name} quiet for {QUIET.seconds}s{why}", "bad"
