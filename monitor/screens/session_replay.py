"""A session that is played again in the place of the live one, in the view where it is read.

It is a replay like that of a log: the same source, the same bar and keys. What goes on meanwhile is folded as ever, and
there when one goes back.
"""

from __future__ import annotations

from datetime import datetime

from textual.timer import Timer

from monitor.screens.view import Frame, View
from monitor.sources.replay import STEP_S, Replay
from monitor.sources.session_log import session_log
from monitor.state.names import Name
from monitor.state.sessions import Session
from monitor.state.state import Incoming, MonitorState, Status
from monitor.terminal.frame_rate import FRAME_S
from monitor.widgets.replay import ReplayBar

SPEED = 4.0


class SessionReplay:
    """Plays one session; its state is what the view is drawn from meanwhile."""

    def __init__(self, session: Session, live: MonitorState, now: datetime) -> None:
        log = session_log(session.requests, live.trace, now)
        self.replay = Replay(log.entries, speed=SPEED)
        self.replay.rewound = self._take
        self.estimated = log.estimated
        self.bar = ReplayBar()
        self._zone = now.tzinfo
        self._names: dict[str, Name] = {session.id: live.roster.names[session.id]}
        self._take(MonitorState())

    def _take(self, state: MonitorState) -> None:
        self._state = state
        state.call(self._names)

    def _receive(self, incoming: Incoming) -> None:
        self._state.apply(incoming, self.replay.now().astimezone(self._zone))

    async def run(self) -> None:
        """Plays until it is cancelled."""
        await self.replay.run(self._receive)

    def frame(self, live: Frame) -> Frame:
        """What is shown in the place of that frame; that frame itself as long as there is nothing else yet."""
        if not self._state.picture.interceptions:
            return live
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

    def seek_share(self, share: float) -> None:
        """Goes to that share of it, from 0 to 1."""
        self.replay.seek_to(self.replay.begin + (self.replay.end - self.replay.begin) * share)


class SessionPlayer:
    """Plays at most one session at a time in a view, which it has drawn anew for each frame of it."""

    def __init__(self, view: View) -> None:
        self.playing: SessionReplay | None = None
        self._view = view
        self._frames: Timer | None = None

    def begin(self, replay: SessionReplay) -> None:
        """Plays it from its beginning."""
        self.playing = replay
        self._view.mount(replay.bar, after="#body")
        self._view.run_worker(replay.run(), name="replay", group="replay", exclusive=True)
        self._frames = self._view.set_interval(FRAME_S, self._draw)  # it moves without anything coming in

    def _draw(self) -> None:
        if self.playing is not None:
            if self._view.is_current:
                self._view.redraw()
            self.playing.bar.show(self.playing.replay)

    def end(self) -> bool:
        """Plays no more; whether it did."""
        replay, self.playing = self.playing, None
        if replay is None:
            return False
        if self._frames is not None:
            self._frames.stop()
        self._view.workers.cancel_group(self._view, "replay")
        replay.bar.remove()
        return True
