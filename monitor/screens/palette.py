"""The command palette: everything that a key does where one stands, the views, the themes, and all there is to go to.

A line each. What a line says comes from outside in part, so it is never markup.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any

from rich.text import Text
from textual.app import App, SystemCommand
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.screen import Screen

from monitor.state.typed_command import Destinations
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

KINDS = {"sessions": "session", "models": "model", "clients": "client", "keys": "key", "replays": "replay"}
"""What is found where something is typed, and the command that goes there."""


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
        yield SystemCommand(THEME_TITLES[name], f":theme {name}", partial(setattr, app, "theme", name))


def found_commands(app: App[None], destinations: Destinations) -> Iterator[SystemCommand]:
    """Ways to whatever has a name."""
    for kind, word in KINDS.items():
        for destination in (each for each in destinations.of.get(kind, []) if not each.is_gone):
            run = partial(app.run_action, f"app.go_to({word!r}, {destination.name!r})")
            title = f"{word.capitalize()}: {destination.title}"
            yield SystemCommand(title, "", partial(_later, app, run), discover=False)


class PaletteProvider(Provider):
    """Tells Textual's palette of them."""

    def _commands(self) -> list[SystemCommand]:
        return list(self.app.get_system_commands(self.screen))

    async def discover(self) -> Hits:
        """Those that are shown before anything is typed."""
        for command in sorted(self._commands(), key=lambda command: command.title):
            if command.discover:
                yield DiscoveryHit(_line(command), command.callback, text=command.title)

    async def search(self, query: str) -> Hits:
        """Those that match what is typed."""
        matcher = self.matcher(query)
        for command in self._commands():
            score = matcher.match(command.title)
            if score > 0:
                yield Hit(score, _line(command), command.callback, text=command.title)


def _line(command: SystemCommand) -> Text:
    return Text.assemble(command.title, "  ", (command.help, "dim"))


def _later(app: App[None], run: Callable[[], Coroutine[Any, Any, bool]]) -> None:
    """Once the palette is closed: an action finds its screen then."""
    app.call_later(run)
