"""The walkthrough: the steps of a request, the picture they are drawn in, and the keys that go through them."""

from __future__ import annotations

import importlib
import os
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest
from textual.pilot import Pilot

from bridge.events.entries import Interception
from bridge.events.picture import Picture
from bridge.events.values import Credential, FailureReason, KeyState, Outcome, ServerState, WithheldReason
from bridge.events.vocabulary import (
    AnswerDelta,
    AttemptFailed,
    AttemptStarted,
    Event,
    InterceptionWaiting,
    KeyChanged,
    ResponseStarted,
    ServerChanged,
    ThoughtWithheld,
)
from bridge.events.wire import Snapshot
from monitor.lines.chapters import CHAPTERS
from monitor.lines.walkthrough import steps
from monitor.lines.walkthrough_reasons import REASONS, Kind
from monitor.screens.walkthrough import WalkthroughScreen
from monitor.sources.lessons import Lessons
from tests.support.hands import five_requests, play, press, sizes
from tests.support.play import START, Stage, ended, spent, started, story

ROOT = Path(__file__).parents[2]


def request(*events: Event) -> Interception:
    picture = Picture()
    for event in events:
        picture.apply(event, START)
    return picture.interceptions["a"]


def whole() -> Interception:
    return request(*story("a"), spent("a"), ended("a"))


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


def test_every_step_says_why_and_names_code_that_exists() -> None:
    assert set(REASONS) == set(get_args(Kind))
    for kind, reason in REASONS.items():
        module, _, names = reason.code.partition(":")
        here: object = importlib.import_module(module)
        for name in names.split("."):
            here = getattr(here, name, None)
        assert callable(here), f"{kind}: there is no {reason.code}"
        assert (ROOT / reason.place.partition(" ")[0]).is_file()
        assert reason.why.endswith(".")


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
        assert walkthrough(stage).course.current == 1
        await pilot.press("end")
        assert "The client has its whole answer" in await stage.paint(pilot)
        await pilot.press("home")
        assert "1 of 19" in await stage.paint(pilot)
        await pilot.press("end", "space")  # on to the request after it
        assert walkthrough(stage).course.current == 0
        assert walkthrough(stage).course.request == stage.app.state.picture.interceptions["b"]
        await pilot.press("up")
        assert walkthrough(stage).course.request == stage.app.state.picture.interceptions["a"]
        await pilot.press("escape")
        assert stage.app.screen is stage.app.live

    play(size, act)


def test_what_comes_meanwhile_waits_for_the_person() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.app.animation_level = "none"
        await five_requests(stage, pilot)
        await pilot.press("t", "end")
        course = walkthrough(stage).course
        key = course.step.key
        assert "still running" in await stage.paint(pilot)
        stage.tell(AnswerDelta("e", "more"), spent("e"), ended("e"))
        await stage.paint(pilot)
        assert course.step.key == key
        assert not course.at_end
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


def test_any_view_opens_it_for_the_request_at_hand() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await five_requests(stage, pilot)
        await pilot.press("2")
        await stage.paint(pilot)
        await pilot.press("g", "t")
        await stage.paint(pilot)
        assert walkthrough(stage).course.request is stage.app.reasoning.at_hand
        await pilot.press("escape", "1", "enter")
        await stage.paint(pilot)
        stage.tell(
            ended("e"), *(event for number in range(210) for event in (started(f"r{number}"), ended(f"r{number}")))
        )
        await stage.paint(pilot)
        await pilot.press("t")  # on what the request view alone remembers
        shown = walkthrough(stage).course.request
        assert shown is not None
        assert shown.id == "e"
        assert shown is not stage.app.listing.selected
        await pilot.press("escape")
        assert stage.app.screen is stage.app.request
        await pilot.press("3")
        await pilot.press("t")
        assert walkthrough(stage).course.request is stage.app.listing.selected

    play((120, 36), act)


def test_f_goes_to_the_next_attempt_that_failed() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.app.animation_level = "none"
        await five_requests(stage, pilot)
        await pilot.press("G", "t", "f")
        assert walkthrough(stage).course.step.failed
        assert "✗" in await stage.paint(pilot)
        for id_ in "bcde":
            await pilot.press("f")
            assert (walkthrough(stage).course.request or request()).id == id_
            assert walkthrough(stage).course.step.failed
        await pilot.press("f")
        assert "no attempt has failed after this one" in await stage.paint(pilot)

    play((80, 24), act)


