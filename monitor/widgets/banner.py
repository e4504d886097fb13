"""A line under the header for what a person should know now: the bridge is lost, stopping, or cannot record."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from textual.strip import Strip
from textual.widget import Widget

from monitor.lines import format as fmt
from monitor.lines.span import Span
from monitor.state.state import MonitorState, Status
from monitor.widgets.paint import GROUND, paint


class Banner(Widget):
    """Not there while all is well."""

    COMPONENT_CLASSES: ClassVar[set[str]] = GROUND
    ALLOW_SELECT = False

    def __init__(self) -> None:
        super().__init__()
        self._span: Span = ("", "plain")
        self.display = False

    def show(self, state: MonitorState, now: datetime) -> None:
        """Takes over what is known; paints only what changed."""
        span = _says(state, now)
        if span != self._span:
            self._span = span
            self.display = bool(span[0])
            self.refresh()

    def render_line(self, y: int) -> Strip:
        return paint(self, ((" ", "plain"), self._span) if y == 0 else (), self.size.width)


def _says(state: MonitorState, now: datetime) -> Span:
    if state.status is Status.LOST and state.since is not None:
        lost = fmt.clock(fmt.seconds_between(state.since, now))
        return f"Lost for {lost}: {fmt.one_line(state.problem)}. Trying again.", "bad"
    if state.status is Status.STOPPING:
        return f"The bridge is stopping: {fmt.one_line(state.problem)}", "warn"
    if state.record_failure is not None:
        failure = state.record_failure
        return f"Not recording: {fmt.one_line(failure.error)} ({failure.queued} waiting)", "warn"
    return "", "plain"
