"""The command palette: everything that a key does where one stands, by its name, the views, and the themes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any

from textual.app import App, SystemCommand
from textual.screen import Screen

from monitor.styles import themes
from monitor.widgets.views import VIEWS

THEME_TITLES = {
    themes.DARK: "Theme: dark",
    themes.LIGHT: "Theme: light",
    themes.CONTRAST: "Theme: high contrast",
    themes.MONO: "Theme: no colour",
}

NOT_OURS = ("copy_text", "focus_", "page_left", "page_right", "scroll_left", "scroll_right", "command_palette", "help_")
"""Beginnings of actions that Textual binds everywhere and nobody looks for."""


def commands(app: App[None], screen: Screen[object]) -> Iterator[SystemCommand]:
    """What can be done on that screen now, as its keys have it."""
    listed = set()
    for active in screen.active_bindings.values():
        binding, action = active.binding, active.binding.action.rpartition(".")[2]
        wanted = active.enabled and binding.description and not action.startswith(NOT_OURS)
        if wanted and binding.action not in listed:
            listed.add(binding.action)
            run = partial(app.run_action, binding.action, active.node)
            yield SystemCommand(binding.description, f"key {app.get_key_display(binding)}", partial(_later, app, run))
    for number, (name, title) in enumerate(VIEWS.items(), 1):
        run = partial(app.run_action, f"app.view('{name}')")
        yield SystemCommand(f"View: {title.lower()}", f"key {number}", partial(_later, app, run))
    for name in themes.NAMES:
        yield SystemCommand(THEME_TITLES[name], "key T goes through them", partial(setattr, app, "theme", name))


def _later(app: App[None], run: Callable[[], Coroutine[Any, Any, bool]]) -> None:
    """Once the palette is closed: an action finds its screen then."""
    app.call_later(run)
