"""What waits to be dumped: steps for one thread to take, bounded by number and by the bytes they hold.

Where it is full, what comes is refused, and with it the rest of its attempt: half a dump is none. Only the last step of
an attempt is never refused, since the thread has to let go of what it has of it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from bridge.limits import LIMITS

Step = Callable[[], None]


class DumpQueue:
    """Steps in order. Putting never waits."""

    def __init__(self) -> None:
        self.work_waits = threading.Event()
        self._lock = threading.Lock()  # held for a few steps only, never while anything is written
        self._steps: deque[tuple[Step, int]] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._steps)

    def put(self, step: Step, size: int) -> bool:
        """Appends a step that holds on to so many bytes, if there is room."""
        with self._lock:
            if len(self._steps) >= LIMITS.dump_steps or self._bytes + size > LIMITS.dump_queue_bytes:
                return False
            self._steps.append((step, size))
            self._bytes += size
        if not self.work_waits.is_set():  # which is cheaper to ask than to say again
            self.work_waits.set()
        return True

    def put_last(self, step: Step) -> None:
        """Appends the last step of an attempt, of which there are no more than attempts under way."""
        with self._lock:
            self._steps.append((step, 0))
        self.work_waits.set()

    def take(self) -> Step | None:
        """The next step; None where none waits. What it holds is counted until the next is taken."""
        with self._lock:
            if not self._steps:
                return None
            step, size = self._steps.popleft()
            self._bytes -= size
        return step
