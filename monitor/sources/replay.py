"""Plays a recorded log as if it happened now: a `Source`, and the clock that everything is drawn by.

Going forward delivers what lies between; going back folds the log again from its beginning, in small portions, and
hands the whole state over at once. Long silences are skipped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from bridge.events.wire import Command, Reply
from monitor.sources.bridge_socket import Deliver
from monitor.sources.event_log import LogEntry
from monitor.state.state import LogEnded, MonitorState

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)

STEP_S = 5.0
"""How far a seek goes, in the log's own seconds."""

IDLE_S = 15.0
"""Where nothing happens for longer than this, it goes on one second before the next event."""

PORTION = 500
"""Messages between two looks at the keyboard."""


def _nothing(_state: MonitorState) -> None:
    """Nobody shows it."""


class Replay:
    """A source that is a log. Times are the log's own; `now()` is where it stands."""

    def __init__(
        self, entries: list[LogEntry], *, speed: float = 1.0, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self.begin, self.end = entries[0].at, entries[-1].at
        self.speed = speed
        self.paused = False
        self.rewound: Callable[[MonitorState], None] = _nothing
        """Called with the state to show after going back."""
        self._entries = entries
        self._next = 0
        self._seconds = seconds
        self._at = self.begin  # where it stood …
        self._since = seconds()  # … at this time of ours
        self._back = False
        self._changed = asyncio.Event()

    def now(self) -> datetime:
        """Where it stands: the time to draw by."""
        if self.paused:
            return self._at
        return min(self._at + timedelta(seconds=(self._seconds() - self._since) * self.speed), self.end)

    @property
    def ended(self) -> bool:
        """Whether nothing more is to come."""
        return self.now() >= self.end

    async def run(self, deliver: Deliver) -> None:
        """Plays until it is cancelled; at the end it waits to be sent back."""
        self._go(self._at)
        while True:
            self._changed.clear()
            if self._back:
                await self._fold_again()
            await self._catch_up(deliver)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._until_next()):
                    await self._changed.wait()

    async def _catch_up(self, deliver: Deliver) -> None:
        """Delivers all that has happened by now."""
        delivered = 0
        while not self._back and self._next < len(self._entries) and self._entries[self._next].at <= self.now():
            self._next += 1
            deliver(self._entries[self._next - 1].message())
            delivered += 1
            if delivered % PORTION == 0:
                await asyncio.sleep(0)
        if delivered and self._next == len(self._entries):
            deliver(LogEnded())

    async def _fold_again(self) -> None:
        """Makes the state of the present moment from the beginning on."""
        self._back = False
        state, done = MonitorState(), 0
        while not self._back and done < len(self._entries) and self._entries[done].at <= self.now():
            entry = self._entries[done]
            state.apply(entry.message(), entry.at)
            done += 1
            if done % PORTION == 0:
                await asyncio.sleep(0)
        if not self._back:  # else it was sent back further meanwhile
            self._next = done
            self.rewound(state)

    def _until_next(self) -> float | None:
        """Our seconds to the next message; None where none will come by itself."""
        if self._back:
            return 0
        if self.paused or self._next >= len(self._entries):
            return None
        due, now = self._entries[self._next].at, self.now()
        if (due - now).total_seconds() > IDLE_S:
            self._go(due - timedelta(seconds=1))
            now = self._at
        return max(0.0, (due - now).total_seconds() / self.speed)

    async def send(self, command: Command) -> Reply:
        """What is over takes no commands."""
        return Reply(command.n, ok=False, error="this is a recorded log")

    def pause(self) -> None:
        """Stops, or goes on; at the end, begins again."""
        if self.ended:
            self.seek_to(self.begin)
            self.paused = False
            return
        self._go(self.now())
        self.paused = not self.paused
        self._changed.set()

    def seek(self, seconds: float) -> None:
        """Goes that far, back where negative."""
        self.seek_to(self.now() + timedelta(seconds=seconds))

    def seek_to(self, at: datetime) -> None:
        """Goes to a moment of the log."""
        at = min(max(at, self.begin), self.end)
        self._back = self._back or at < self.now()
        self._go(at)
        self._changed.set()

    def change_speed(self, steps: int) -> None:
        """Goes faster, or slower where negative."""
        nearest = min(range(len(SPEEDS)), key=lambda index: abs(SPEEDS[index] - self.speed))
        self._go(self.now())
        self.speed = SPEEDS[min(max(nearest + steps, 0), len(SPEEDS) - 1)]
        self._changed.set()

    def _go(self, at: datetime) -> None:
        self._at, self._since = at, self._seconds()
