"""The fold: deterministic, whole again after every snapshot, and honest about the connection."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.events.values import ThoughtSource
from bridge.events.vocabulary import (
    AnswerDelta,
    BridgeStopping,
    Event,
    EventsDropped,
    RecordFailed,
    RecordRecovered,
    ThoughtDelta,
)
from bridge.events.wire import Envelope, Hello
from monitor.state.state import BadLine, Incoming, Lost, MonitorState, Status
from tests.support.folds import at, envelopes, fold, live, snapshot_after, travelled
from tests.support.play import HELLO, START, ended, keys, spent, started, story

EVENTS = st.permutations([*story("a"), *story("b"), *keys(), spent("a"), ended("a"), started("c"), ended("c")])


@given(EVENTS, st.integers(0, 30))
def test_a_snapshot_and_the_rest_make_the_same_picture(events: list[Event], cut: int) -> None:
    sent = envelopes(events)
    whole = fold(HELLO, snapshot_after([]), *map(travelled, sent))
    joined = fold(HELLO, travelled(snapshot_after(sent[:cut])), *map(travelled, sent[cut:]))
    assert joined.picture == whole.picture
    assert joined.seq == whole.seq
    assert not joined.gap


@given(EVENTS, st.integers(0, 30))
def test_what_a_snapshot_holds_already_is_not_taken_twice(events: list[Event], cut: int) -> None:
    sent = envelopes(events)
    assert (
        fold(HELLO, travelled(snapshot_after(sent[:cut])), *sent).picture
        == fold(HELLO, snapshot_after([]), *sent).picture
    )


@given(EVENTS)
def test_the_same_messages_make_the_same_state(events: list[Event]) -> None:
    assert live(*events) == live(*events)


@given(EVENTS, st.integers(0, 30), st.integers(0, 30))
def test_a_snapshot_heals_a_gap(events: list[Event], first: int, second: int) -> None:
    sent = envelopes(events)
    lost_from, lost_to = sorted((first, second))
    state = fold(
        HELLO,
        snapshot_after([]),
        *sent[:lost_from],
        *sent[lost_to:],
        travelled(snapshot_after(sent)),
    )
    assert state.picture == live(*events).picture
    assert not state.gap


def test_a_missing_event_is_noticed() -> None:
    state = fold(HELLO, snapshot_after([]), Envelope(1, START, started("a")))
    assert not state.gap
    state.apply(Envelope(3, START, ended("a")), START)
    assert state.gap


def test_dropped_events_and_bad_lines_are_counted() -> None:
    state = fold(HELLO, snapshot_after([]), Envelope(0, START, EventsDropped(7)), BadLine("not JSON"), BadLine("x"))
    assert (state.dropped, state.bad_lines, state.gap) == (7, 2, False)


def test_the_connection_is_told_as_it_is() -> None:
    state = MonitorState()
    assert state.status is Status.CONNECTING

    def after(incoming: Incoming, seconds: float) -> tuple[str, float | None, str | None]:
        state.apply(incoming, START + at(seconds))
        return str(state.status), (state.since - START).total_seconds() if state.since else None, state.problem

    assert after(Lost("nobody listens"), 0) == ("connecting", 0, "nobody listens")
    assert after(HELLO, 1) == ("connecting", 0, "nobody listens")
    assert after(snapshot_after([]), 2) == ("live", 2, None)
    assert after(Envelope(1, START, BridgeStopping("SIGTERM")), 3) == ("stopping", 3, "SIGTERM")
    assert after(Lost("it hung up"), 4) == ("lost", 4, "the bridge stopped: SIGTERM")
    assert after(Lost("no such socket"), 9) == ("lost", 4, "the bridge stopped: SIGTERM")
    assert after(snapshot_after([]), 10) == ("live", 10, None)
    assert after(Lost("it hung up"), 11) == ("lost", 11, "it hung up")


def test_the_picture_stays_while_the_connection_is_lost() -> None:
    state = live(*story("a"))
    state.apply(Lost("gone"), START)
    assert [request.id for request in state.ordered()] == ["a"]


def test_another_bridge_starts_with_a_clean_sheet() -> None:
    state = live(RecordFailed("disk full", 3))
    assert state.record_failure is not None
    state.apply(HELLO, START)  # the same one again
    assert state.record_failure is not None
    state.apply(Hello(1, "0.1.0", 4243, HELLO.url, START), START)
    assert not state.record_failure


def test_a_record_that_recovers_is_no_news_any_more() -> None:
    assert live(RecordFailed("disk full", 3), RecordRecovered(None, 0)).record_failure is None


def test_live_requests_come_first_and_the_newest_of_each() -> None:
    state = live(started("a"), started("b"), started("c"), started("d"), ended("b"), ended("d"))
    assert [request.id for request in state.ordered()] == ["c", "a", "d", "b"]


def test_the_first_token_is_known_while_the_answer_runs() -> None:
    events = [started("a"), ThoughtDelta("a", 0, ThoughtSource.THINKING, "hm"), AnswerDelta("a", "so")]
    state = live(*events)
    request = state.picture.interceptions["a"]
    assert state.first_token_ms(request) == 1_000
    state = live(*events, ended("a", first_token_ms=950.0))
    assert state.first_token_ms(state.picture.interceptions["a"]) == 950
    assert state.first_token_at == {}


def test_memory_is_bounded_by_what_the_picture_keeps() -> None:
    events: list[Event] = []
    for number in range(500):
        events += [started(f"r{number}"), AnswerDelta(f"r{number}", "x"), ended(f"r{number}")]
    state = live(*events)
    assert len(state.picture.interceptions) == 200
    assert not state.first_token_at
