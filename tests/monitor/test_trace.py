"""One request's events with their times, the waterfall made of them, and what one takes away from it."""

from __future__ import annotations

import json
import shlex
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from bridge.events.values import Asked, MoveCause, Outcome, SilenceKind, ThoughtSource
from bridge.events.vocabulary import (
    AnswerDelta,
    AttemptStarted,
    ContextChanged,
    Event,
    InterceptionHeard,
    InterceptionSilent,
    InterceptionWaiting,
    KeyMoved,
    ModelServed,
    PromptRecorded,
    ResponseStarted,
    ThoughtDelta,
    ToolResultBrought,
)
from bridge.events.wire import Snapshot, decode
from monitor import export
from monitor.lines import request_facts, waterfall
from monitor.lines.span import Line
from monitor.state.state import MonitorState
from monitor.state.trace import HEAD, TAIL, Trace
from tests.support.folds import HISTORIES, after, at, envelopes, fold, live, plain, snapshot_after, travelled
from tests.support.play import HELLO, START, ended, spent, started, story


def pieces(count: int) -> list[Event]:
    return [ThoughtDelta("a", 0, ThoughtSource.THINKING, "hm ") for _ in range(count)]


def test_pieces_of_one_text_make_one_entry() -> None:
    trace = live(started("a"), *pieces(50), AnswerDelta("a", "so"), AnswerDelta("a", " it is")).trace("a")
    assert [(entry.kind, entry.count, entry.size, entry.text[:6]) for entry in trace.entries[1:]] == [
        ("thought.delta", 50, 150, "hm hm "),
        ("answer.delta", 2, 8, "so it "),
    ]
    assert (trace.entries[1].at - START, trace.entries[1].until - START) == (at(2), at(51))


def test_a_wait_is_told_in_seconds_since_no_event_knows_the_persons_zone() -> None:
    trace = Trace()
    trace.note(InterceptionWaiting("a", START + timedelta(seconds=31.4)), START)
    assert trace.entries[0].text == "every key cools, the next for 31 s"


def test_a_silence_says_who_is_silent_and_its_end_for_how_long() -> None:
    trace = Trace()
    trace.note(InterceptionSilent("a", SilenceKind.NO_BYTES, START), START + timedelta(seconds=10))
    trace.note(InterceptionHeard("a", SilenceKind.NO_BYTES, START), START + timedelta(seconds=41.2))
    assert [entry.text for entry in trace.entries] == ["no bytes", "no bytes for 41 s"]


def test_a_row_says_what_a_tool_answered_what_is_new_in_the_conversation_and_who_was_silent() -> None:
    told = {
        ToolResultBrought("a", "call_1", 12_345, False, "3 passed"): "12,345 B 3 passed",
        ToolResultBrought("a", "call_1", 9, True, "not found"): "failed, 9 B not found",
        ContextChanged("a", 24, 3, 0, False, True): "+3 -0, 24 messages, tools changed",
        InterceptionSilent("a", SilenceKind.PINGS_ONLY, START): "pings only",
        KeyMoved("a", "s", None, "sk-1", "sk-2", MoveCause.RATE_LIMITED): "sk-1 → sk-2, rate limited",
    }
    trace = Trace()
    for event in told:
        trace.note(event, START)
    assert [entry.text for entry in trace.entries] == list(told.values())


def test_very_many_events_leave_the_first_and_the_last() -> None:
    events = [event for _ in range(400) for event in (*pieces(1), AnswerDelta("a", "x" * 5_000))]
    trace = live(started("a"), *events, ended("a")).trace("a")
    assert len(trace.entries) == HEAD + TAIL
    assert trace.left_out == 802 - HEAD - TAIL
    assert (trace.entries[0].kind, trace.entries[-1].kind) == ("interception.started", "interception.ended")
    assert all(len(entry.text) <= 200 for entry in trace.entries)


