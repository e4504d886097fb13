"""The thread that writes dumps, so that no disk ever holds up a request.

It takes ten times a second what waits for it, and prunes. A dump that can't be written is given up and counted; a
warning says so, once until one can be written again. A disk that hangs holds up this thread alone: what comes meanwhile
is refused when the queue is full, and a stop waits a moment for it and then goes without it.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path

from bridge.observe.dumps.pruning import DumpPruning
from bridge.observe.dumps.queue import DumpQueue, Step
from bridge.observe.dumps.sheet import Sheet
from bridge.observe.logs import logger
from bridge.process.background import run_in_background

log = logger("dumps")

BATCH_S = 0.1
STOP_S = 2.0
"""How long a stop waits for what is not written yet."""


class DumpWriter:
    """Writes what is put into `queue`, in the form of steps on sheets. `written` and `failed` count attempts."""

    def __init__(self, root: Path, keep: float, most: int) -> None:
        self.queue = DumpQueue()
        self.written = 0
        self.failed = 0
        self._pruning = DumpPruning(root, keep, most)
        self._stopping = threading.Event()
        self._failing = False
        self._lost = 0  # since the warning
        self._pruning_fails = False

    async def run(self) -> None:
        """Runs until cancelled, then writes what waits, if that does not take too long."""
        await run_in_background(self._work, self._stop, patience_s=STOP_S, given_up=_given_up)

    def _stop(self) -> None:
        self._stopping.set()
        self.queue.work_waits.set()

    # All below runs in the thread.

    def wrote(self, path: Path, size: int) -> None:
        """A file was written."""
        self._pruning.wrote(path, size, time.time())

    def take_step(self, sheet: Sheet, step: Step) -> None:
        """Does something to a sheet, and gives the sheet up where that fails."""
        if sheet.closed:
            return
        try:
            step()
        except OSError as error:
            self._give_up(sheet, error.strerror or str(error))
        except Exception:  # a boundary: a bug costs a dump, not all that come after it
            log.exception("a dump could not be written")
            self._give_up(sheet, "the bridge failed")

    def finish(self, sheet: Sheet, error: str) -> None:
        """Does the last step on a sheet."""
        self.take_step(sheet, partial(sheet.end, error))
        if not sheet.closed:
            sheet.close()
            self.written += 1
            if self._failing:
                log.info("dumps are written again", lost=self._lost)
                self._failing, self._lost = False, 0

    def _give_up(self, sheet: Sheet, reason: str) -> None:
        sheet.close()
        self.failed += 1
        self._lost += 1
        if not self._failing:
            self._failing = True
            log.warning("a dump can't be written", error=reason)

    def _work(self) -> None:
        next_look = time.monotonic()
        while True:
            self.queue.work_waits.wait(max(0.0, next_look - time.monotonic()))
            self._stopping.wait(BATCH_S)
            self.queue.work_waits.clear()
            stopping = self._stopping.is_set()  # asked after the clear, which may have wiped out the call to stop
            while (step := self.queue.take()) is not None:
                step()
                if self._pruning.is_due(time.monotonic()):
                    break
            else:
                if stopping:
                    return
            next_look = self._prune()
            if len(self.queue):
                self.queue.work_waits.set()

    def _prune(self) -> float:
        began = time.monotonic()
        try:
            self._pruning.step(began, time.time())
        except OSError as error:
            if not self._pruning_fails:
                log.warning("old dumps can't be removed", error=error.strerror)
            self._pruning_fails = True
        else:
            self._pruning_fails = False
        return self._pruning.took(began, time.monotonic())


def _given_up() -> None:
    log.warning("dumps are not written to the end: the disk takes too long")
