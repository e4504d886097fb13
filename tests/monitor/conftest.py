"""What holds for all tests of the dashboard: a key has done all it does before the next one is pressed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import textual.app
import textual.pilot
from textual._wait import wait_for_idle

IDLE_TURNS = 2
"""One turn of the loop takes what came by timers and files, the next what that led to."""

BUSY_S = 30
"""An app that has something to do for so long has no end of it."""


async def _until_idle(*times: Any) -> None:
    """Textual's wait, and until nothing of the loop is left to run.

    Textual takes a process that used no processor for 20 ms for idle. On a busy machine it may just not have been its
    turn; the next key then came before the last one's screen.
    """
    await wait_for_idle(*times)
    ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]  # asyncio tells it nowhere
    turns = 0
    async with asyncio.timeout(BUSY_S):
        while turns < IDLE_TURNS:
            await asyncio.sleep(0)
            turns = 0 if ready else turns + 1


@pytest.fixture(autouse=True)
def wait_until_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Textual waits for idleness, after a key and in `Pilot.pause`."""
    for module in (textual.app, textual.pilot):
        monkeypatch.setattr(module, "wait_for_idle", _until_idle)
