"""The live view: requests, the selected one's story, keys. Draws a state that others keep."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer

from bridge.events.snapshot import Interception
from monitor.selection import Selection
from monitor.state import MonitorState, Status
from monitor.story import title
from monitor.widgets.banner import Banner
from monitor.widgets.header import HeaderBar
from monitor.widgets.keys import KeysPanel
from monitor.widgets.notice import Notice
from monitor.widgets.requests import RequestTable
from monitor.widgets.status import StatusLine
from monitor.widgets.story import StoryView

SAID_S = 5.0
"""Seconds for which the last line says what happened."""


class LiveScreen(Screen[None]):
    """All at one glance; Enter gives the whole room to the story."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-normal"), (170, "-wide")]  # noqa: RUF012  as Textual types it
    VERTICAL_BREAKPOINTS = [(0, "-low"), (20, "-high"), (34, "-tall")]  # noqa: RUF012  as Textual types it
    AUTO_FOCUS = ""  # there is nothing to focus before the first request
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "enlarge", "Enlarge"),
        Binding("escape", "back", "Back"),
        Binding("x", "cancel", "Cancel"),
        Binding("f", "follow", "Follow"),
        Binding("tab", "app.focus_next", "Panel"),
        Binding("question_mark", "app.help", "Help", key_display="?"),
        Binding("q", "app.quit", "Quit"),
    ]

    class Cancel(Message):
        """Somebody wants that request cancelled."""

        def __init__(self, one: Interception) -> None:
            super().__init__()
            self.one = one

    def __init__(self) -> None:
        super().__init__(classes="-blank -unmet")
        self.selection = Selection()
        self._ordered: list[Interception] = []
        self._said_until: datetime | None = None
        self._drawn: tuple[MonitorState, datetime, str | None, str] | None = None
        self.header = HeaderBar()
        self.banner = Banner()
        self.notice = Notice()
        self.requests = RequestTable()
        self.story = StoryView()
        self.keys = KeysPanel()
        self.status = StatusLine()
        self.footer = Footer(compact=True, show_command_palette=False)

    def compose(self) -> ComposeResult:
        yield self.header
        yield self.banner
        with Container(id="body"):
            yield self.notice
            yield self.requests
            yield self.story
            yield self.keys
        yield self.status
        yield self.footer

    def on_mount(self) -> None:
        self.status.display = False

    @property
    def selected(self) -> Interception | None:
        """The selected request, where there is one."""
        return self._ordered[self.selection.index] if self._ordered else None

    def draw(self, state: MonitorState, now: datetime, url: str | None, place: str) -> None:
        """Brings the screen to the state; every part paints only what changed in it."""
        self._drawn = state, now, url, place
        self._ordered = state.ordered()
        self.selection.settle(self._ordered, next(reversed(state.picture.interceptions), None))
        if self.has_class("-blank") != (not self._ordered):
            self.set_class(not self._ordered, "-blank")
            self.refresh_bindings()
            if self._ordered:
                self.requests.focus()
            else:
                self.set_focus(None)
        self.set_class(state.status is Status.CONNECTING, "-unmet")
        self.header.show(state, url)
        self.banner.show(state, now)
        if not self._ordered:
            self.notice.show(state, url, place)
        # What is lost stands still: how long a request has been running is not known any more.
        then = state.since if state.status is Status.LOST and state.since else now
        self.requests.show(state, self._ordered, self.selection.index, then)
        self.story.show(self.selected, then)
        self.keys.show(state, now)
        self._title(then)
        if self._said_until is not None and now >= self._said_until:
            self._said_until = None
            self._swap_last_line(said=False)

    def _title(self, now: datetime) -> None:
        """Titles are given as content: a plain string would be read as markup."""
        story, one = self.story, self.selected
        follow = " · following the newest" if self.selection.follow else ""
        _entitle(self.requests, f"Requests  {len(self._ordered)}{follow}")
        if one is None:
            return
        below = "" if story.at_bottom else " · ↓ more"
        _entitle(story, title(one, now) + below)

    def say(self, text: str, tone: str, until: datetime) -> None:
        """Tells what happened in the last line until then."""
        self._said_until = until
        self.status.say(text, tone)
        self._swap_last_line(said=True)

    def _swap_last_line(self, *, said: bool) -> None:
        self.status.display = said
        self.footer.display = not said

    def _redraw(self) -> None:
        if self._drawn is not None:
            self.draw(*self._drawn)

    def on_request_table_moved(self, message: RequestTable.Moved) -> None:
        self.selection.go(self._ordered, message.index)
        self._redraw()

    def action_follow(self) -> None:
        """Follows the newest request from now on, or stays."""
        selection = self.selection
        selection.follow = not selection.follow
        if selection.follow:
            selection.newest = None
        self._redraw()

    def action_cancel(self) -> None:
        """Asks for the end of the selected request."""
        if self.selected is not None:
            self.post_message(self.Cancel(self.selected))

    def action_enlarge(self) -> None:
        """Gives the room to the story."""
        if self.selected is not None:
            self.add_class("-enlarged")
            self.story.focus()
            self.refresh_bindings()

    def action_back(self) -> None:
        """Comes back to the requests."""
        self.remove_class("-enlarged")
        self.requests.focus()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The footer shows the keys that do something now."""
        if action in ("enlarge", "back") and not parameters:
            return self.has_class("-enlarged") == (action == "back") and not self.has_class("-blank")
        return not (action in ("cancel", "follow") and self.has_class("-blank"))


def _entitle(widget: RequestTable | StoryView | KeysPanel, title: str) -> None:
    content = Content(title)
    if widget.border_title != content.markup:
        widget.border_title = content
