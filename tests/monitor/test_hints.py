"""The last line: the views, and the keys that do something now, on terminals of any width."""

from __future__ import annotations

import asyncio
import os

import pytest
from textual.pilot import Pilot

from bridge.limits import LIMITS
from monitor.lines.chapters import CHAPTERS
from monitor.replay_app import ReplayApp
from monitor.screens.course import Course
from monitor.screens.walkthrough import WalkthroughScreen
from monitor.sources.lessons import Lessons
from monitor.sources.replay import Replay
from monitor.state.state import MonitorState
from tests.support.hands import five_requests, play, press, view
from tests.support.play import Stage, ended, screen_text, started, story
from tests.support.scene import recorded_scene, two_sessions

WIDTHS = (200, 160, 120, 109, 80, 72, 71, 60, 40, 30)


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
            screen = await stage.paint(pilot)
            line = last_line(screen)
            assert width < 72 or screen.splitlines()[-1].endswith(" "), f"it touches the border at {width}"
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
            own = "5 Totals │ space Next ? Help" if width == 80 else "space Next ] Chapter f Failover j JSON"
            assert own in " ".join(last_line(screen).split())
        finally:
            os.close(told)
            os.close(tells)

    play((width, 24), act)


def test_a_replay_leaves_the_keys_that_still_go_to_another_agent() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        two_sessions(stage)
        assert " ←→ Agent" in last_line(await press(stage, pilot, "2"))
        assert " h l Agent" in last_line(await press(stage, pilot, "R"))
        assert "←→" not in last_line(await stage.paint(pilot))
        assert " ←→ Agent" in last_line(await press(stage, pilot, "escape"))

    play((120, 36), act)


@pytest.mark.parametrize(("number", "word"), [("2", "Agent"), ("4", "Request"), ("5", "Window")])
def test_in_a_replayed_log_arrows_steer_and_no_hint_says_otherwise(number: str, word: str) -> None:
    async def run() -> None:
        app = ReplayApp(Replay(recorded_scene()), "a.jsonl")
        async with app.run_test(size=(120, 36)) as pilot:
            await pilot.press("end", number)
            await pilot.pause()
            app.paint()
            await pilot.pause()
            assert f" h l {word}" in last_line(screen_text(app))
            assert "←→" not in last_line(screen_text(app))

    asyncio.run(run())


def test_stepping_is_offered_where_there_is_a_request() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.greet()
        assert "t Steps" not in last_line(await stage.paint(pilot))
        stage.tell(*story("a"))
        await stage.paint(pilot)
        assert "t Steps" in last_line(await stage.paint(pilot))

    play((200, 40), act)


def test_a_request_offers_what_can_be_done_to_it() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.greet()
        stage.tell(started("a"), ended("a"), *story("b"))
        await press(stage, pilot, "4")
        line = last_line(await stage.paint(pilot))
        assert "x Cancel" in line
        assert "c Curl" in line
        await press(stage, pilot, "right")
        line = last_line(await stage.paint(pilot))
        assert "x Cancel" not in line
        assert "c Curl" not in line
        assert "its prompt is not recorded" in await press(stage, pilot, "c")
        assert "has ended already" in await press(stage, pilot, "x")

    play((200, 40), act)


def test_matches_and_older_turns_are_offered_while_there_are_any() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.greet()
        for number in range(LIMITS.ended + 2):
            stage.tell(started(f"r{number}"), ended(f"r{number}"))
        stage.tell(*story("a"))
        await press(stage, pilot, "2")
        line = last_line(await stage.paint(pilot))
        assert "u Older" in line
        assert "n N Next" not in line
        await press(stage, pilot, "slash", *"deadline", "enter")
        assert "n N Next" in last_line(await stage.paint(pilot))
        await press(stage, pilot, "escape")
        assert "n N Next" not in last_line(await stage.paint(pilot))
        stage.tell(started("n", session_id="s-2", client="Grok"))
        await press(stage, pilot, "s", *"grok", "enter")
        assert "u Older" not in last_line(await stage.paint(pilot))

    play((200, 40), act)


def test_the_last_step_offers_no_next() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.greet()
        stage.tell(*story("a"), ended("a"))
        await stage.paint(pilot)
        await press(stage, pilot, "t")
        assert "space Next" in last_line(await stage.paint(pilot))
        await press(stage, pilot, "G")
        assert "space Next" not in last_line(await stage.paint(pilot))

    play((200, 40), act)


def test_after_the_last_chapter_no_other_is_offered() -> None:
    course = Course(None, None)
    course.number = len(CHAPTERS)
    assert not course.has_chapter(1)
    assert course.has_chapter(-1)
    assert course.has_failover(MonitorState()) == bool(CHAPTERS[-1].failovers)
