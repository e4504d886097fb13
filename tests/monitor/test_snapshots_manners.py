"""Pictures of what is the same in every view: themes, steps, a replay; compared cell by cell."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.pilot import Pilot

from monitor.app import MonitorApp
from monitor.replay_app import ReplayApp
from monitor.sources.replay import Replay
from tests.support.play import PLACE, Stage
from tests.support.scene import busy, recorded_scene

Compare = Callable[..., bool]

sizes = pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)], ids=["80x24", "120x36", "200x60"])


async def settle(stage: Stage, pilot: Pilot[None], *keys: str) -> None:
    """Presses keys; draws twice: sizes that changed in the first frame are known in the second."""
    await stage.paint(pilot)
    for key in keys:
        await pilot.press(key)
    await stage.paint(pilot)
    await stage.paint(pilot)


@pytest.mark.parametrize("theme", ["light", "contrast", "mono"])
def test_themes(snap_compare: Compare, theme: str) -> None:
    stage = Stage()
    stage.app = MonitorApp(stage, PLACE, clock=stage.clock, theme=theme)
    stage.app.animation_level = "none"

    async def before(pilot: Pilot[None]) -> None:
        busy(stage)
        await settle(stage, pilot)

    assert snap_compare(stage.app, terminal_size=(120, 36), run_before=before)


@pytest.mark.parametrize(
    "size", [(60, 20), (80, 24), (120, 36), (160, 45), (200, 60)], ids=["60x20", "80x24", "120x36", "160x45", "200x60"]
)
def test_walkthrough(snap_compare: Compare, size: tuple[int, int]) -> None:
    stage = Stage()
    stage.app.animation_level = "none"

    async def before(pilot: Pilot[None]) -> None:
        busy(stage)
        await settle(stage, pilot, "t", "f")

    assert snap_compare(stage.app, terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=["80x24", "120x36"])
def test_replay(snap_compare: Compare, size: tuple[int, int]) -> None:
    replay = Replay(recorded_scene())
    replay.paused = True
    app = ReplayApp(replay, "scene.jsonl")

    async def before(pilot: Pilot[None]) -> None:
        await pilot.press("end")
        await pilot.press("left")
        while app.state.seq != 23:
            await pilot.pause(0.01)
        for _ in range(3):
            app.paint()
            await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=before)
