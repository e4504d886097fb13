"""The monitor's end of the pipe to a demo that plays the walkthrough's chapters: what to play, and when to go on.

The other end is `bridge/cli/lessons.py`.
"""

from __future__ import annotations

import os


class Lessons:
    """Writes commands into an open file, which is its own. It never waits: who reads no more is told nothing."""

    def __init__(self, file: int) -> None:
        self._file = file
        os.set_blocking(file, False)
        self._played = 0

    def play(self, chapter: int) -> str | None:
        """Has a chapter played, and says in which session; None where nobody listens."""
        self._played += 1
        session = f"chapter-{chapter}-{self._played}"
        return session if self._tell(f"play {chapter} {session}\n") else None

    def step(self) -> bool:
        """Lets go on whoever waits for a step. Says whether somebody listens."""
        return self._tell("step\n")

    def _tell(self, line: str) -> bool:
        try:
            os.write(self._file, line.encode())
        except (BrokenPipeError, BlockingIOError):
            return False
        return True