def test_what_leads_nowhere_is_not_offered() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.app.animation_level = "none"
        stage.greet()
        stage.tell(*story("a"))
        await stage.paint(pilot)
        screen = await press(stage, pilot, "t")
        assert "f Failover" in screen
        assert not any(hint in screen for hint in ("← Back", "↓ Next request"))
        screen = await press(stage, pilot, "f")
        assert "f Failover" not in screen
        assert "← Back" in screen
        assert "no attempt has failed after this one" in await press(stage, pilot, "f")
        stage.tell(*story("b"))
        screen = await press(stage, pilot)
        assert "f Failover" in screen
        assert "↓ Next request" in screen

    play((160, 45), act)


def test_the_event_is_shown_as_subscribers_get_it() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.app.animation_level = "none"
        await five_requests(stage, pilot)
        await pilot.press("G", "t", "f", "j")
        shown = await stage.paint(pilot)
        assert '"type": "attempt.failed"' in shown
        assert '"cooldown_s": 7.0' in shown
        await pilot.press("right")
        assert "No event says so" in await stage.paint(pilot)
        await pilot.press("j")
        assert "Why: " in await stage.paint(pilot)

    play((120, 36), act)


@pytest.mark.parametrize(("size", "unasked"), [((80, 24), False), ((120, 36), True), ((200, 60), True)])
def test_the_event_stands_there_unasked_where_there_is_room(size: tuple[int, int], unasked: bool) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.app.animation_level = "none"
        await five_requests(stage, pilot)
        await pilot.press("G", "t", "f")
        shown = await stage.paint(pilot)
        assert "Why: " in shown
        assert ('"type": "attempt.failed"' in shown) is unasked
        assert ('"cooldown_s": 7.0' in shown) is unasked
        assert "No event says so" not in await press(stage, pilot, "right")

    play(size, act)


def test_the_pool_is_shown_as_it_was() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.app.animation_level = "none"
        stage.greet()
        stage.tell(KeyChanged("openai", "k1", KeyState.VALID), KeyChanged("openai", "k2", KeyState.VALID))
        stage.tell(started("a"), AttemptStarted("a", 1, "k1"))
        stage.clock.forward(1)
        cools = KeyChanged("openai", "k1", KeyState.TEMPORARY, "rate_limited", START + timedelta(seconds=31))
        stage.tell(cools, AttemptFailed("a", 1, "k1", 429, FailureReason.RATE_LIMITED, 30.0))
        stage.tell(AttemptStarted("a", 2, "k2"), ResponseStarted("a", 2, 200))
        stage.clock.forward(60)
        stage.tell(KeyChanged("openai", "k1", KeyState.VALID), ended("a", attempts=2))
        await stage.paint(pilot)
        await pilot.press("t", "f")
        shown = await stage.paint(pilot)
        assert "1 of 2 ready" in shown
        assert "30s" in shown
        assert "has seen 0 bytes" in shown
        await pilot.press("end")
        shown = await stage.paint(pilot)
        assert "2 of 2 ready" in shown
        assert "has seen 48.2 kB" in shown
        assert "429" in shown  # the failed attempt stays

    play((80, 24), act)


def test_a_chapter_about_tools_waits_for_a_server_and_says_how_it_is() -> None:
    commands, its_end = os.pipe()

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.app.animation_level = "none"
        stage.app.push_screen(WalkthroughScreen(lessons=Lessons(its_end)))
        stage.greet()
        stage.tell(ServerChanged("simulated", ServerState.FAILED, 0, "the library is not installed"))
        await stage.paint(pilot)
        await pilot.press(*["right_square_bracket"] * (len(CHAPTERS) + 1))  # it ends with the last
        assert "the library is not installed" in await stage.paint(pilot)
        assert f"play {len(CHAPTERS)}" not in os.read(commands, 4096).decode()
        stage.tell(ServerChanged("simulated", ServerState.READY, 1))
        await stage.paint(pilot)
        assert f"play {len(CHAPTERS)}" in os.read(commands, 4096).decode()

    try:
        play((80, 24), act)
    finally:
        os.close(commands)
        os.close(its_end)
