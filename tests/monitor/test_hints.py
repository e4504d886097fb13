"""The last line: the views, and the keys that do something now, on terminals of any width."""

from __future__ import annotations

import os

import pytest
from textual.pilot import Pilot

from monitor.screens.walkthrough import WalkthroughScreen
from monitor.sources.lessons import Lessons
from tests.support.hands import five_requests, play, press, view
from tests.support.play import Stage, story

WIDTHS = (120, 109, 80, 72, 71, 60, 40, 30)


def last_line(screen: str) -> str:
    return screen.splitlines()[-1].rstrip()


@pytest.mark.parametrize("number", ["1", "2", "3", "4", "5", "t"])
def test_help_and_quit_are_there_and_whole_at_any_width(number: str) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        await press(stage, pilot, number)
        for width in WIDTHS:
            await pilot.resize_terminal(width, 24)
            await pilot.pause()
            line = last_line(await stage.paint(pilot))
            end = " ".join(line.split()[-4 if width >= 72 else -2 :])
            assert end == ("? Help q Quit" if width >= 72 else "? q"), width
            title = {"1": "Live", "2": "Reasoning", "3": "Keys", "4": "Request", "5": "Totals"}.get(number)
            assert title is None or f" {number} {title}" in line

    play((200, 24), act)


@pytest.mark.parametrize(
    ("width", "begins"),
    [
        (80, " 1 Live 2 Reasoning 3 Keys 4 Request 5 Totals │"),
        (60, " 1  2 Reasoning 3  4  5  │"),
        (39, " 2 Reasoning │"),
    ],
)
def test_the_views_give_way_to_keys(width: int, begins: str) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        assert last_line(await press(stage, pilot, "2")).startswith(begins)
        await pilot.click("ViewsBar", offset=(len(begins) - 3, 0))
        assert view(stage) == ("totals" if width > 39 else "reasoning")

    play((width, 24), act)


@pytest.mark.parametrize("width", [120, 80, 60])
def test_the_walkthrough_shows_its_own_keys(width: int) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        told, tells = os.pipe()
        try:
            await stage.app.push_screen(WalkthroughScreen(lessons=Lessons(tells)))
            stage.tell(*story("lesson"))
            screen = await press(stage, pilot, "j")
            assert "space Next ] Chapter f Failover j JSON" in " ".join(last_line(screen).split())
        finally:
            os.close(told)
            os.close(tells)

    play((width, 24), act)
