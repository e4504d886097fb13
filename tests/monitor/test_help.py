"""The help says every key of every view, and shows all of it at any size."""

from __future__ import annotations

import pytest
from rich.cells import cell_len
from textual.binding import Binding
from textual.dom import DOMNode
from textual.pilot import Pilot

from monitor.app import MonitorApp
from monitor.replay_app import ReplayApp
from monitor.screens.help import EVERYWHERE, KEY, TITLES, HelpScreen, key_help, key_of
from monitor.screens.view import View
from monitor.screens.walkthrough import WalkthroughScreen
from monitor.widgets.agent_tree import AgentTree
from monitor.widgets.keys import KeyTable
from monitor.widgets.panel import LinesPanel, Panel
from monitor.widgets.requests import RequestTable
from monitor.widgets.session import SessionView
from monitor.widgets.story import StoryView
from monitor.widgets.views import VIEWS as NUMBERED
from tests.support.folds import plain
from tests.support.hands import five_requests, play, press, view
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


OWNERS: tuple[type[DOMNode], ...] = (
    *(type(view) for view in VIEWS.values()),
    *(RequestTable, SessionView, WalkthroughScreen, StoryView, Panel, ReplayApp, MonitorApp, View, AgentTree, KeyTable),
)


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
        await press(stage, pilot, view, "question_mark")
        screen = await stage.paint(pilot)
        assert KEYS[list(VIEWS)[int(view) - 1]][0][1] in screen
        for _ in range(sum(map(len, KEYS.values()))):
            screen += await press(stage, pilot, "down")
        assert all(TITLES.get(name, name.capitalize()) in screen for name in KEYS)
        assert all(meaning.split()[0] in screen for keys in KEYS.values() for _key, meaning in keys)

    play(size, act)


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 36), (160, 45)])
def test_what_a_key_does_goes_on_below_its_own_beginning(size: tuple[int, int]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await stage.paint(pilot)
        await press(stage, pilot, "question_mark")
        panel = stage.app.screen.query_one("#help", LinesPanel)
        lines = [plain(line) for line in panel._lines]
        assert all(cell_len(line) <= panel.content_width for line in lines)
        titles = {TITLES.get(name, name.capitalize()) for name in KEYS}
        assert [line for line in lines if line and line not in titles and not line.startswith("  ")] == []
        keys = [line[:KEY].strip() for line in lines if line.startswith("  ")]
        assert [key for key in keys if key] == [key for name in KEYS for key, _ in KEYS[name]]

    play(size, act)


def test_enter_does_what_the_chosen_line_says() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        here = [key for key, _ in KEYS["live"]].index("s")
        assert "slowest first" not in await press(stage, pilot, "question_mark", *["down"] * here, "escape")
        await press(stage, pilot, "question_mark", *["down"] * here, "enter")
        assert "· slowest first" in await stage.until(pilot, "slowest first")
        await press(stage, pilot, "question_mark", "end", "home", "enter")
        assert not isinstance(stage.app.screen, HelpScreen)

    play((80, 24), act)


def test_a_line_of_another_view_goes_there() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        await press(stage, pilot, "question_mark", *["down"] * (len(KEYS["live"]) + len(KEYS[EVERYWHERE])), "enter")
        assert view(stage) == "reasoning"

    play((120, 36), act)


def test_every_line_names_a_key_that_textual_knows() -> None:
    known = {key for owner in OWNERS for binding in owner.BINDINGS if isinstance(binding, Binding)
             for key in binding.key.split(",")} | set(map(str, range(1, 10)))  # fmt: skip
    assert {key_of(shown) for keys in KEYS.values() for shown, _ in keys} <= known
