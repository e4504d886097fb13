"""The monitor that somebody opens at the end of the day: a process of its own, which writes down what each view says.

Run as `python -m tests.support.day.look SOCKET FILE SESSION`: a headless monitor on that bridge; SESSION is what to
open in the reasoning view, as one would type it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import orjson
from textual.pilot import Pilot

from monitor.app import MonitorApp
from monitor.lines import key_details, names
from monitor.sources.bridge_socket import BridgeSource
from tests.support.play import screen_text

SIZE = (240, 110)
"""So large that no list has to be scrolled."""

WAIT_S = 120.0


def noon() -> timezone:
    """A zone in which it is about noon, so that all of the day is today."""
    return timezone(timedelta(hours=12 - datetime.now(UTC).hour))


async def look(socket: Path, session: str) -> dict[str, object]:
    """All that the views say."""
    zone = noon()
    app = MonitorApp(BridgeSource(socket), str(socket), clock=lambda: datetime.now(zone))
    app.animation_level = "none"
    async with app.run_test(size=SIZE) as pilot:
        async with asyncio.timeout(WAIT_S):
            while not app.state.day.whole:  # noqa: ASYNC110  a state has no event
                await asyncio.sleep(0.05)
        shown = {"live": await _shown(app, pilot)}
        for view, key in (("keys", "3"), ("totals", "5")):
            await pilot.press(key)
            if view == "totals":
                await pilot.press("l", "l")  # today
            shown[view] = await _shown(app, pilot)
        shown["totals as text"] = app.totals.as_text() or ""
        await pilot.press("colon", *f"session {session}", "enter")
        shown["reasoning"] = await _shown(app, pilot)
        await pilot.press("1", "j", "enter")  # the last that is over
        shown["request"] = await _shown(app, pilot)
        roster = app.state.roster
        called = {
            f"{client} {session_id}": names.called(roster, client, session_id, 200)
            for client, session_id in app.state.usage.today.sessions
        }
        request = app.request.request.id if app.request.request else None
    return {
        "shown": shown,
        "ledgers": _ledgers(app),
        "called": called,
        "request": request,
        "memory": int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"),  # noqa: ASYNC240
    }


async def _shown(app: MonitorApp, pilot: Pilot[None]) -> str:
    """The screen, once it is painted."""
    await pilot.pause()
    app.paint()
    await pilot.pause()
    return screen_text(app)


def _ledgers(app: MonitorApp) -> dict[str, str]:
    """What happened to each key, as the view tells it when the key is selected."""
    state, now = app.state, app.clock()
    found = {}
    for name in state.picture.keys:
        lines = key_details.ledger(state.ledger.of(name), state.roster, now, SIZE[0]).lines
        found[" ".join(name)] = "\n".join("".join(text for text, _tone in line) for line in lines)
    return found


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(orjson.dumps(asyncio.run(look(Path(sys.argv[1]), sys.argv[3]))))
