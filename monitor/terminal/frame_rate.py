"""How soon the next frame is painted: fifteen times a second, and fewer where painting them would take too much.

What a frame costs depends on the view, the terminal's size and the machine, and most of it is spent after the frame
was asked for. So the processor time of the whole process since the last frame is compared with the time that has
passed: a monitor that has something new all the time takes SHARE of a core, and what is left of it goes into frames.
"""

from __future__ import annotations

import time
from collections.abc import Callable

FRAME_S = 1 / 15
SLOWEST_S = 0.25
"""Between two frames, whatever they cost: what is watched must still be seen to move."""

SHARE = 0.19
"""Of a core. Keys are not held back by it, and take some more."""


class FrameRate:
    """When a frame is due. `clock` and `spent` tell seconds: that have passed, and of the processor."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, spent: Callable[[], float] = time.process_time
    ) -> None:
        self._clock = clock
        self._spent = spent
        self._painted_at = float("-inf")
        self._spent_then = 0.0

    def note(self) -> None:
        """A frame is painted now."""
        self._painted_at, self._spent_then = self._clock(), self._spent()

    def wait_s(self) -> float:
        """Seconds until the next one may be; 0 or less where it is due."""
        spent = self._spent() - self._spent_then
        return min(SLOWEST_S, max(FRAME_S, spent / SHARE)) - (self._clock() - self._painted_at)
