"""The keys panel: who is healthy, who cools and for how long."""

from __future__ import annotations

from datetime import datetime

from monitor.lines import key_table
from monitor.state.state import MonitorState
from monitor.widgets.panel import LinesPanel, entitle


class KeysPanel(LinesPanel):
    """A line for each key; scrolls where there are many."""

    def show_keys(self, state: MonitorState, now: datetime) -> None:
        """Takes over what is known; paints only what changed."""
        limit = self.styles.max_height
        room = int(limit.value) - 1 if limit is not None else self.scrollable_content_region.height
        self.show(key_table.panel(state, now, self.scrollable_content_region.width, room))
        entitle(self, f"Keys  {key_table.summary(state)}")
