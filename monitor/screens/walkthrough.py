"""The walkthrough: one request on its way through the bridge, a step at a time; of a demo, the chapters.

What comes in is folded as ever; here it waits for the person (`course.py`). The picture is that of the step's own
moment: the keys are shown as they were then, and as they are now where one stands at the end of what still runs.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.timer import Timer

from bridge.events.entries import Interception
from monitor.lines import agent_tree
from monitor.lines.chapters import CHAPTERS, what_follows
from monitor.lines.key_table import tool_servers
from monitor.lines.request_story import title
from monitor.lines.span import Line
from monitor.lines.walkthrough_ladder import ladder
from monitor.lines.walkthrough_picture import NARROWEST, draw
from monitor.lines.walkthrough_scene import Scene, moment, scene
from monitor.lines.walkthrough_text import Caption, explanation, overview
from monitor.screens.course import NONE_AFTER, Course
from monitor.screens.view import STATUS_S, Frame, View
from monitor.sources.lessons import Lessons
from monitor.widgets.lines import Lines

HOP_FRAMES = 10
FRAME_S = 0.04
AUTO_S = 4.0
SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0)
LOW = 22
"""Below so many rows the picture is a ladder."""
TALL = 44
"""From so many rows there is room for picture and JSON."""
STILL_RUNNING = "The request is still running: what comes next is not known yet."


class WalkthroughScreen(View):
    """Opened on a request; with `lessons`, on the first chapter of a demo."""

    NAME = "walkthrough"
    KEY_HELP = (
        ("Space → n", "the next step"),
        ("← b", "the step before"),
        ("] [", "the next chapter, the one before (`demo --step`)"),
        ("f", "the next attempt that fails"),
        ("j", "the event as JSON"),
        ("r", "play the chapter again (`demo --step`)"),
        ("g G", "the first step, the last"),
        ("a + -", "go on by itself; faster, slower"),
        ("↑ ↓", "another request"),
        ("Escape", "close"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,right,n,enter", "next", "Next", key_display="space"),
        Binding("right_square_bracket", "chapter(1)", "Chapter", key_display="]"),
        Binding("left_square_bracket", "chapter(-1)", "Chapter before", show=False),
        Binding("f", "failover", "Failover"),
        Binding("f", "none_failed", "Failover", show=False),
        Binding("j", "json", "JSON"),
        Binding("left,b,backspace", "previous", "Back", key_display="←"),
        Binding("r", "again", "Play again", show=False),
        Binding("a", "auto", "Auto"),
        Binding("plus,equals_sign", "speed(1)", "Faster", show=False),
        Binding("minus", "speed(-1)", "Slower", show=False),
        Binding("down", "request(1)", "Next request", key_display="↓"),
        Binding("up", "request(-1)", "Request before", show=False),
        Binding("home,g", "first", "First step", show=False),
        Binding("end,G", "last", "Last step", show=False),
        Binding("escape", "close", "Close"),
    ]

    def __init__(self, request: Interception | None = None, lessons: Lessons | None = None) -> None:
        super().__init__()
        self.course = Course(request, lessons)
        self._json = False
        self._hop = 1.0
        self._hopping: Timer | None = None
        self._auto: Timer | None = None
        self._speed = SPEEDS.index(1.0)
        self._drawn_at = 0
        self._picture = Lines(centred=True, id="picture")
        self._text = Lines(id="explanation")
        self._overview = Lines(id="overview")

    def body(self) -> ComposeResult:
        yield self._picture
        with Horizontal(id="steps"):
            yield self._overview
            yield self._text

    def draw_body(self, frame: Frame) -> None:
        course = self.course
        self._tell(course.look(frame.state))
        if not course.steps:
            self._picture.show([])
            self._overview.show(overview([], 0, self._overview.size.height, course.number))
            first = "Waiting for the first request" if course.chapter is None else f"{course.chapter.title} …"
            lines: list[Line] = [((first, "strong"),)]
            if course.chapter is not None and course.chapter.tools:
                lines += tool_servers(frame.state, self._text.size.width)
            self._text.show(lines)
            return
        self._begin_hop()
        self._draw(frame)

    def _begin_hop(self) -> None:
        """The request is seen on its way where it has come one step on."""
        before, self._drawn_at = self._drawn_at, self.course.current
        if before + 1 == self.course.current and self.app.animation_level != "none":
            self._hop = 0.0
            if self._hopping is None:
                self._hopping = self.set_interval(FRAME_S, self._hop_on)
        elif before != self.course.current:
            self._hop = 1.0

    def _hop_on(self) -> None:
        self._hop = min(1.0, self._hop + 1 / HOP_FRAMES)
        if self._hop >= 1.0 and self._hopping is not None:
            self._hopping.stop()
            self._hopping = None
        if self.frame is not None and self.course.steps:
            self._draw(self.frame)

    def _draw(self, frame: Frame) -> None:
        course = self.course
        request = course.requests[course.current]
        shows_json = self._json and bool(course.step.event) and not course.step.quiz
        self._picture.display = self.size.height >= TALL or not shows_json
        self._picture.show(self._drawn(self._scene(request, frame)))
        self._overview.show(overview(course.steps, course.current, self._overview.size.height, course.number))
        caption = Caption(
            title(request, frame.then, agent_tree.titles(frame.state.roster, request.id), self._text.size.width - 1),
            f"auto, {SPEEDS[self._speed]:g}x" if self._auto else "",
            self._more(),
            course.number,
            self._json,
        )
        room, trace = self._text.size, frame.state.trace(request.id)
        self._text.show(explanation(course.steps, course.current, (room.width, room.height), caption, trace))

    def _scene(self, request: Interception, frame: Frame) -> Scene:
        """The picture of the step, from the keys of its moment."""
        course = self.course
        own = [step for step, of in zip(course.steps, course.requests, strict=True) if of is request]
        here = course.current - course.requests.index(request)
        keys = [key for key in frame.state.picture.keys.values() if key.provider == request.started.provider]
        at = frame.then
        if not (course.at_end and request.live):
            at = moment(own, here, frame.state.trace(request.id), request.started_at)
            keys = frame.state.ledger.at(at, keys)
        return scene(request, own, here, keys, at)

    def _drawn(self, shown: Scene) -> list[Line]:
        width, height = self.size.width - 2, self.size.height
        if width < NARROWEST or height < LOW:
            return ladder(width, shown)
        return draw(width, shown, self._hop)

    def _more(self) -> str:
        course = self.course
        if not course.at_end:
            return ""
        if course.chapter is None:
            return STILL_RUNNING if course.requests[course.current].live else ""
        if course.step.quiz:
            return "space opens the next chapter." if course.number != len(CHAPTERS) else ""
        return what_follows(course.chapter, course.step)

    def _tell(self, text: str) -> None:
        if text and self.frame is not None:
            self.show_message(text, "warn", self.frame.now + timedelta(seconds=STATUS_S))

    def action_next(self) -> None:
        """A step on. From the end of what still runs, lets it run; from that of what is over, to what comes after."""
        if self.frame is not None:
            self._tell(self.course.go_on(self.frame.state))
            self.redraw()

    def action_previous(self) -> None:
        """A step back."""
        self.course.go(self.course.current - 1)
        self.redraw()

    def action_first(self) -> None:
        """To the first step."""
        self.course.go(0)
        self.redraw()

    def action_last(self) -> None:
        """To the last step there is."""
        self.course.go(len(self.course.steps) - 1)
        self.redraw()

    def action_chapter(self, by: int) -> None:
        """To the chapter after this one, or before it."""
        self.course.open((self.course.number or 0) + by)
        self.redraw()

    def action_again(self) -> None:
        """Plays the chapter again, from its beginning."""
        self.course.again()
        self.redraw()

    def action_failover(self) -> None:
        """To the next attempt that failed."""
        if self.frame is not None:
            self._tell(self.course.failover(self.frame.state))
            self.redraw()

    def action_none_failed(self) -> None:
        """Says why there is nothing to go to."""
        self._tell(NONE_AFTER)

    def action_json(self) -> None:
        """Shows the step's event as subscribers get it, or no longer."""
        self._json = not self._json
        self.redraw()

    def action_request(self, by: int) -> None:
        """To the request that came after this one, or before it."""
        if self.frame is not None:
            self.course.another(by, self.frame.state)
            self.redraw()

    def action_auto(self) -> None:
        """Goes on by itself, or stops doing so."""
        if self._auto is not None:
            self._auto.stop()
            self._auto = None
        else:
            self._auto = self.set_interval(AUTO_S / SPEEDS[self._speed], self.action_next)
        self.redraw()

    def action_speed(self, by: int) -> None:
        """Goes on faster or slower by itself."""
        self._speed = min(max(self._speed + by, 0), len(SPEEDS) - 1)
        if self._auto is not None:
            self._auto.stop()
            self._auto = None
        self.action_auto()

    def action_close(self) -> None:
        """Comes back to where it was opened."""
        self.app.pop_screen()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Chapters are a demo's; there, another request is another chapter. What leads nowhere is not offered."""
        course, state = self.course, self.frame.state if self.frame is not None else None
        found: dict[str, Callable[[], bool]] = {
            "chapter": lambda: any(isinstance(by, int) and course.has_chapter(by) for by in parameters),
            "again": lambda: course.number is not None,
            "previous": lambda: course.current > 0,
            "next": lambda: state is None or course.has_next(state),
            "request": lambda: course.number is None and (state is None or course.has_another(state)),
            "failover": lambda: state is None or course.has_failover(state),
            "none_failed": lambda: state is not None and not course.has_failover(state),
        }
        return found[action]() if action in found else True
