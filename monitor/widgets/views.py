"""The views by their number, in the last line; the one that is shown stands out. A click goes there.

Beside it stand the keys that do something now, and those lead to everything else. So where both have no room, the views
are shortened: only the one that is shown has its title then, and the others their numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len
from textual import events
from textual.geometry import Size
from textual.message import Message

from monitor.lines.span import Line
from monitor.widgets.line_bar import LineBar

VIEWS = {"live": "Live", "reasoning": "Reasoning", "keys": "Keys", "request": "Request", "totals": "Totals"}
"""The views by name with their titles, in the order of their numbers."""

TITLES, NUMBERS = 72, 40
"""Columns of the terminal from which on all titles stand there, and from which on the numbers of the others do."""

NamedPart = tuple[Line, str]
"""A view as it is shown, and its name."""


class ViewsBar(LineBar):
    """One line: 1 Live 2 Reasoning …"""

    class Chosen(Message):
        """Somebody wants to see that view."""

        def __init__(self, view: str) -> None:
            super().__init__()
            self.view = view

    def __init__(self, shown: str) -> None:
        super().__init__()
        self.styles.width = "auto"
        self._shown = shown
        self._ends: list[tuple[int, str]] = []

    def get_content_width(self, _container: Size, viewport: Size) -> int:
        """As much as it takes on a terminal of that width."""
        whole = viewport.width >= TITLES
        parts = list(self._parts(viewport.width, whole=whole))
        line = [span for part, _ in parts for span in part] + ([(" │", "faint")] if parts else [])
        self.put(tuple(line))
        self._ends, at = [], 0
        for part, name in parts:
            at += sum(cell_len(text) for text, _ in part)
            self._ends.append((at, name))
        return at + 2 + whole if parts else 0

    def _parts(self, columns: int, *, whole: bool) -> Iterator[NamedPart]:
        for number, (name, title) in enumerate(VIEWS.items(), 1):
            here = name == self._shown
            if here or columns >= NUMBERS:
                titled: Line = ((title, "live" if here else "plain"),) if here or whole else ()
                yield ((f" {number} ", "live" if here else "muted"), *titled), name

    def on_click(self, event: events.Click) -> None:
        for end, view in self._ends:
            if event.x < end:
                self.post_message(self.Chosen(view))
                return
