"""What stands in the middle while there is no request to show: what to wait for, or what to do."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from textual.strip import Strip
from textual.widget import Widget

from monitor.lines import format as fmt
from monitor.lines.span import Line
from monitor.state.state import MonitorState, Status
from monitor.widgets.paint import GROUND, paint

NO_KEYS: list[Line] = [
    (("This log tells of no keys", "strong"),),
    (),
    (("a record keeps what requests did with keys, not how the keys were;", "muted"),),
    (("clearspan tail --json", "plain"), (" keeps both", "muted")),
]


class EmptyState(Widget):
    """A few centred lines."""

    COMPONENT_CLASSES: ClassVar[set[str]] = GROUND
    ALLOW_SELECT = False

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[Line] = []

    def show(self, state: MonitorState, url: str | None, place: str, *, keys: bool = False) -> None:
        """Takes over what is known; paints only what changed. `keys`: they are what is missing."""
        if keys and state.status is Status.REPLAY:
            lines = NO_KEYS
        else:
            lines = _lines_for(state, fmt.one_line(url, default="the bridge"), fmt.one_line(place))
        if lines != self._lines:
            self._lines = lines
            self.refresh()

    def render_line(self, y: int) -> Strip:
        index = y - max(0, (self.size.height - len(self._lines)) // 2)
        if not 0 <= index < len(self._lines):
            return paint(self, (), self.size.width)
        line = self._lines[index]
        margin = max(0, (self.size.width - sum(cell_len(text) for text, _tone in line)) // 2)
        return paint(self, ((" " * margin, "plain"), *line), self.size.width)


def _lines_for(state: MonitorState, url: str, place: str) -> list[Line]:
    if state.status is Status.CONNECTING:
        lines: list[Line] = [(("Connecting to the bridge", "strong"),), ((place, "muted"),)]
        if state.problem:
            lines += [(), ((fmt.one_line(state.problem), "warn"),)]
            lines += [
                (
                    ("start one with ", "muted"),
                    ("clearspan serve", "plain"),
                    (", or try ", "muted"),
                    ("clearspan demo", "plain"),
                )
            ]
        return lines
    return [
        (("No request yet", "strong"),),
        (),
        (("point an agent at ", "muted"), (url, "plain")),
        (("clearspan env codex", "plain"), (" prints how", "muted")),
    ]
