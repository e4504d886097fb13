"""The picture that events add up to, in the bridge and in whoever began with a snapshot."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import attrs
import orjson
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bridge.events import picture as picture_module
from bridge.events.entries import Cut, Interception, Tokens, Totals
from bridge.events.picture import Picture
from bridge.events.size import clip, clip_json, json_size, utf8_size
from bridge.events.values import FailureReason, KeyState, Outcome, ThoughtSource, WithheldReason
from bridge.events.vocabulary import (
    AnswerDelta,
    AttemptFailed,
    AttemptStarted,
    CircuitChanged,
    Event,
    InterceptionEnded,
    InterceptionStarted,
    InterceptionWaiting,
    KeyChanged,
    PromptRecorded,
    ResponseStarted,
    ThoughtDelta,
    ThoughtRecorded,
    ThoughtWithheld,
    TokensUsed,
    ToolCalled,
)
from bridge.events.wire import Snapshot, decode, encode, unstructure
from bridge.limits import LIMITS
from tests.events.interceptions import ended, started
from tests.support.event_samples import START, TEXTS, histories

SUMMARY = ThoughtSource.REASONING_SUMMARY


def picture(*events: Event) -> Picture:
    """What these events add up to, one a second."""
    made = Picture()
    for second, event in enumerate(events):
        made.apply(event, START + timedelta(seconds=second))
    return made


def through_the_wire(made: Picture) -> Picture:
    snapshot = decode(encode(Snapshot.of(made, 9, START)))
    assert isinstance(snapshot, Snapshot)
    assert snapshot.seq == 9
    return snapshot.picture()


def test_an_interceptions_whole_story() -> None:
    made = picture(
        started("a"),
        AttemptStarted("a", 1, "sk...1"),
        AttemptFailed("a", 1, "sk...1", 429, FailureReason.RATE_LIMITED, 7.0),
        InterceptionWaiting("a", START),
        AttemptStarted("a", 2, "sk...2"),
        ResponseStarted("a", 2, 200, "req_1"),
        PromptRecorded("a", "resp_1", "why?"),
        ThoughtDelta("a", 0, SUMMARY, "Let me "),
        ThoughtDelta("a", 0, SUMMARY, "think"),
        ThoughtRecorded("a", "resp_1", 0, SUMMARY, "Let me think."),
        ThoughtWithheld("a", "resp_1", 1, WithheldReason.ENCRYPTED, 512),
        AnswerDelta("a", "Beca"),
        AnswerDelta("a", "use"),
        ToolCalled("a", "resp_1", "call_1", "look", {"at": 1}),
        TokensUsed("a", "resp_1", 10, 5, 3, 0, {"output_reasoning": 2}),
        TokensUsed("a", "resp_2", 1, 1, 1, 1, {"output_reasoning": 2}, 0.5),
    )
    interception = made.interceptions["a"]
    first, second = interception.attempts
    assert (first.status, first.reason, first.cooldown_s) == (429, FailureReason.RATE_LIMITED, 7.0)
    assert (second.status, second.reason, second.key) == (200, None, "sk...2")
    assert (interception.waiting_until, interception.upstream_request_id) == (None, "req_1")
    assert (interception.prompt, interception.answer) == ("why?", "Because")
    said, withheld = interception.thoughts
    assert (said.text, said.recorded, said.source) == ("Let me think.", True, SUMMARY)
    assert (withheld.withheld, withheld.bytes, withheld.text) == (WithheldReason.ENCRYPTED, 512, "")
    assert (interception.tools[0].tool, interception.tools[0].arguments) == ("look", {"at": 1})
    assert interception.tokens == made.totals.tokens == Tokens(11, 6, 4, 1, {"output_reasoning": 4}, 0.5, unpriced=1)
    assert (interception.live, made.totals.failovers) == (True, 1)
    made.apply(ended("a"), START)
    assert (interception.live, interception.outcome) == (False, Outcome.COMPLETED)
    assert (interception.duration_ms, interception.ended_at) == (5.0, START)


def test_a_snapshot_has_the_documented_form() -> None:
    made = picture(started("a"), KeyChanged("openai", "sk...1", KeyState.VALID), started("b"), ended("b"))
    told = orjson.loads(encode(Snapshot.of(made, 4, START)))
    assert told.keys() >= {"type", "seq", "at", "keys", "interceptions", "totals"}
    assert told["keys"] == [unstructure(key) for key in made.keys.values()]
    live, over = told["interceptions"]
    of_start = {field.name for field in attrs.fields(InterceptionStarted)}
    of_end = {field.name for field in attrs.fields(InterceptionEnded)}
    for interception in (live, over):
        assert interception.keys() >= of_start | of_end | {"attempts", "thoughts", "tools", "tokens", "answer"}
    assert {live[name] for name in of_end - {"id", "attempts"}} == {None}
    assert (over["outcome"], over["status"], over["duration_ms"], over["bytes_out"]) == ("completed", 200, 5.0, 3)


def test_totals_count_what_was_forgotten_too() -> None:
    events: list[Event] = []
    for number in range(LIMITS.ended + 50):
        name = f"i{number}"
        events += [started(name), TokensUsed(name, None, 1, 2), ended(name, list(Outcome)[number % 4])]
    made = picture(started("live"), *events)
    assert len(made.interceptions) == LIMITS.ended + 1
    assert list(made.interceptions) == ["live", *(f"i{number}" for number in range(50, LIMITS.ended + 50))]
    totals = made.totals
    assert (totals.interceptions, totals.tokens.input, totals.tokens.output) == (251, 250, 500)
    assert (totals.completed, totals.failed, totals.cancelled, totals.rejected) == (63, 63, 62, 62)


def test_the_first_to_end_is_forgotten_first_also_after_a_snapshot() -> None:
    names = [f"i{number}" for number in range(LIMITS.ended)]
    made = picture(*map(started, names), *map(ended, reversed(names)), started("late"))
    copy = through_the_wire(made)
    for kept in (made, copy):
        kept.apply(ended("late"), START + timedelta(hours=1))
        assert names[-1] not in kept.interceptions
        assert names[0] in kept.interceptions
    assert copy == made


@pytest.mark.parametrize("event", [AnswerDelta("x", "text"), ended("x"), AttemptStarted("x", 2, "sk...1")])
def test_an_event_about_nothing_known_changes_nothing(event: Event) -> None:
    assert picture(event) == Picture()


def _answer(interception: Interception) -> str:
    return interception.answer


def _thought(interception: Interception) -> str:
    return interception.thoughts[0].text


TEXT_EVENTS: list[tuple[Any, Any]] = [
    (lambda text: AnswerDelta("a", text), _answer),
    (lambda text: ThoughtDelta("a", 0, SUMMARY, text), _thought),
]


@pytest.mark.parametrize(("delta", "text_of"), TEXT_EVENTS)
@pytest.mark.parametrize("piece", ["x" * 1000, "ä" * 1000, "思" * 999, "🙂" * 777, "x" * 65_530, "🙂x" * 50])
def test_a_growing_text_is_kept_up_to_64_kib(delta: Any, text_of: Any, piece: str) -> None:
    count = LIMITS.text_bytes // len(piece.encode()) + 2
    whole = piece * count + "after"
    text = text_of(picture(started("a"), *[delta(piece)] * count, delta("after")).interceptions["a"])
    assert LIMITS.text_bytes - 4 < len(text.encode()) <= LIMITS.text_bytes
    assert whole.startswith(text)


def test_a_whole_text_is_kept_up_to_64_kib() -> None:
    text = "思" * LIMITS.text_bytes
    made = picture(started("a"), PromptRecorded("a", "r", text), ThoughtRecorded("a", "r", 0, SUMMARY, text))
    interception = made.interceptions["a"]
    assert (
        len((interception.prompt or "").encode())
        == len(interception.thoughts[0].text.encode())
        == LIMITS.text_bytes - 1
    )
    kept = picture(started("a"), PromptRecorded("a", "r", "x" * LIMITS.text_bytes)).interceptions["a"].prompt
    assert kept == "x" * LIMITS.text_bytes


@given(histories())
def test_a_snapshot_is_the_picture(history: list[tuple[Event, datetime]]) -> None:
    made = Picture()
    for event, at in history:
        made.apply(event, at)
    assert through_the_wire(made) == made


@given(histories(), histories("def"))
def test_who_begins_with_a_snapshot_sees_the_same(
    before: list[tuple[Event, datetime]], after: list[tuple[Event, datetime]]
) -> None:
    made = Picture()
    for event, at in before:
        made.apply(event, at)
    late = through_the_wire(made)
    for event, at in after:
        made.apply(event, at)
        late.apply(event, at)
    assert late == made


@given(st.lists(TEXTS))
def test_an_answer_is_its_deltas(texts: list[str]) -> None:
    assert picture(started("a"), *(AnswerDelta("a", text) for text in texts)).interceptions["a"].answer == "".join(
        texts
    )


def called(name: str, arguments: object) -> ToolCalled:
    return ToolCalled(name, "r", "call", "write", arguments)


def test_many_large_answers_stay_within_the_bound_of_the_whole() -> None:
    made = Picture()
    content = "x" * 7_000_000
    for number in range(60):
        name = f"i{number}"
        for event in (started(name), called(name, {"path": "a", "content": content}), ended(name)):
            made.apply(event, START)
    line = encode(Snapshot.of(made, 1, START))
    assert made.size <= LIMITS.picture_bytes
    assert len(line) < 32_000_000
    (tool,) = made.interceptions["i59"].tools
    assert len(tool.arguments) == LIMITS.text_bytes
    assert tool.arguments.startswith('{"path":"a","content":"xxx')
    assert (
        tool.cut
        == made.interceptions["i59"].cut.bytes
        == 7_000_000 + len('{"path":"a","content":""}') - len(tool.arguments)
    )


@pytest.mark.parametrize("character", ["x", "\0", '"', "思", "😀"])
def test_the_oldest_ended_are_forgotten_and_counted(character: str) -> None:
    made = Picture()
    for number in range(LIMITS.ended - 1):
        name = f"i{number}"
        made.apply(started(name), START)
        for index in range(4):
            made.apply(ThoughtRecorded(name, None, index, SUMMARY, character * LIMITS.text_bytes), START)
        made.apply(ended(name), START)
    assert 0 < made.totals.forgotten == made.totals.interceptions - len(made.interceptions)
    assert f"i{LIMITS.ended - 2}" in made.interceptions
    assert "i0" not in made.interceptions
    assert len(encode(Snapshot.of(made, 1, START))) <= made.size <= LIMITS.picture_bytes


def test_one_interception_has_so_many_thoughts_and_tools_and_says_what_is_cut() -> None:
    made = Picture()
    made.apply(started("a"), START)
    for index in range(LIMITS.thoughts + 3):
        made.apply(ThoughtDelta("a", index, SUMMARY, "ab"), START)
        made.apply(ThoughtRecorded("a", None, index, SUMMARY, "abcd"), START)
    made.apply(ThoughtWithheld("a", None, LIMITS.thoughts + 3, WithheldReason.ENCRYPTED, 100), START)
    for _ in range(LIMITS.tools + 5):
        made.apply(called("a", {"a": 1}), START)
    interception = made.interceptions["a"]
    assert (len(interception.thoughts), len(interception.tools)) == (LIMITS.thoughts, LIMITS.tools)
    assert interception.cut == Cut(thoughts=4, tools=5, bytes=3 * len("abcd") + 5 * len('{"a":1}'))


def test_live_ones_are_bounded_too_and_end_where_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_module, "LIMITS", evolve(LIMITS, picture_bytes=10_000))
    made = picture(started("a"), AnswerDelta("a", "b" * 5000), AnswerDelta("a", "c" * 5000), AnswerDelta("a", "d"))
    interception = made.interceptions["a"]
    assert made.size <= 10_000
    assert interception.answer.strip("b").strip("c") == ""
    assert interception.cut == Cut(bytes=10_001 - len(interception.answer), answer=10_001 - len(interception.answer))
    assert "c" in interception.answer
    made.apply(called("a", [1]), START)
    assert (interception.tools, interception.cut.tools) == ([], 1)


def test_names_that_clients_choose_are_cut_and_few_circuits_are_kept() -> None:
    made = picture(evolve(started("a"), model="m" * 5_000_000))
    assert made.interceptions["a"].started.model == "m" * LIMITS.text_bytes
    assert made.interceptions["a"].cut.bytes == 5_000_000 - LIMITS.text_bytes
    for number in range(LIMITS.circuits + 10):
        made.apply(CircuitChanged("openai", "/x", f"{number:06}" + "m" * 1000, "open"), START)
    assert len(made.circuits) == LIMITS.circuits
    made.apply(CircuitChanged("openai", "/x", f"{100:06}" + "m" * 1000, "closed"), START)
    assert len(made.circuits) == LIMITS.circuits - 1


TIGHT = evolve(LIMITS, text_bytes=24, thoughts=2, tools=2, ended=2, picture_bytes=9000)


@given(histories("abcdef"), st.integers(0, 20), st.integers(3000, 20_000))
def test_bounds_cut_at_the_same_place_wherever_one_began(
    told: list[tuple[Event, datetime]], place: int, room: int
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(picture_module, "LIMITS", evolve(TIGHT, picture_bytes=room))
        whole, begun = Picture(), Picture()
        for event, at in told[:place]:
            whole.apply(event, at)
        begun = through_the_wire(whole)
        for event, at in told[place:]:
            whole.apply(event, at)
            begun.apply(event, at)
        assert begun == through_the_wire(whole)
        assert begun._ended == whole._ended
        assert list(begun._ended) == list(whole._ended)
        for made in (whole, begun):
            assert made.size == sum(known.size for known in made.interceptions.values())
            shown = encode(Snapshot(0, START, [], list(made.interceptions.values()), Totals()))
            assert len(shown) <= made.size + len(encode(Snapshot(0, START, [], [], Totals())))


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 100))
def test_a_text_is_cut_between_two_characters(text: str, limit: int) -> None:
    for cut, size in ((clip(text, limit), utf8_size), (clip_json(text, limit), json_size)):
        assert text.startswith(cut)
        assert size(cut) <= limit
        assert cut == text or size(text[: len(cut) + 1]) > limit


def test_an_attempt_after_one_that_served_is_another_round_and_no_failover() -> None:
    made = Picture()
    for event in (
        started("a"),
        AttemptStarted("a", 1, "sk...1"),
        ResponseStarted("a", 1, 200),
        AttemptStarted("a", 2, "sk...1"),
        AttemptFailed("a", 2, "sk...1", 429, FailureReason.RATE_LIMITED),
        AttemptStarted("a", 3, "sk...2"),
    ):
        made.apply(event, START)
    assert made.totals.failovers == 1
