"""What the dashboard says when something is missing, and how it paints, catches up and crashes."""

from __future__ import annotations

import asyncio

import pytest
from textual.pilot import Pilot

from bridge.events.entries import Interception
from bridge.events.vocabulary import (
    AnswerDelta,
    BridgeStopping,
    RecordFailed,
)
from bridge.events.wire import Command
from monitor.sources.bridge_socket import Deliver
from monitor.state.state import BadLine, Lost, MonitorState
from tests.support.hands import five_requests, play, sizes, small
from tests.support.play import PLACE, Stage, story


@sizes
def test_states_are_told_clearly(size: tuple[int, int]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        screen = await stage.paint(pilot)
        assert "◌ connecting" in screen
        assert PLACE in screen
        stage.deliver(Lost("nobody listens on this socket"))
        screen = await stage.paint(pilot)
        assert "nobody listens on this socket" in screen
        assert "clearspan serve" in screen
        stage.greet()
        screen = await stage.paint(pilot)
        assert "No request yet" in screen
        assert "point an agent at http://127.0.0.1:8484" in screen
        stage.tell(*story("a"), RecordFailed("disk full", 12))
        screen = await stage.paint(pilot)
        assert "No request yet" not in screen
        assert "Not recording: disk full (12 waiting)" in screen
        stage.tell(BridgeStopping("SIGTERM"))
        screen = await stage.paint(pilot)
        assert "◍ stopping" in screen
        assert "The bridge is stopping: SIGTERM" in screen
        stage.deliver(Lost("the bridge closed the connection"))
        stage.clock.forward(75)
        screen = await stage.paint(pilot)
        assert "✗ lost" in screen
        assert "Lost for 1m15s: the bridge stopped: SIGTERM" in screen
        assert "gpt-5.1-codex" in screen
        assert "answering 0s" in screen  # what is lost stands still
        await pilot.press("x")

    play(size, act)


@pytest.mark.parametrize(("size", "shown"), [((80, 24), "?2"), ((120, 36), "2 unreadable")])
def test_lines_that_cannot_be_read_are_counted_in_the_header(size: tuple[int, int], shown: str) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.greet()
        assert shown not in (await stage.paint(pilot)).splitlines()[0]
        stage.deliver(BadLine("not JSON"))
        stage.deliver(BadLine("longer than any message"))
        assert shown in (await stage.paint(pilot)).splitlines()[0]

    play(size, act)


@small
def test_keys_that_need_a_request_do_nothing_without_one(size: tuple[int, int]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.greet()
        await stage.paint(pilot)
        await pilot.press("x", "enter", "f", "j", "G", "escape", "tab")
        assert "No request yet" in await stage.paint(pilot)
        assert stage.commands == []
        stage.tell(*story("a"))
        await stage.paint(pilot)
        assert stage.app.focused is stage.app.live.requests

    play(size, act)


def test_a_gap_asks_for_a_snapshot_once() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        stage.seq += 3
        stage.tell(AnswerDelta("e", "x"), AnswerDelta("e", "y"))
        await stage.paint(pilot)
        assert stage.commands == [Command(0, "snapshot")]

    play((80, 24), act)


def test_events_paint_no_frame_each(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        frames = 0
        ordered = MonitorState.ordered

        def counting(state: MonitorState) -> list[Interception]:
            nonlocal frames
            frames += 1
            return ordered(state)

        monkeypatch.setattr(MonitorState, "ordered", counting)  # each frame asks for the rows once
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(2_000):
            stage.tell(AnswerDelta("e", f"{number} "))
            if number % 50 == 0:
                await asyncio.sleep(0)
        elapsed = loop.time() - began
        assert frames <= 2 + elapsed * 18  # fifteen a second, and the slow tick

    play((80, 24), act)


def test_a_crash_prints_no_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(Stage):
        async def run(self, deliver: Deliver) -> None:
            prompt = "my own words"
            del deliver
            raise RuntimeError(f"broke off after {len(prompt)} \x1b[31mcharacters")

    async def run() -> None:
        stage = Broken()
        async with stage.shown(80, 24) as pilot:
            await pilot.pause()

    with pytest.raises(Exception, match="broke off"):
        asyncio.run(run())
    printed = capsys.readouterr()
    report = printed.out + printed.err
    assert "broke off after 12 ␛[31mcharacters" in report
    assert report.count("my own words") == report.count('prompt = "my own words"')  # the source line, no value
