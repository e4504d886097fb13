"""What a person should know: trouble, in a line under the header; what has just happened, above the last line."""

from __future__ import annotations

from datetime import datetime

from monitor.lines import format as fmt
from monitor.lines.span import Span, Tone
from monitor.state.state import MonitorState, Status
from monitor.widgets.line_bar import LineBar


class Banner(LineBar):
    """The bridge is lost, stopping, or cannot record. Not there while all is well."""

    def __init__(self) -> None:
        super().__init__()
        self.display = False

    def show(self, state: MonitorState, now: datetime) -> None:
        """Takes over what is known; paints only what changed."""
        span = _trouble(state, now)
        self.display = bool(span[0])
        self.put(((" ", "plain"), span))


class StatusLine(LineBar):
    """Lies over the last line of the body for a few seconds."""

    def show_message(self, text: str, tone: Tone) -> None:
        """Shows the text, made harmless."""
        self.put(((" ", "plain"), (fmt.one_line(text), tone)))


def _trouble(state: MonitorState, now: datetime) -> Span:
    if state.status is Status.LOST and state.since is not None:
        lost = fmt.clock(fmt.seconds_between(state.since, now))
        return f"Lost for {lost}: {fmt.one_line(state.problem)}. Trying again.", "bad"
    if state.status is Status.STOPPING:
        return f"The bridge is stopping: {fmt.one_line(state.problem)}", "warn"
    if state.record_failure is not None:
        failure = state.record_failure
        return f"Not recording: {fmt.one_line(failure.error)} ({failure.queued} waiting)", "warn"
    return "", "plain"
