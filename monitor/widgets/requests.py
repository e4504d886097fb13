"""The table of requests: live ones first, newest first, one line each, only the visible ones ever formatted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from bridge.events.entries import Interception
from monitor.lines import request_row
from monitor.lines.span import Line
from monitor.state.state import MonitorState
from monitor.widgets.paint import GROUND
from monitor.widgets.rows import EMPTY, PaintedRow, ScrolledRows


class RequestTable(ScrolledRows, can_focus=True):
    """Shows a selection that others hold; tells what a person did to it."""

    COMPONENT_CLASSES: ClassVar[set[str]] = GROUND | {"row--selected"}
    DEFAULT_CLASSES = "panel"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Select", key_display="↑↓", show=False),
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("pagedown,ctrl+d", "page(1)", "Page down", show=False),
        Binding("pageup,ctrl+u", "page(-1)", "Page up", show=False),
        Binding("home,g", "first", "First", show=False),
        Binding("end,G", "last", "Last", show=False),
    ]

    class Moved(Message):
        """The selection shall go to that row."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    class Opened(Message):
        """The selected request shall be opened."""

    def __init__(self) -> None:
        super().__init__()
        self._ordered: Sequence[Interception] = []
        self._state = MonitorState()
        self._now: datetime | None = None
        self._selected = 0
        self._lines: list[Line] = []

    def show(self, state: MonitorState, ordered: Sequence[Interception], selected: int, now: datetime) -> None:
        """Takes over what is known; paints only what changed."""
        self._state, self._ordered, self._now = state, ordered, now
        self._set_height(len(ordered) + 1)
        if selected != self._selected:
            self._selected = selected
            self._reveal()
        self._repaint()

    def _reveal(self) -> None:
        """Scrolls as little as it takes to have the selected row on the screen."""
        height, top = self._rows_high, self.scroll_offset.y
        if self._selected < top:
            self.scroll_to(y=self._selected, animate=False)
        elif self._selected >= top + height:
            self.scroll_to(y=self._selected - height + 1, animate=False)

    @property
    def _rows_high(self) -> int:
        return max(1, self.scrollable_content_region.height - 1)

    def _repaint(self) -> None:
        if self._now is None:
            return
        layout = request_row.shown(self.scrollable_content_region.width)
        first = self.scroll_offset.y
        visible = self._ordered[first : first + self._rows_high]
        self._lines = [request_row.header(layout)]
        self._lines += [request_row.row(request, self._state, self._now, layout) for request in visible]
        self.paint_changes()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._repaint()

    def on_resize(self) -> None:
        self._reveal()
        self._repaint()

    def row(self, y: int) -> PaintedRow:
        if y >= len(self._lines):
            return EMPTY
        return self._lines[y], y > 0 and self.scroll_offset.y + y - 1 == self._selected

    def action_move(self, rows: int) -> None:
        """Selects a row above or below."""
        self.post_message(self.Moved(self._selected + rows))

    def action_page(self, pages: int) -> None:
        """Selects a row a screenful away."""
        self.post_message(self.Moved(self._selected + pages * self._rows_high))

    def action_first(self) -> None:
        """Selects the first row."""
        self.post_message(self.Moved(0))

    def action_last(self) -> None:
        """Selects the last row."""
        self.post_message(self.Moved(len(self._ordered) - 1))

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is not None and 0 < offset.y <= len(self._ordered) - self.scroll_offset.y:
            self.post_message(self.Moved(self.scroll_offset.y + offset.y - 1))
            if event.chain == 2:
                self.post_message(self.Opened())
