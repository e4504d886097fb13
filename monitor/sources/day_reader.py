"""Asks the record for what happened while no monitor listened, so that today is whole at attach and after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from bridge.events.wire import Command, Reply
from monitor.state.past import THE_DAY
from monitor.state.recorded_day import PAGE
from monitor.state.state import MonitorState

AskRecord = Callable[[str, Command], Awaitable[Reply]]
"""Sends a command of which that is expected; the state has taken in what comes before the reply is there."""


class DayReader:
    """Reads page by page, one reading at a time.

    A command that is refused (recording is off) or gets no reply (the connection is lost) ends a reading; the next
    snapshot begins another where something is still missing.
    """

    def __init__(self, ask: AskRecord) -> None:
        self._ask = ask
        self._reads = False

    async def catch_up(self, state: MonitorState, clock: Callable[[], datetime]) -> None:
        """Reads what the state lacks."""
        if self._reads:
            return
        self._reads = True
        try:
            while state.is_behind:
                state.is_behind = False
                state.day.begin(clock())
                await self._read(state)
        finally:
            self._reads = False

    async def _read(self, state: MonitorState) -> None:
        """Leaves as much time between two pages as the bridge took for one: it has agents to serve."""
        loop = asyncio.get_running_loop()
        began, command = loop.time(), Command(0, "history", limit=PAGE)
        while (await self._ask(THE_DAY, command)).ok and state.day.next not in (None, command.before):
            command = Command(0, "history", before=state.day.next, limit=PAGE)
            await asyncio.sleep(loop.time() - began)
            began = loop.time()
