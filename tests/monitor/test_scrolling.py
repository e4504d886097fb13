"""The story and the table keep their place."""

from __future__ import annotations

from rich.color import Color
from rich.segment import Segment, Segments
from rich.style import Style
from textual.pilot import Pilot

from bridge.events.values import FailureReason
from bridge.events.vocabulary import AnswerDelta, AttemptFailed
from monitor.widgets.panel import ApartFromText
from tests.support.hands import five_requests, play, selected, sizes, small
from tests.support.play import Stage, ended, started


def long_answer(id: str, first: int, last: int) -> list[AnswerDelta]:  # noqa: A002  the event's own word
    return [AnswerDelta(id, f"line {number}\n") for number in range(first, last)]


@small
def test_the_story_stays_at_the_bottom(size: tuple[int, int]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        for step in range(5):
            stage.tell(*long_answer("e", step * 20, step * 20 + 20))
            assert f"line {step * 20 + 19}" in await stage.paint(pilot)
            assert stage.app.live.story.at_bottom

    play(size, act)


@sizes
def test_the_story_does_not_jump_when_scrolled_up(size: tuple[int, int]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        stage.tell(*long_answer("e", 0, 100))
        await stage.paint(pilot)
        await pilot.press("tab", "k", "up", "pageup")
        story = stage.app.live.story
        top = story.render_line(1).text
        assert "line" in top
        assert "↓ more" in await stage.paint(pilot)
        # Text comes below, and so do facts.
        stage.tell(*long_answer("e", 100, 150), AttemptFailed("e", 2, "sk-p...91bc", 529, FailureReason.OVERLOADED))
        stage.tell(ended("e"))
        await stage.paint(pilot)
        assert story.render_line(1).text == top
        await pilot.press("G")
        assert story.at_bottom
        await pilot.press("g")
        assert story.scroll_offset.y == 0
        await pilot.press("j", "down", "space", "pagedown", "end", "home")
        assert story.scroll_offset.y == 0

    play(size, act)


@small
def test_the_story_keeps_its_place_when_the_terminal_changes(size: tuple[int, int]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        stage.tell(*long_answer("e", 0, 100))
        await stage.paint(pilot)
        await pilot.resize_terminal(200, 60)
        await stage.paint(pilot)
        assert stage.app.live.story.at_bottom
        await pilot.resize_terminal(40, 12)
        await stage.paint(pilot)
        assert stage.app.live.story.at_bottom
        await pilot.resize_terminal(*size)
        await stage.until(pilot, "line 99")

    play(size, act)


@small
def test_another_request_is_shown_from_where_it_is_read(size: tuple[int, int]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        stage.tell(*long_answer("d", 0, 100), *long_answer("e", 0, 100), ended("d"))
        await stage.paint(pilot)
        assert stage.app.live.story.at_bottom
        await pilot.press("j", "j")
        assert selected(stage) == "d"
        await stage.paint(pilot)
        assert stage.app.live.story.scroll_offset.y == 0

    play(size, act)


@sizes
def test_the_selected_row_is_always_in_view(size: tuple[int, int]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.greet()
        for number in range(60):
            stage.tell(started(f"r{number}", model=f"model-{number}"))
        await stage.paint(pilot)
        for key, model in (("G", "model-0"), ("pageup", ""), ("k", ""), ("g", "model-59"), ("pagedown", "")):
            await pilot.press(key)
            screen = await stage.paint(pilot)
            request = stage.app.live.selected
            assert request is not None
            assert (request.started.model or "").startswith(model)
            assert f" {request.started.model} " in screen.split("POST")[0]

    play(size, act)


GROUND, BAR = Color.parse("#0f1419"), Color.parse("#3f4449")


def test_a_scroll_bar_stands_apart_from_the_text() -> None:
    rows = _rows(ApartFromText.render_bar(6, 60, 6, 20, 2, True, GROUND, BAR))
    assert len(rows) == 6
    for blank, bar in rows:
        assert blank.text == " "
        assert blank.style == Style(bgcolor=GROUND)
        assert bar.cell_length == 1
    assert any(bar.style and bar.style.color == BAR for _blank, bar in rows)
    assert len(list(ApartFromText.render_bar(6, 60, 6, 20, 1).segments)) == 6  # of one cell, it is Textual's own


def _rows(bar: Segments) -> list[list[Segment]]:
    return [list(line) for line in Segment.split_lines(bar.segments) if line]
