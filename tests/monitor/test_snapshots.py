"""Pictures of the dashboard, compared cell by cell; `pytest --snapshot-update` accepts what was looked at."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from bridge.events.values import Outcome
from monitor.state.state import Lost
from tests.support.hands import Compare, settle
from tests.support.play import Stage, ended, keys, spent, started, story

SIZES = [(60, 20), (80, 24), (120, 36), (160, 45), (200, 60)]
sizes = pytest.mark.parametrize("size", SIZES, ids=[f"{width}x{height}" for width, height in SIZES])


def busy(stage: Stage) -> None:
    """Four agents: one thinking, one answering, others done or failed; a key cools."""
    stage.greet()
    stage.tell(*keys())
    claude = {"client": "Claude Code", "provider": "anthropic", "api": "messages", "model": "claude-opus-4-5"}
    stage.tell(*story("1c2d3e4f"), spent("1c2d3e4f"), ended("1c2d3e4f"))
    stage.tell(started("2d3e4f50", **claude), ended("2d3e4f50", Outcome.FAILED, error="upstream hung up"))
    stage.tell(started("3e4f5061", client="OpenCode"), ended("3e4f5061", Outcome.CANCELLED, status=None))
    stage.clock.forward(8)
    stage.tell(started("4f506172", **claude), *story("50617283"))
    stage.clock.forward(3)


@sizes
def test_busy(snap_compare: Compare, size: tuple[int, int]) -> None:
    stage = Stage()

    async def before(pilot: Pilot[None]) -> None:
        busy(stage)
        await settle(stage, pilot)

    assert snap_compare(stage.app, terminal_size=size, run_before=before)


@sizes
def test_enlarged(snap_compare: Compare, size: tuple[int, int]) -> None:
    stage = Stage()

    async def before(pilot: Pilot[None]) -> None:
        busy(stage)
        await settle(stage, pilot)
        await pilot.press("z")
        await settle(stage, pilot)

    assert snap_compare(stage.app, terminal_size=size, run_before=before)


@sizes
@pytest.mark.parametrize("state", ["connecting", "empty", "lost", "help"])
def test_other_states(snap_compare: Compare, size: tuple[int, int], state: str) -> None:
    stage = Stage()

    async def before(pilot: Pilot[None]) -> None:
        if state == "connecting":
            stage.deliver(Lost("no bridge has made this socket yet"))
        elif state == "empty":
            stage.greet()
            stage.tell(*keys())
        else:
            busy(stage)
        if state == "lost":
            stage.deliver(Lost("the bridge closed the connection"))
            stage.clock.forward(12)
        await settle(stage, pilot)
        if state == "help":
            await pilot.press("question_mark")
            await settle(stage, pilot)

    assert snap_compare(stage.app, terminal_size=size, run_before=before)
