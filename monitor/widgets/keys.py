"""Keys: the panel beside the requests, and the table that the keys view is about."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from textual.binding import Binding, BindingType

from monitor.lines import key_table
from monitor.state.state import MonitorState
from monitor.widgets.panel import LinesPanel


class KeysPanel(LinesPanel):
    """A line for each key; scrolls where there are many."""

    def show_keys(self, state: MonitorState, now: datetime) -> None:
        """Takes over what is known; paints only what changed."""
        limit = self.styles.max_height
        room = int(limit.value) - 1 if limit is not None else self.scrollable_content_region.height
        self.show(key_table.panel(state, now, self.scrollable_content_region.width, room))
        self.entitle(f"Keys  {key_table.summary(state)}")


class KeyTable(LinesPanel):
    """The panel's keys move a selection instead of the lines."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "screen.choose(1)", "Key", show=False),
        Binding("up,k", "screen.choose(-1)", "Key before", show=False),
        Binding("home,g", "screen.choose(-1000)", "First", show=False),
        Binding("end,G", "screen.choose(1000)", "Last", show=False),
    ]
