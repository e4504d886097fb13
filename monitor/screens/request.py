"""The request view: one request on a time axis, its events in order, what it cost, and its place in its session."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message

from bridge.events.entries import Interception
from monitor import export
from monitor.lines import agent_tree, names, request_facts, turn_bars, waterfall
from monitor.lines import format as fmt
from monitor.lines.request_story import story_blocks, texts_and_facts, title
from monitor.lines.session_story import plain
from monitor.lines.span import Line
from monitor.screens.view import Frame, View, is_heard
from monitor.state.phase import running_ms
from monitor.state.request_list import Listing
from monitor.state.trace import HEAD, Trace
from monitor.state.turn_times import turn_times, turns
from monitor.widgets.empty_state import EmptyState
from monitor.widgets.panel import ROUND_TITLE, LinesPanel
from monitor.widgets.story import StoryView

WIDE = 110
"""From which width on the facts have a column of their own."""


FACTS = 5
"""Lines of the facts where they have none, as the style sheet has it."""

LEAST = 5
"""Lines with which events, or a story, are worth their title."""

STORY = 10
"""Lines of a story that more events than fit leave it, or half of what there is where that is less."""


class RequestScreen(View):
    """Answers why a request was slow."""

    NAME = "request"
    KEY_HELP = (
        ("← → h l", "another request"),
        ("< >", "the turn before, the turn after"),
        ("w", "its turns: model or tools?"),
        ("r", "read the session it belongs to"),
        ("e d", "in $PAGER: its story, its dump"),
        ("c E", "copy as curl, export to a file"),
        ("x X", "cancel it; unasked"),
        ("Escape", "back"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back"),
        Binding("left", "another(-1)", "Request", key_display="←→"),
        Binding("h", "another(-1)", "Request", key_display="h l"),  # what is left of them in a replay
        Binding("right,l", "another(1)", "Next request", show=False),
        Binding("less_than_sign", "turn(-1)", "Turn", key_display="<>"),
        Binding("greater_than_sign", "turn(1)", "Next turn", show=False),
        Binding("w", "turns", "Turns"),
        Binding("r,enter", "read", "Read"),
        Binding("x", "cancel", "Cancel"),
        Binding("X", "cancel(False)", "Cancel unasked", show=False),
        Binding("x,X", "say_over", "Cancel", show=False),
        Binding("c", "curl", "Curl"),
        Binding("c", "why_no_curl", "Curl", show=False),
        Binding("E", "export", "Export"),
        Binding("d", "dump", "Dump", show=False),
    ]

    class Dump(Message):
        """Somebody wants to see what went over the wire."""

        def __init__(self, request: Interception) -> None:
            super().__init__()
            self.request = request

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
        self._shows_turns = False
        self.empty_state = EmptyState()
        self.waterfall = LinesPanel(id="waterfall")
        self.story = StoryView()
        self.panels = Container(id="panels")
        self.events = LinesPanel(tail=True, id="events")
        self.facts = LinesPanel(id="facts")

    def body(self) -> ComposeResult:
        yield self.empty_state
        with self.panels:
            yield self.waterfall
            yield self.events
            yield self.facts
            yield self.story

    @property
    def at_hand(self) -> Interception | None:
        return self.request

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
        if self._shows_turns:
            self._draw_turns(request, frame)
        else:
            bars = waterfall.bars(request, self._trace, then)
            self.waterfall.show(waterfall.lines(bars, running_ms(request, then), self.waterfall.content_width))
            whose = agent_tree.titles(frame.state.roster, request.id)
            self.waterfall.entitle(title(request, then, whose, self.waterfall.outer_size.width - ROUND_TITLE))
        told = _events(request, self._trace)
        self._share_room(len(told))
        self.events.show(told)
        width, wide = self.facts.content_width, self.size.width >= WIDE
        self.facts.show(request_facts.lines(request, frame.state, then, width, wide=wide))
        self.events.entitle(f"Events  {len(self._trace.entries) + self._trace.left_out}")
        self.facts.entitle("Tokens, cost, times")
        if self.story.display:
            texts, facts = texts_and_facts(story_blocks(request, then))
            self.story.show(request.id, [*texts, *facts], live=request.live, last=len(facts) * request.live)
            self.story.entitle("Story" + self.story.more())

    def _share_room(self, events: int) -> None:
        """Gives the story what the events leave, where it has no column of its own."""
        if not self.panels.size.height:  # not laid out yet
            return
        beside = self.has_class("-wide")
        left = self.panels.size.height - self.waterfall.outer_size.height
        if self.has_class("-narrow"):
            left -= FACTS
        wanted = min(events + 1, max(left // 2, left - STORY, LEAST))
        below = not beside and left - wanted >= LEAST
        self.set_class(below, "-storied")
        self.events.ask_for(wanted - 1)

    def _draw_turns(self, request: Interception, frame: Frame) -> None:
        requests = self._turns()
        times, at = turn_times(requests, frame.then), requests.index(request)
        limit = self.waterfall.styles.max_height
        height = int(limit.value) - 1 if limit is not None else self.waterfall.container_size.height
        shown = turn_bars.turn_bars(times, at, self.waterfall.content_width, height)
        self.waterfall.show(shown.lines, range(shown.here, shown.here + 1))
        name = frame.state.roster.name(request.id)
        session = names.short(name) if name else fmt.one_line(request.started.client)
        self.waterfall.entitle(turn_bars.title(times, at, session))

    def _turns(self) -> list[Interception]:
        """The turns of the session that the request is one of, itself among them."""
        if self.request is None:
            return []
        found = turns(self.frame.state.picture, self.request) if self.frame is not None else []
        return found if self.request in found else [self.request]

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

    def action_turn(self, step: int) -> None:
        """Goes to the turn before in the session, or to the one after."""
        found = self._turns()
        if self.request is not None:
            place = found.index(self.request) + step
            if 0 <= place < len(found):
                self.open(found[place].id)
                self.redraw()

    def action_turns(self) -> None:
        """Shows the turns of its session, or itself again."""
        self._shows_turns = not self._shows_turns
        self.waterfall.restart()
        self.redraw()

    def as_text(self) -> str | None:
        """Its story."""
        if self.request is None or self.frame is None:
            return None
        return plain(story_blocks(self.request, self.frame.then))

    def action_dump(self) -> None:
        """Shows what went over the wire."""
        if self.request is not None:
            self.post_message(self.Dump(self.request))

    def action_curl(self) -> None:
        """Copies a command that asks the same again, or says why there is none."""
        if self.request is None or self.frame is None:
            return
        try:
            command = export.curl(self.request, self.frame.url)
        except export.NotKnown as error:
            self.post_message(self.Unable(f"no curl: {error}"))
        else:
            self.post_message(self.Copied(command, "a curl command"))

    def action_why_no_curl(self) -> None:
        """Says why there is no command."""
        self.action_curl()

    def action_cancel(self, asks: bool = True) -> None:
        """Ends it."""
        if self.request is not None:
            self.post_message(self.Cancel(self.request, asks=asks))

    def action_say_over(self) -> None:
        """Says that there is nothing to cancel."""
        self.action_cancel()

    def action_read(self) -> None:
        """Reads the session it belongs to."""
        if self.request is not None:
            self.post_message(self.Read(self.request.id))

    def action_back(self) -> None:
        """Back to where one came from."""
        self.post_message(self.Left())

    def check_action(self, action: str, _parameters: tuple[object, ...]) -> bool | None:
        """The footer shows the keys that do something now."""
        return action not in ACTIONS or (not self.has_class("-blank") and self._is_possible(action))

    def _is_possible(self, action: str) -> bool:
        """Whether it makes sense for this request."""
        request = self.request
        if request is None:
            return False
        match action:
            case "cancel" | "say_over":
                return (request.live and is_heard(self.frame)) is (action == "cancel")
            case "curl" | "why_no_curl":
                return export.has_curl(request) is (action == "curl")
            case "turn" | "turns":
                return len(self._turns()) > 1
            case "another":
                return len(self.listing.rows) > 1
        return True


ACTIONS = frozenset(
    {
        "another",
        "turn",
        "turns",
        "read_elsewhere",
        "export",
        "curl",
        "why_no_curl",
        "dump",
        "cancel",
        "say_over",
        "read",
    }
)
"""Those that need a request."""


def _events(request: Interception, trace: Trace) -> list[Line]:
    lines: list[Line] = []
    if not trace.whole:
        lines.append((("  It began before the monitor watched: what happened then is not known in detail.", "muted"),))
    for number, entry in enumerate(trace.entries):
        if trace.left_out and number == HEAD:
            lines.append(((f"   … {trace.left_out} left out", "muted"),))
        lines.append(waterfall.entry_line(entry, request.started_at))
    return lines
