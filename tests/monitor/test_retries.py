"""What is read past in a story: repeated failures are one line, thoughts that are withheld explain themselves once."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from bridge.events.values import ErrorType, FailureReason, Outcome, ThoughtSource, WithheldReason
from bridge.events.vocabulary import (
    AnswerDelta,
    AttemptFailed,
    AttemptStarted,
    Event,
    PromptRecorded,
    ResponseStarted,
    ThoughtRecorded,
    ThoughtWithheld,
)
from monitor.lines.session_story import StoryReader, plain, request_of
from monitor.lines.withheld import ASKED_ALREADY, NO_WORD, NOT_TO_BE_HAD, to_explain
from monitor.state.state import MonitorState
from tests.support.folds import after, envelopes, fold
from tests.support.hands import play, press, view
from tests.support.play import START, Stage, ended, started

SMALL = (80, 24)
REASONS = {429: FailureReason.RATE_LIMITED, 529: FailureReason.OVERLOADED}


def failed(id_: str, status: int, *, prompt: str | None = None, outcome: Outcome = Outcome.FAILED) -> list[Event]:
    """A request that came to nothing."""
    told = [PromptRecorded(id_, "r", prompt)] if prompt else []
    attempts: list[Event] = [AttemptStarted(id_, 1, "sk"), AttemptFailed(id_, 1, "sk", status, REASONS[status])]
    return [started(id_), *attempts, *told, ended(id_, outcome, status=status, error=f"told {status}")]


def answered(id_: str, prompt: str | None = None) -> list[Event]:
    told = [PromptRecorded(id_, "r", prompt)] if prompt else []
    return [started(id_), *told, AnswerDelta(id_, f"answer of {id_}"), ended(id_)]


def told(state: MonitorState) -> str:
    """The whole story, as it is copied."""
    agent = state.roster.agents[0]
    return plain(StoryReader().read(agent, START, 0, to_explain(agent.requests)))


def test_failures_that_were_tried_again_are_one_line() -> None:
    events = [*failed("a", 529), *failed("b", 529), *failed("c", 429, prompt="do it"), *answered("d", "do it")]
    state = fold(*envelopes(events))  # a second each
    blocks = StoryReader().read(state.roster.agents[0], START)
    retries = blocks[0]
    text = "".join(text for text, _ in retries.heading)
    assert text == "↻ 3 retries · 529 overloaded (2), 429 rate limited · turns 1 to 3 · 03:04:06 to 03:04:14"
    assert [line[1][0] for line in retries.hidden] == ["turn 1", "turn 2", "turn 3"]
    assert "told 429" in "".join(text for text, _ in retries.hidden[2])
    assert request_of(retries.key) == "a"
    assert [block.turns for block in blocks] == [3, 0, 1, 0]
    assert told(state).count("do it") == 1  # what was asked stays, once
    assert blocks[1].key.startswith("prompt")


@pytest.mark.parametrize(
    ("events", "lines"),
    [
        ([*failed("a", 529), *answered("b")], 0),  # one is no repetition
        ([*failed("a", 529), *failed("b", 529)], 0),  # the last may be what a person has to act on
        ([*failed("a", 529), *failed("b", 529), *failed("c", 529)], 1),
        ([*failed("a", 529), *answered("b"), *failed("c", 529), *answered("d")], 0),
        ([*failed("a", 529, prompt="x"), *failed("b", 529, prompt="y"), *answered("c")], 0),  # asked something else
        ([*failed("a", 529, outcome=Outcome.REJECTED), *failed("b", 429), started("c")], 1),
        ([started("a"), AnswerDelta("a", "half"), ended("a", Outcome.FAILED), *failed("b", 529), started("c")], 0),
        ([started("a"), ended("a", Outcome.CANCELLED), started("b"), ended("b", Outcome.CANCELLED), started("c")], 0),
    ],
)
def test_only_what_was_repeated_in_vain_is_left_out(events: list[Event], lines: int) -> None:
    text = told(after(*events))
    assert text.count("↻") == lines
    assert text.count("✗ turn") + text.count("! turn") == sum(
        1 for event in events if getattr(event, "outcome", None) in (Outcome.FAILED, Outcome.REJECTED)
    )


def test_a_failure_without_an_attempt_is_told_by_its_kind() -> None:
    lost = [
        event
        for id_ in "ab"
        for event in (started(id_), ended(id_, Outcome.FAILED, status=None, error_type=ErrorType.TIMEOUT))
    ]
    assert "↻ 2 retries · timeout (2) · turns 1 to 2" in told(after(*lost, started("c")))


def test_many_keys_that_failed_in_one_request_are_one_line() -> None:
    tried: list[Event] = [
        event
        for number, status in enumerate((429, 429, 529), 1)
        for event in (AttemptStarted("a", number, "sk"), AttemptFailed("a", number, "sk", status, REASONS[status]))
    ]
    state = after(started("a"), *tried, AttemptStarted("a", 4, "last"), ResponseStarted("a", 4, 200))
    block = next(
        block for block in StoryReader().read(state.roster.agents[0], START) if block.key.startswith("attempts")
    )
    assert "".join(text for text, _ in block.heading) == "↻ 3 retries · 429 rate limited (2), 529 overloaded"
    assert ["".join(text for text, _ in line) for line in block.lines] == ["✓ 4 last  200 "]
    assert len(block.hidden) == 3


def test_a_line_of_retries_is_unfolded_searched_and_counted() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.greet()
        stage.tell(*answered("first", "go"), *failed("a", 529), *failed("b", 529), *failed("c", 429), started("d"))
        screen = await press(stage, pilot, "2")
        assert "↻ 3 retries · 529 overloaded (2), 429 rate limited" in screen
        assert "told 529" not in screen
        screen = await press(stage, pilot, "g", "right_square_bracket", "right_square_bracket", "right_square_bracket")
        assert "█ ↻ 3 retries" in screen
        for key in ("enter", "space"):
            screen = await press(stage, pilot, key)
            assert screen.count("told 529") == 2
            assert "turn 3" in screen
            assert "told 529" not in await press(stage, pilot, key)
        assert view(stage) == "reasoning"  # Enter did not open the request
        screen = await press(stage, pilot, "slash", *"429", "enter")
        assert "told 429" in screen  # what is found is shown
        await press(stage, pilot, "escape")
        await press(stage, pilot, "number_sign", "4", "enter")
        assert stage.app.reasoning.pane.turn == 3
        await press(stage, pilot, "right_curly_bracket")
        assert "turn 5 of 5" in await stage.paint(pilot)

    play(SMALL, act)


def test_space_still_turns_the_page_where_nothing_is_hidden() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.greet()
        stage.tell(*answered("a", "go"), started("b"), AnswerDelta("b", "\n".join(map(str, range(100)))), ended("b"))
        await press(stage, pilot, "2", "g")
        before = stage.app.reasoning.pane.scroll_offset.y
        await press(stage, pilot, "space")
        assert stage.app.reasoning.pane.scroll_offset.y > before + 5
        await press(stage, pilot, "enter")
        assert view(stage) == "request"

    play(SMALL, act)


def withheld(id_: str, reason: WithheldReason, index: int = 0, **fields: object) -> list[Event]:
    return [started(id_, **fields), ThoughtWithheld(id_, "r", index, reason, 2_312), ended(id_)]


def test_what_to_do_about_withheld_thoughts_is_said_once_a_session() -> None:
    text = told(after(*withheld("a", WithheldReason.ENCRYPTED), *withheld("b", WithheldReason.ENCRYPTED)))
    assert text.count("reveal_thoughts = true in [providers.openai]") == 1
    assert text.count("the provider sent it encrypted") == 1
    assert text.count("∅ withheld  2.3 kB") == 1
    assert text.index("reveal_thoughts") < text.index("∅ withheld")


@pytest.mark.parametrize(
    ("events", "words"),
    [
        (withheld("a", WithheldReason.REDACTED), NOT_TO_BE_HAD),
        (withheld("a", WithheldReason.OMITTED, provider="mine"), ("reveal_thoughts = true in [providers.mine]",)),
        (withheld("a", WithheldReason.NOT_SUMMARIZED, api="chat_completions"), NO_WORD),
        (
            [*withheld("a", WithheldReason.NOT_SUMMARIZED)[:-1], ended("a", added=["thoughts"])],
            ASKED_ALREADY,
        ),
    ],
)
def test_what_to_do_depends_on_who_keeps_it_back(events: list[Event], words: tuple[str, ...]) -> None:
    text = told(after(*events))
    for line in words:
        assert line in text


def test_the_one_that_something_can_be_done_about_is_explained() -> None:
    state = after(
        *withheld("a", WithheldReason.REDACTED), *withheld("b", WithheldReason.OMITTED),
        started("c"), ThoughtRecorded("c", "r", 0, ThoughtSource.THINKING, "open"), ended("c"),
    )  # fmt: skip
    text = told(state)
    assert "nothing brings it back" not in text
    assert text.index("∅ withheld") < text.index("reveal_thoughts")


def test_a_subagents_pane_does_not_say_it_again() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.greet()
        stage.tell(*withheld("a", WithheldReason.OMITTED))
        stage.clock.forward(1)
        stage.tell(*withheld("b", WithheldReason.OMITTED, agent_id="sub"))
        await press(stage, pilot, "2", "h", "h")
        assert "reveal_thoughts" in await stage.paint(pilot)
        screen = await press(stage, pilot, "l")
        assert "∅ withheld" in screen
        assert "reveal_thoughts" not in screen

    play(SMALL, act)