def test_traces_are_kept_as_long_as_their_requests() -> None:
    events: list[Event] = []
    for number in range(300):
        events += [started(f"r{number}"), AnswerDelta(f"r{number}", "x"), ended(f"r{number}")]
    state = live(*events)
    assert state.traces.keys() == state.picture.interceptions.keys()


@given(HISTORIES, st.integers(0, 30))
def test_after_a_snapshot_beginning_attempts_and_end_are_known(events: list[Event], cut: int) -> None:
    """The other events are not in a snapshot, and neither is when they happened: the trace is not whole then."""
    sent = envelopes(events)
    whole = fold(HELLO, snapshot_after([]), *map(travelled, sent))
    joined = fold(HELLO, travelled(snapshot_after(sent[:cut])), *map(travelled, sent[cut:]))
    kinds = {"interception.started", "attempt.started", "interception.ended"}

    def carried(state: MonitorState, id_: str) -> list[tuple[object, ...]]:
        entries = [(entry.kind, entry.at, entry.number) for entry in state.trace(id_).entries if entry.kind in kinds]
        return sorted(entries, key=lambda entry: (entry[1], entry[0]))

    for id_ in whole.picture.interceptions:
        assert carried(joined, id_) == carried(whole, id_)
        if joined.trace(id_).whole:
            assert joined.trace(id_) == whole.trace(id_)


@given(HISTORIES, st.integers(0, 30))
def test_a_second_snapshot_adds_nothing(events: list[Event], cut: int) -> None:
    sent = envelopes(events)
    once = fold(HELLO, travelled(snapshot_after(sent[:cut])))
    twice = fold(HELLO, *[travelled(snapshot_after(sent[:cut]))] * 2)
    assert once.traces == twice.traces
    assert once.usage == twice.usage


def bars(state: MonitorState, seconds: float = 100) -> list[tuple[str, float, float | None]]:
    request = state.picture.interceptions["a"]
    drawn = waterfall.bars(request, state.trace("a"), START + timedelta(seconds=seconds))
    return [(bar.label, bar.begin, bar.end) for bar in drawn]


def test_the_waterfall_shows_every_part_with_its_times() -> None:
    waiting = InterceptionWaiting("a", START + timedelta(seconds=9))
    first, rest = story("a")[0], story("a")[1:]
    state = fold(HELLO, snapshot_after([]), *envelopes([first, waiting, *rest, ended("a", duration_ms=14_000.0)]))
    assert bars(state) == [
        ("accepted", 0, None),
        ("first token", 850, None),
        ("waiting for a key", 1_000, 2_000),
        ("1 sk-p...3f2a rate limited", 2_000, 3_000),
        ("2 sk-p...91bc 200", 4_000, 5_000),
        ("headers 200", 5_000, None),
        ("thought, summary", 7_000, 8_000),
        ("thought, withheld", 9_000, None),
        ("thought, commentary", 10_000, None),
        ("tool shell", 11_000, None),
        ("answer", 12_000, None),
        ("done", 14_000, None),
    ]


def test_the_waterfall_of_what_runs_runs() -> None:
    state = fold(HELLO, snapshot_after([]), *envelopes([started("a"), AttemptStarted("a", 1, "k")]))
    assert bars(state, 5)[-1] == ("1 k", 1_000, 4_000)
    waiting = InterceptionWaiting("a", START)
    state = fold(HELLO, snapshot_after([]), *envelopes([started("a"), waiting]))
    assert bars(state, 5)[-1] == ("waiting for a key", 1_000, 4_000)


def test_the_waterfall_makes_do_with_a_snapshot() -> None:
    events = [*story("a"), spent("a"), ended("a", duration_ms=12_345.0)]
    state = fold(HELLO, travelled(snapshot_after(envelopes(events))))
    assert bars(state)[0] == ("accepted", 0, None)
    assert [label for label, _begin, _end in bars(state)][-1] == "done"
    assert ("first token", 850, None) in bars(state)


