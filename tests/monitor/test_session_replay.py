"""A session that is played again: what its log says and when, and the view while it plays."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from attrs import evolve
from hypothesis import given, settings
from textual.pilot import Pilot

from bridge.events.entries import Interception
from bridge.events.values import Outcome, ThoughtSource, WithheldReason
from bridge.events.vocabulary import (
    AnswerDelta,
    AttemptStarted,
    ContextChanged,
    Event,
    PromptRecorded,
    ResponseStarted,
    ThoughtDelta,
    ThoughtRecorded,
    ThoughtWithheld,
    ToolCalled,
    ToolResultBrought,
)
from bridge.events.wire import Envelope, Snapshot
from monitor.replay_app import ReplayApp
from monitor.sources.event_log import LogEntry
from monitor.sources.replay import Replay
from monitor.sources.session_log import PIECES, SessionLog, session_log
from monitor.state.state import MonitorState
from monitor.state.trace import Trace
from monitor.widgets.replay import ReplayBar
from tests.support.folds import HISTORIES, envelopes, fold, live, snapshot_after
from tests.support.hands import play, press, view
from tests.support.play import START, Stage, ended, screen_text, spent, started, story
from tests.support.scene import recorded_scene, two_sessions

SMALL = (100, 30)


def long_session(stage: Stage) -> None:
    """What `two_sessions` shows, and an answer that goes on for two minutes: half a minute to be played in."""
    two_sessions(stage)
    for number in range(12):
        stage.clock.forward(10)
        stage.tell(AnswerDelta("61728394", f" {number}" if number < 11 else "\nthe end"))


def log_of(state: MonitorState) -> SessionLog:
    requests = list(state.picture.interceptions.values())
    return session_log(requests, state.trace, START + timedelta(hours=1))


def played(entries: list[LogEntry], until: datetime | None = None) -> MonitorState:
    """What a replay has come to at that time."""
    state = MonitorState()
    for entry in entries:
        if until is None or entry.at <= until:
            state.apply(entry.message(), entry.at)
    return state


def plain(request: Interception) -> Interception:
    return evolve(request, ended_nth=0, silence=None)


@settings(deadline=None, max_examples=30)
@given(HISTORIES)
def test_what_was_seen_comes_to_the_same_when_it_is_played(events: list[Event]) -> None:
    state = live(*events)
    if not state.picture.interceptions:
        return
    log = log_of(state)
    assert log.estimated == 0
    again = played(log.entries)
    assert not again.gap
    for id_, request in state.picture.interceptions.items():
        assert plain(again.picture.interceptions[id_]) == plain(request)


def test_a_text_comes_in_pieces_over_the_time_that_it_took() -> None:
    state = MonitorState()
    said = "abcdefghij" * 10
    told = [started("a"), *(ThoughtDelta("a", 0, ThoughtSource.THINKING, letter) for letter in said), ended("a")]
    for envelope in envelopes(told):  # a second each
        state.apply(envelope, envelope.at)
    entries = log_of(state).entries
    first, last = START + timedelta(seconds=2), START + timedelta(seconds=101)
    begun = [
        entry for entry in entries if isinstance(entry.kept, Envelope) and entry.kept.event.type == "thought.delta"
    ]
    assert (begun[0].at, begun[-1].at) == (first, last)
    assert len(begun) == len(said)
    half = played(entries, first + timedelta(seconds=50)).picture.interceptions["a"].thoughts[0].text
    assert said.startswith(half)
    assert 45 <= len(half) <= 55


def test_long_texts_of_many_requests_are_no_more_pieces_than_it_says() -> None:
    state, at, seq = MonitorState(), START, 0
    for number in range(40):
        for event in (started(f"r{number}"), AnswerDelta(f"r{number}", "x"), AnswerDelta(f"r{number}", "y" * 60_000)):
            seq, at = seq + 1, at + timedelta(hours=1)
            state.apply(Envelope(seq, at, event), at)
    entries = log_of(state).entries
    assert PIECES - 40 <= len(entries) - 42 <= PIECES


def test_what_only_a_snapshot_tells_has_its_times_estimated() -> None:
    result = ToolResultBrought("b", "call_9f", 9, is_error=False, text="all green")
    events: list[Event] = [
        *story("a"), ThoughtRecorded("a", "resp_1", 2, ThoughtSource.COMMENTARY, "Running the key tests first."),
        spent("a"), ended("a", duration_ms=15_000.0, first_byte_ms=3_000.0, first_token_ms=4_000.0),
        started("b"), result, ContextChanged("b", 5, 2, 0, system_changed=True, tools_changed=False),
        AttemptStarted("b", 1, "sk"), ResponseStarted("b", 1, 200, "req"), PromptRecorded("b", "", "again"),
        ThoughtWithheld("b", None, 0, WithheldReason.OMITTED, 12, 3), AnswerDelta("b", "so far"),
    ]  # fmt: skip
    state = fold(snapshot_after(envelopes(events)))
    log = log_of(state)
    assert log.estimated == 2
    assert [entry.at for entry in log.entries] == sorted(entry.at for entry in log.entries)
    again = played(log.entries).picture.interceptions
    for id_, request in state.picture.interceptions.items():
        same = again[id_]
        assert (same.prompt, same.answer, same.outcome) == (request.prompt, request.answer, request.outcome)
        assert same.thoughts == request.thoughts
        assert (same.results, same.context, same.tokens) == (request.results, request.context, request.tokens)
        assert [(tool.tool, tool.arguments) for tool in same.tools] == [(t.tool, t.arguments) for t in request.tools]
        assert [(a.key, a.status, a.reason) for a in same.attempts] == [
            (a.key, a.status, a.reason) for a in request.attempts
        ]
    begun = state.picture.interceptions["a"].started_at
    assert played(log.entries, begun + timedelta(seconds=3.9)).picture.interceptions["a"].thoughts == []
    assert again["a"].ended_at == state.picture.interceptions["a"].ended_at


def test_a_trace_that_lost_its_middle_is_no_source_of_times() -> None:
    state = live(*story("a"), ended("a"))
    state.traces["a"] = Trace(state.trace("a").entries, whole=True, left_out=3)
    assert log_of(state).estimated == 1


def test_a_session_is_played_again_and_left_as_it_was() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        long_session(stage)
        screen = await press(stage, pilot, "2")
        assert "▷" not in screen
        before = list(stage.app.reasoning.panes.open)
        await press(stage, pilot, "R")
        screen = await stage.until(pilot, "▷ replay 4x · esc live")
        assert " ▷ replay " in screen.splitlines()[0]  # which every width has
        assert "Claude Code 1" in screen  # by the name that it has
        await press(stage, pilot, "space", "home")
        await stage.until(pilot, "‖ 4x 0:00")
        screen = await stage.until(pilot, "turn 1 of 1")
        assert "Building the index" not in screen
        stage.tell(AnswerDelta("61728394", " writes."))  # what goes on meanwhile
        assert "writes." not in await stage.paint(pilot)
        await press(stage, pilot, "minus")
        await stage.until(pilot, "‖ 2x")
        await press(stage, pilot, "plus", "end")
        await stage.until(pilot, "turn 2 of 2 · ▷ replay 4x")
        await stage.until(pilot, "■ 4x")
        screen = await stage.until(pilot, "the end")
        assert "writes." not in screen  # it was told after the replay had begun
        await press(stage, pilot, "escape")
        screen = await stage.until(pilot, "● live")
        assert "the end writes." in screen
        assert view(stage) == "reasoning"
        assert stage.app.reasoning.panes.open == before
        assert not list(stage.app.screen.query(ReplayBar))

    play(SMALL, act)


def test_a_replay_goes_back_within_a_request() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        long_session(stage)
        await press(stage, pilot, "2", "R")
        await stage.until(pilot, "▷ replay 4x")
        await press(stage, pilot, "space", "end")
        assert "✓ turn 1" in await stage.until(pilot, "turn 2 of 2")
        await press(stage, pilot, "home")
        screen = await stage.until(pilot, "● turn 1")  # it runs again, though it was over
        assert "✓ turn 1" not in screen
        await pilot.click(ReplayBar, offset=(60, 0))
        await stage.until(pilot, "turn 2 of 2")

    play((100, 40), act)


def test_another_view_ends_it_and_a_question_over_it_does_not() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        long_session(stage)
        await press(stage, pilot, "2", "R")
        await stage.until(pilot, "▷ replay")
        await press(stage, pilot, "space", "end", "o")
        await pilot.press("escape")
        await stage.until(pilot, "▷ replay")
        await press(stage, pilot, "slash", *"space", "space", "minus")  # typed, and no keys of the replay
        assert stage.app.reasoning.typed.field.value == "space -"
        await press(stage, pilot, "escape")
        assert "▷ replay" in await stage.paint(pilot)
        await press(stage, pilot, "1")
        assert "▷ replay" not in await press(stage, pilot, "2")
        await asyncio.sleep(0)
        assert "● live" in await stage.paint(pilot)
        await press(stage, pilot, "R")
        await stage.until(pilot, "▷ replay")
        await press(stage, pilot, "R")
        assert "▷ replay" not in await stage.paint(pilot)

    play(SMALL, act)


def test_turns_from_the_record_are_played_with_estimated_times() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.greet()
        state = fold(*envelopes([started("a"), ToolCalled("a", "r", "c", "shell", {}), ended("a", Outcome.COMPLETED)]))
        stage.deliver(Snapshot.of(state.picture, 10, START))
        stage.seq = 10
        await press(stage, pilot, "2", "R")
        await stage.until(pilot, "▷ replay 4x · times of 1 estimated · esc live")

    play(SMALL, act)


def test_a_log_that_is_played_plays_no_session_of_its_own() -> None:
    async def run() -> None:
        replay = Replay(recorded_scene(), speed=1_000.0)
        app = ReplayApp(replay, "a log")
        async with asyncio.timeout(60), app.run_test(size=(100, 30)) as pilot:
            replay.seek_to(replay.end)
            await pilot.press("2")
            while "turn" not in screen_text(app):
                app.paint()
                await pilot.pause(0.01)
            await pilot.press("R")
            await pilot.pause()
            assert len(app.screen.query(ReplayBar)) == 1
            assert "esc live" not in screen_text(app)

    asyncio.run(run())


def test_both_are_in_the_palette() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        two_sessions(stage)
        await press(stage, pilot, "2")
        titles = {command.title for command in stage.app.get_system_commands(stage.app.screen)}
        assert {"What the turn changed", "Replay the session"} <= titles
        assert "Pause the replay" not in titles
        await press(stage, pilot, "R")
        await stage.until(pilot, "▷ replay")
        titles = {command.title for command in stage.app.get_system_commands(stage.app.screen)}
        assert "Pause the replay" in titles
        assert "Older turns" not in titles

    play(SMALL, act)
