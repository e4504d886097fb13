"""Event lines for people: one line each, and nothing in it that a terminal would act on."""

from __future__ import annotations

import unicodedata
from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.events.describe import describe
from bridge.events.values import (
    Credential,
    FailureReason,
    KeyState,
    Outcome,
    RateLimit,
    RateLimits,
    ThoughtSource,
    WithheldReason,
)
from bridge.events.vocabulary import (
    AnswerDelta,
    AttemptFailed,
    Event,
    EventsDropped,
    InterceptionEnded,
    InterceptionStarted,
    KeyChanged,
    ThoughtRecorded,
    ThoughtWithheld,
    TokensUsed,
    ToolCalled,
)
from bridge.events.wire import Envelope
from bridge.terminal_text import TEXT_WIDTH
from bridge.terminal_text import visible_start as visible
from tests.support.event_samples import ANY_EVENT, START

HOSTILE = [
    "\x1b[2J\x1b[H",  # clears the screen
    "\x1b]52;c;cm0gLXJm\x07",  # writes to the clipboard (OSC 52)
    "\x1b]0;title\x1b\\",
    "\x9b31m\x9d0;x\x9c",  # the same as single C1 characters
    "a\rb\nc\td\x0b\x0c",
    "\x00\x07\x08\x7f\x85",
    "\u202egnp.exe\u2066\u2069\u200f",  # turns the direction of what follows
    "\u2028\u2029",
    "\u200b\ufeff\u00ad",
    "\ud83d alone",
    "\U000e0041\U000e0042",  # invisible tag characters
]


def line(event: Event) -> str:
    return describe(Envelope(1, START, event))


def is_harmless(text: str) -> bool:
    return all(character == " " or character.isprintable() for character in text) and text.encode() is not None


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_made_visible(text: str) -> None:
    shown = visible(f"before {text} after")
    assert shown.startswith("before ")
    assert shown.endswith(" after")
    assert is_harmless(shown)
    assert not {"\x1b", "\n", "\r"} & set(shown)


@pytest.mark.parametrize("text", HOSTILE)
def test_every_field_that_comes_from_outside_is_made_visible(text: str) -> None:
    broken: Any = text  # in the place of a word of a closed set
    said = [
        InterceptionStarted(text, text, broken, text, text, Credential(broken, text), model=text, client=text),
        AttemptFailed(text, 1, text, 429, FailureReason.RATE_LIMITED, 7.0),
        ThoughtRecorded(text, text, 0, ThoughtSource.THINKING, text),
        AnswerDelta(text, text),
        ToolCalled(text, text, text, text, {text: [text]}),
        ToolCalled(text, text, text, text, text),
        InterceptionEnded(text, Outcome.FAILED, None, text, 1, 5.0),
        KeyChanged(text, text, KeyState.TEMPORARY, text, START, broken),
    ]
    for event in said:
        assert is_harmless(line(event)), event


@given(ANY_EVENT)
def test_every_event_is_one_harmless_line(event: Event) -> None:
    assert is_harmless(line(event))
    assert event.type in line(event)


@given(st.text(max_size=3 * TEXT_WIDTH))
def test_any_text_is_harmless_and_short(text: str) -> None:
    shown = visible(text)
    assert is_harmless(shown)
    assert not {unicodedata.category(character) for character in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert (visible(text[: TEXT_WIDTH - 1]) + "…" == shown) is (len(text) > TEXT_WIDTH)


@pytest.mark.parametrize("arguments", [2**70, {"a": {1, 2}}, "\ud83d", None])
def test_arguments_that_no_wire_would_carry_are_shown_all_the_same(arguments: Any) -> None:
    assert is_harmless(line(ToolCalled("a", None, None, "look", arguments)))


def test_arguments_nested_too_deep_for_json_are_shown() -> None:
    arguments: list[Any] = []
    for _ in range(400):
        arguments = [arguments]
    assert "look [[[" in line(ToolCalled("a", None, None, "look", arguments))


LINES: list[tuple[Event, str]] = [
    (
        AttemptFailed("0123456789", 1, "k", 429, FailureReason.RATE_LIMITED, 7.0),
        "01234567  attempt.failed        attempt 1 with k failed: 429 rate_limited; the key cools down for 7 s",
    ),
    (
        AttemptFailed("0123456789", 2, "sk-c...0002", None, FailureReason.CONNECT_ERROR),
        "01234567  attempt.failed        attempt 2 with sk-c...0002 failed: no answer connect_error",
    ),
    (
        ThoughtWithheld("0123456789", None, 3, WithheldReason.ENCRYPTED, 512),
        "01234567  thought.withheld      #3 withheld (encrypted, 512 bytes)",
    ),
    (
        TokensUsed("0123456789", None, 10, 5, 3, cost_usd=0.25),
        "01234567  tokens.used           10 in, 3 from cache, 5 out, $0.2500",
    ),
    (
        TokensUsed("0123456789", None, 10, 5, cost_usd=0.25, partial=True),
        "01234567  tokens.used           10 in, 5 out, ~$0.2500 (counted so far)",
    ),
    (
        InterceptionEnded("0123456789", Outcome.CANCELLED, None, "the client left", 2, 1234.0),
        "01234567  interception.ended    cancelled (no answer, 2 attempts, 1.23 s): the client left",
    ),
    (EventsDropped(5), "          events.dropped        5 events were dropped: too slow"),
]


@pytest.mark.parametrize(("event", "told"), LINES)
def test_what_a_line_says(event: Event, told: str) -> None:
    clock, _, rest = line(event).partition("  ")
    assert rest == told
    assert len(clock) == len("00:00:00.000")


def test_a_line_says_when() -> None:
    at = START.replace(hour=12) + timedelta(milliseconds=7)
    local = at.astimezone()
    assert describe(Envelope(1, at, EventsDropped(5))).startswith(f"{local:%H:%M:%S}.007  ")


def test_a_keys_line_says_how_long_it_rests_and_what_is_left() -> None:
    limits = RateLimits(RateLimit(60, 12), RateLimit(None, 5))
    event = KeyChanged("openai", "sk-c...0001", KeyState.TEMPORARY, "rate_limited", START, "header", limits)
    until = f"{START.astimezone():%H:%M:%S}"
    told = f"openai sk-c...0001 is temporary (rate_limited) until {until}, 12/60 requests and 5/? tokens left"
    assert line(event).endswith(told)
    assert line(attrs.evolve(event, state=KeyState.VALID, reason=None, retry_at=None, limits=RateLimits())).endswith(
        "is valid"
    )
