"""The views by their number, in the last line; the one that is shown stands out. A click goes there."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from monitor.lines.span import Span
from monitor.widgets.paint import GROUND, paint

VIEWS = {"live": "Live", "reasoning": "Reasoning", "keys": "Keys", "request": "Request", "totals": "Totals"}
"""The views by name with their titles, in the order of their numbers."""


class ViewsBar(Widget):
    """One line: 1 Live 2 Reasoning …"""

    COMPONENT_CLASSES: ClassVar[set[str]] = GROUND
    ALLOW_SELECT = False

    class Chosen(Message):
        """Somebody wants to see that view."""

        def __init__(self, view: str) -> None:
            super().__init__()
            self.view = view

    def __init__(self, shown: str) -> None:
        super().__init__()
        self._shown = shown
        self.styles.width = sum(len(title) + 3 for title in VIEWS.values()) + 3

    def render_line(self, y: int) -> Strip:
        spans: list[Span] = []
        for number, (name, title) in enumerate(VIEWS.items(), 1):
            shown = name == self._shown
            spans += [(f" {number} ", "live" if shown else "muted"), (title, "live" if shown else "plain")]
        return paint(self, (*spans, (" │", "faint")) if y == 0 else (), self.size.width)

    def on_click(self, event: events.Click) -> None:
        left = 0
        for name, title in VIEWS.items():
            left += len(title) + 3
            if event.x < left:
                self.post_message(self.Chosen(name))
                return
