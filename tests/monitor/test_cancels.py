"""What is said of a cancel once it is known what came of it, and with which figure."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bridge.events.values import FailureReason, Outcome
from bridge.events.vocabulary import AttemptFailed, AttemptStarted, Event, ResponseStarted
from monitor.lines.messages import settled
from monitor.state.cancels import MOST, Cancels
from tests.support.folds import after
from tests.support.play import START, ended, started

FAILED = ended("a", Outcome.FAILED)
OPEN = (AttemptStarted("a", 1, "sk"), ResponseStarted("a", 1, 200))
BENCHED = (AttemptStarted("a", 1, "sk"), AttemptFailed("a", 1, "sk", 429, FailureReason.RATE_LIMITED))
CANCELLED = ended("a", Outcome.CANCELLED, error="cancelled by the bridge's owner")


def told(seconds: float, *events: Event) -> list[str]:
    """What is said so many seconds after the command."""
    cancels = Cancels()
    cancels.send("a", "Codex 2, 853af7ce", START)
    state, now = after(started("a"), *events), START + timedelta(seconds=seconds)
    said = [settled(cancel)[0] for cancel in cancels.settle(state.request, now)]
    assert cancels.waits_for("a") == (not said)
    assert cancels.settle(state.request, now) == []  # once
    return said


@pytest.mark.parametrize(
    ("seconds", "events", "said"),
    [
        (0.5, OPEN, []),
        (0.0031, (*OPEN, CANCELLED), ["cancelled Codex 2, 853af7ce; upstream closed after 3 ms"]),
        (2.5, (*OPEN, CANCELLED), ["cancelled Codex 2, 853af7ce; upstream closed after 2,500 ms"]),
        (90, (*OPEN, CANCELLED), ["cancelled Codex 2, 853af7ce; upstream closed after 1m30s"]),
        (-1, (*OPEN, CANCELLED), ["cancelled Codex 2, 853af7ce; upstream closed after 0 ms"]),  # the clock was set back
        (0.002, (CANCELLED,), ["cancelled Codex 2, 853af7ce after 2 ms; nothing was open upstream"]),
        (0.002, (*BENCHED, CANCELLED), ["cancelled Codex 2, 853af7ce after 2 ms; nothing was open upstream"]),
        (0.1, (*OPEN, ended("a")), ["Codex 2, 853af7ce had its whole answer before it could be cancelled"]),
        (
            0.1,
            (*OPEN, ended("a", Outcome.FAILED)),
            ["Codex 2, 853af7ce had ended before it could be cancelled: failed"],
        ),
        (10, OPEN, ["Codex 2, 853af7ce goes on, 10s after it was to be cancelled"]),
    ],
)
def test_what_came_of_it_is_told_once(seconds: float, events: tuple[Event, ...], said: list[str]) -> None:
    assert told(seconds, *events) == said


def test_what_the_bridge_would_not_do_is_not_waited_for() -> None:
    cancels = Cancels()
    cancels.send("a", "Codex", START)
    cancels.withdraw("a")
    assert cancels.settle(after(started("a"), CANCELLED).request, START) == []


def test_no_more_are_waited_for_than_it_says() -> None:
    cancels = Cancels()
    for number in range(MOST + 1):
        cancels.send(f"r{number}", "Codex", START)
    assert [cancels.waits_for(f"r{number}") for number in (0, 1, MOST)] == [False, True, True]
