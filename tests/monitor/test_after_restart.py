"""A bridge that was started again: what the one before did is in the record, and nothing of it is lost to who looks."""

from __future__ import annotations

from datetime import timedelta

from attrs import evolve
from textual.pilot import Pilot

from bridge.events.entries import Interception, Tokens
from bridge.events.picture import Picture
from bridge.events.values import Outcome
from bridge.events.vocabulary import AnswerDelta, PromptRecorded
from bridge.events.wire import Command, History, Reply, Snapshot
from tests.support.hands import play, press, settle
from tests.support.play import HELLO, START, Stage, ended, spent, started

WIDE = (120, 36)
NEXT = evolve(HELLO, pid=5, started_at=START)


def recorded(*numbers: int, session: str = "s-1") -> list[Interception]:
    """Turns of a session as the record tells them, the newest first: without answers, and none of this bridge."""
    turns = []
    for number in sorted(numbers, reverse=True):
        at = START - timedelta(minutes=61 - number)
        turn = Interception(started(f"o{number}", session_id=session), at, prompt=f"ask {number}")
        turn.outcome, turn.status = Outcome.COMPLETED, 200
        turn.duration_ms, turn.ended_at = 5.0, at + timedelta(seconds=1)
        turn.tokens = Tokens.of(spent(turn.id))
        turns.append(turn)
    return turns


def told(turns: list[Interception], *, more: bool = False) -> History:
    return History(0, START, 0, turns, more=more)


def one_turn(stage: Stage, id_: str = "n1") -> None:
    stage.tell(started(id_, session_id="s-1"), PromptRecorded(id_, "r", "and now?"), AnswerDelta(id_, "all well"))
    stage.tell(spent(id_), ended(id_))


def test_a_bridge_just_started_shows_the_last_requests_of_before_at_once() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.history = told(recorded(1, 2, 3))
        stage.days = [told(recorded(1, 2, 3))]
        stage.deliver(NEXT, Snapshot.of(Picture(), 0, START))
        screen = await stage.until(pilot, "before this bridge")
        assert "No request yet" not in screen
        assert "Requests  3 ·" in screen  # as many as the header counts
        assert "3 requests today" in screen
        await press(stage, pilot, "2")
        screen = await stage.until(pilot, "turn 1 of 3")
        assert "ask 3" in screen
        assert "the record keeps no answers" in screen

    play(WIDE, act)


def test_who_stayed_sees_where_the_new_bridge_begins() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.greet()
        one_turn(stage, "a")
        one_turn(stage, "b")
        assert "before this bridge" not in await stage.paint(pilot)
        stage.picture = Picture()
        stage.seq = 0
        stage.deliver(NEXT, Snapshot.of(Picture(), 0, START))
        one_turn(stage, "c")
        screen = await stage.until(pilot, "before this bridge")
        rows = screen.splitlines()
        divider = next(number for number, row in enumerate(rows) if "before this bridge" in row)
        assert [number < divider for number, row in enumerate(rows) if "gpt-5.1" in row][:3] == [True, False, False]
        assert "Requests  3 ·" in screen
        assert "3 requests today" in screen

    play(WIDE, act)


def test_a_session_keeps_its_cost_and_the_numbers_of_its_turns() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.days = [told(recorded(*range(1, 31)))]
        stage.deliver(NEXT, Snapshot.of(Picture(), 0, START))
        one_turn(stage)
        await press(stage, pilot, "2")
        screen = await stage.until(pilot, "▲ 30 earlier turns")
        assert "turn 31 of 31" in screen
        assert "session $0.97" in screen  # 31 times $0.0312
        stage.history = told(recorded(*range(11, 31)), more=True)
        await press(stage, pilot, "u")
        screen = await stage.until(pilot, "20 older turns loaded")
        assert "turn 11 of 31" in screen  # and not of 21, nor turn 1
        screen = await press(stage, pilot, "g")
        assert "▲ 10 earlier turns" in screen
        assert "turn 11 · " in screen
        assert "session $0.97" in screen
        stage.history = told(recorded(*range(1, 11)))
        await press(stage, pilot, "number_sign", "5", "enter")
        await stage.until(pilot, "turn 5 of 31")
        await settle(stage, pilot)
        await press(stage, pilot, "number_sign", "9", "9", "enter")
        await stage.until(pilot, "there is no turn 99: it has 31")

    play(WIDE, act)


def test_a_turn_that_the_record_does_not_hold_says_why() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.days = [told(recorded(*range(1, 31)))]
        stage.deliver(NEXT, Snapshot.of(Picture(), 0, START))
        one_turn(stage)
        await press(stage, pilot, "2")
        await stage.until(pilot, "▲ 30 earlier turns")
        stage.history = told(recorded(29, 30))  # the rest is pruned by now
        await press(stage, pilot, "number_sign", "5", "enter")
        await stage.until(pilot, "turn 5 can't be loaded: the record holds nothing older of this session")

    play(WIDE, act)


def test_agents_of_a_session_are_counted_apart() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        turns = recorded(*range(1, 9))
        for turn in turns[::2]:
            turn.started = evolve(turn.started, agent_id="ag-1")
        stage.days = [told(turns)]
        stage.deliver(NEXT, Snapshot.of(Picture(), 0, START))
        one_turn(stage)
        await press(stage, pilot, "2")
        screen = await stage.until(pilot, "▲ 4 earlier turns")
        assert "turn 5 of 5" in screen
        assert "session $0.28" in screen

    play(WIDE, act)


def test_a_search_reaches_the_record() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.days = [told([])]
        stage.deliver(NEXT, Snapshot.of(Picture(), 0, START))
        one_turn(stage)
        await stage.paint(pilot)
        screen = await press(stage, pilot, "slash", *"ask 7")
        assert "Requests  0 of 1 · ⏎ searches the record" in screen
        assert stage.commands == []
        stage.history = told(recorded(7), more=True)
        await press(stage, pilot, "enter")
        screen = await stage.until(pilot, "more in the record")
        assert stage.commands == [Command(0, "history", text="ask 7", limit=50)]
        assert "1+ more in the record" in screen
        assert "from the record" in screen
        assert "ask 7" in screen
        await press(stage, pilot, "enter")
        assert "o7" in await stage.until(pilot, "Request")
        await press(stage, pilot, "escape", "escape")
        screen = await stage.until(pilot, "Requests  1")
        assert "from the record" not in screen

    play(WIDE, act)


def test_a_search_of_a_record_that_is_off_says_so() -> None:
    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        stage.deliver(NEXT, Snapshot.of(Picture(), 0, START))
        one_turn(stage)
        await stage.paint(pilot)
        stage.reply = Reply(0, ok=False, error="recording is off, so there is no history")
        await press(stage, pilot, "slash", *"client:codex zebra", "enter")
        screen = await stage.until(pilot, "the record was not searched: recording is off")
        assert stage.commands[-1].text == "zebra"
        assert "⏎ searches the record" in screen

    play(WIDE, act)
