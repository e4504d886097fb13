"""The reasoning view: what agents think, one session a pane, each read as one story across its requests."""

from __future__ import annotations

from typing import ClassVar, Literal

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message

from monitor.lines import format as fmt
from monitor.lines import names
from monitor.lines.session_story import StoryReader, is_tool, plain, request_of
from monitor.screens.view import Frame, View
from monitor.state.sessions import Panes, Session
from monitor.widgets.empty_state import EmptyState
from monitor.widgets.session import SessionView, heading
from monitor.widgets.sessions import SessionStrip
from monitor.widgets.typed import TypedLine

Depth = Literal["thoughts", "folded", "all"]

DEPTHS: dict[Depth, list[str]] = {"thoughts": ["without tools"], "folded": [], "all": ["all of the tools"]}
"""How much is shown of a story, in the order of the key that changes it, with what the title adds."""

ROOM = ((240, 3), (160, 2), (0, 1))
"""From which width on how many sessions have room side by side."""


class ReasoningScreen(View):
    """Stories at the bottom while they grow; scrolled back, each keeps its place."""

    NAME = "reasoning"
    KEY_HELP = (
        ("← → h l", "another session"),
        ("/ n N", "search; next, previous match"),
        ("[ ]", "the text before, the text after"),
        ("v", "less, more, all of the tools"),
        ("m", "as it was written, as it is read"),
        ("y Y", "copy this text, the session"),
        ("f", "follow: make room for what runs"),
        ("Enter", "its request"),
        ("Escape", "end the search, or go back"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "session(-1)", "Session", key_display="←→"),
        Binding("right,l", "session(1)", "Next session", show=False),
        Binding("slash", "search", "Search", key_display="/"),
        Binding("y", "copy", "Copy"),
        Binding("Y", "copy_all", "Copy all", show=False),
        Binding("f", "follow", "Follow"),
        Binding("enter", "open", "Request", key_display="⏎"),
        Binding("v", "visibility", "Tools"),
        Binding("escape", "back", "Back", show=False),
    ]

    class Open(Message):
        """Somebody wants to see the request that they are reading."""

        def __init__(self, request: str) -> None:
            super().__init__()
            self.request = request

    def __init__(self) -> None:
        super().__init__(classes="-blank")
        self.panes = Panes()
        self._found: list[Session] = []
        self._reader = StoryReader()
        self._query = ""
        self._depth: Depth = "folded"
        self.empty_state = EmptyState()
        self.strip = SessionStrip()
        self.session_views = [SessionView() for _ in range(ROOM[0][1])]
        self.typed = TypedLine(" / ", "words to find in the story; then n and N")

    def body(self) -> ComposeResult:
        yield self.empty_state
        yield self.strip
        with Container(id="panes"):
            yield from self.session_views

    def compose(self) -> ComposeResult:
        yield from super().compose()
        yield self.typed

    def on_mount(self) -> None:
        super().on_mount()
        for number, pane in enumerate(self.session_views):
            pane.display = number == 0
            pane.set_class(number > 0, "-beside")

    def choose(self, request: str | None) -> None:
        """Opens the session of that request, from the next frame on."""
        session = self.frame.state.roster.session(request) if self.frame is not None else None
        if session is not None:
            self.panes.choose(session.id)

    def draw_body(self, frame: Frame) -> None:
        picture = frame.state.picture
        self._found = frame.state.roster.sessions
        self._reader.forget(set(picture.interceptions))
        blank = not self._found
        if self.has_class("-blank") != blank:
            self.set_class(blank, "-blank")
            self.refresh_bindings()
        if blank:
            self.empty_state.show(frame.state, frame.url, frame.place)
            return
        room = next(count for width, count in ROOM if self.size.width >= width)
        self.panes.settle(self._found, min(room, len(self._found)))
        self.strip.show(self._found, frame.state.roster.names, self.panes)
        by_id = {session.id: session for session in self._found}
        for number, pane in enumerate(self.session_views):
            shown = number < len(self.panes.open)
            if pane.display != shown:
                pane.display = shown
            if shown:
                self._show(pane, by_id[self.panes.open[number]], frame)
        here = self.session_views[self.panes.at]
        if self.focused not in (here, self.typed.field):
            here.focus()

    def _show(self, pane: SessionView, session: Session, frame: Frame) -> None:
        blocks = self._reader.read(session, frame.then)
        if self._depth == "thoughts":
            blocks = [block for block in blocks if not is_tool(block)]
        pane.show(session.id, blocks, live=session.live)
        parts = [names.full(frame.state.roster.names[session.id]), fmt.plural(len(session.requests), "request")]
        parts += DEPTHS[self._depth]
        if pane.is_raw:
            parts.append("as written")
        if pane.searching:
            parts.append(f"/{self._query[:30]} {pane.matches()}")
        elif self.panes.follow and len(self.panes.open) < len(self._found):
            parts.append("following")
        pane.entitle(" · ".join(parts) + pane.more())

    @property
    def pane(self) -> SessionView:
        """The pane that a person is in."""
        return self.session_views[self.panes.at]

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        if isinstance(event.widget, SessionView):
            self.panes.at = self.session_views.index(event.widget)
            self.redraw()

    @on(SessionStrip.Chosen)
    def _open_session(self, message: SessionStrip.Chosen) -> None:
        self.panes.follow = False
        self.panes.choose(message.session)
        self.redraw()

    def action_session(self, step: int) -> None:
        """Reads the next session in this pane, or the one before."""
        self.panes.move(self._found, step)
        self.redraw()

    def action_follow(self) -> None:
        """Lets sessions that are over make room for those that run, or keeps them."""
        self.panes.follow = not self.panes.follow
        self.redraw()
        self.pane.action_scroll_end()

    def action_visibility(self) -> None:
        """Leaves the tools out, shows them folded, or shows all of them."""
        depths: list[Depth] = list(DEPTHS)
        self._depth = depths[(depths.index(self._depth) + 1) % len(depths)]
        for pane in self.session_views:
            if pane.unfolds != (self._depth == "all"):
                pane.unfold()
        self.redraw()

    def action_search(self) -> None:
        """Finds what is typed in the story."""
        self.typed.open()

    @on(TypedLine.Typed)
    def _take_search(self, message: TypedLine.Typed) -> None:
        self._query = message.text
        for pane in self.session_views:
            pane.look_for(message.text)
        self.redraw()

    @on(TypedLine.Closed)
    def _leave_search(self) -> None:
        self.pane.focus()
        self.redraw()

    def action_copy(self) -> None:
        """Copies the block at hand."""
        block = self.pane.block
        if block is not None:
            self.post_message(self.Copied(plain([block]), heading(block.heading)))

    def action_copy_all(self) -> None:
        """Copies the whole session."""
        if self.pane.blocks:
            self.post_message(self.Copied(plain(self.pane.blocks), "the whole session"))

    def action_open(self) -> None:
        """Shows the request of the block at hand."""
        block = self.pane.block
        if block is not None:
            self.post_message(self.Open(request_of(block.key)))

    def action_back(self) -> None:
        """Ends the search; without one, goes back."""
        if self._query:
            self.typed.field.value = ""
        else:
            self.post_message(self.Left())

    def check_action(self, action: str, _parameters: tuple[object, ...]) -> bool | None:
        """The footer shows the keys that do something now."""
        needs_story = action in ("session", "search", "visibility", "copy", "copy_all", "follow", "open")
        return not (needs_story and self.has_class("-blank"))
