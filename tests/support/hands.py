"""How a test takes the dashboard into its hands: at which sizes, with which requests on the screen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from textual.pilot import Pilot

from bridge.events.values import Outcome
from tests.support.play import Stage, ended, keys, spent, story

SIZES = [(80, 24), (120, 36)]
sizes = pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x36"])
small = pytest.mark.parametrize("size", SIZES[:1], ids=["80x24"])
"""For what does not depend on the size; a start of the app costs a third of a second."""

Compare = Callable[..., bool]
"""`snap_compare`, the fixture that compares pictures."""

Act = Callable[[Stage, Pilot[None]], Awaitable[None]]


def play(size: tuple[int, int], act: Act) -> None:
    async def run() -> None:
        stage = Stage()
        async with asyncio.timeout(60), stage.shown(*size) as pilot:
            await act(stage, pilot)

    asyncio.run(run())


async def five_requests(stage: Stage, pilot: Pilot[None]) -> None:
    """Requests a to e, e the newest; a and b have ended."""
    stage.greet()
    stage.tell(*keys(), *story("a"), spent("a"), ended("a"), *story("b"), ended("b", Outcome.FAILED))
    stage.tell(*story("c"), *story("d"), *story("e"))
    await stage.paint(pilot)


def selected(stage: Stage) -> str | None:
    request = stage.app.live.selected
    return request.id if request else None


async def press(stage: Stage, pilot: Pilot[None], *keys: str) -> str:
    """Presses keys; what is on the terminal then."""
    await pilot.press(*keys)
    return await stage.paint(pilot)


def view(stage: Stage) -> str:
    shown = stage.app.view
    return shown.NAME if shown else "?"


async def settle(stage: Stage, pilot: Pilot[None]) -> str:
    """Draws twice: sizes that changed in the first frame are known in the second. What is on the terminal then."""
    await stage.paint(pilot)
    return await stage.paint(pilot)
