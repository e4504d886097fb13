"""The keys panel: who is healthy, who cools and for how long."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from monitor.lines import key_table
from monitor.lines.span import Line
from monitor.state.state import MonitorState
from monitor.widgets.paint import GROUND, paint


class KeysPanel(ScrollView, can_focus=True):
    """Lines of keys; scrolls where there are many."""

    COMPONENT_CLASSES: ClassVar[set[str]] = GROUND
    DEFAULT_CLASSES = "panel"
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll_down", "Scroll", key_display="↑↓", show=False),
        Binding("up,k", "scroll_up", "Up", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[Line] = []

    def show(self, state: MonitorState, now: datetime) -> None:
        """Takes over what is known; paints only what changed."""
        limit = self.styles.max_height
        room = int(limit.value) - 1 if limit is not None else self.scrollable_content_region.height
        lines = key_table.panel(state, now, self.scrollable_content_region.width, room)
        if lines != self._lines:
            grown = len(lines) != len(self._lines)
            self._lines = lines
            self.virtual_size = Size(0, len(lines))
            self.refresh(layout=grown)
        title = f"Keys  {key_table.summary(state)}"
        if self.border_title != title:  # of our own words and numbers: nothing in it is markup
            self.border_title = title

    def render_line(self, y: int) -> Strip:
        index = y + self.scroll_offset.y
        line = self._lines[index] if index < len(self._lines) else ()
        return paint(self, line, self.scrollable_content_region.width)

    def action_scroll_down(self) -> None:
        """Goes down by a line."""
        self.scroll_relative(y=1, animate=False)

    def action_scroll_up(self) -> None:
        """Goes up by a line."""
        self.scroll_relative(y=-1, animate=False)
