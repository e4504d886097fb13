"""The keys, all of them, by view, over whatever was there. Those of the view that was there come first.

A line can be chosen: Enter does what it says, or goes to the view whose key it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from attrs import frozen
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.keys import _character_to_key
from textual.screen import ModalScreen

from monitor.lines.span import Line
from monitor.lines.wrap import wrap
from monitor.screens.view import KeyHelp, View
from monitor.screens.walkthrough import WalkthroughScreen
from monitor.widgets.paint import TONES
from monitor.widgets.panel import LinesPanel
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

KEY = 17
"""Cells of a key, before what it does."""

NAMES = {
    "↑": "up",
    "↓": "down",
    "←": "left",
    "→": "right",
    "PgUp": "pageup",
    "PgDn": "pagedown",
    **{name: name.lower() for name in ("Enter", "Space", "Escape", "Tab", "Home", "End")},
}
"""Keys that are not their own character, as Textual knows them."""


@frozen
class HelpChoice:
    """A line of the help: whose key it is, and which, as Textual knows it."""

    section: str
    key: str


@frozen
class _Entry:
    choice: HelpChoice
    place: range
    """Its lines."""


def key_of(shown: str) -> str:
    """The first of the keys that a line names."""
    first = shown.split(maxsplit=1)[0]
    if len(first) == 1 and first not in NAMES:
        return _character_to_key(first)
    return NAMES.get(first, first.lower())


class HelpScreen(ModalScreen[HelpChoice | None]):
    """Gives back the chosen line; None where somebody only read."""

    COMPONENT_CLASSES: ClassVar[set[str]] = TONES
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,space", "dismiss(None)", "Close"),
        Binding("enter", "act", "Do it"),
        Binding("down,j", "choose(1)", "Next line", show=False),
        Binding("up,k", "choose(-1)", "Line before", show=False),
        Binding("pagedown,ctrl+d", "choose(10)", "Ten lines on", show=False),
        Binding("pageup,ctrl+u", "choose(-10)", "Ten lines back", show=False),
        Binding("home,g", "choose(-1000)", "First", show=False),
        Binding("end,G", "choose(1000)", "Last", show=False),
    ]

    def __init__(self, view: str, keys: Mapping[str, KeyHelp]) -> None:
        super().__init__()
        self._keys = keys
        first = [view, EVERYWHERE] if view in keys else [EVERYWHERE]
        self._order = [*first, *(name for name in keys if name not in first)]
        self._list = LinesPanel(id="help")
        self._list.can_focus = False
        self._lines: list[Line] = []
        self._entries: list[_Entry] = []
        self._at = 0

    def compose(self) -> ComposeResult:
        self._list.entitle("Keys")
        self._list.border_subtitle = "⏎ does it"
        yield self._list

    def on_mount(self) -> None:
        self.call_after_refresh(self._lay_out)

    def on_resize(self) -> None:
        self.call_after_refresh(self._lay_out)

    def _lay_out(self) -> None:
        self._lines, self._entries = [], []
        for name in self._order:
            if self._lines:
                self._lines.append(())
            self._lines.append(((TITLES.get(name, name.capitalize()), "strong"),))
            for keys, meaning in self._keys[name]:
                begin = len(self._lines)
                self._lines += _entry(keys, meaning, self._list.content_width)
                self._entries.append(_Entry(HelpChoice(name, key_of(keys)), range(begin, len(self._lines))))
        self._draw()

    def _draw(self) -> None:
        self._list.show(self._lines, self._entries[self._at].place)
        if self._at == 0:
            self._list.action_scroll_home()

    def action_choose(self, step: int) -> None:
        """Goes to the line below, or above."""
        self._at = min(max(self._at + step, 0), len(self._entries) - 1)
        self._draw()

    @property
    def chosen(self) -> HelpChoice:
        """The line that Enter acts on."""
        return self._entries[self._at].choice

    def action_act(self) -> None:
        """Gives back the chosen line."""
        self.dismiss(self.chosen)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self._list)
        line = None if offset is None else offset.y + self._list.scroll_offset.y
        chosen = next((entry for entry in self._entries if line in entry.place), None)
        if chosen is not None:
            self.dismiss(chosen.choice)


def key_help(views: Iterable[View]) -> dict[str, KeyHelp]:
    """What each key does, by view; each view knows its own, and what does so everywhere follows the first."""
    first, *others = ((view.NAME, view.KEY_HELP) for view in views)
    return dict([first, (EVERYWHERE, COMMON[EVERYWHERE]), *others]) | COMMON


def _entry(keys: str, meaning: str, cells: int) -> list[Line]:
    """A key in so many cells; what is longer goes on below its own beginning."""
    first, *others = wrap(meaning, cells - KEY)
    line: Line = ((f"  {keys:<{KEY - 2}}", "key"), (first, "plain"))
    return [line, *(((" " * KEY + text, "plain"),) for text in others)]
