"""The line of vitals: what it says at each width, how a rate is estimated, when a context is full."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from bridge.events.entries import Context, Interception, Note, Serving, Tokens
from bridge.events.values import Asked, SilenceKind, ThoughtSource
from bridge.events.vocabulary import (
    AnswerDelta,
    AttemptStarted,
    InterceptionSilent,
    ResponseStarted,
    ThoughtDelta,
    TokensUsed,
)
from bridge.limits import LIMITS
from monitor.lines import vitals
from monitor.lines.marks import compacted, marks, served_other
from monitor.lines.vitals import VitalsSubject, context_tone, minutes
from monitor.state.pace import WritingPace
from monitor.state.state import MonitorState
from tests.support.folds import after, at, plain
from tests.support.play import START, ended, started, story


def used(id: str, cached: int = 83_420, window: int | None = 200_000) -> TokensUsed:  # noqa: A002
    return TokensUsed(id, "r", 2_580, 900, cached, 0, {}, 0.0931, context_window=window)


def working() -> MonitorState:
    """One turn is over, another thinks."""
    return after(
        started("a"), used("a"), ended("a"), started("b"), AttemptStarted("b", 1, "k"), ResponseStarted("b", 1, 200),
        ThoughtDelta("b", 0, ThoughtSource.THINKING, "word " * 64),
    )  # fmt: skip


def shown(state: MonitorState, seconds: float, width: int) -> str:
    agent = state.roster.agents[0]
    totals = state.picture.sessions.known[agent.session_id or ""]
    subject = VitalsSubject(agent.requests, state.paces.get(agent.last.id), totals.tokens)
    return plain(vitals.line(subject, START + at(seconds), width))


def test_each_width_says_what_matters_there() -> None:
    state = working()
    assert shown(state, 2, 140) == (
        "● thinking 0:02 · ~40 tok/s       ▇  · ctx ━━━───── 86k/200k · cache 97% · turn $0.09 · session $0.09"
        " · last byte 2s"
    )
    assert shown(state, 2, 80) == "● thinking 0:02  ~40 t/s  ctx 43%  cache 97%  $0.09  2s"
    assert shown(state, 2, 60) == "● 0:02  ~40t/s  43%  $0.09"


def test_who_comes_in_mid_stream_is_not_told_that_nothing_came() -> None:
    state = working()
    state.paces.clear()
    line = shown(state, 2, 140)
    assert "no byte yet" not in line
    assert "last byte –" in line  # noqa: RUF001  what is not known
    assert "no byte yet" in shown(after(started("a"), AttemptStarted("a", 1, "k")), 2, 140)


def test_a_silence_takes_the_place_of_the_phase() -> None:
    state = working()
    state.picture.apply(InterceptionSilent("b", SilenceKind.PINGS_ONLY, START), START)
    assert shown(state, 92, 120).startswith("◇ pings only 1m32s · ~0 tok/s")
    assert shown(state, 92, 60).startswith("◇ pings 1m  ~0t/s")
    for width in (80, 120):  # once is enough
        assert "last byte" not in shown(state, 92, width)
        assert shown(state, 92, width).count("1m") == 1


def test_a_context_that_is_hardly_used_has_an_empty_gauge() -> None:
    state = after(started("a"), used("a", cached=0, window=1_000_000), ended("a"))
    assert "ctx ──────── 3k/1.0M" in shown(state, 20, 140)


def test_what_is_over_says_since_when() -> None:
    state = after(started("a"), used("a", window=None), ended("a"))
    assert shown(state, 200, 120) == "✓ done 0:12 · ctx 86.0k · cache 97% · turn $0.09 · session $0.09 · ended 3m ago"


@given(st.integers(20, 240), st.integers(0, 5_000))
def test_it_never_takes_more_room_than_there_is(width: int, seconds: int) -> None:
    assert cell_len(shown(working(), seconds, width)) <= width


@pytest.mark.parametrize(
    ("share", "tone"),
    [(0.69, "live"), (0.70, "warn"), (0.84, "warn"), (0.85, "bad"), (0.94, "bad"), (0.95, "found"), (1.2, "found")],
)
def test_a_full_context_is_seen(share: float, tone: str) -> None:
    assert context_tone(share) == tone


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (21.9, "0:21"), (725, "12:05"), (3_723, "1:02:03")])
def test_times_read_as_on_a_clock(seconds: float, text: str) -> None:
    assert minutes(seconds) == text


def test_a_rate_is_estimated_from_texts_and_from_what_the_provider_says_of_hidden_ones() -> None:
    pace = WritingPace(START, START)
    for second in range(10):
        pace.note(AnswerDelta("a", "four" * 5), START + at(second))
    assert pace.rate(START + at(9)) == pytest.approx(50 / 9, abs=0.7)
    assert pace.tokens == 50
    for told in (30, 80, 70):
        pace.note(ThoughtDelta("a", 0, ThoughtSource.THINKING, "", told), START + at(10))
    assert pace.tokens == 130  # a count that fell is no growth
    assert pace.rate(START + at(60)) == 0
    assert pace.last_at == START + at(10)
    for index in range(3 * LIMITS.thoughts):
        pace.note(ThoughtDelta("a", index, ThoughtSource.THINKING, "", 1), START)
    assert len(pace._kept_back) == LIMITS.thoughts


def test_a_pace_is_kept_only_while_its_request_runs() -> None:
    state = after(*story("a"))
    assert list(state.paces) == ["a"]
    state = after(*story("a"), ended("a"), AnswerDelta("a", "late"))
    assert state.paces == {}


@pytest.mark.parametrize(
    ("asked", "served", "other"),
    [
        ("gpt-5.5", "gpt-5.5-mini", True),
        ("gpt-5.5", "gpt-5.5-2026-03-01", False),
        ("claude-opus-4-5", "claude-opus-4-5-20251101", False),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022", False),
        ("anthropic/claude-opus-4-5", "claude-opus-4-5", False),
        ("gpt-5.5", None, False),
        (None, "gpt-5.5", False),
    ],
)
def test_another_model_is_told_from_another_name(asked: str | None, served: str | None, other: bool) -> None:
    request = Interception(started("a", model=asked), START, served=Serving(served, asked=Asked(asked)))
    found = served_other(request)
    assert (found is not None) == other
    if found is not None:
        assert found == (f"asked {asked} → served {served}", "bad")


def test_a_compaction_is_told_by_the_provider_or_seen_in_the_conversation() -> None:
    request = Interception(started("a"), START)
    assert not compacted(request)
    request.context = Context(3, 2, 40, system_changed=False, tools_changed=False)
    assert compacted(request)
    request.context = Context(9, 3, 1, system_changed=False, tools_changed=False)
    assert not compacted(request)
    request.context = Context(1, 1, 2, system_changed=False, tools_changed=False)
    assert not compacted(request)  # too short to speak of
    request.notes.append(Note("compaction"))
    assert compacted(request)


def test_marks_say_what_is_out_of_the_ordinary() -> None:
    request = after(*story("a")).picture.interceptions["a"]
    request.served = Serving("o9", asked=Asked("gpt-5.1-codex"))
    request.notes.append(Note("compaction"))
    assert [text for text, _tone in marks(request)] == ["↻1", "≠", "⧉", "∅"]
    request.tokens = Tokens()
    assert marks(after(started("a")).picture.interceptions["a"]) == []
