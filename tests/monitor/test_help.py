"""The help says every key of every view, and shows all of it at any size."""

from __future__ import annotations

import pytest
from textual.binding import Binding
from textual.dom import DOMNode
from textual.pilot import Pilot
from textual.widgets import Static

from monitor.app import MonitorApp
from monitor.replay_app import ReplayApp
from monitor.screens.help import EVERYWHERE, KEY, TITLES, key_help
from monitor.screens.walkthrough import WalkthroughScreen
from monitor.widgets.requests import RequestTable
from monitor.widgets.session import SessionView
from monitor.widgets.story import StoryView
from monitor.widgets.views import VIEWS as NUMBERED
from tests.support.hands import five_requests, play
from tests.support.play import Stage

NAMES = {
    "left": "←", "right": "→", "up": "↑", "down": "↓", "slash": "/", "escape": "Escape", "enter": "Enter",
    "space": "Space", "question_mark": "?", "plus": "+", "minus": "-", "pagedown": "PgDn", "pageup": "PgUp",
    "left_square_bracket": "[", "left_curly_bracket": "{", "right_curly_bracket": "}", "equals_sign": "=",
    "number_sign": "#", "full_stop": ".", "right_square_bracket": "]", "home": "Home", "end": "End",
    "colon": ":", "less_than_sign": "<", "greater_than_sign": ">", "tab": "Tab", "shift+tab": "Tab",
    "ctrl+l": "Ctrl+L", "ctrl+z": "Ctrl+Z",
}  # fmt: skip

VIEWS = Stage().app.views
KEYS = key_help(VIEWS.values())


def test_the_views_with_a_number_are_the_apps() -> None:
    assert list(NUMBERED) == list(VIEWS)


@pytest.mark.parametrize(
    ("owner", "section"),
    [
        *((type(view), name) for name, view in VIEWS.items()),
        (RequestTable, "live"),
        (SessionView, "reasoning"),
        (WalkthroughScreen, "walkthrough"),
        (StoryView, "story"),
        (ReplayApp, "replay"),
        (MonitorApp, EVERYWHERE),
    ],
)
def test_every_key_is_in_the_help(owner: type[DOMNode], section: str) -> None:
    words = {word for keys, meaning in KEYS[section] for word in f"{keys} {meaning}".split()}
    for binding in owner.BINDINGS:
        assert isinstance(binding, Binding)
        if binding.description and binding.key != "ctrl+c":
            assert words & {NAMES.get(key, key) for key in binding.key.split(",")}, binding


@pytest.mark.parametrize(("size", "view"), [((80, 24), "3"), ((120, 36), "1")])
def test_it_begins_with_the_view_and_shows_everything(size: tuple[int, int], view: str) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        await pilot.press(view, "question_mark")
        screen = await stage.paint(pilot)
        titles = [TITLES.get(name, name.capitalize()) for name in KEYS]
        assert "Everywhere" in screen
        assert KEYS[list(VIEWS)[int(view) - 1]][0][1] in screen
        panel = stage.app.screen.query_one("#help")
        await pilot.press("down")
        assert panel.scroll_offset.y == min(1, panel.max_scroll_y)
        seen = ""
        for top in range(0, panel.max_scroll_y + 12, 12):
            panel.scroll_to(y=top, animate=False)
            seen += await stage.paint(pilot)
        assert panel.scroll_offset.y == panel.max_scroll_y
        assert all(title in screen + seen for title in titles)

    play(size, act)


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 36), (160, 45)])
def test_what_a_key_does_goes_on_below_its_own_beginning(size: tuple[int, int]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await stage.paint(pilot)
        await pilot.press("question_mark")
        lines = [line for column in stage.app.screen.query("#help Static").results(Static) for line in _lines(column)]
        indented = [line for line in lines if line.startswith(" " * KEY)]
        assert indented
        titles = {TITLES.get(name, name.capitalize()) for name in KEYS}
        assert [line for line in lines if line and line not in titles and not line.startswith("  ")] == []

    play(size, act)


def _lines(column: Static) -> list[str]:
    return [column.render_line(y).text.rstrip() for y in range(column.size.height)]