@given(HISTORIES, st.integers(20, 250), st.floats(0, 1e6))
def test_the_waterfall_fits(events: list[Event], width: int, seconds: float) -> None:
    state = fold(HELLO, snapshot_after([]), *envelopes(events))
    for request in state.picture.interceptions.values():
        now = START + timedelta(seconds=seconds)
        drawn = waterfall.bars(request, state.trace(request.id), now)
        lines = waterfall.lines(drawn, max((bar.end or bar.begin for bar in drawn), default=0), max(width, 60))
        assert {cell_len(plain(line)) for line in lines} == {max(width, 60)}


def test_the_facts_add_up() -> None:
    state = live(*story("a"), spent("a"), ended("a"))
    request = state.picture.interceptions["a"]
    tall = "\n".join(plain(line) for line in request_facts.lines(request, state, START, 100, wide=True))
    for text in ("2,100", "10,240", "640", "256", "83%", "$0.03", "12s", "48,211 B", "req_1", "019a4c1e-7d"):
        assert text in tall
    flat = request_facts.lines(request, state, START, 100, wide=False)
    assert len(flat) == 3
    assert "input 2,100  from cache 10,240" in plain(flat[0])
    nothing = live(started("b"))
    assert "not known yet" in plain(
        request_facts.lines(nothing.picture.interceptions["b"], nothing, START, 100, wide=False)[0]
    )


@pytest.mark.parametrize("wide", [True, False])
def test_the_facts_prove_that_bytes_crossed_and_tell_who_answered(wide: bool) -> None:
    def facts(*events: Event) -> list[Line]:
        state = live(started("a", model="gpt-5.5"), *events)
        return request_facts.lines(state.picture.interceptions["a"], state, START, 100, wide=wide)

    whole = ended("a", bytes_in=48_213, request_equal=True, answer_equal=False)
    served = ModelServed("a", "gpt-5.5-mini", asked=Asked("gpt-5.5"))
    shown = facts(served, whole)
    spans = [(text, tone) for line in shown for text, tone in line]
    assert "48,213 B in = out ✓" in "\n".join(map(plain, shown))
    assert ("in = out ✓", "good") in spans
    assert ("in ≠ out ✗", "bad") in spans
    assert ("served gpt-5.5-mini", "bad") in spans
    assert ("asked gpt-5.5 → ", "muted") in spans
    quiet = [(text, tone) for line in facts(ModelServed("a", "gpt-5.5", asked=Asked("gpt-5.5"))) for text, tone in line]
    assert ("gpt-5.5", "plain") in quiet
    assert not any(tone == "bad" for _text, tone in quiet)
    added = facts(ended("a", added=["tools", "thoughts"]))
    assert "added: tools, thoughts" in "\n".join(map(plain, added))


def test_an_export_is_what_the_socket_tells_and_when() -> None:
    state = live(*story("a"), spent("a"), ended("a", error="\x1b[31m"))
    text = export.as_json(state.picture.interceptions["a"], state.trace("a"))
    assert text.isascii()
    assert "\x1b" not in text
    saved = json.loads(text)
    trace = saved.pop("trace")
    line = json.dumps({"type": "snapshot", "seq": 1, "at": "2026-01-02T03:04:05Z", "keys": [], "interceptions": [saved],
                       "totals": {}, "circuits": []})  # fmt: skip
    again = decode(line.encode())
    assert isinstance(again, Snapshot)
    assert again.interceptions == [state.picture.interceptions["a"]]
    assert trace["whole"]
    assert len(trace["entries"]) == 14


def test_an_export_never_overwrites(tmp_path: Path) -> None:
    paths = [export.save(text, "clearspan-x", [tmp_path / "none", tmp_path]) for text in ("1", "2", "3")]
    assert [path.name for path in paths] == ["clearspan-x.json", "clearspan-x-2.json", "clearspan-x-3.json"]
    assert [path.read_text() for path in paths] == ["1", "2", "3"]
    (tmp_path / "clearspan-y.json").symlink_to(tmp_path / "clearspan-x.json")
    assert export.save("4", "clearspan-y", [tmp_path]).name == "clearspan-y-2.json"
    with pytest.raises(OSError, match="No such file"):
        export.save("5", "x", [tmp_path / "none"])


