"""One of the tables of the totals view: its keys move a selection instead of the lines."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from monitor.lines.breakdown import By, NamedSums, RowName
from monitor.widgets.panel import LinesPanel


class BreakdownPanel(LinesPanel):
    """Sums by name; `selected` stays on its name wherever that goes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "choose(1)", "Row", show=False),
        Binding("up,k", "choose(-1)", "Row before", show=False),
        Binding("home,g", "choose(-1000)", "First", show=False),
        Binding("end,G", "choose(1000)", "Last", show=False),
    ]

    def __init__(self, by: By) -> None:
        super().__init__(id=by)
        self.by: By = by
        self.selected: RowName | None = None
        self._sums = NamedSums()

    def show_sums(self, sums: NamedSums) -> None:
        """Takes over the sums."""
        self._sums = sums
        if self.selected not in sums.names:
            self.selected = sums.names[0] if sums.names else None
        self.show(sums.lines, sums.place(self.selected) if self.has_focus else range(0))

    def action_choose(self, rows: int) -> None:
        """Goes so many rows down, as far as there are rows."""
        names = self._sums.names
        if self.selected is not None:
            self.selected = names[min(max(names.index(self.selected) + rows, 0), len(names) - 1)]
            self.show_sums(self._sums)

    def on_focus(self) -> None:
        self.show_sums(self._sums)

    def on_blur(self) -> None:
        self.show_sums(self._sums)
