"""Lines of what happens: one for a whole answer, with the name that a monitor has for who asked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from bridge.events import callers
from bridge.events.callers import CannotFollow, Following
from bridge.events.lines import EventLines
from bridge.events.picture import Picture
from bridge.events.values import SilenceKind, ThoughtSource
from bridge.events.vocabulary import (
    AnswerDelta,
    BridgeStopping,
    Event,
    EventsDropped,
    InterceptionHeard,
    InterceptionSilent,
    InterceptionStarted,
    ThoughtDelta,
    ThoughtRecorded,
    TokensUsed,
    ToolCalled,
)
from bridge.events.wire import Envelope, Snapshot
from monitor.lines import names
from monitor.state.state import MonitorState
from tests.events.interceptions import ended, started
from tests.support.event_samples import START


def asks(name: str, client: str, session: str | None, **fields: Any) -> InterceptionStarted:
    return evolve(started(name), client=client, session_id=session, **fields)


def envelope(event: Event, seconds: float = 0.0) -> Envelope:
    return Envelope(1, START + timedelta(seconds=seconds), event)


def snapshot(*events: Event) -> Snapshot:
    picture = Picture()
    for event in events:
        picture.apply(event, START)
    return Snapshot.of(picture, len(events), START)


def told(lines: EventLines, *events: Event) -> list[str]:
    """What is told of them, without the time and the id."""
    return [line.split("  ", 2)[2] for event in events for line in lines.of(envelope(event))]


ANSWERING: list[Event] = [
    asks("aaaa0000", "Codex", "thread-a"),
    ThoughtDelta("aaaa0000", 0, ThoughtSource.THINKING, "Let me "),
    ThoughtDelta("aaaa0000", 0, ThoughtSource.THINKING, "see."),
    ThoughtRecorded("aaaa0000", None, 0, ThoughtSource.THINKING, "Let me see."),
    AnswerDelta("aaaa0000", "It is "),
    InterceptionSilent("aaaa0000", SilenceKind.NO_BYTES, START),
    InterceptionHeard("aaaa0000", SilenceKind.NO_BYTES, START),
    AnswerDelta("aaaa0000", "Friday."),
    ToolCalled("aaaa0000", None, "call-1", "look", {}),
    AnswerDelta("aaaa0000", "And now?"),
    TokensUsed("aaaa0000", None, 10, 5),
    ended("aaaa0000"),
]


def test_a_thought_an_answer_and_a_call_are_a_line_each_with_the_agents_name() -> None:
    lines = told(EventLines(), *ANSWERING)
    assert [line for line in lines if "silent" not in line] == [
        "interception.started  Codex 1 asks openai ? (responses, blocking)",
        "thought.recorded      Codex 1: #0 thinking: Let me see.",
        "answer                Codex 1: It is Friday.",
        "tool.called           Codex 1: look {}",
        "answer                Codex 1: And now?",
        "tokens.used           Codex 1: 10 in, 5 out",
        "interception.ended    Codex 1: completed (200, 1 attempt, 0.01 s)",
    ]
    assert len(lines) == 9  # silence does not part an answer


def test_pieces_are_a_line_each_where_they_are_asked_for() -> None:
    lines = told(EventLines(deltas=True), *ANSWERING)
    assert len(lines) == len(ANSWERING)
    assert lines[4] == "answer.delta          Codex 1: It is "


def test_what_came_of_an_answer_that_broke_off_has_its_line() -> None:
    lines = told(EventLines(), ANSWERING[0], AnswerDelta("aaaa0000", "It is"), ended("aaaa0000"))
    assert lines[1] == "answer                Codex 1: It is"


def test_a_long_answer_says_how_long_it_is_and_little_of_it_is_held() -> None:
    lines = EventLines()
    told(lines, ANSWERING[0], *[AnswerDelta("aaaa0000", "word " * 100)] * 20)
    assert sum(len(answer.text) for answer in lines._answers.values()) < 500
    (answer, _) = told(lines, ended("aaaa0000"))
    assert answer.endswith("… (10,000 characters)")
    assert not lines._answers


def test_an_answer_that_began_before_we_came_is_whole() -> None:
    lines = EventLines()
    assert lines.of(snapshot(ANSWERING[0], AnswerDelta("aaaa0000", "It is "))) == []
    assert told(lines, AnswerDelta("aaaa0000", "Friday."), ended("aaaa0000"))[0] == (
        "answer                Codex 1: It is Friday."
    )


def test_names_are_those_of_a_monitor_that_came_at_the_same_time() -> None:
    before = [asks("aaaa", "Codex", "thread-a"), ended("aaaa"), asks("bbbb", "Codex", None)]
    after = [
        asks("cccc", "Codex", "thread-b"),
        ToolCalled("cccc", None, "call-1", "look", {}),
        asks("dddd", "Codex", None, correlating_tool_call_id="call-1"),
        asks("eeee", "Claude Code", "thread-a"),
        asks("ffff", "Codex", "thread-a"),
    ]
    lines, state = EventLines(), MonitorState()
    messages: list[Snapshot | Envelope] = [snapshot(*before)]
    messages += [Envelope(seq, START, event) for seq, event in enumerate(after, 10)]
    for message in messages:
        lines.of(message)
        state.apply(message, START)
    shown = {request: caller.name for request, caller in lines._callers._running.items()}
    assert shown == {
        request: names.short(name) for request in shown if (name := state.roster.name(request)) is not None
    }
    assert [shown[request] for request in ("bbbb", "cccc", "dddd", "eeee", "ffff")] == [
        "Codex 2",
        "Codex 3",
        "Codex 3",
        "Claude Code 1",
        "Codex 1",
    ]


def test_names_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "SESSIONS", 3)
    lines = EventLines()
    for number in range(9):
        told(lines, asks(f"request-{number}", "Codex", f"thread-{number}"), ended(f"request-{number}"))
    assert len(lines._callers._names) == 3
    assert not lines._callers._running


def followed(wanted: str, *messages: Event | Snapshot) -> tuple[list[bool], Following]:
    following = Following(wanted)
    found = [following.wants(message if isinstance(message, Snapshot) else envelope(message)) for message in messages]
    return found, following


TWO: list[Event] = [
    asks("aaaa0000", "Codex", "thread-a"),
    asks("bbbb0000", "Codex", "thread-b"),
    ToolCalled("bbbb0000", None, "call-1", "look", {}),
    asks("cccc0000", "Codex", None, correlating_tool_call_id="call-1"),
    AnswerDelta("aaaa0000", "a"),
    AnswerDelta("cccc0000", "c"),
    EventsDropped(3),
    ended("bbbb0000"),
    ended("aaaa0000"),
    BridgeStopping("SIGTERM"),
]
OF_B = [False, True, True, True, False, True, True, True, False, True]


@pytest.mark.parametrize("wanted", ["thread-b", "codex 2", "Codex  2 "])
@pytest.mark.parametrize("at", [0, 2, 3, 7])
def test_a_session_is_followed_by_its_id_or_its_name_from_whenever_on(wanted: str, at: int) -> None:
    found, following = followed(wanted, snapshot(*TWO[:at]), *TWO[at:])
    assert found == [True, *OF_B[at:]]
    assert following.is_known
    assert not following.is_over


@pytest.mark.parametrize("wanted", ["bbbb0000", "BBBB"])
@pytest.mark.parametrize("at", [0, 2])
def test_a_request_is_followed_to_its_end(wanted: str, at: int) -> None:
    found, following = followed(wanted, snapshot(*TWO[:at]), *TWO[at:8])
    assert found == [True, *[False, True, True, False, False, False, True, True][at:]]
    assert following.is_over


def test_a_request_whose_end_was_lost_is_over() -> None:
    _, following = followed("bbbb0000", snapshot(*TWO[:2]), EventsDropped(9), snapshot(*TWO[:8]))
    assert following.is_over


def test_what_nobody_knows_is_waited_for() -> None:
    found, following = followed("thread-z", snapshot(*TWO[:2]), *TWO[2:6])
    assert found == [True, *[False] * 4]
    assert not following.is_known


@pytest.mark.parametrize(
    ("wanted", "why"), [("aaaa0000", "has ended; 'clearspan show aaaa0000'"), ("cccc", "several requests")]
)
def test_what_can_not_be_followed_is_said(wanted: str, why: str) -> None:
    with pytest.raises(CannotFollow, match=why):
        followed(wanted, snapshot(*TWO, asks("cccc1111", "Codex", None)))
