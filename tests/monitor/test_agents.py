"""Agents under a person's hands: the tree, panes side by side, turns, and older turns from the record."""

from __future__ import annotations

from datetime import timedelta

import pytest
from textual.pilot import Pilot

from bridge.events.entries import Interception
from bridge.events.values import SilenceKind
from bridge.events.vocabulary import AnswerDelta, InterceptionSilent, PromptRecorded, TokensUsed
from bridge.events.wire import Command, History, Reply
from monitor.screens.picker import Choice, matching
from monitor.state.past import MOST, RecordedPast
from tests.support.hands import play, press, settle, view
from tests.support.play import START, Stage, ended, started

SMALL, WIDE, LARGE = (80, 24), (160, 30), (240, 50)


def family(stage: Stage) -> None:
    """A session with two subagents, one of them done, and another session; all others run."""
    stage.greet()
    for id_, agent, words in (("a", None, "mend the tests"), ("b", "ag-1", "find them"), ("c", "ag-2", "read them")):
        parent = {} if agent is None else {"agent_id": agent, "agent_type": f"explorer {agent[-1]}"}
        stage.tell(started(id_, client="Claude Code", **parent), PromptRecorded(id_, "r", words))
        stage.tell(AnswerDelta(id_, f"{words}: I am at it"))
    stage.tell(ended("b"))
    stage.clock.forward(1)
    stage.tell(
        started("d", session_id="s-9"), PromptRecorded("d", "r", "paint it blue"), AnswerDelta("d", "blue it is")
    )
    stage.clock.forward(5)


def titles(stage: Stage) -> list[str]:
    panes = stage.app.reasoning.agent_panes
    return [str(pane.border_title).partition(" · ")[0] for pane in panes if pane.display]


def test_the_tree_shows_agents_below_their_session() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        family(stage)
        await press(stage, pilot, "2")
        screen = await stage.paint(pilot)
        for text in ("Agents  3 of 4 run", "● Codex 1", "● Claude Code 1", "└ ✓ explorer 1", "└ ● explorer 2"):
            assert text in screen
        await press(stage, pilot, "a", "k", "k", "k", "k", "j", "j", "enter")
        assert titles(stage)[0] == "Claude Code 1 ▸ explorer 1"
        assert stage.app.focused is stage.app.reasoning.pane
        await press(stage, pilot, "a", "j", "plus")
        assert titles(stage) == ["Claude Code 1 ▸ explorer 1", "Claude Code 1 ▸ explorer 2"]
        assert stage.app.reasoning.panes.at == 1
        assert "Agents  3" not in await press(stage, pilot, "a", "a")
        assert "Agents  3" in await press(stage, pilot, "a")

    play(WIDE, act)


def test_who_has_ended_is_folded_in_the_tree() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.greet()
        for number in range(12):
            stage.tell(started(f"o{number}", session_id=f"old-{number}", client="Grok"), ended(f"o{number}"))
        stage.tell(started("a"), AnswerDelta("a", "I am at it"))
        screen = await press(stage, pilot, "2")
        assert "✓ Grok 3" in screen  # it may be between two turns
        stage.clock.forward(90)
        screen = await stage.paint(pilot)
        assert "Agents  1 of 13 run" in screen
        assert "▸ 11 ended  space" in screen  # one lies open in a pane
        assert "✓ Grok 3" not in screen
        screen = await press(stage, pilot, "a", "space")
        assert "▾ 11 ended" in screen
        assert "✓ Grok 3" in screen
        await press(stage, pilot, "j", "enter")
        assert "Grok 12" in titles(stage)
        assert "▸ 10 ended" in await press(stage, pilot, "a", "space")

    play(WIDE, act)


def test_without_room_the_tree_stands_in_place_of_the_story() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        family(stage)
        assert "└ ✓ explorer 1" not in await press(stage, pilot, "2")
        screen = await press(stage, pilot, "a")
        assert "└ ✓ explorer 1" in screen
        assert "turn 1 of 1" not in screen
        screen = await press(stage, pilot, "j", "j", "j", "enter")
        assert "explorer 2 · read them · turn 1 of 1 · live" in screen
        assert "└ ✓ explorer 1" not in screen

    play(SMALL, act)


