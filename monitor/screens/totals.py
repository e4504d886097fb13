"""The totals view: what it all costs, now and today, by model and by client."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from monitor.lines import totals
from monitor.screens.view import Frame, View
from monitor.widgets.panel import LinesPanel


class TotalsScreen(View):
    """Numbers over three windows; the tables by name show one of them."""

    NAME = "totals"
    KEY_HELP = (
        ("← → h l", "over a longer or shorter time"),
        ("Escape", "back"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "window(-1)", "Window", key_display="←→"),
        Binding("right,l", "window(1)", "Longer", show=False),
        Binding("escape", "back", "Back", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.window = 1
        self.sums = LinesPanel(id="sums")
        self.models = LinesPanel(id="models")
        self.clients = LinesPanel(id="clients")

    def body(self) -> ComposeResult:
        with Container(id="totals"):
            yield self.sums
            yield self.models
            yield self.clients

    def draw_body(self, frame: Frame) -> None:
        usage, now = frame.state.usage, frame.then
        self.sums.show(totals.table(usage, now, self.sums.content_width))
        self.sums.entitle(f"Totals{totals.since(usage, now)}")
        window = totals.WINDOWS[self.window]
        named: tuple[tuple[LinesPanel, totals.By, str], ...] = (
            (self.models, "models", "By model"),
            (self.clients, "clients", "By client"),
        )
        for panel, by, title in named:
            panel.show(totals.by_name(usage, by, window, now, panel.content_width))
            panel.entitle(f"{title} · {window.title}")
        if self.focused is None:
            self.models.focus()

    def action_window(self, step: int) -> None:
        """Shows the tables over a longer time, or a shorter one."""
        self.window = min(max(self.window + step, 0), len(totals.WINDOWS) - 1)
        self.redraw()

    def action_back(self) -> None:
        """Back to where one came from."""
        self.post_message(self.Left())
