"""Which keys are listed, in which order, which are marked, and what a command does to which."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bridge.events.values import KeyCause, KeyState, RateLimit, RateLimits
from bridge.events.vocabulary import AttemptStarted, KeyChanged
from monitor.lines import key_commands
from monitor.state.key_list import ORDERS, KeyList
from monitor.state.state import MonitorState
from tests.support.folds import after
from tests.support.play import START, spent, started

SOON, LATE = START + timedelta(seconds=8), START + timedelta(seconds=90)
KEYS = [
    KeyChanged("openai", "o-1", KeyState.VALID),
    KeyChanged("openai", "o-2", KeyState.TEMPORARY, "rate_limited", LATE, cause=KeyCause("r", 429, "Too many tokens")),
    KeyChanged("openai", "o-3", KeyState.VALID, limits=RateLimits(RateLimit(500, 0, SOON))),
    KeyChanged("openai", "o-4", KeyState.PERMANENT, "unauthorized"),
    KeyChanged("anthropic", "a-1", KeyState.DISABLED, "by_the_owner"),
    KeyChanged("anthropic", "a-2", KeyState.VALID),
]


def used(state_of: MonitorState, *hints: str) -> MonitorState:
    """The same, after a request with each of these keys, the last the dearest."""
    events = []
    for number, hint in enumerate(hints):
        id_ = f"r{number}"
        events += [started(id_), AttemptStarted(id_, 1, hint), *([spent(id_)] * (number + 1))]
    return after(*state_of.picture.keys.values(), *events)


def listed(query: str = "", order: int = 0, state: MonitorState | None = None) -> list[str]:
    listing = KeyList(query, order)
    listing.update(state or after(*KEYS), START)
    return [hint for _provider, hint in listing.names]


def test_trouble_comes_first_across_providers() -> None:
    assert listed("", ORDERS.index("trouble first")) == ["o-2", "o-3", "o-4", "a-1", "a-2", "o-1"]


def test_a_question_about_several_keys_is_in_the_plural() -> None:
    said = [key_commands.left_over(those, KEYS, START) for those in (KEYS[-1:], KEYS[-2:])]
    assert said == [
        "It is the last.",
        "They are the last.",
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["a-1", "a-2", "o-1", "o-2", "o-3", "o-4"]),
        ("key:o-", ["o-1", "o-2", "o-3", "o-4"]),
        ("provider:ANTH", ["a-1", "a-2"]),
        ("state:valid", ["a-2", "o-1"]),
        ("state:spent", ["o-3"]),
        ("state:cooling", ["o-2"]),
        ("state:permanent", ["o-4"]),
        ("state:unauthorized", ["o-4"]),
        ("!state:valid provider:openai", ["o-2", "o-3", "o-4"]),
        ("many tok", ["o-2"]),
        ("key:", ["a-1", "a-2", "o-1", "o-2", "o-3", "o-4"]),
        ("model:gpt", []),
    ],
)
def test_a_filter_lists_what_matches_every_word(query: str, found: list[str]) -> None:
    assert listed(query) == found


def test_each_order_puts_first_what_it_says() -> None:
    state = used(after(*KEYS), "o-1", "o-4")
    orders = [listed("provider:openai", order, state) for order in range(len(ORDERS))]
    assert orders == [
        ["o-1", "o-2", "o-3", "o-4"],
        ["o-2", "o-3", "o-4", "o-1"],
        ["o-3", "o-2", "o-1", "o-4"],
        ["o-1", "o-4", "o-2", "o-3"],
        ["o-4", "o-1", "o-2", "o-3"],
    ]
    listing = KeyList(order=len(ORDERS) - 1)
    listing.sort()
    assert listing.order == 0


def test_a_mark_goes_with_its_key() -> None:
    listing, state = KeyList(), after(*KEYS)
    for name in (("openai", "o-1"), ("openai", "o-2"), ("openai", "o-1"), ("openai", "o-3")):
        listing.mark(name)
    listing.update(after(*KEYS, KeyChanged("openai", "o-3", KeyState.VALID, "removed")), START)
    assert listing.marks == {("openai", "o-2")}
    listing.query = "state:valid"
    listing.update(state, START)
    assert listing.marks == {("openai", "o-2")}  # what is out of sight stays marked, and the title counts it


@pytest.mark.parametrize(
    ("command", "hints"),
    [
        ("key.reset", ["o-2", "o-4"]),
        ("key.disable", ["o-1", "o-2", "o-3", "o-4", "a-2"]),
        ("key.enable", ["a-1"]),
    ],
)
def test_a_command_is_offered_where_it_does_something(command: str, hints: list[str]) -> None:
    assert [key.key for key in KEYS if key_commands.DOES[command](key)] == hints


@pytest.mark.parametrize(
    ("hints", "told"),
    [
        ("o-1", "It is the last."),  # nothing is left on o-3
        ("o-4", "1 valid key of this provider would be left."),
        ("a-2", "It is the last."),
        ("o-4 o-2", "1 valid key of this provider would be left."),
        ("o-1 o-3", "They are the last."),
        ("o-4 a-2", "No valid key would be left of anthropic."),
        ("o-4 a-1", "Others would be left of each provider."),
    ],
)
def test_who_disables_keys_is_told_what_is_left(hints: str, told: str) -> None:
    assert key_commands.left_over([key for key in KEYS if key.key in hints.split()], KEYS, START) == told
