"""Pictures of each view but the live one, compared cell by cell."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.pilot import Pilot

from tests.monitor.play import Stage
from tests.monitor.scene import busy, strained_keys, two_sessions
from tests.monitor.test_snapshots import Compare, settle

SHOTS: dict[str, tuple[Callable[[Stage], None], tuple[str, ...]]] = {
    "filter": (busy, ("slash", "c", "l", "a", "u", "d", "e")),
    "reasoning": (two_sessions, ("2",)),
    "search": (two_sessions, ("2", "slash", "i", "n", "d", "e", "x", "enter")),
    "keys": (strained_keys, ("3",)),
    "disable": (strained_keys, ("3", "d")),
    "request": (two_sessions, ("j", "enter")),
    "totals": (strained_keys, ("5",)),
}
ONE_SIZE = {"filter", "search", "disable"}
"""What looks much the same at every size."""

CASES = [
    pytest.param(size, shot, id=f"{shot}-{size[0]}x{size[1]}")
    for shot in SHOTS
    for size in ([(120, 36)] if shot in ONE_SIZE else [(80, 24), (120, 36), (200, 60)])
]


@pytest.mark.parametrize(("size", "shot"), CASES)
def test_view(snap_compare: Compare, size: tuple[int, int], shot: str) -> None:
    stage = Stage()
    scene, pressed = SHOTS[shot]

    async def before(pilot: Pilot[None]) -> None:
        scene(stage)
        await settle(stage, pilot)
        await pilot.press(*pressed)
        await settle(stage, pilot)

    assert snap_compare(stage.app, terminal_size=size, run_before=before)
