"""What every view has around its body: the header, a banner for trouble, and a last line of views and keys."""

from __future__ import annotations

from datetime import datetime
from itertools import starmap
from typing import ClassVar

from attrs import frozen
from textual.actions import parse
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.message import Message
from textual.screen import Screen

from bridge.events.entries import Interception
from monitor.lines.span import Tone
from monitor.state.state import MonitorState, Status
from monitor.widgets.header import HeaderBar
from monitor.widgets.hints import KeyHints
from monitor.widgets.paint import TONES
from monitor.widgets.status import Banner, StatusLine
from monitor.widgets.views import ViewsBar

STATUS_S = 5.0
"""Seconds for which a line says what happened."""


KeyHelp = tuple[tuple[str, str], ...]
"""Keys as a person knows them, and what they do."""


@frozen
class Frame:
    """What a view is drawn from. `place` tells a person where the source is, `url` where agents go."""

    state: MonitorState
    now: datetime
    url: str | None
    place: str

    @property
    def then(self) -> datetime:
        """The time for running clocks. What is lost stands still: nobody knows how long it has been running."""
        lost = self.state.status is Status.LOST and self.state.since
        return self.state.since if lost and self.state.since else self.now


def is_heard(frame: Frame | None) -> bool:
    """Whether a bridge is there that does as it is told: neither a log does, nor one that has left."""
    return frame is not None and frame.state.status is Status.LIVE


class View(Screen[None]):
    """A screen that draws a state which others keep. A view fills `body` and says how to `draw_body`."""

    NAME: ClassVar[str]
    KEY_HELP: ClassVar[KeyHelp]
    COMPONENT_CLASSES: ClassVar[set[str]] = TONES
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-normal"), (170, "-wide")]  # noqa: RUF012  as Textual types it
    VERTICAL_BREAKPOINTS = [(0, "-low"), (20, "-high"), (34, "-tall")]  # noqa: RUF012  as Textual types it
    AUTO_FOCUS = ""  # there may be nothing to focus yet
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.focus_next", "Panel", show=False),
        Binding("e", "read_elsewhere", "Read in the pager", show=False),
    ]

    class Shown(Message):
        """A view has come to the front and wants to be drawn."""

    class Left(Message):
        """Back to where one came from."""

    class Cancel(Message):
        """Somebody wants that request cancelled, and perhaps to be asked before."""

        def __init__(self, request: Interception, *, asks: bool) -> None:
            super().__init__()
            self.request, self.asks = request, asks

    class Copied(Message):
        """Text for the clipboard, harmless, and what it is."""

        def __init__(self, text: str, what: str) -> None:
            super().__init__()
            self.text, self.what = text, what

    class Unable(Message):
        """Something can't be done; the text says why."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Elsewhere(Message):
        """A text, harmless, to be read in a person's own pager or editor; `name` is a file's."""

        def __init__(self, text: str, name: str) -> None:
            super().__init__()
            self.text, self.name = text, name

    def __init__(self, *, classes: str | None = None) -> None:
        super().__init__(classes=classes)
        self.frame: Frame | None = None
        self._status_until: datetime | None = None
        self._offers: list[object] = []
        self.header = HeaderBar()
        self.banner = Banner()
        self.status = StatusLine()
        self.views = ViewsBar(self.NAME)
        self.hints = KeyHints()

    def body(self) -> ComposeResult:
        """The widgets between the header and the last line."""
        raise NotImplementedError

    def draw_body(self, frame: Frame) -> None:
        """Brings them to the state; each paints only what changed in it."""
        raise NotImplementedError

    @property
    def at_hand(self) -> Interception | None:
        """The request that a person looks at here, where the view has one of its own."""
        return None

    def as_text(self) -> str | None:
        """What is selected, whole and harmless, to be read elsewhere; None where nothing is."""
        return None

    def action_read_elsewhere(self) -> None:
        """Opens what is selected in the pager."""
        text = self.as_text()
        if text is not None:
            self.post_message(self.Elsewhere(text, f"clearspan-{self.NAME}.txt"))

    def compose(self) -> ComposeResult:
        yield self.header
        yield self.banner
        with Container(id="body"):
            yield from self.body()
        with Horizontal(id="bottom"):
            yield self.views
            yield self.hints
        yield self.status

    def on_mount(self) -> None:
        self.status.display = False

    def on_screen_resume(self) -> None:
        self.call_after_refresh(self.post_message, self.Shown())

    def draw(self, frame: Frame) -> None:
        """Brings the screen to the state."""
        self.frame = frame
        self.header.show(frame.state, frame.then, frame.now, frame.url)  # a key cools without a bridge, too
        self.banner.show(frame.state, frame.now)
        self.draw_body(frame)
        self.end_message(frame.now)
        offered = self.offered()
        if offered != self._offers:
            self._offers = offered
            self.refresh_bindings()

    def redraw(self) -> None:
        """Draws what is known already, after a person did something."""
        if self.frame is not None:
            self.draw(self.frame)

    def end_message(self, now: datetime) -> None:
        """Takes the message away whose time is over."""
        if self._status_until is not None and now >= self._status_until:
            self._status_until = None
            self.status.display = False

    def offered(self) -> list[object]:
        """What hints depend on: they are made anew where any of it changes."""
        own = (binding for binding in self.BINDINGS if isinstance(binding, Binding))
        parsed = [parse(binding.action)[1:] for binding in own if not binding.action.startswith("app.")]
        return [*starmap(self.check_action, parsed), self.app.check_action("walkthrough", ())]

    def show_message(self, text: str, tone: Tone, until: datetime) -> None:
        """Tells what happened until then, in a line over the last of the body: views and keys stay in sight."""
        self._status_until = until
        self.status.show_message(text, tone)
        self.status.display = True
