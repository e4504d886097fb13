"""The walkthrough: the steps of a request, the picture they are drawn in, and the keys that go through them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.pilot import Pilot

from bridge.events.entries import Interception
from bridge.events.picture import Picture
from bridge.events.values import Credential, FailureReason, Outcome, WithheldReason
from bridge.events.vocabulary import (
    AnswerDelta,
    AttemptFailed,
    AttemptStarted,
    Event,
    InterceptionWaiting,
    ResponseStarted,
    ThoughtWithheld,
)
from bridge.events.wire import Snapshot
from monitor.lines.span import Line
from monitor.lines.walkthrough import Place, steps
from monitor.lines.walkthrough_picture import HEIGHT, NARROWEST, WIDEST, draw, explanation, overview, plan
from monitor.screens.walkthrough import WalkthroughScreen
from tests.support.hands import five_requests, play, sizes
from tests.support.play import START, Stage, ended, spent, started, story


def request(*events: Event) -> Interception:
    picture = Picture()
    for event in events:
        picture.apply(event, START)
    return picture.interceptions["a"]


def whole() -> Interception:
    return request(*story("a"), spent("a"), ended("a"))


def plain(lines: list[Line]) -> str:
    return "\n".join("".join(text for text, _tone in line) for line in lines)


def test_every_step_of_a_request_is_told_in_order() -> None:
    taken = steps(whole())
    assert [step.place.value for step in taken] == [
        "client", "guard", "pool", "attempt", "upstream", "pool", "attempt", "upstream", "relay",
        *["reader"] * 8, "events", "client",
    ]  # fmt: skip
    assert [step.event for step in taken if step.event] == [
        "interception.started", "attempt.started", "attempt.failed", "attempt.started", "response.started",
        "prompt.recorded", "thought.recorded", "thought.withheld", "thought.delta", "tool.called", "answer.delta",
        "tokens.used", "interception.ended",
    ]  # fmt: skip
    assert taken[4].text == "openai refuses: 429, rate limited. The key rests for 7s."
    assert taken[5].text == "The client has seen nothing yet, so the next healthy key may try: sk-p...91bc."


@pytest.mark.parametrize(
    ("events", "text"),
    [
        ([started("a", credential=Credential("byok", "sk-u...9999"))], "a key of its own"),
        ([started("a", initiator="alice")], "The token is alice's"),
        ([started("a", model=None, streaming=False)], "Codex asks for an answer in one piece: POST"),
        ([started("a"), InterceptionWaiting("a", START)], "waits for the first that is ready again"),
        ([started("a"), AttemptStarted("a", 1, "k"), ResponseStarted("a", 1, 400)], "No other key would change that"),
        (
            [started("a"), AttemptStarted("a", 1, "k"), AttemptFailed("a", 1, "k", 401, FailureReason.UNAUTHORIZED)],
            "openai refuses: 401, unauthorized. This key is not tried again.",
        ),
        (
            [started("a"), AttemptStarted("a", 1, "k"), AttemptFailed("a", 1, "k", None, FailureReason.TIMEOUT)],
            "openai refuses: timeout.",
        ),
        ([started("a"), ThoughtWithheld("a", "r", 0, WithheldReason.REDACTED, 9)], "the provider redacted it"),
        ([started("a"), ended("a", Outcome.FAILED, error="hung up")], "It failed after 12s: hung up."),
        ([started("a"), ended("a", Outcome.CANCELLED, error="client left")], "Upstream is stopped at once"),
        ([started("a"), ended("a", Outcome.REJECTED, status=401)], "The bridge answers by itself, with 401."),
        ([started("a"), ended("a", status=404)], "The client has its answer, 404, after 12s."),
    ],
)
def test_each_fate_has_its_sentence(events: list[Event], text: str) -> None:
    assert text in " ".join(step.text for step in steps(request(*events)))


def test_steps_that_were_told_keep_their_names_while_more_come() -> None:
    events = [*story("a"), spent("a"), ended("a")]
    before: list[str] = []
    for count in range(1, len(events) + 1):
        names = [step.key for step in steps(request(*events[:count]))]
        assert len(set(names)) == len(names)
        assert [name for name in names if name in before] == [name for name in before if name in names]
        before = names


@given(st.integers(20, 260), st.integers(0, 18), st.floats(0, 1))
def test_a_picture_has_its_size_whatever_the_terminals(width: int, current: int, hop: float) -> None:
    taken = steps(whole())
    lines = draw(width, taken, min(current, len(taken) - 1), hop)
    assert len(lines) == HEIGHT
    assert len({sum(cell_len(text) for text, _tone in line) for line in lines}) == 1
    assert NARROWEST - 4 <= sum(cell_len(text) for text, _tone in lines[0]) <= WIDEST


@pytest.mark.parametrize("width", [74, 92, 116])
def test_every_step_to_another_place_has_a_way_that_is_not_broken(width: int) -> None:
    there = plan(width)
    places = [step.place for step in steps(whole())]
    for start, other in pairwise(places):
        way = there.way(start, other)
        if start is other or (start, other) == (Place.EVENTS, Place.CLIENT):
            continue
        assert way, (start, other)
        for (x, y), (next_x, next_y) in pairwise(way):
            inside = any(box.x <= x <= box.right and box.y == y for box in there.boxes.values())
            assert abs(x - next_x) + abs(y - next_y) == 1 or inside


def test_the_request_is_seen_on_its_way() -> None:
    taken = steps(whole())
    assert "●" in plain(draw(76, taken, 1, 0.5))
    assert "●" not in plain(draw(76, taken, 1))
    assert "║ guard ║" in plain(draw(76, taken, 1))
    assert "attempt 2" in plain(draw(76, taken, 8))


def test_words_stay_in_the_room_there_is() -> None:
    taken = steps(whole())
    for current in range(len(taken)):
        lines = explanation(taken, current, (40, 12), "x" * 99)
        assert all(sum(cell_len(text) for text, _tone in line) <= 60 for line in lines)
        rows = overview(taken, current, 5)
        assert len(rows) == 5
        assert sum("▶" in plain([row]) for row in rows) == 1


def walkthrough(stage: Stage) -> WalkthroughScreen:
    assert isinstance(stage.app.screen, WalkthroughScreen)
    return stage.app.screen


@sizes
def test_keys_go_through_the_steps(size: tuple[int, int]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.app.animation_level = "none"
        await five_requests(stage, pilot)
        await pilot.press("G", "t")
        assert "1 of 19" in await stage.paint(pilot)
        await pilot.press("space", "right", "n")
        assert "attempt.started" in await stage.paint(pilot)
        await pilot.press("left", "b")
        assert walkthrough(stage).current == 1
        await pilot.press("end")
        assert "The client has its whole answer" in await stage.paint(pilot)
        await pilot.press("home")
        assert "1 of 19" in await stage.paint(pilot)
        await pilot.press("end", "space")  # on to the request after it
        assert (walkthrough(stage).current, walkthrough(stage).request) == (
            0,
            stage.app.state.picture.interceptions["b"],
        )
        await pilot.press("k")
        assert walkthrough(stage).request == stage.app.state.picture.interceptions["a"]
        await pilot.press("escape")
        assert stage.app.screen is stage.app.live

    play(size, act)


def test_what_comes_meanwhile_waits_for_the_person() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.app.animation_level = "none"
        await five_requests(stage, pilot)
        await pilot.press("t", "end")
        key = walkthrough(stage).steps[walkthrough(stage).current].key
        assert "still running" in await stage.paint(pilot)
        stage.tell(AnswerDelta("e", "more"), spent("e"), ended("e"))
        await stage.paint(pilot)
        assert walkthrough(stage).steps[walkthrough(stage).current].key == key
        assert walkthrough(stage).current < len(walkthrough(stage).steps) - 1
        stage.deliver(Snapshot.of(Picture(), stage.seq, stage.clock.now))  # forgotten by the bridge, not by the view
        assert "events" in await stage.paint(pilot)

    play((120, 36), act)


def test_auto_goes_on_by_itself_at_a_speed() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.app.animation_level = "none"
        await five_requests(stage, pilot)
        await pilot.press("t", "a")
        assert "auto, 1x" in await stage.paint(pilot)
        await pilot.press("plus", "plus")
        await stage.until(pilot, "2 of ")
        assert "auto, 4x" in await stage.paint(pilot)
        await pilot.press("a")
        assert "auto" not in await stage.paint(pilot)

    play((120, 36), act)


def test_a_view_key_leaves_it() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        await pilot.press("t", "t", "1")
        assert stage.app.screen is stage.app.live

    play((120, 36), act)


def test_step_mode_waits_for_the_first_request() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.app.push_screen(WalkthroughScreen())
        stage.greet()
        await pilot.press("space", "j", "t")
        await stage.until(pilot, "Waiting for the first request")
        stage.tell(*story("a"))
        await stage.until(pilot, "Codex asks for an answer of gpt-5.1-codex")

    play((80, 24), act)
