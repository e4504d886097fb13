"""The queue before the database: in order, bounded by number and by what it holds."""

from __future__ import annotations

import pytest
from attrs import evolve

from bridge.events.vocabulary import Event, PromptRecorded, ToolCalled
from bridge.events.wire import Envelope
from bridge.limits import KIB, LIMITS
from bridge.record import queue
from bridge.record.queue import RecordQueue
from tests.support.record_desk import AT


def waiting(filled: RecordQueue) -> list[int]:
    """The numbers of what waits, oldest first."""
    return [item.seq for item in filled.take(len(filled)) if isinstance(item, Envelope)]


def filled_with(*events: Event) -> RecordQueue:
    filled = RecordQueue()
    for number, event in enumerate(events):
        filled.put(Envelope(number, AT, event))
    return filled


def prompts(count: int, size: int = 10) -> list[Event]:
    return [PromptRecorded("i", "r", "x" * size) for _ in range(count)]


def test_what_was_put_back_comes_first() -> None:
    filled = filled_with(*prompts(6))
    taken = filled.take(4)
    filled.put_back(taken[1:])
    assert (len(filled), filled.lost) == (5, 0)
    assert waiting(filled) == [1, 2, 3, 4, 5]


def test_the_oldest_are_lost_where_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "LIMITS", evolve(LIMITS, queued_statements=4))
    filled = filled_with(*prompts(6))
    assert filled.lost == 2
    taken = filled.take(2)
    filled.put(Envelope(6, AT, prompts(1)[0]))
    filled.put_back(taken)
    assert filled.forget_lost() == 3
    assert filled.lost == 0
    assert waiting(filled) == [3, 4, 5, 6]


@pytest.mark.parametrize(
    "large",
    [
        PromptRecorded("i", "r", "x" * 100 * KIB),
        ToolCalled("i", "r", "c", "write", "x" * 100 * KIB),
        ToolCalled("i", "r", "c", "write", {"lines": ["x" * KIB] * 100}),
    ],
)
def test_the_oldest_are_lost_where_they_hold_too_much(large: Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "LIMITS", evolve(LIMITS, queued_bytes=250 * KIB))
    filled = filled_with(*[large] * 5)
    assert (filled.lost, waiting(filled)) == (3, [3, 4])
    for number in range(100):
        filled.put(Envelope(number, AT, prompts(1)[0]))
    assert len(filled) == 100  # what was taken weighs no more


def test_arguments_that_are_no_json_are_held_all_the_same() -> None:
    assert len(filled_with(ToolCalled("i", "r", "c", "t", {"a": object()}))) == 1
