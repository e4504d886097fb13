"""What a command does that was typed after `:`, or chosen in the palette: it goes to a view, and says what about.

Which command a text is, and what it may be about, is read without any screen (`monitor.state.typed_command`).
"""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Protocol

from monitor import export
from monitor.lines.span import Tone
from monitor.screens.destinations import destinations
from monitor.screens.keys import KeysScreen
from monitor.screens.live import LiveScreen
from monitor.screens.reasoning import ReasoningScreen
from monitor.screens.request import RequestScreen
from monitor.screens.view import View
from monitor.state.request_list import Listing, exactly, without_since
from monitor.state.state import MonitorState
from monitor.state.typed_command import Destinations, read
from monitor.terminal.lending import LentTerminal


class Dashboard(Protocol):
    """What commands need of the app."""

    live: LiveScreen
    reasoning: ReasoningScreen
    keys: KeysScreen
    request: RequestScreen
    listing: Listing
    state: MonitorState
    terminal: LentTerminal
    places: list[Path]

    @property
    def view(self) -> View | None:
        """The view in front."""

    def action_view(self, name: str) -> None:
        """Brings a view to the front."""

    def use_theme(self, name: str | None = None) -> str:
        """Changes the colours, if a name is given; the name of those that there are then."""

    def read_session(self, request: str | None) -> None:
        """Has the reasoning view open the session of that request."""

    def paint(self) -> None:
        """Draws the state as it is now."""

    def run_later(self, action: str) -> None:
        """Runs an action of the app once what is in front is closed."""

    def show_message(self, text: str, tone: Tone) -> None:
        """Tells something for a few seconds."""

    def lend(self, borrow: Coroutine[Any, Any, None]) -> None:
        """Lends the terminal to a program."""

    def export(self, name: str, text: str) -> None:
        """Saves a text under that name."""


class TypedCommands:
    """Carries commands out on a dashboard."""

    def __init__(self, dashboard: Dashboard) -> None:
        self._dashboard = dashboard

    def known(self) -> Destinations:
        """All that commands may be about just now."""
        return destinations(self._dashboard.state, self._dashboard.places)

    def obey(self, text: str, known: Destinations) -> None:
        """Does what a text says that is a command. Raises NoCommand where it is none."""
        command, rest = read(text, known)
        self.go_to(command.word, rest)

    def go_to(self, word: str, about: str) -> None:
        """Does what the command of that word does; `about` is the name of what it is about, or any text."""
        dashboard = self._dashboard
        match word:
            case "session":
                dashboard.action_view("reasoning")
                dashboard.read_session(about)
                dashboard.reasoning.panes.follow = False
                dashboard.paint()
            case "model" | "client":
                self.list_requests(exactly(word, about) or about)
            case "key":
                provider, _, hint = about.partition(" ")
                dashboard.keys.selected_name = (provider, hint)
                dashboard.action_view("keys")
            case "filter":
                self.list_requests(about)
            case "since":
                kept = without_since(dashboard.listing.filter.query)
                self.list_requests(f"{kept} since:{about}".strip() if about else kept)
            case "theme":
                dashboard.use_theme(about)
            case "save":
                self._save()
            case "replay":
                dashboard.lend(dashboard.terminal.play(about, dashboard.use_theme()))
            case "help" | "quit":
                dashboard.run_later(word)
            case _:
                dashboard.action_view(word)

    def list_requests(self, query: str) -> None:
        """Lists what that query finds."""
        self._dashboard.live.filter(query)
        self._dashboard.action_view("live")

    def _save(self) -> None:
        """Exports the request at hand."""
        dashboard = self._dashboard
        own = dashboard.view is dashboard.request
        request = dashboard.request.request if own else dashboard.listing.selected
        if request is None:
            dashboard.show_message("there is no request to save", "warn")
            return
        dashboard.export(export.file_name(request), export.as_json(request, dashboard.state.trace(request.id)))
