"""What a turn changed of the one before: counts, lines that go and come, and what nobody recorded."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from bridge.events.values import Outcome
from bridge.events.vocabulary import (
    AnswerDelta,
    ContextChanged,
    Event,
    Noted,
    PromptRecorded,
    ToolCalled,
    ToolResultBrought,
)
from monitor.lines.session_story import plain
from monitor.lines.turn_difference import compare, pair
from monitor.lines.wrap import Flow
from tests.support.folds import after
from tests.support.hands import Compare, play, press, settle
from tests.support.play import Stage, ended, started

CALL = ToolCalled("a", "r", "c1", "shell", {"command": ["ls", "-l"]})
FIRST: list[Event] = [
    started("a"), PromptRecorded("a", "r", "fix the test\nplease"), CALL, AnswerDelta("a", "I look."), ended("a"),
]  # fmt: skip
SAME_PROMPT = PromptRecorded("b", "r", "fix the test\nplease")


def context(id_: str, added: int = 0, removed: int = 0, *, system: bool = False, tools: bool = False) -> ContextChanged:
    return ContextChanged(id_, 6, added, removed, system, tools)


def told(*events: Event, place: int = -1) -> str:
    """The difference as it is copied."""
    requests = after(*events).roster.agents[0].requests
    return plain(compare(pair(requests, place % len(requests))))


def test_what_a_tool_round_adds_is_told_as_lines_that_come() -> None:
    result = ToolResultBrought("b", "c1", 9_000, is_error=False, text="one\ntwo")
    text = told(*FIRST, started("b"), result, context("b", 3), SAME_PROMPT)
    assert text.splitlines()[:2] == ["Conversation", "6 messages  +3"]
    for lines in (
        "Answer  of the turn before\n+I look.",
        "Tool shell  called by the turn before\n+command: ls -l",
        "Result of shell  9.0 kB, the first 7 B of it\n+one\n+two",
    ):
        assert lines in text
    assert "\n-" not in text
    assert "please" not in text  # the prompt is the same
    assert text.endswith("Not recorded\n" + "\n".join(not_told()) + "\n")


def not_told() -> list[str]:
    return [
        "texts of the system prompt and of tools",
        "texts of messages that went; images and files",
        "thoughts that the agent sent back",
    ]


def test_a_new_prompt_comes_and_an_edited_one_goes_too() -> None:
    prompt = PromptRecorded("b", "r", "fix the test\nnow")
    assert "Prompt\n+fix the test\n+now" in told(*FIRST, started("b"), context("b", 2), prompt)
    text = told(*FIRST, started("b"), context("b", 1, 3), prompt)
    assert "Prompt  replaced\n fix the test\n-please\n+now" in text
    assert "-2 messages  not recorded which" in text
    assert "I look" not in text  # the one message that came is the prompt


def test_a_round_of_tools_has_no_prompt_and_the_one_before_it_stands() -> None:
    result = ToolResultBrought("b", "c1", 3, is_error=False, text="one")
    tools = [*FIRST, started("b"), result, context("b", 3), ended("b")]
    assert "its prompt" not in told(*tools)
    again = [started("c"), context("c", 2), PromptRecorded("c", "r", "fix the test\nplease")]
    assert "please" not in told(*tools, *again)
    edited = [started("c"), context("c", 1, 1), PromptRecorded("c", "r", "fix the test\nnow")]
    assert " fix the test\n-please\n+now" in told(*tools, *edited)


def test_what_changed_of_the_request_itself_is_told() -> None:
    other = started("b", model="gpt-6", streaming=False, request_class="main")
    text = told(*FIRST, other, context("b", system=True, tools=True), SAME_PROMPT)
    assert "Request\n-model: gpt-5.1-codex\n+model: gpt-6\n-streaming: true\n+streaming: false\n" in text
    for line in ("+request_class: main", "± another system prompt", "± other tools", "the same as before"):
        assert line in text
    assert "Request" not in told(*FIRST, started("b"), context("b"), SAME_PROMPT)


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([started("b"), SAME_PROMPT], "the bridge has compared it with none before"),
        ([started("b"), context("b"), SAME_PROMPT], "no text that is recorded changed"),
        ([started("b"), context("b", 1, 5), Noted("b", "compaction"), SAME_PROMPT], "-5 messages  not recorded which"),
        ([started("b"), context("b", 1, 5), Noted("b", "compaction"), SAME_PROMPT], "⧉ compacted"),
        ([started("b"), context("b", 3)], "Not recorded\nits prompt\n"),
        ([started("b", request_class="title")], "a request of class title is no part of it"),
    ],
)
def test_what_is_not_known_is_said(events: list[Event], words: str) -> None:
    assert words in told(*FIRST, *events)


def test_what_a_broken_or_compacted_turn_said_is_not_taken_to_have_come() -> None:
    broken = [*FIRST[:-1], ended("a", Outcome.CANCELLED)]
    assert "I look" not in told(*broken, started("b"), context("b", 2), SAME_PROMPT)
    compacted = [started("b"), context("b", 2, 5), Noted("b", "compaction"), SAME_PROMPT]
    assert "I look" not in told(*FIRST, *compacted)
    unrecorded = [started("a"), ended("a"), started("b"), context("b", 2)]
    text = told(*unrecorded)
    assert "of what came, nothing is recorded" in text
    assert "its prompt" in text


def test_a_patch_keeps_its_own_signs() -> None:
    patch = "*** Begin Patch\n*** Update File: a.py\n@@\n-    if issued:\n+    if due:\n*** End Patch"
    text = told(
        started("a"), ToolCalled("a", "r", "c1", "apply_patch", {"input": patch}),
        AnswerDelta("a", "so:\n```diff\n-one\n+two\n```\ndone"), ended("a"), started("b"), context("b", added=2),
    )  # fmt: skip
    assert "\n-    if issued:\n+    if due:" in text
    assert "\n+so:\n+```diff\n-one\n+two\n+```\n+done" in text
    assert "+-" not in text
    assert "++" not in text


def test_titles_and_summaries_are_passed_over() -> None:
    requests = after(*FIRST, started("t", request_class="title"), ended("t"), started("b")).roster.agents[0].requests
    turns = pair(requests, 2, earlier=10)
    assert turns.before is not None
    assert (turns.before.id, turns.turn_before, turns.request.id, turns.turn) == ("a", 11, "b", 13)
    assert "it is the first turn" in plain(compare(pair(requests, 0)))
    assert "u loads older ones" in plain(compare(pair(requests, 0, earlier=10)))


def test_the_difference_opens_over_the_story_and_goes_from_turn_to_turn() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.greet()
        hostile = ToolResultBrought("b", "c1", 90, is_error=True, text="\x1b]52;c;aGk=\x07[b]\n" * 20)
        stage.tell(*FIRST, started("b"), hostile, context("b", 3), SAME_PROMPT, ended("b"), started("c"), context("c"))
        await press(stage, pilot, "2")
        screen = await press(stage, pilot, "D")
        assert "turn 3 against turn 2" in screen
        assert "the same as before" in screen
        screen = await press(stage, pilot, "left_curly_bracket")
        assert "turn 2 against turn 1" in screen
        assert "+I look." in screen
        screen = await press(stage, pilot, "G")
        assert "+␛]52;c;aGk=␇[b]" in screen
        assert "… 9 more lines  v" in screen
        assert "more lines" not in await press(stage, pilot, "v")
        await press(stage, pilot, "y")
        assert stage.app.clipboard.count("+␛]52;c;aGk=␇[b]") == 20
        screen = await press(stage, pilot, "left_curly_bracket", "left_curly_bracket")
        assert "it is the first turn" in screen
        await press(stage, pilot, "escape")
        assert stage.app.reasoning.pane.turn == 0  # where one was

    play((100, 36), act)


def test_lines_that_go_are_red_and_those_that_come_are_green() -> None:
    blocks = compare(pair(after(*FIRST, started("b", model="gpt-6"), context("b")).roster.agents[0].requests, 1))
    settings = next(block for block in blocks if block.key == "settings")
    flowed = Flow(settings.form).lines(settings.text, 60)
    assert [[tone for _, tone in line] for line in flowed] == [["bad"], ["good"]]


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=["80x24", "120x36"])
def test_picture(snap_compare: Compare, size: tuple[int, int]) -> None:
    stage = Stage()

    async def before(pilot: Pilot[None]) -> None:
        stage.greet()
        result = ToolResultBrought("b", "c1", 9_000, is_error=False, text="tests/\npyproject.toml")
        stage.tell(*FIRST, started("b", model="gpt-6"), result, context("b", 4, 2, system=True))
        stage.tell(PromptRecorded("b", "r", "fix the test\nplease, and say why it failed"))
        await settle(stage, pilot)
        await pilot.press("2", "D")
        await settle(stage, pilot)

    assert snap_compare(stage.app, terminal_size=size, run_before=before)
