"""The totals view: what it all costs, now and today, by model, client, session and key."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message
from textual.widget import Widget

from monitor.lines import breakdown, totals
from monitor.lines.span import as_text
from monitor.screens.view import Frame, View
from monitor.widgets.breakdown import BreakdownPanel
from monitor.widgets.panel import LinesPanel

COUNT = 4
"""Tables by name."""

SQUARE = 160
"""From which width on there is room for all tables, two beside two."""

TALL = 34
"""From which height on there is room for two tables, one under the other."""

TEXT_WIDTH = 120
"""Columns of the text that a pager gets."""

ALL_TALL = 60
"""From which height on there is room for all of them."""


class TotalsScreen(View):
    """Numbers over three windows; the tables by name show one of them."""

    NAME = "totals"
    KEY_HELP = (
        ("← → h l", "over a longer or shorter time"),
        ("Tab", "the next table: by client, …"),
        ("↑ ↓ j k g G", "select a row"),
        ("Enter", "list its requests"),
        ("e", "read all of it in $PAGER"),
        ("Escape", "back"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "list", "List", key_display="⏎"),
        Binding("left", "window(-1)", "Window", key_display="←→"),
        Binding("h", "window(-1)", "Window", key_display="h l"),  # what is left of them in a replay
        Binding("right,l", "window(1)", "Longer", show=False),
        Binding("tab", "table(1)", "Table"),
        Binding("shift+tab", "table(-1)", "Table before", show=False),
        Binding("escape", "back", "Back", show=False),
    ]

    class ListRequests(Message):
        """Somebody wants to see the requests that this filter finds."""

        def __init__(self, query: str) -> None:
            super().__init__()
            self.query = query

    def __init__(self) -> None:
        super().__init__()
        self.window = 1
        self.at = 0
        self._lists = True
        self.panels = Container(id="totals")
        self.sums = LinesPanel(id="sums")
        self.tables = [
            BreakdownPanel("models"),
            BreakdownPanel("clients"),
            BreakdownPanel("sessions"),
            BreakdownPanel("keys"),
        ]

    def body(self) -> ComposeResult:
        with self.panels:
            yield self.sums
            yield from self.tables

    def _room(self, lines: list[int]) -> tuple[int, bool]:
        """How many tables are shown at once, and whether so many are whole; each has so many lines, its title too."""
        width, height = self.size
        if width >= SQUARE:
            return len(self.tables), False
        left = self.panels.size.height - self.sums.outer_size.height
        for count in (COUNT, 3, 2):
            if all(sum(lines[first : first + count]) <= left for first in {_first(at, count) for at in range(COUNT)}):
                return count, True
        return (COUNT if height >= ALL_TALL else 2 if height >= TALL else 1), False

    def draw_body(self, frame: Frame) -> None:
        state, now = frame.state, frame.then
        self.set_class(self.size.width >= SQUARE, "-square")
        self.sums.show(totals.table(state, now, self.sums.content_width, low=self.size.height < totals.LOW))
        self.sums.entitle(f"Totals{totals.since(state, now)}")
        window = totals.WINDOWS[self.window]
        width = self.tables[self.at].content_width
        sums = [breakdown.table(state.usage, state.roster, table.by, window, now, width) for table in self.tables]
        room, whole = self._room([len(each.lines) + 1 for each in sums])
        self.set_class(whole, "-whole")
        first = _first(self.at, room)
        for number, (table, named) in enumerate(zip(self.tables, sums, strict=True)):
            shown = first <= number < first + room
            if table.display != shown:
                table.display = shown
            if shown:
                table.show_sums(named)
                table.entitle(f"By {table.by[:-1]} · {window.title}{self._others(room) if number == self.at else ''}")
        if self.focused is None or not self.focused.display:
            self.tables[self.at].focus()
        lists = self._query() is not None
        if lists != self._lists:
            self._lists = lists
            self.refresh_bindings()

    def _others(self, room: int) -> str:
        """Which of the tables one is in, where Tab goes to some that are not in view."""
        return "" if room == len(self.tables) else f" · Tab: table {self.at + 1} of {len(self.tables)}"

    def watch_focused(self, widget: Widget | None) -> None:
        """Notes where the focus is at once: its event comes later, and a frame in between would go by the old place."""
        if isinstance(widget, BreakdownPanel):
            self.at = self.tables.index(widget)

    def action_window(self, step: int) -> None:
        """Shows the tables over a longer time, or a shorter one."""
        self.window = min(max(self.window + step, 0), len(totals.WINDOWS) - 1)
        self.redraw()

    def action_table(self, step: int) -> None:
        """Goes to the next table, or to the one before."""
        self.at = (self.at + step) % len(self.tables)
        self.redraw()
        self.tables[self.at].focus()

    def action_list(self) -> None:
        """Lists the requests of the selected row."""
        found = self._query()
        if found is not None:
            self.post_message(self.ListRequests(found))

    def _query(self) -> str | None:
        table = self.tables[self.at]
        return None if table.selected is None else breakdown.query(table.by, table.selected)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The footer shows the keys that do something now."""
        return (action != "list" or self._query() is not None) and super().check_action(action, parameters)

    def as_text(self) -> str | None:
        """All numbers and all tables, as wide as they need."""
        if self.frame is None:
            return None
        state, now = self.frame.state, self.frame.then
        window = totals.WINDOWS[self.window]
        parts = [("Totals" + totals.since(state, now), totals.table(state, now, TEXT_WIDTH))]
        for table in self.tables:
            sums = breakdown.table(state.usage, state.roster, table.by, window, now, TEXT_WIDTH)
            parts.append((f"By {table.by[:-1]} · {window.title}", sums.lines))
        return "\n".join(f"{title}\n\n{as_text(lines)}" for title, lines in parts)

    def action_back(self) -> None:
        """Back to where one came from."""
        self.post_message(self.Left())


def _first(at: int, room: int) -> int:
    """The first of so many tables that are shown together with that one; no page is half empty."""
    return min(at // room * room, COUNT - room)
