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
from monitor.state.request_list import Listing
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
        self._listing = Listing()
        self._lines: list[Line] = []

    def show(self, state: MonitorState, listing: Listing, now: datetime) -> None:
        """Takes over what is known; paints only what changed."""
        selected, self._listing = listing.selection.index, listing
        self._state, self._ordered, self._now = state, listing.rows, now
        self._set_height(len(self._ordered) + 1 + bool(listing.before))
        if selected != self._selected:
            self._selected = selected
            self._reveal()
        self._repaint()

    def _reveal(self) -> None:
        """Scrolls as little as it takes to have the selected row on the screen."""
        height, top, place = self._rows_high, self.scroll_offset.y, self._place(self._selected)
        if place < top:
            self.scroll_to(y=place, animate=False)
        elif place >= top + height:
            self.scroll_to(y=place - height + 1, animate=False)

    @property
    def _own(self) -> int:
        """How many rows are of this bridge: below them stands a line that says so, if there are others."""
        return len(self._ordered) - self._listing.before

    def _place(self, index: int) -> int:
        """The line that a request stands in, counted below the titles."""
        return index + (index >= self._own)

    def _index(self, place: int) -> int | None:
        """The request that stands in a line; None for the one between."""
        if place == self._own and self._listing.before:
            return None
        return place - (place > self._own)

    @property
    def _rows_high(self) -> int:
        return max(1, self.scrollable_content_region.height - 1)

    def _repaint(self) -> None:
        if self._now is None:
            return
        layout = request_row.shown(self.scrollable_content_region.width)
        first = self.scroll_offset.y
        last = min(first + self._rows_high, self._place(len(self._ordered) - 1) + 1)
        self._lines = [request_row.header(layout)]
        self._lines += [self._line(self._index(place), layout, self._now) for place in range(first, last)]
        self.paint_changes()

    def _line(self, index: int | None, layout: list[tuple[request_row.Column, int]], now: datetime) -> Line:
        if index is None:
            return (("  from the record" if self._listing.found else "  before this bridge", "title"),)
        request = self._ordered[index]
        hidden = self._listing.hidden.get(request.id, 0)
        return request_row.row(request, self._state, now, layout, hidden=hidden, past=index >= self._own)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._repaint()

    def on_resize(self) -> None:
        self._reveal()
        self._repaint()

    def row(self, y: int) -> PaintedRow:
        if y >= len(self._lines):
            return EMPTY
        return self._lines[y], y > 0 and self._index(self.scroll_offset.y + y - 1) == self._selected

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
        if offset is None or not 0 < offset.y < len(self._lines):
            return
        index = self._index(self.scroll_offset.y + offset.y - 1)
        if index is not None:
            self.post_message(self.Moved(index))
            if event.chain == 2:
                self.post_message(self.Opened())
