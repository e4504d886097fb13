"""Keys: the panel beside the requests, and the table and the ledger that the keys view is about."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from textual.binding import Binding, BindingType

from monitor.lines import key_panel
from monitor.state.state import MonitorState
from monitor.widgets.panel import LinesPanel


class KeysPanel(LinesPanel):
    """A line for each key; scrolls where there are many."""

    def show_keys(self, state: MonitorState, now: datetime) -> None:
        """Takes over what is known; paints only what changed."""
        limit = self.styles.max_height
        room = int(limit.value) - 1 if limit is not None else self.scrollable_content_region.height
        self.show(key_panel.panel(state, now, self.scrollable_content_region.width, room))
        self.entitle(f"Keys  {key_panel.summary(state, now)}")


class KeyTable(LinesPanel):
    """The panel's keys move a selection instead of the lines."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "screen.choose(1)", "Key", show=False),
        Binding("up,k", "screen.choose(-1)", "Key before", show=False),
        Binding("pagedown,ctrl+d", "screen.choose(10)", "Ten keys on", show=False),
        Binding("pageup,ctrl+u", "screen.choose(-10)", "Ten keys back", show=False),
        Binding("home,g", "screen.choose(-1000)", "First", show=False),
        Binding("end,G", "screen.choose(1000)", "Last", show=False),
        Binding("space", "screen.mark", "Mark", show=False),
    ]


class LedgerPanel(LinesPanel):
    """Its keys move from one entry to the next."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "screen.choose_entry(1)", "Entry", show=False),
        Binding("up,k", "screen.choose_entry(-1)", "Entry before", show=False),
        Binding("home,g", "screen.choose_entry(-1000)", "Newest", show=False),
        Binding("end,G", "screen.choose_entry(1000)", "Oldest", show=False),
    ]
