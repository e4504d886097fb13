"""Today from the record: what happened while no monitor listened is counted, once, whoever tells of it first."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bridge.events.entries import Interception, Totals
from bridge.events.picture import Picture
from bridge.events.values import FailureReason, Outcome
from bridge.events.vocabulary import AttemptFailed, AttemptStarted, Event, PromptRecorded
from bridge.events.wire import Command, Envelope, History, Reply, Snapshot
from monitor.lines import names, totals
from monitor.sources.day_reader import DayReader
from monitor.state.past import THE_DAY
from monitor.state.recorded_day import MOST, PAGE
from monitor.state.state import Lost, MonitorState
from tests.support.folds import envelopes
from tests.support.play import HELLO, START, Stage, ended, screen_text, spent, started, story

A = ("openai", "sk-p...aaaa")


def request(number: int, outcome: Outcome = Outcome.COMPLETED) -> list[Event]:
    """One that fails over and ends."""
    id_ = f"r{number:03}"
    return [
        started(id_, session_id=f"s-{number % 3}"),
        PromptRecorded(id_, "x", f"ask {number}"),
        AttemptStarted(id_, 1, A[1]),
        AttemptFailed(id_, 1, A[1], 429, FailureReason.RATE_LIMITED, 31.0, "Too many"),
        AttemptStarted(id_, 2, "sk-p...bbbb"),
        spent(id_),
        ended(id_, outcome),
    ]


class Record:
    """Answers `history` as a bridge does, from what events told; `page` requests at a time."""

    def __init__(self, state: MonitorState, events: list[Envelope], page: int = PAGE) -> None:
        self.state, self.page, self.asked = state, page, 0
        picture = Picture()
        kept: dict[str, Interception] = {}
        for envelope in events:
            picture.apply(envelope.event, envelope.at)
            kept.update(picture.interceptions)
        self.requests = sorted(kept.values(), key=lambda each: each.started_at, reverse=True)

    async def __call__(self, about: str, command: Command) -> Reply:
        assert (about, command.command, command.session, command.limit) == (THE_DAY, "history", None, PAGE)
        self.asked += 1
        ids = [each.id for each in self.requests]
        place = ids.index(command.before) + 1 if command.before else 0
        page = self.requests[place : place + self.page]
        self.state.past.expect(about)
        more = place + self.page < len(ids)
        self.state.apply(History(1, START, 1, [each.copy() for each in page], more), START + timedelta(hours=1))
        return Reply(1, ok=True)


async def read(state: MonitorState, record: Any) -> None:
    """As the app has it read, without its pauses."""
    while state.is_behind:
        state.is_behind = False
        state.day.begin(START + timedelta(hours=1))
        command: Command | None = Command(0, "history", limit=PAGE)
        while command is not None:
            reply = await record(THE_DAY, command)
            next_ = state.day.next if reply.ok else None
            command = Command(0, "history", before=next_, limit=PAGE) if next_ else None


def attached(events: list[Envelope], *, pid: int = 1, state: MonitorState | None = None) -> MonitorState:
    """A monitor that comes to a bridge which told these events, or that was there before."""
    state, picture = state or MonitorState(), Picture()
    for envelope in events:
        picture.apply(envelope.event, envelope.at)
    at = START + timedelta(hours=1)
    state.apply(evolve(HELLO, pid=pid), at)
    state.apply(Snapshot.of(picture, events[-1].seq if events else 0, at), at)
    return state


def sums(state: MonitorState) -> dict[str, Any]:
    today = state.usage.on(START + timedelta(hours=1))
    return {name: getattr(today, name) for name in ("whole", "models", "clients", "sessions", "keys")}


DAY = envelopes([event for number in range(230) for event in request(number)])


def lived() -> MonitorState:
    state = attached([])
    for envelope in DAY:
        state.apply(envelope, envelope.at)
    return state


@pytest.mark.parametrize("page", [7, 50, 1_000])
async def test_who_comes_later_knows_of_the_day_what_who_was_there_does(page: int) -> None:
    state = attached(DAY)
    assert sums(state)["whole"].interceptions == 200  # all that a snapshot tells
    record = Record(state, DAY, page)
    await read(state, record)
    assert record.asked == -(-230 // page)
    assert sums(state) == sums(lived())
    assert sums(state)["whole"].tokens.cost_usd == pytest.approx(230 * 0.0312)
    assert not state.is_behind
    assert state.day.whole


@given(st.data())
async def test_nothing_is_counted_twice_wherever_the_monitor_came_and_went(data: st.DataObject) -> None:
    events = envelopes([event for number in range(6) for event in request(number)])
    left, back = sorted(data.draw(st.tuples(st.integers(0, len(events)), st.integers(0, len(events)))))
    other_bridge = data.draw(st.booleans())
    state = attached(events[:left])
    await read(state, Record(state, events[:left], 2))
    for envelope in events[left:back]:
        state.apply(envelope, envelope.at)
    state.apply(Lost("gone"), START)
    attached([] if other_bridge else events, pid=2 if other_bridge else 1, state=state)
    await read(state, Record(state, events, 2))
    whole = attached(events)
    assert sums(state) == sums(whole)


async def test_the_end_of_a_request_that_ran_when_its_bridge_died_comes_from_the_record() -> None:
    state = attached([])
    await read(state, Record(state, []))
    first = envelopes(request(0))
    for envelope in first[:4]:  # it is rate limited, and the bridge goes on alone
        state.apply(envelope, envelope.at)
    attached([], pid=2, state=state)
    assert state.picture.interceptions["r000"].error == "bridge stopped"  # as far as one can tell
    assert state.is_behind
    await read(state, Record(state, first))
    assert sums(state)["whole"] == Totals(interceptions=1, completed=1, failovers=1, tokens=sums(state)["whole"].tokens)
    assert sums(state)["whole"].tokens.output == 640
    assert state.picture.interceptions["r000"].outcome is Outcome.COMPLETED
    assert len(state.ledger.of(A)) == 1


async def test_a_snapshot_that_tells_all_that_was_missed_asks_for_nothing() -> None:
    state = attached(DAY[:70])
    await read(state, Record(state, DAY[:70]))
    attached(DAY[:140], state=state)
    assert not state.is_behind
    attached(DAY, state=state)  # 210 more, of which it holds 200
    assert state.is_behind


async def test_only_what_was_missed_is_read_again() -> None:
    state = attached([])
    await read(state, Record(state, []))
    for envelope in DAY:
        state.apply(envelope, envelope.at)
    attached([], pid=2, state=state)
    again = Record(state, DAY, 50)
    await read(state, again)
    assert again.asked == 1
    assert sums(state) == sums(lived())


async def test_sessions_are_named_after_what_they_were_asked_first_a_day_ago() -> None:
    state = attached(DAY)
    assert names.called(state.roster, "Codex", "s-0", 40) == "Codex 1 · ask 30"
    await read(state, Record(state, DAY))
    assert names.called(state.roster, "Codex", "s-0", 40) == "Codex 1 · ask 0"
    assert {name.number for name in state.roster.names.values()} == {1, 2, 3}


async def test_the_ledger_begins_before_the_monitor() -> None:
    state = attached([])
    await read(state, Record(state, DAY[:70]))
    newest, *_ = entries = state.ledger.of(A)
    assert len(entries) == 10
    assert (newest.request, newest.text, newest.moved_to, newest.status) == ("r009", "Too many", "sk-p...bbbb", 429)


async def test_totals_say_since_when_unless_it_is_all_of_today() -> None:
    now = START + timedelta(hours=1)
    state = attached(DAY)
    assert "today since 03:07" in totals.since(state, now)
    await read(state, Record(state, DAY))
    assert "today since" not in totals.since(state, now)
    assert totals.watched_s(state.usage, totals.WINDOWS[2], now, None) == 3_599  # since its first request
    assert totals.watched_s(state.usage, totals.WINDOWS[2], now, START) == 3_600  # since the bridge runs
    assert totals.watched_s(state.usage, totals.WINDOWS[2], now, START - timedelta(hours=3)) == 4 * 3600
    long_ago = START - timedelta(days=3)
    assert totals.watched_s(state.usage, totals.WINDOWS[2], now, long_ago) == 4 * 3600 + 4 * 60 + 5


async def test_no_more_is_read_than_is_bounded() -> None:
    state = attached([])
    old = Record(state, envelopes(request(0))).requests[0]

    class Endless(Record):
        async def __call__(self, about: str, command: Command) -> Reply:
            assert command.limit == PAGE
            self.asked += 1
            at = START - timedelta(milliseconds=self.asked)
            page = [
                Interception(evolve(old.started, id=f"e{self.asked}-{number}"), at, outcome=Outcome.COMPLETED)
                for number in range(PAGE)
            ]
            self.state.past.expect(about)
            self.state.apply(History(1, START, 1, page, more=True), START)
            return Reply(1, ok=True)

    record = Endless(state, [])
    await read(state, record)
    assert record.asked * PAGE == MOST
    assert not state.day.whole
    assert "today since 03:04" in totals.since(state, START)


async def test_a_record_that_is_off_is_asked_once_and_leaves_what_was_known() -> None:
    state, asked = attached(DAY), []

    async def refuses(_about: str, command: Command) -> Reply:
        asked.append(command)
        return Reply(1, ok=False, error="recording is off, so there is no history")

    await read(state, refuses)
    assert len(asked) == 1
    assert sums(state)["whole"].interceptions == 200


def test_the_dashboard_asks_by_itself_and_shows_it() -> None:
    async def test() -> None:
        stage = Stage()
        recorded = Record(stage.app.state, DAY[:70])
        stage.days = [
            History(0, START, 1, recorded.requests[:6], more=True),
            History(0, START, 2, recorded.requests[6:], more=False),
        ]
        async with stage.shown(120, 36) as pilot:
            stage.greet()
            await pilot.press("5")
            async with asyncio.timeout(10):
                while stage.app.state.usage.on(START).whole.interceptions < 10:
                    await pilot.pause()
            await pilot.pause(0.6)
            assert "Codex" in screen_text(stage.app)
            assert stage.commands == []

    asyncio.run(test())


def test_two_readings_do_not_run_at_once() -> None:
    async def test() -> None:
        state, gate, running = attached(DAY[:70]), asyncio.Event(), []

        async def slow(about: str, command: Command) -> Reply:
            running.append(command)
            await gate.wait()
            return await Record(state, DAY[:70])(about, command)

        reader = DayReader(slow)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(reader.catch_up(state, lambda: START))
            tasks.create_task(reader.catch_up(state, lambda: START))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert len(running) == 1
            gate.set()
        assert len(running) == 1

    asyncio.run(test())


def test_live_requests_of_the_record_are_left_to_events() -> None:
    state = attached([])
    state.day.begin(START + timedelta(hours=1))
    state.past.expect(THE_DAY)
    picture = Picture()
    for event in story("a"):
        picture.apply(event, START)
    state.apply(History(1, START, 1, list(picture.interceptions.values()), more=False), START)
    assert sums(state)["whole"].interceptions == 0
