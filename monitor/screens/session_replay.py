"""A session that is played again in the place of the live one, in the view where it is read.

It is a replay like that of a log: the same source, the same bar and keys. What goes on meanwhile is folded as ever, and
there when one goes back.
"""

from __future__ import annotations

from datetime import datetime

from monitor.screens.view import Frame
from monitor.sources.replay import STEP_S, Replay
from monitor.sources.session_log import session_log
from monitor.state.names import Name
from monitor.state.sessions import Session
from monitor.state.state import Incoming, MonitorState, Status
from monitor.widgets.replay import ReplayBar

SPEED = 4.0
FRAME_S = 1 / 15
"""Seconds between two frames: it moves without anything coming in."""


class SessionReplay:
    """Plays one session; its state is what the view is drawn from meanwhile."""

    def __init__(self, session: Session, live: MonitorState, now: datetime) -> None:
        log = session_log(session.requests, live.trace, now)
        self.replay = Replay(log.entries, speed=SPEED)
        self.replay.rewound = self._take
        self.estimated = log.estimated
        self.rewinds = 0
        """How often it has gone back: then requests that were over run again."""
        self.bar = ReplayBar()
        self._zone = now.tzinfo
        self._names: dict[str, Name] = {session.id: live.roster.names[session.id]}
        self._take(MonitorState())

    def _take(self, state: MonitorState) -> None:
        self._state, self.rewinds = state, self.rewinds + 1
        state.call(self._names)

    def _receive(self, incoming: Incoming) -> None:
        self._state.apply(incoming, self.replay.now().astimezone(self._zone))

    async def run(self) -> None:
        """Plays until it is cancelled."""
        await self.replay.run(self._receive)

    @property
    def has_begun(self) -> bool:
        """Whether there is anything to be shown yet."""
        return bool(self._state.picture.interceptions)

    def frame(self, live: Frame) -> Frame:
        """What is shown in the place of that frame."""
        if self._state.status is Status.LIVE:
            self._state.status = Status.REPLAY
        return Frame(self._state, self.replay.now().astimezone(self._zone), live.url, live.place)

    def badge(self) -> str:
        """What the title says."""
        times = f" · times of {self.estimated} estimated" if self.estimated else ""
        return f"▷ replay {self.replay.speed:g}x{times} · esc live"

    def steer(self, how: str, steps: float) -> None:
        """Takes one of its keys: pause, seek so many steps, go to the start or the finish, change the speed."""
        match how:
            case "pause":
                self.replay.pause()
            case "seek":
                self.replay.seek(steps * STEP_S)
            case "start":
                self.replay.seek_to(self.replay.begin)
            case "finish":
                self.replay.seek_to(self.replay.end)
            case _:
                self.replay.change_speed(int(steps))
        self.bar.show(self.replay)
