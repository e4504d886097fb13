"""The views by their number, in the last line; the one that is shown stands out. A click goes there."""

from __future__ import annotations

from textual import events
from textual.message import Message

from monitor.lines.span import Span
from monitor.widgets.line_bar import LineBar

VIEWS = {"live": "Live", "reasoning": "Reasoning", "keys": "Keys", "request": "Request", "totals": "Totals"}
"""The views by name with their titles, in the order of their numbers."""


class ViewsBar(LineBar):
    """One line: 1 Live 2 Reasoning …"""

    class Chosen(Message):
        """Somebody wants to see that view."""

        def __init__(self, view: str) -> None:
            super().__init__()
            self.view = view

    def __init__(self, shown: str) -> None:
        super().__init__()
        self.styles.width = sum(len(title) + 3 for title in VIEWS.values()) + 3
        spans: list[Span] = []
        for number, (name, title) in enumerate(VIEWS.items(), 1):
            here = name == shown
            spans += [(f" {number} ", "live" if here else "muted"), (title, "live" if here else "plain")]
        self.put((*spans, (" │", "faint")))

    def on_click(self, event: events.Click) -> None:
        left = 0
        for name, title in VIEWS.items():
            left += len(title) + 3
            if event.x < left:
                self.post_message(self.Chosen(name))
                return
