"""The walkthrough: one request on its way through the bridge, a step at a time.

What comes in is folded as ever; here it waits for the person. A step is gone to by its name, so that what is found
later in a running request does not move the place where one stands.
"""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.timer import Timer

from bridge.events.entries import Interception
from monitor.lines.request_story import title
from monitor.lines.walkthrough import WalkthroughStep, steps
from monitor.lines.walkthrough_picture import draw, explanation, overview
from monitor.screens.view import Frame, View
from monitor.widgets.lines import Lines

HOP_FRAMES = 10
FRAME_S = 0.04
AUTO_S = 4.0
SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0)


class WalkthroughScreen(View):
    """Opened on a request, or on the first that comes."""

    NAME = "walkthrough"
    KEY_HELP = (
        ("Space → n", "the next step"),
        ("← b", "the step before"),
        ("g G", "the first step, the last"),
        ("a + -", "go on by itself; faster, slower"),
        ("↑ ↓ j k", "another request"),
        ("Escape", "close"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,right,n,enter", "next", "Next", key_display="space"),
        Binding("left,b,backspace", "previous", "Back", key_display="←"),
        Binding("a", "auto", "Auto"),
        Binding("plus,equals_sign", "speed(1)", "Faster", show=False),
        Binding("minus", "speed(-1)", "Slower", show=False),
        Binding("down,j", "request(1)", "Next request", key_display="↓"),
        Binding("up,k", "request(-1)", "Request before", show=False),
        Binding("home,g", "first", "First step", show=False),
        Binding("end,G", "last", "Last step", show=False),
        Binding("escape", "close", "Close"),
    ]

    def __init__(self, request: Interception | None = None) -> None:
        super().__init__()
        self.request = request
        self.steps: list[WalkthroughStep] = steps(request) if request else []
        self.current = 0
        self._hop = 1.0
        self._hopping: Timer | None = None
        self._auto: Timer | None = None
        self._speed = SPEEDS.index(1.0)
        self._picture = Lines(centred=True, id="picture")
        self._text = Lines(id="explanation")
        self._overview = Lines(id="overview")

    def body(self) -> ComposeResult:
        yield self._picture
        with Horizontal(id="steps"):
            yield self._overview
            yield self._text

    def draw_body(self, frame: Frame) -> None:
        known = frame.state.picture.interceptions
        if self.request is None:
            self.request = next(iter(known.values()), None)
        elif self.request.id in known:
            self.request = known[self.request.id]  # a fresh snapshot brings fresh objects
        if self.request is None:
            self._text.show([(("Waiting for the first request", "strong"),)])
            return
        here = self.steps[self.current].key if self.steps else None
        self.steps = steps(self.request)
        self.current = next((index for index, step in enumerate(self.steps) if step.key == here), self.current)
        self.current = min(self.current, len(self.steps) - 1)
        self._draw(frame)

    def _draw(self, frame: Frame) -> None:
        if self.request is None:
            return
        self._picture.show(draw(self.size.width - 4, self.steps, self.current, self._hop))
        self._overview.show(overview(self.steps, self.current, self._overview.size.height))
        auto = f"auto, {SPEEDS[self._speed]:g}x" if self._auto else ""
        last = self.current == len(self.steps) - 1
        head = title(self.request, frame.then)
        live = self.request.live and last
        room = self._text.size
        self._text.show(explanation(self.steps, self.current, (room.width, room.height), head, auto=auto, more=live))

    def _go(self, index: int) -> None:
        if not self.steps:
            return
        before, self.current = self.current, min(max(index, 0), len(self.steps) - 1)
        if self.current == before + 1 and self.app.animation_level != "none":
            self._hop = 0.0
            if self._hopping is None:
                self._hopping = self.set_interval(FRAME_S, self._move)
        else:
            self._hop = 1.0
        self.redraw()

    def _move(self) -> None:
        """The request on its way from one place to the next."""
        self._hop = min(1.0, self._hop + 1 / HOP_FRAMES)
        if self._hop >= 1.0 and self._hopping is not None:
            self._hopping.stop()
            self._hopping = None
        if self.frame is not None:
            self._draw(self.frame)

    def action_next(self) -> None:
        """A step on; from the end of what is over, to the request after it."""
        if self.current < len(self.steps) - 1:
            self._go(self.current + 1)
        elif self.request is not None and not self.request.live:
            self.action_request(1)

    def action_previous(self) -> None:
        """A step back."""
        self._go(self.current - 1)

    def action_first(self) -> None:
        """To the first step."""
        self._go(0)

    def action_last(self) -> None:
        """To the last step there is."""
        self._go(len(self.steps) - 1)

    def action_request(self, by: int) -> None:
        """To the request that came after this one, or before it."""
        if self.frame is None or self.request is None:
            return
        known = self.frame.state.picture.interceptions
        ids = list(known)
        index = ids.index(self.request.id) + by if self.request.id in known else 0
        if 0 <= index < len(ids):
            self.request, self.steps, self.current, self._hop = known[ids[index]], [], 0, 1.0
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
