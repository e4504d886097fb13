"""The dashboard on a recorded log: the same views, drawn by the log's clock, and a line to steer by."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.widgets import Input

from monitor.app import MonitorApp
from monitor.screens.view import View
from monitor.screens.walkthrough import WalkthroughScreen
from monitor.sources.replay import STEP_S, Replay
from monitor.state.state import MonitorState, Status
from monitor.widgets.replay import ReplayBar

TICK_S = 0.1
"""Between two looks at the clock: the line moves without events too."""

STEERING = {"pause", "seek", "start", "finish", "speed"}


class ReplayApp(MonitorApp):
    """Steered by keys that come before those of the view, but after a text that is typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "Pause the replay", show=False, priority=True),
        Binding("left", f"seek({-STEP_S})", "Go back 5 s", show=False, priority=True),
        Binding("right", f"seek({STEP_S})", "Go on 5 s", show=False, priority=True),
        Binding("home", "start", "Go to the beginning", show=False, priority=True),
        Binding("end", "finish", "Go to the end", show=False, priority=True),
        Binding("plus,equals_sign", "speed(1)", "Play faster", show=False, priority=True),
        Binding("minus", "speed(-1)", "Play slower", show=False, priority=True),
    ]

    def __init__(self, replay: Replay, place: str, *, theme: str | None = None) -> None:
        super().__init__(replay, place, clock=replay.now, theme=theme)
        self.replay = replay
        replay.rewound = self._take

    def on_mount(self) -> None:
        super().on_mount()
        self.set_interval(TICK_S, self._show_bar)

    def _take(self, state: MonitorState) -> None:
        self.state = state
        self.paint()

    def paint(self) -> None:
        """Draws the state, which is not a live one, and where the replay stands."""
        if self.state.status is Status.LIVE:
            self.state.status = Status.REPLAY
        super().paint()
        self._show_bar()

    def _show_bar(self) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, View) and screen.is_mounted:
                try:
                    screen.query_one(ReplayBar).show(self.replay)
                except NoMatches:
                    screen.mount(ReplayBar(), after="#body")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Where something is typed, the keys are its letters; where a view steps by itself, they are its steps."""
        if action in STEERING:
            return (
                isinstance(self.screen, View)
                and not isinstance(self.screen, WalkthroughScreen)
                and not isinstance(self.focused, Input)
            )
        return super().check_action(action, parameters)

    def action_pause(self) -> None:
        """Stops the replay, or lets it go on."""
        self.replay.pause()
        self._show_bar()

    def action_seek(self, seconds: float) -> None:
        """Goes back or on."""
        self.replay.seek(seconds)
        self._show_bar()

    def action_start(self) -> None:
        """Goes to the first event."""
        self.replay.seek_to(self.replay.begin)

    def action_finish(self) -> None:
        """Goes to the last event."""
        self.replay.seek_to(self.replay.end)

    def action_speed(self, steps: int) -> None:
        """Plays faster or slower."""
        self.replay.change_speed(steps)
        self._show_bar()

    @on(ReplayBar.Sought)
    def _seek_share(self, message: ReplayBar.Sought) -> None:
        length = (self.replay.end - self.replay.begin).total_seconds()
        self.replay.seek_to(self.replay.begin + timedelta(seconds=message.share * length))
