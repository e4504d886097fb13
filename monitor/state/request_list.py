"""The requests as the table lists them: filtered, in an order, one of them selected. Pure; views share it."""

from __future__ import annotations

from datetime import datetime

from attrs import Factory, define

from bridge.events.picture import Interception
from monitor.state.phase import running_ms
from monitor.state.selection import Selection
from monitor.state.sift import Sift
from monitor.state.state import MonitorState


@define
class Listing:
    """What is listed now. `total` counts the requests before the filter."""

    selection: Selection = Factory(Selection)
    sift: Sift = Factory(Sift)
    slowest_first: bool = False
    rows: list[Interception] = Factory(list)
    total: int = 0

    def update(self, state: MonitorState, now: datetime) -> None:
        """Brings it to the state."""
        ordered = state.ordered()
        self.total = len(ordered)
        self.rows = self.sift.keep(ordered)
        if self.slowest_first:
            self.rows.sort(key=lambda one: running_ms(one, now), reverse=True)  # stable: the newest of equals first
        listed = {one.id for one in self.rows}
        arrived = reversed(state.picture.interceptions)
        self.selection.settle(self.rows, next((id_ for id_ in arrived if id_ in listed), None))

    @property
    def selected(self) -> Interception | None:
        """The selected request, where there is one."""
        return self.rows[self.selection.index] if self.rows else None