def test_each_agent_that_runs_gets_a_pane() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        family(stage)
        await press(stage, pilot, "2")
        assert len(titles(stage)) == 3
        stage.tell(started("e", session_id="s-8", client="OpenCode"))
        await press(stage, pilot, "equals_sign")
        await settle(stage, pilot)
        assert len(titles(stage)) == 4  # three side by side, and a second row
        assert not any("explorer 1" in title for title in titles(stage))
        rows = {pane.region.y for pane in stage.app.reasoning.agent_panes if pane.display}
        assert len(rows) == 2
        await press(stage, pilot, "equals_sign")
        assert len(titles(stage)) == 3

    play(LARGE, act)


def test_who_is_read_keeps_the_pane_when_done_and_f_goes_on() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.greet()
        stage.tell(started("a"), AnswerDelta("a", "this is my last word"))
        await press(stage, pilot, "2")
        stage.tell(ended("a"), started("b", session_id="s-8", client="Grok"), AnswerDelta("b", "here I am"))
        stage.clock.forward(300)
        screen = await stage.paint(pilot)
        assert "this is my last word" in screen
        assert "Codex 1 · turn 1 of 1 · ended · Grok 1 is live: f" in screen
        screen = await press(stage, pilot, "f")
        assert "Grok 1 · turn 1 of 1 · live" in screen
        assert "here I am" in screen

    play(SMALL, act)


def test_where_one_pane_has_room_it_says_so() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        family(stage)
        await press(stage, pilot, "2", "equals_sign")
        assert "room for one pane here: two need 160 columns or 45 lines" in await stage.paint(pilot)

    play(SMALL, act)


def test_an_agent_is_found_by_a_few_letters() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        family(stage)
        await press(stage, pilot, "2")
        await press(stage, pilot, "s", *"expl2", "enter")
        assert titles(stage) == ["Claude Code 1 ▸ explorer 2"]
        await press(stage, pilot, "s", *"blue", "escape")
        assert titles(stage) == ["Claude Code 1 ▸ explorer 2"]
        assert "nothing has these letters" in await press(stage, pilot, "s", *"qqq")
        await press(stage, pilot, "enter", "s", "down", "up", "enter")
        assert titles(stage) == ["Codex 1"]
        assert view(stage) == "reasoning"

    play(SMALL, act)


async def many_turns(stage: Stage, pilot: Pilot[None], count: int = 30) -> None:
    stage.greet()
    for number in range(1, count + 1):
        id_ = f"t{number}"
        stage.tell(started(id_), PromptRecorded(id_, "r", f"ask {number}"))
        stage.tell(AnswerDelta(id_, f"answer {number}\n" * 4), TokensUsed(id_, "r", 10, 1))
        if number < count:
            stage.tell(ended(id_))
    await press(stage, pilot, "2")


def test_one_goes_from_turn_to_turn() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await many_turns(stage, pilot)
        assert "turn 30 of 30 · live" in await stage.paint(pilot)
        for key, turn in (("left_curly_bracket", 29), ("left_curly_bracket", 28), ("right_curly_bracket", 29)):
            screen = await press(stage, pilot, key)
            assert f"turn {turn} of 30 ·" in screen
        screen = await press(stage, pilot, "number_sign", "1", "2", "enter")
        assert "turn 12 of 30" in screen
        assert "✓ turn 12 · " in stage.app.reasoning.pane.render_line(0).text
        assert "turn 12 of 30" in await press(stage, pilot, "number_sign", "9", "escape")
        stage.tell(AnswerDelta("t30", "more\n" * 6))
        assert "↓ 6 new lines" in await stage.paint(pilot)
        assert "turn 30 of 30 · live" in await press(stage, pilot, "full_stop")
        screen = await press(stage, pilot, "o")
        assert "Turns of Codex 1 · ask 1" in screen
        assert "answer 30" in screen
        assert "turn 29 of 30" in await press(stage, pilot, "up", "enter")
        assert "turn 7 of 30" in await press(stage, pilot, "o", *"answer 7", "enter")

    play(SMALL, act)


def old(*ids: str) -> list[Interception]:
    """Past ones, newest first, as the record tells them."""
    made = []
    for id_ in ids:
        stage_of = Interception(started(id_), START, prompt=f"old {id_}", answer=f"said {id_}")
        stage_of.outcome, stage_of.duration_ms, stage_of.ended_at = ended(id_).outcome, 5.0, START
        made.append(stage_of)
    return made


