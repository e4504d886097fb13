"""The request view: one request on a time axis, its events in order, what it cost."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message

from bridge.events.entries import Interception
from monitor import export
from monitor.lines import agent_tree, request_facts, waterfall
from monitor.lines.request_story import title
from monitor.lines.span import Line
from monitor.screens.view import Frame, View
from monitor.state.phase import running_ms
from monitor.state.request_list import Listing
from monitor.state.trace import HEAD, Trace
from monitor.widgets.empty_state import EmptyState
from monitor.widgets.panel import LinesPanel

WIDE = 110
"""From which width on the facts have a column of their own."""


class RequestScreen(View):
    """Answers why a request was slow."""

    NAME = "request"
    KEY_HELP = (
        ("← → h l", "another request"),
        ("e c", "export to a file, copy as curl"),
        ("r", "read the session it belongs to"),
        ("x X", "cancel it; unasked"),
        ("Escape", "back"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back"),
        Binding("left,h", "another(-1)", "Request", key_display="←→"),
        Binding("right,l", "another(1)", "Next request", show=False),
        Binding("e", "export", "Export"),
        Binding("c", "curl", "Curl"),
        Binding("x", "cancel", "Cancel"),
        Binding("X", "cancel(False)", "Cancel unasked", show=False),
        Binding("r,enter", "read", "Read"),
    ]

    class Export(Message):
        """Somebody wants the request as a file."""

        def __init__(self, name: str, text: str) -> None:
            super().__init__()
            self.name, self.text = name, text

    class Read(Message):
        """Somebody wants to read the session of that request."""

        def __init__(self, request: str) -> None:
            super().__init__()
            self.request = request

    def __init__(self, listing: Listing) -> None:
        super().__init__(classes="-blank")
        self.listing = listing
        self.request: Interception | None = None
        self._trace = Trace()
        self._wanted: str | None = None
        self.empty_state = EmptyState()
        self.waterfall = LinesPanel(id="waterfall")
        self.events = LinesPanel(tail=True, id="events")
        self.facts = LinesPanel(id="facts")

    def body(self) -> ComposeResult:
        yield self.empty_state
        with Container(id="panels"):
            yield self.waterfall
            yield self.events
            yield self.facts

    def open(self, request: str | None) -> None:
        """Shows that request from the next frame on; None leaves what is shown."""
        self._wanted = request or self._wanted

    def draw_body(self, frame: Frame) -> None:
        self.listing.update(frame.state, frame.then)
        if self._wanted is None:
            self._wanted = self.listing.selection.id
        known = frame.state.request(self._wanted)
        if known is not None:  # what the picture has forgotten is shown as it was
            another = self.request is None or self.request.id != known.id
            self.request, self._trace = known, frame.state.trace(known.id)
            if another:
                for panel in (self.waterfall, self.events, self.facts):
                    panel.restart()
        blank = self.request is None
        if self.has_class("-blank") != blank:
            self.set_class(blank, "-blank")
            self.refresh_bindings()
            if not blank:
                self.events.focus()
        if self.request is None:
            self.empty_state.show(frame.state, frame.url, frame.place)
        else:
            self._draw(self.request, frame)

    def _draw(self, request: Interception, frame: Frame) -> None:
        then = frame.then
        bars = waterfall.bars(request, self._trace, then)
        self.waterfall.show(waterfall.lines(bars, running_ms(request, then), self.waterfall.content_width))
        self.events.show(_events(request, self._trace))
        self.facts.show(request_facts.lines(request, frame.state, then, wide=self.size.width >= WIDE))
        agent = frame.state.roster.agent(request.id)
        self.waterfall.entitle(title(request, then, agent_tree.title(agent, frame.state.roster) if agent else None))
        self.events.entitle(f"Events  {len(self._trace.entries) + self._trace.left_out}")
        self.facts.entitle("Tokens, cost, times")

    def action_another(self, step: int) -> None:
        """Goes to the next request of the list, or to the one before."""
        ids = [request.id for request in self.listing.rows]
        if self.request is not None and ids:
            here = ids.index(self.request.id) if self.request.id in ids else self.listing.selection.index
            self.listing.selection.go(self.listing.rows, here + step)
            self.open(self.listing.selection.id)
            self.redraw()

    def action_export(self) -> None:
        """Writes all that is known of it to a file."""
        if self.request is not None:
            self.post_message(self.Export(export.file_name(self.request), export.as_json(self.request, self._trace)))

    def action_curl(self) -> None:
        """Copies a command that asks the same again."""
        if self.request is not None and self.frame is not None:
            self.post_message(self.Copied(export.curl(self.request, self.frame.url), "a curl command"))

    def action_cancel(self, asks: bool = True) -> None:
        """Ends it."""
        if self.request is not None:
            self.post_message(self.Cancel(self.request, asks=asks))

    def action_read(self) -> None:
        """Reads the session it belongs to."""
        if self.request is not None:
            self.post_message(self.Read(self.request.id))

    def action_back(self) -> None:
        """Back to where one came from."""
        self.post_message(self.Left())

    def check_action(self, action: str, _parameters: tuple[object, ...]) -> bool | None:
        """The footer shows the keys that do something now."""
        return action not in ("another", "export", "curl", "cancel", "read") or not self.has_class("-blank")


def _events(request: Interception, trace: Trace) -> list[Line]:
    lines: list[Line] = []
    if not trace.whole:
        lines.append((("  It began before the monitor watched: what happened then is not known in detail.", "muted"),))
    for number, entry in enumerate(trace.entries):
        if trace.left_out and number == HEAD:
            lines.append(((f"   … {trace.left_out} left out", "muted"),))
        lines.append(waterfall.entry_line(entry, request.started_at))
    return lines
