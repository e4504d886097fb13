"""The live view at every size: what runs, how it goes, and its text before all facts about it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from textual.pilot import Pilot

from bridge.events.values import Outcome
from bridge.events.vocabulary import AnswerDelta, TokensUsed
from monitor.state.state import Lost
from tests.support.hands import five_requests, play, press, selected, settle
from tests.support.play import Stage, ended, started, story, widget_text

SIZES = [(80, 24), (120, 36), (160, 45), (200, 60)]
every_size = pytest.mark.parametrize("size", SIZES, ids=[f"{width}x{height}" for width, height in SIZES])


def one_that_runs(stage: Stage) -> None:
    """A turn that was counted, and one that writes."""
    stage.greet()
    stage.tell(*story("a"), TokensUsed("a", "r", 2_000, 600, 8_000, 0, {}, 0.05, context_window=200_000), ended("a"))
    stage.tell(*story("b"))
    stage.clock.forward(2)
    stage.tell(AnswerDelta("b", "word " * 80))


@every_size
def test_what_runs_has_its_vitals_above_its_text_and_facts_last(size: tuple[int, int]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        one_that_runs(stage)
        await settle(stage, pilot)
        lines = widget_text(stage.app.live.story).split("\n")
        assert "● " in lines[0]
        assert "t/s" in lines[0] or "tok/s" in lines[0]
        assert "5%" in lines[0] or "10k/200k" in lines[0]
        text = stage.app.live.as_text() or ""
        assert text.index("Thought") < text.index("Answer") < text.index("Prompt") < text.index("/openai/v1/responses")
        assert "word word" in "\n".join(lines)
        stage.tell(AnswerDelta("b", "\nlast line of it"))
        assert "last line of it" in await stage.paint(pilot)
        stage.tell(ended("b"))
        screen = await stage.paint(pilot)
        assert "last line of it" in screen  # what was read when it ended stays

    play(size, act)


@every_size
def test_a_cancelled_request_keeps_what_was_estimated(size: tuple[int, int]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        one_that_runs(stage)
        await settle(stage, pilot)
        while_it_runs = next(line for line in widget_text(stage.app.live.requests).split("\n") if "●" in line)
        assert " ~128 " in while_it_runs
        stage.tell(ended("b", Outcome.CANCELLED, status=None))
        await settle(stage, pilot)
        after = next(line for line in widget_text(stage.app.live.requests).split("\n") if "⊘" in line)
        assert " ~128 " in after
        stage.tell(TokensUsed("b", "r", 2_000, 131, 0, 0, {}, 0.01))
        await settle(stage, pilot)
        assert " 131 " in widget_text(stage.app.live.requests)

    play(size, act)


def test_more_width_never_means_less_of_a_request() -> None:
    heads: list[set[str]] = []

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        one_that_runs(stage)
        await settle(stage, pilot)
        heads.append(set(widget_text(stage.app.live.requests).split("\n")[0].split()))

    for size in SIZES:
        play(size, act)
    assert {"state", "age"} <= heads[0]
    assert all(narrow <= wide for narrow, wide in pairwise(heads))
    assert {"about", "tok/s", "cost"} <= heads[-1]


def test_the_slowest_is_on_the_screen_when_they_are_sorted() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.greet()
        for number in range(60):
            stage.tell(started(f"r{number}"), ended(f"r{number}", duration_ms=1_000.0 * (number + 1)))
        stage.tell(started("slow"), ended("slow", duration_ms=99_000.0))
        stage.tell(started("last"), ended("last", duration_ms=1.0))
        await press(stage, pilot, *["j"] * 30)
        await press(stage, pilot, "s")
        assert selected(stage) == "slow"
        assert stage.app.live.requests.scroll_offset.y == 0
        assert "1m39s" in widget_text(stage.app.live.requests)
        await press(stage, pilot, "s")
        assert stage.app.live.requests.scroll_offset.y == 0

    play((80, 24), act)


def test_a_rate_has_a_unit_as_counts_have() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.greet()
        stage.tell(started("a"), TokensUsed("a", "r", 10, 318_060), ended("a", duration_ms=1_850.0))
        assert " 318k " in await stage.paint(pilot)

    play((120, 36), act)


def test_cancel_is_offered_while_there_is_something_to_cancel() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        assert "x Cancel" in await stage.paint(pilot)
        stage.tell(ended("e"))
        await settle(stage, pilot)
        assert "x Cancel" not in await stage.paint(pilot)
        assert "has ended already" in await press(stage, pilot, "x")
        await press(stage, pilot, "g")
        await settle(stage, pilot)
        assert "x Cancel" in await stage.paint(pilot)
        stage.deliver(Lost("gone"))
        await settle(stage, pilot)
        assert "x Cancel" not in await stage.paint(pilot)

    play((120, 36), act)
