"""What a key was used for in the last ten minutes: of this, and of what its headers say, a runway is made."""

from __future__ import annotations

from collections import deque

from attrs import field

from bridge.events.values import LimitWindow, RateLimits
from bridge.value_classes import define

LOOK_BACK_S = 600.0
"""Of so much use an estimate is made …"""
SHORTEST_LOOK_S = 60.0
"""… and of no less: a burst says nothing of what follows."""
SLOT_S = 30.0
"""Use is counted in slots of so many seconds."""
WINDOWS = ("five_hours", "seven_days")


@define
class TimeSlot:
    """What a key was used for in some seconds, and how far its windows had been used at their end."""

    began: float
    requests: int = 0
    tokens: int = 0
    utilization: dict[str, float] = field(factory=dict)


@define
class Usage10m:
    """The use of one key in the last ten minutes."""

    slots: deque[TimeSlot] = field(factory=deque)

    def note(self, now: float, *, requests: int = 0, tokens: int = 0) -> None:
        """It was used."""
        slot = self._slot(now)
        slot.requests += requests
        slot.tokens += tokens

    def note_windows(self, now: float, limits: RateLimits) -> None:
        """Its windows were told anew."""
        for name in WINDOWS:
            window: LimitWindow | None = getattr(limits, name)
            if window is not None and window.utilization is not None:
                self._slot(now).utilization[name] = window.utilization

    def rate(self, kind: str, now: float) -> float:
        """So many `requests` or `tokens` a second."""
        self._forget(now)
        if not self.slots:
            return 0.0
        used: int = sum(getattr(slot, kind) for slot in self.slots)
        return used / max(now - self.slots[0].began, SHORTEST_LOOK_S)

    def window_rate(self, name: str, now: float) -> float:
        """So much of a window's share a second."""
        self._forget(now)
        told = [(slot.began, slot.utilization[name]) for slot in self.slots if name in slot.utilization]
        if len(told) < 2 or told[-1][1] <= told[0][1]:
            return 0.0
        return (told[-1][1] - told[0][1]) / max(told[-1][0] - told[0][0], SHORTEST_LOOK_S)

    def _slot(self, now: float) -> TimeSlot:
        if not self.slots or self.slots[-1].began + SLOT_S <= now:
            self._forget(now)
            self.slots.append(TimeSlot(now))
        return self.slots[-1]

    def _forget(self, now: float) -> None:
        while self.slots and self.slots[0].began + LOOK_BACK_S < now:
            self.slots.popleft()
