"""The keys, all of them, by view, over whatever was there. Those of the view that was there come first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from monitor.lines.wrap import wrap
from monitor.screens.view import KeyHelp, View
from monitor.screens.walkthrough import WalkthroughScreen
from monitor.widgets.views import VIEWS

EVERYWHERE = "everywhere"

COMMON: dict[str, KeyHelp] = {
    EVERYWHERE: (
        (" ".join(map(str, range(1, len(VIEWS) + 1))), "the views"),
        ("Tab", "go to the next panel"),
        ("t", "step through the request"),
        ("T", "next theme"),
        ("Ctrl+L Ctrl+Z", "draw anew; suspend, `fg` comes back"),
        ("b", "bell: keys out, agent done, quiet"),
        (": Ctrl+P", "type a command; all commands"),
        ("? q", "this help; quit"),
    ),
    WalkthroughScreen.NAME: WalkthroughScreen.KEY_HELP,
    "story": (
        ("↑ ↓ j k Space", "scroll; at the end, stay there"),
        ("g G PgUp PgDn", "beginning, end, a page"),
        ("m", "as it was written, or as it is read"),
    ),
    "replay": (
        ("Space", "pause, go on"),
        ("← → Home End", "5 seconds; beginning, end"),
        ("+ -", "faster, slower"),
    ),
}
"""What each key does that belongs to no view with a number."""

TITLES = {
    EVERYWHERE: "Everywhere",
    WalkthroughScreen.NAME: "Step by step",
    "story": "Texts",
    "replay": "In a replay (there, the view keeps h l)",
}

TWO_COLUMNS = 116
"""Columns of the terminal from which on there is room for two of ours."""


WIDEST, FRAME = 64, 7
"""Cells of the panel with one column, and of its border, its padding and its scrollbar."""

COLUMN = 51
"""Cells of each of two columns."""

KEY = 17
"""Cells of a key, before what it does."""


class HelpScreen(ModalScreen[None]):
    """Closed by any of the keys that a hand reaches for."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (TWO_COLUMNS, "-wide")]  # noqa: RUF012  as Textual types it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter,space", "dismiss", "Close"),
        Binding("down,j", "scroll(1)", "Scroll", show=False),
        Binding("up,k", "scroll(-1)", "Scroll up", show=False),
    ]

    def __init__(self, view: str, keys: Mapping[str, KeyHelp]) -> None:
        super().__init__()
        self._keys = keys
        first = [view, EVERYWHERE] if view in keys else [EVERYWHERE]
        self._order = [*first, *(name for name in keys if name not in first)]

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help", can_focus=False) as panel:
            panel.border_title = "Keys"
            with Horizontal():
                wide = self.app.size.width >= TWO_COLUMNS
                cells = COLUMN if wide else min(WIDEST, self.app.size.width * 96 // 100) - FRAME
                for names in self._halves() if wide else [self._order]:
                    yield Static(Content("\n\n").join(_section(name, self._keys[name], cells) for name in names))

    def action_scroll(self, lines: int) -> None:
        """Shows what did not fit."""
        self.query_one("#help").scroll_relative(y=lines, animate=False)

    def _halves(self) -> list[list[str]]:
        """Two columns of about the same height."""
        heights = list(accumulate(len(self._keys[name]) + 2 for name in self._order))
        cut = min(range(1, len(heights)), key=lambda index: abs(heights[index - 1] - heights[-1] / 2))
        return [self._order[:cut], self._order[cut:]]


def key_help(views: Iterable[View]) -> dict[str, KeyHelp]:
    """What each key does, by view; each view knows its own, and what does so everywhere follows the first."""
    first, *others = ((view.NAME, view.KEY_HELP) for view in views)
    return dict([first, (EVERYWHERE, COMMON[EVERYWHERE]), *others]) | COMMON


def _section(name: str, keys: KeyHelp, cells: int) -> Content:
    """A view's keys in so many cells; what is longer goes on below its own beginning."""
    lines = [Content.styled(TITLES.get(name, name.capitalize()), "bold")]
    for key, meaning in keys:
        told = ("\n" + " " * KEY).join(wrap(meaning, cells - KEY))
        lines.append(Content.assemble((f"  {key:<{KEY - 2}}", "$text-primary"), told))
    return Content("\n").join(lines)