@pytest.mark.parametrize(
    ("id_", "name"), [("3f2a-77", "clearspan-3f2a-77"), ("../../etc", "clearspan-etc"), ("é/", "clearspan-request")]
)
def test_a_file_is_named_harmlessly(id_: str, name: str) -> None:
    state = live(started(id_))
    assert export.file_name(state.picture.interceptions[id_]) == name


SAID = {"messages": [{"role": "user", "content": "it's \x1b[1m"}]}


@pytest.mark.parametrize(
    ("api", "asked"),
    [
        ("responses", {"input": "it's \x1b[1m"}),
        ("chat_completions", SAID),
        ("messages", {"max_tokens": 4096, **SAID}),
    ],
)
def test_a_curl_command_asks_the_same_without_a_secret(api: str, asked: dict[str, object] | None) -> None:
    events = [started("a", api=api, path="/p/v1/x?key=sk-secret;\x1b]0;x"), PromptRecorded("a", "r", "it's \x1b[1m")]
    command = export.curl(live(*events).picture.interceptions["a"], HELLO.url)
    assert export.has_curl(live(*events).picture.interceptions["a"])
    assert "\x1b" not in command
    words = shlex.split(command)
    assert words[:6] == ["curl", "-sS", "-N", "-X", "POST", "http://127.0.0.1:8484/p/v1/x"]
    assert "Authorization: Bearer clearspan" in words
    assert "secret" not in command
    body = json.loads(words[words.index("-d") + 1])
    assert body == {"model": "gpt-5.1-codex", "stream": True, **(asked or {})}


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([started("a")], "its prompt is not known yet"),
        ([started("a"), ended("a")], "its prompt is not recorded"),
        ([started("a", unread="too large"), ended("a")], "its prompt is not known: too large"),
        ([started("a", model=None), PromptRecorded("a", "r", "hi")], "it names no model"),
        ([started("a"), PromptRecorded("a", "r", "ä" * 60_000)], "its prompt is too long to be kept whole"),
        ([started("a", api="passthrough")], "what it sent is not recorded: it was passed through"),
    ],
)
def test_what_is_not_known_is_not_asked_by_curl(events: list[Event], why: str) -> None:
    with pytest.raises(export.NotKnown) as refusal:
        export.curl(live(*events).picture.interceptions["a"], HELLO.url)
    assert str(refusal.value) == why
    assert not export.has_curl(live(*events).picture.interceptions["a"])


def test_a_request_that_says_all_in_its_path_can_be_asked_again() -> None:
    for method, words in (("GET", "-X GET"), ("HEAD", "-I")):
        request = started("a", api="passthrough", method=method, path="/openai/v1/models", streaming=False)
        command = export.curl(live(request).picture.interceptions["a"], HELLO.url)
        assert command.startswith(f"curl -sS {words} http://127.0.0.1:8484/openai/v1/models ")
        assert "-d" not in shlex.split(command)
        assert export.has_curl(live(request).picture.interceptions["a"])


def test_the_end_of_a_failure_is_told_in_its_colour() -> None:
    state = live(started("a"), ResponseStarted("a", 1, 500), ended("a", Outcome.FAILED))
    request = state.picture.interceptions["a"]
    assert waterfall.bars(request, Trace(), START)[-1].tone == "bad"


@pytest.mark.parametrize("width", [40, 58, 78, 118])
def test_no_fact_is_cut_where_the_facts_lie_flat(width: int) -> None:
    state = after(*story("a"), spent("a"), ended("a"))
    flat = [
        plain(line) for line in request_facts.lines(state.picture.interceptions["a"], state, START, width, wide=False)
    ]
    assert all(cell_len(line.rstrip()) <= width for line in flat)
    words = " ".join(flat).split()
    assert [word for word in ("2,100", "10,240", "640", "$0.03", "180ms", "850ms") if word not in words] == []
