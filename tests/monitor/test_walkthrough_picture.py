"""What the walkthrough draws and says, at the widths that terminals have: the picture, the ladder, the words."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from bridge.events.entries import Interception
from bridge.events.picture import Picture
from bridge.events.values import Credential, FailureReason, KeyState, Outcome
from bridge.events.vocabulary import (
    AttemptFailed,
    AttemptStarted,
    Event,
    InterceptionWaiting,
    KeyChanged,
    ResponseStarted,
    ThoughtRecorded,
    ToolCalled,
)
from monitor.lines.chapters import CHAPTERS, told
from monitor.lines.span import Line
from monitor.lines.walkthrough import steps
from monitor.lines.walkthrough_ladder import ladder
from monitor.lines.walkthrough_picture import NARROWEST, WIDEST, draw, plan
from monitor.lines.walkthrough_reasons import REASONS
from monitor.lines.walkthrough_scene import MOST_KEYS, MOST_RETURNS, Scene, entry_of, moment, scene
from monitor.lines.walkthrough_step import Place, WalkthroughStep
from monitor.lines.walkthrough_text import Caption, explanation, overview
from monitor.state.trace import TEXT, Trace
from tests.support.play import START, ended, spent, started, story

WIDTHS = pytest.mark.parametrize("width", [60, 80, 120, 160])
POOL = [
    KeyChanged("openai", "sk-p...3f2a", KeyState.TEMPORARY, "rate_limited", START + timedelta(seconds=68), cause=None),
    KeyChanged("openai", "sk-p...91bc", KeyState.VALID),
    KeyChanged("openai", "sk-p...0d17", KeyState.PERMANENT, "unauthorized"),
]


def made_of(*events: Event) -> Interception:
    picture = Picture()
    for event in events:
        picture.apply(event, START)
    return picture.interceptions["a"]


def whole() -> Interception:
    return made_of(*story("a"), spent("a"), ended("a"))


def exhausted(attempts: int) -> Interception:
    events: list[Event] = [started("a")]
    for number in range(1, attempts + 1):
        hint = f"sk-k...{number:04}"
        events += [AttemptStarted("a", number, hint)]
        events += [AttemptFailed("a", number, hint, 429, FailureReason.RATE_LIMITED, 9.0)]
    return made_of(*events, ended("a", Outcome.REJECTED, status=429, attempts=attempts, bytes_out=0))


def untraced(_id: str) -> None:
    """Nothing is known but the request."""


def at(request: Interception, current: int, keys: list[KeyChanged] | None = None) -> Scene:
    return scene(request, steps(request), current, POOL if keys is None else keys, START)


def plain(lines: list[Line]) -> str:
    return "\n".join("".join(text for text, _tone in line) for line in lines)


def shown(request: Interception, current: int, width: int, keys: list[KeyChanged] | None = None) -> str:
    lines = draw(width, at(request, current, keys)) if width > NARROWEST else ladder(width, at(request, current, keys))
    return plain(lines)


def index(request: Interception, key: str) -> int:
    return next(number for number, step in enumerate(steps(request)) if step.key == key)


@WIDTHS
def test_a_failed_attempt_stays_with_its_way_back_to_the_pool(width: int) -> None:
    request = whole()
    before = shown(request, index(request, "attempt 1"), width - 2)
    failed = shown(request, index(request, "upstream 1"), width - 2)
    later = shown(request, len(steps(request)) - 1, width - 2)
    assert "✗" not in before.replace("✗ sk-p...0d17", "").replace("✗ …0d17", "")
    for picture in (failed, later):
        row = next(row for row in picture.split("\n") if "✗" in row and "429" in row)
        assert "3f2a" in row
        assert "◀ ✗" in row if width > 60 else "─╯ pool" in row
    assert [len(row) for row in failed.split("\n")] == [len(row) for row in later.split("\n")] or width == 60


@WIDTHS
def test_the_pool_holds_each_key_with_its_state(width: int) -> None:
    request = whole()
    picture = shown(request, index(request, "pool 1"), width - 2)
    for key, state in (("3f2a", "1m08s"), ("91bc", "ready"), ("0d17", "dead")):
        row = next(row for row in picture.split("\n") if key in row and ("p..." in row or "…" in row))
        assert state in row, (key, row)


@WIDTHS
def test_the_client_has_seen_nothing_until_the_relay_counts(width: int) -> None:
    request = whole()
    relay = index(request, "relay")
    for current in range(relay):
        assert "has seen 0 bytes" in shown(request, current, width - 2)
    assert "sees it arrive" in shown(request, relay, width - 2)
    assert "has seen 48.2 kB" in shown(request, len(steps(request)) - 1, width - 2)
    rejected = exhausted(2)
    assert "is told 429" in shown(rejected, len(steps(rejected)) - 1, width - 2)


@WIDTHS
def test_a_large_pool_shows_the_keys_that_were_tried_and_counts_the_others(width: int) -> None:
    request = exhausted(2)
    keys = [KeyChanged("openai", f"sk-k...{number:04}", KeyState.VALID) for number in range(50, 0, -1)]
    picture = shown(request, 2, width - 2, keys)
    assert "0001" in picture
    if width == 60:
        assert "+48" in picture
    else:
        assert "0002" in picture
        assert f"+{50 - MOST_KEYS} more" in picture


def test_of_many_failed_attempts_the_last_are_shown() -> None:
    request = exhausted(MOST_RETURNS + 3)
    picture = shown(request, len(steps(request)) - 1, 120)
    assert picture.count("◀ ✗") == MOST_RETURNS
    assert f"attempt {MOST_RETURNS + 3}" in picture
    assert picture.count("┤") == MOST_RETURNS - 1


def test_who_brings_a_key_leaves_the_pool_out() -> None:
    request = made_of(started("a", credential=Credential("byok", "sk-u...9999")), AttemptStarted("a", 1, "sk-u...9999"))
    for width in (60, 120):
        picture = shown(request, 2, width)
        assert "left out" in picture
        assert "3f2a" not in picture


@given(st.integers(20, 260), st.integers(0, 40), st.floats(0, 1), st.integers(1, 6), st.integers(0, 9))
def test_a_picture_has_its_size_whatever_the_terminals(
    width: int, current: int, hop: float, attempts: int, keys: int
) -> None:
    request = exhausted(attempts)
    pool = [KeyChanged("openai", f"sk-k...{number:04}", KeyState.VALID) for number in range(keys)]
    here = at(request, min(current, len(steps(request)) - 1), pool)
    lines = draw(width, here, hop)
    assert len({sum(cell_len(text) for text, _tone in line) for line in lines}) == 1
    assert NARROWEST - 4 <= sum(cell_len(text) for text, _tone in lines[0]) <= WIDEST
    assert len(lines) == plan(width, *here.rows).height
    assert all(sum(cell_len(text) for text, _tone in line) <= width for line in ladder(width, here))


@pytest.mark.parametrize("width", [74, 92, 116])
def test_every_step_to_another_place_has_a_way_that_is_not_broken(width: int) -> None:
    there = plan(width, 3, 1)
    places = [step.place for step in steps(whole())]
    for start, other in pairwise(places):
        if start is other or (start, other) == (Place.EVENTS, Place.CLIENT):
            continue
        way = there.way(start, other, returned=1)
        assert way, (start, other)
        for (x, y), (next_x, next_y) in pairwise(way):
            inside = any(box.x <= x <= box.right and box.y == y for box in there.boxes.values())
            assert abs(x - next_x) + abs(y - next_y) == 1 or inside


def test_the_request_is_seen_on_its_way() -> None:
    request = whole()
    assert "●" in plain(draw(78, at(request, 1, []), 0.5))
    assert "●" not in plain(draw(78, at(request, 1, [])))
    assert "║guard║" in plain(draw(78, at(request, 1)))
    assert "attempt 2" in plain(draw(78, at(request, 8)))
    failed = index(request, "pool 2")
    assert "●" in plain(draw(120, at(request, failed, []), 0.5))


def each_room() -> list[tuple[int, int]]:
    return [(58, 8), (78, 10), (84, 20), (120, 30)]


@pytest.mark.parametrize("room", each_room())
def test_words_stay_in_the_room_there_is(room: tuple[int, int]) -> None:
    taken = steps(whole())
    for current in range(len(taken)):
        for caption in (Caption("x" * 99), Caption("x" * 99, chapter=2), Caption("x", "auto, 1x", "More.", None, True)):
            lines = explanation(taken, current, room, caption)
            assert all(sum(cell_len(text) for text, _tone in line) <= room[0] for line in lines), plain(lines)
        rows = overview(taken, current, 5)
        assert len(rows) == 5
        assert sum("▶" in plain([row]) for row in rows) == 1
        assert sum("▶" in plain([row]) for row in overview(taken, current, 9, chapter=3)) == 1


def test_where_the_code_is_is_told_whole() -> None:
    said = plain(explanation(steps(whole()), 0, (40, 20), Caption("head")))
    place = REASONS[steps(whole())[0].kind].place
    assert place in " ".join(said.split())


def test_json_that_does_not_fit_says_how_much_is_missing() -> None:
    request, trace = whole(), Trace()
    for seq, event in enumerate(story("a"), 1):
        trace.note(event, START, seq)
    said = plain(explanation(steps(request), 0, (80, 12), Caption("head", json=True), trace))
    assert '"type": "interception.started"' in said
    assert "more lines" in said
    assert said.count("\n") == 11
    unheard = plain(explanation(steps(request), 0, (80, 12), Caption("head", json=True), Trace()))
    assert "came after it" in unheard


def test_each_step_finds_what_was_heard_of_it() -> None:
    events = [*story("a"), ToolCalled("a", "resp_1", "call_2", "second"), spent("a"), ended("a")]
    request, trace = made_of(*events), Trace()
    for seq, event in enumerate(events, 1):
        trace.note(event, START + timedelta(seconds=seq), seq)
    for number, step in enumerate(steps(request)):
        entry = entry_of(step, trace) if step.event else None
        assert (entry is not None) == bool(step.event), step
        if entry is not None:
            assert entry.event is not None
            assert entry.event.type == step.event
            assert moment(steps(request), number, trace, START) == entry.at
    second = next(step for step in steps(request) if step.key == "tool 1")
    assert getattr(getattr(entry_of(second, trace), "event", None), "tool", None) == "second"
    pool = index(request, "pool 2")
    assert moment(steps(request), pool, trace, START) == moment(steps(request), pool + 1, trace, START)


def test_kept_events_are_cut_and_say_so() -> None:
    trace = Trace()
    long = "x" * 5_000
    trace.note(ToolCalled("a", None, None, "shell", {"command": long}), START)
    thought = next(event for event in story("a") if isinstance(event, ThoughtRecorded))
    trace.note(ThoughtRecorded("a", None, 0, thought.source, long), START)
    call, recorded = (entry.event for entry in trace.entries)
    assert isinstance(call, ToolCalled)
    assert isinstance(recorded, ThoughtRecorded)
    for text in (call.arguments, recorded.text):
        assert len(text) < TEXT + 30
        assert text.endswith(" more")


def test_a_chapter_ends_with_a_question_and_its_answer() -> None:
    done, running = whole(), made_of(*story("a"))
    assert [step.key for _, step in told(CHAPTERS[0], [done], untraced)][-2:] == ["question", "solution"]
    assert not any(step.quiz for _, step in told(CHAPTERS[0], [running], untraced))
    assert not any(step.quiz for _, step in told(CHAPTERS[3], [done], untraced))  # its second request is still to come
    quiz: list[WalkthroughStep] = [step for _, step in told(CHAPTERS[0], [done], untraced)][-2:]
    said = plain(explanation(quiz, 0, (80, 12), Caption("head", chapter=1)))
    assert CHAPTERS[0].question in said
    assert "Why: " not in said


def test_a_wait_stays_told_when_it_is_over() -> None:
    events = [
        started("a"),
        AttemptStarted("a", 1, "k"),
        AttemptFailed("a", 1, "k", 429, FailureReason.RATE_LIMITED, 9.0),
        InterceptionWaiting("a", START),
        AttemptStarted("a", 2, "k"),
        ResponseStarted("a", 2, 200),
    ]
    picture, trace = Picture(), Trace()
    for seq, event in enumerate(events, 1):
        picture.apply(event, START + timedelta(seconds=seq))
        trace.note(event, START + timedelta(seconds=seq), seq)
        told_now = steps(picture.interceptions["a"], trace)
        assert [step.kind for step in told_now].count("waiting") == (seq >= 4)
    kinds = [step.kind for step in told_now if step.place is Place.POOL]
    assert kinds == ["pool", "waiting", "back"]
    assert [entry_of(step, trace) is None for step in told_now if step.kind == "waiting"] == [False]
