"""The dashboard under a person's hands: every key, at the two sizes that must be pleasant."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from bridge.events.values import Outcome
from bridge.events.wire import Command, Reply, Snapshot
from bridge.process import parent
from monitor.screens.help import HelpScreen
from monitor.state.state import Lost
from tests.support.hands import five_requests, play, press, selected, sizes, small
from tests.support.play import Stage, ended, started


def helping(stage: Stage) -> bool:
    return isinstance(stage.app.screen, HelpScreen)


@sizes
def test_everything_is_on_the_screen(size: tuple[int, int]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        screen = await stage.paint(pilot)
        for text in (
            "Clearspan",
            "127.0.0.1:8484",
            "● live",
            "3 live",
            "$0.03",
            "1 Live 2 Reasoning",
            "gpt-5.1-codex",
            "sk-p...91bc",
        ):
            assert text in screen
        for text in ("Requests  5", "sk-a...7de0", "20s", "2 valid · 1 cooling · 1 dead", "q Quit", "monotonic clock"):
            assert text in screen

    play(size, act)


@small
def test_q_quits(size: tuple[int, int]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        await pilot.press("q")
        assert stage.app._exit
        assert not stage.app.return_code

    play(size, act)


@small
def test_ctrl_c_quits(size: tuple[int, int]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await pilot.press("ctrl+c")
        assert stage.app._exit

    play(size, act)


@small
@pytest.mark.parametrize(
    ("pressed", "ids"),
    [
        (("down", "j", "up", "k"), "dcde"),
        (("k", "up", "G", "j", "g"), "eeaae"),
        (("end", "home", "pagedown", "pageup"), "aeae"),
    ],
)
def test_keys_select(size: tuple[int, int], pressed: tuple[str, ...], ids: str) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        seen = ""
        for key in pressed:
            await pilot.press(key)
            seen += selected(stage) or "?"
        assert seen == ids

    play(size, act)


@small
def test_a_click_selects(size: tuple[int, int]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        await pilot.click("RequestTable", offset=(10, 3))
        assert selected(stage) == "d"
        await pilot.click("RequestTable", offset=(10, 1))  # the titles
        assert selected(stage) == "d"

    play(size, act)


@small
def test_the_selection_stays_with_its_request(size: tuple[int, int]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        await pilot.press("j")
        stage.tell(started("f"), ended("e"), ended("d"))
        await stage.paint(pilot)
        assert selected(stage) == "d"
        assert stage.app.listing.selection.index == 3
        stage.deliver(Lost("the bridge closed the connection"))
        assert "Lost for 0s: the bridge closed the connection" in await stage.paint(pilot)
        stage.deliver(Snapshot.of(stage.picture, stage.seq, stage.clock.now))
        assert "● live" in await stage.paint(pilot)
        assert selected(stage) == "d"

    play(size, act)


@small
def test_f_follows_the_newest(size: tuple[int, int]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        assert "following its agent" in await stage.paint(pilot)
        await pilot.press("j")
        assert "following its agent" not in await stage.paint(pilot)
        await pilot.press("f")
        assert selected(stage) == "e"
        stage.tell(started("f"))
        await stage.paint(pilot)
        assert selected(stage) == "f"
        await pilot.press("f")
        stage.tell(started("g"))
        await stage.paint(pilot)
        assert selected(stage) == "f"

    play(size, act)


@small
def test_x_cancels_and_says_so(size: tuple[int, int]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        screen = await press(stage, pilot, "x")
        assert "Cancel Codex 1, e?" in screen
        assert "answering 0s, ~28 tokens out" in screen
        stage.tell(started("newer"))  # what is asked about stays what it was
        await press(stage, pilot, "y")
        await stage.until(pilot, "cancelling Codex 1, e …")
        assert stage.commands == [Command(0, "cancel", id="e")]
        stage.clock.forward(0.0034)
        stage.tell(ended("e", Outcome.CANCELLED, error="cancelled by the bridge's owner"))
        await stage.until(pilot, "cancelled Codex 1, e; upstream closed after 3 ms")
        stage.clock.forward(6)
        screen = await stage.paint(pilot)
        assert "cancelled Codex" not in screen
        assert "q Quit" in screen

    play(size, act)


@small
def test_x_tells_why_it_could_not(size: tuple[int, int]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        stage.reply = Reply(1, ok=False, error="no such \x1b[31m[b]interception")
        await pilot.press("X")
        await stage.until(pilot, "could not cancel: no such ␛[31m[b]interception")
        stage.tell(ended("e"))
        assert "whole answer" not in await stage.paint(pilot)  # it was never told to the bridge
        await pilot.press("G", "x")
        assert "has ended already" in await stage.paint(pilot)
        assert len(stage.commands) == 1

    play(size, act)


@small
def test_tab_moves_the_focus_around(size: tuple[int, int]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        await pilot.pause()
        seen = []
        for _ in range(4):
            seen.append(type(stage.app.focused).__name__)
            await pilot.press("tab")
        assert seen == ["RequestTable", "StoryView", "KeysPanel", "RequestTable"]

    play(size, act)


@small
def test_help_opens_and_closes(size: tuple[int, int]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        for key in ("escape", "question_mark", "q", "enter", "space"):
            await pilot.press("question_mark")
            assert helping(stage)
            screen = await stage.paint(pilot)
            assert "cancel the selected request" in screen
            assert "type a command; all commands" in screen
            await pilot.press(key)
            assert not helping(stage)
            assert not stage.app._exit

    play(size, act)


@sizes
def test_z_enlarges_the_story_and_escape_comes_back(size: tuple[int, int]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        for back in ("escape", "z"):
            await pilot.press("z")
            screen = await stage.paint(pilot)
            assert "Requests" not in screen
            assert "esc Back" in screen
            assert stage.app.live.story.size.height == size[1] - 3
            await pilot.press(back)
            screen = await stage.paint(pilot)
            assert "Requests" in screen
            assert "esc Back" not in screen
            assert stage.app.focused is stage.app.live.requests

    play(size, act)


def test_a_monitor_that_somebody_started_is_not_suspended_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(stage: Stage, _pilot: Pilot[None]) -> None:
        monkeypatch.delenv(parent.VARIABLE, raising=False)
        assert stage.app.check_action("suspend_process", ())
        monkeypatch.setenv(parent.VARIABLE, "1")
        assert not stage.app.check_action("suspend_process", ())

    play((80, 24), act)