def test_older_turns_come_from_the_record() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await many_turns(stage, pilot, 2)
        stage.clock.forward(1)
        stage.history = History(0, START, 0, old("o2", "o1"), more=True)
        screen = await press(stage, pilot, "u")
        screen = await stage.until(pilot, "2 older turns loaded")
        asked = Command(0, "history", before="t1", session="019a4c1e-7d", limit=50)
        assert stage.commands == [asked]
        assert "turn 4 of 4" in screen
        screen = await press(stage, pilot, "g")
        assert "turn 1 of 4" in screen
        assert "said o1" in screen
        stage.history = History(0, START, 0, old("o0"), more=False)
        await press(stage, pilot, "u")
        await stage.until(pilot, "1 older turn loaded")
        assert stage.commands[-1].before == "o1"
        await press(stage, pilot, "u")
        await stage.until(pilot, "the record holds nothing older")
        assert len(stage.commands) == 2
        assert "· o2 ·" in await press(stage, pilot, "g", "enter")

    play(SMALL, act)


def test_where_there_is_no_record_it_says_so() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await many_turns(stage, pilot, 1)
        stage.reply = Reply(0, ok=False, error="recording is off, so there is no history")
        await press(stage, pilot, "u")
        await stage.until(pilot, "could not load: recording is off")
        stage.tell(started("n", session_id=None, client="curl"))
        await press(stage, pilot, "s", *"curl", "enter", "u")
        await stage.until(pilot, "its requests say no session")

    play(SMALL, act)


def test_what_the_record_told_is_bounded() -> None:
    past = RecordedPast()
    past.expect("s")
    past.take(old(*map(str, range(MOST))), more=True, since=None)
    assert past.full
    assert next(each.id for each in past.with_later([])) == str(MOST - 1)


@pytest.mark.parametrize(("typed", "ids"), [("", "abc"), (" ", "abc"), ("cde2", "b"), ("zz", "")])
def test_letters_find_choices(typed: str, ids: str) -> None:
    texts = {"a": "Codex 1", "b": "Codex 2", "c": "Claude Code 1"}
    choices = [Choice(id_, ((text, "plain"),)) for id_, text in texts.items()]
    assert "".join(choice.id for choice in matching(choices, typed)) == ids


def test_rows_fold_and_what_was_before_stands_dim_below() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.history = History(0, START, 0, [], more=False)
        for each in old("o2", "o1"):
            each.started_at = START - timedelta(hours=1)
            stage.history.interceptions.append(each)
        stage.greet()
        for id_ in ("a", "b", "c"):
            stage.tell(started(id_), ended(id_))
        screen = await stage.until(pilot, "before this bridge")
        assert "Requests  3 · following" in screen
        rows = screen.splitlines()
        below = next(index for index, row in enumerate(rows) if "before this bridge" in row)
        assert "done" not in rows[below]
        assert "✓ " in rows[below + 1]
        assert "✓ " in rows[below - 1]
        screen = await press(stage, pilot, "space")
        assert "Codex 1 ▸2" in screen
        await press(stage, pilot, "G")
        assert "· o1 ·" in await stage.paint(pilot)
        await press(stage, pilot, "k", "k")
        assert stage.app.live.selected is not None
        assert stage.app.live.selected.id == "c"
        assert "▸" not in await press(stage, pilot, "space")

    play(SMALL, act)


@pytest.mark.parametrize("size", [(60, 20), SMALL, (120, 36)])
def test_the_picker_shows_how_long_each_is_silent(size: tuple[int, int]) -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        family(stage)
        stage.tell(InterceptionSilent("d", SilenceKind.NO_BYTES, stage.clock.now))
        stage.clock.forward(57)
        screen = await press(stage, pilot, "2", "s")
        assert "silent 57s" in await stage.paint(pilot), screen

    play(size, act)


def test_lines_that_another_width_makes_are_not_new() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.greet()
        stage.tell(started("a"), AnswerDelta("a", "some words that fill a line and more " * 60), ended("a"))
        await press(stage, pilot, "2")
        await press(stage, pilot, "g")
        await pilot.resize_terminal(60, 24)
        await settle(stage, pilot)
        screen = await stage.paint(pilot)
        assert "new line" not in screen
        assert "↓ more" in screen

    play((200, 24), act)
