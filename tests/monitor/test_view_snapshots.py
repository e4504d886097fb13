"""Pictures of each view but the live one, compared cell by cell."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.pilot import Pilot

from monitor.app import MonitorApp
from tests.support.hands import Compare, settle
from tests.support.play import PLACE, Stage
from tests.support.scene import busy, fifty_keys, strained_keys, two_sessions

SHOTS: dict[str, tuple[Callable[[Stage], None], tuple[str, ...]]] = {
    "filter": (busy, ("slash", "c", "l", "a", "u", "d", "e")),
    "reasoning": (two_sessions, ("2",)),
    "search": (two_sessions, ("2", "slash", "i", "n", "d", "e", "x", "enter")),
    "keys": (strained_keys, ("3",)),
    "fifty-keys": (fifty_keys, ("3", "j", "j", "j", "j")),
    "disable": (strained_keys, ("3", "d")),
    "request": (two_sessions, ("j", "enter")),
    "totals": (strained_keys, ("5",)),
}
ONE_SIZE = {"filter", "search", "disable", "fifty-keys"}
"""What looks much the same at every size, or is there for its size alone."""

EVERY_SIZE = [(60, 20), (80, 24), (120, 36), (160, 45), (200, 60)]
"""From the least that is worth looking at to a whole screen; at 160 columns what stands side by side changes."""

SIZES = {"fifty-keys": [(60, 20), (120, 60), (200, 60)]}
"""What is there for other sizes."""

CASES = [
    pytest.param(size, shot, id=f"{shot}-{size[0]}x{size[1]}")
    for shot in SHOTS
    for size in SIZES.get(shot, [(120, 36)] if shot in ONE_SIZE else EVERY_SIZE)
]


VIEWS: dict[str, tuple[Callable[[Stage], None], tuple[str, ...]]] = {
    "live": (busy, ()),
    **{name: shot for name, shot in SHOTS.items() if name not in ONE_SIZE},
}


@pytest.mark.parametrize("theme", ["light", "contrast"])
@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)], ids=["80x24", "120x36", "200x60"])
@pytest.mark.parametrize("view", VIEWS)
def test_view_in_another_theme(snap_compare: Compare, view: str, size: tuple[int, int], theme: str) -> None:
    stage = Stage()
    stage.app = MonitorApp(stage, PLACE, clock=stage.clock, theme=theme)
    stage.app.animation_level = "none"
    scene, pressed = VIEWS[view]

    async def before(pilot: Pilot[None]) -> None:
        scene(stage)
        await settle(stage, pilot)
        await pilot.press(*pressed)
        await settle(stage, pilot)

    assert snap_compare(stage.app, terminal_size=size, run_before=before)


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
