"""The keys, all of them, by view, over whatever was there. Those of the view that was there come first."""

from __future__ import annotations

from itertools import accumulate
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from monitor.screens.keys import KeysScreen
from monitor.screens.live import LiveScreen
from monitor.screens.reasoning import ReasoningScreen
from monitor.screens.request import RequestScreen
from monitor.screens.totals import TotalsScreen
from monitor.screens.view import KeyHelp
from monitor.screens.walkthrough import WalkthroughScreen

EVERYWHERE = "everywhere"

KEYS: dict[str, KeyHelp] = {
    LiveScreen.NAME: LiveScreen.KEY_HELP,
    EVERYWHERE: (
        ("1 2 3 4 5", "the views"),
        ("Tab", "go to the next panel"),
        ("t", "step through the request"),
        ("T", "next theme"),
        ("Ctrl+P", "all commands, themes"),
        ("? q", "this help; quit"),
    ),
    ReasoningScreen.NAME: ReasoningScreen.KEY_HELP,
    KeysScreen.NAME: KeysScreen.KEY_HELP,
    RequestScreen.NAME: RequestScreen.KEY_HELP,
    TotalsScreen.NAME: TotalsScreen.KEY_HELP,
    WalkthroughScreen.NAME: WalkthroughScreen.KEY_HELP,
    "story": (
        ("↑ ↓ j k Space", "scroll; at the end, stay there"),
        ("g G PgUp PgDn", "beginning, end, a page"),
    ),
    "replay": (
        ("Space", "pause, go on"),
        ("← → Home End", "5 seconds; beginning, end"),
        ("+ -", "faster, slower"),
    ),
}
"""What each key does, by view; each view knows its own."""

TITLES = {
    EVERYWHERE: "Everywhere",
    WalkthroughScreen.NAME: "Step by step",
    "story": "Texts",
    "replay": "In a replay (there, the view keeps h l)",
}

TWO_COLUMNS = 116
"""Columns of the terminal from which on there is room for two of ours."""


class HelpScreen(ModalScreen[None]):
    """Closed by any of the keys that a hand reaches for."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (TWO_COLUMNS, "-wide")]  # noqa: RUF012  as Textual types it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter,space", "dismiss", "Close"),
        Binding("down,j", "scroll(1)", "Scroll", show=False),
        Binding("up,k", "scroll(-1)", "Scroll up", show=False),
    ]

    def __init__(self, view: str = "live") -> None:
        super().__init__()
        first = [view, EVERYWHERE] if view in KEYS else [EVERYWHERE]
        self._order = [*first, *(name for name in KEYS if name not in first)]

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help", can_focus=False) as panel:
            panel.border_title = "Keys"
            with Horizontal():
                columns = _halves(self._order) if self.app.size.width >= TWO_COLUMNS else [self._order]
                for names in columns:
                    yield Static(Content("\n\n").join(_section(name) for name in names))

    def action_scroll(self, lines: int) -> None:
        """Shows what did not fit."""
        self.query_one("#help").scroll_relative(y=lines, animate=False)


def _section(name: str) -> Content:
    lines = [Content.styled(TITLES.get(name, name.capitalize()), "bold")]
    lines += [Content.assemble((f"  {key:<15}", "$text-primary"), meaning) for key, meaning in KEYS[name]]
    return Content("\n").join(lines)


def _halves(names: list[str]) -> list[list[str]]:
    """Two columns of about the same height."""
    heights = list(accumulate(len(KEYS[name]) + 2 for name in names))
    cut = min(range(1, len(names)), key=lambda index: abs(heights[index - 1] - heights[-1] / 2))
    return [names[:cut], names[cut:]]
