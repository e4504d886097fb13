"""The top line: on every view it says when one can work again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from rich.cells import cell_len

from bridge.events.values import KeyState, Outcome
from bridge.events.vocabulary import KeyChanged
from monitor.state.state import MonitorState
from monitor.widgets.header import line
from tests.support.folds import after, plain
from tests.support.play import HELLO, START, ended, keys, spent, story

STATE = after(*keys(), *story("a"), spent("a"), ended("a", Outcome.FAILED), *story("b"))


def shown(state: MonitorState, width: int, seconds: float = 12) -> str:
    return plain(line(state, START + timedelta(seconds=seconds), START + timedelta(seconds=seconds), HELLO.url, width))


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 160, 200])
def test_it_fits_and_always_says_how_the_keys_stand(width: int) -> None:
    text = shown(STATE, width)
    assert cell_len(text) <= max(width, 30)
    assert "● live" in text
    assert "keys 2/4 · next 8s" in text
    assert ("1 live" in text) == (width >= 40)
    assert ("127.0.0.1:8484" in text) == (width >= 80)
    assert ("12.3k" in text) == (width >= 120)
    assert ("2 requests" in text) == (width >= 160)


def test_it_keeps_its_form_while_keys_cool_and_countdowns_run() -> None:
    events = [*story("a"), spent("a"), ended("a"), *story("b")]
    forms = set()
    for wait in (None, 8, 70, 3_000):
        until = START + timedelta(seconds=wait or 0)
        states = KeyState.VALID if wait is None else KeyState.TEMPORARY
        key = KeyChanged("openai", "k0", states, None, None if wait is None else until)
        pool = [key, *(KeyChanged("openai", f"k{number}", KeyState.VALID) for number in range(1, 50))]
        for width in range(70, 170):
            forms.add((width, " 2 requests " in shown(after(*pool, *events), width, 0)))
    assert len(forms) == 100  # one for each width


def test_many_ready_keys_are_no_warning() -> None:
    pool = [KeyChanged("a", str(number), KeyState.PERMANENT if number < 4 else KeyState.VALID) for number in range(50)]
    assert ("keys 46/50", "good") in line(after(*pool), START, START, HELLO.url, 80)


def test_the_countdown_runs_and_ends() -> None:
    cooling = KeyChanged("openai", "k", KeyState.TEMPORARY, "rate_limited", START + timedelta(seconds=20))
    for seconds, text in ((0, "keys 0/1 · next 20s"), (19.5, "keys 0/1 · next 1s"), (25, "keys 0/1 · next 0s")):
        assert text in shown(after(cooling), 80, seconds)
    assert "keys 1/1  " in shown(after(cooling, KeyChanged("openai", "k", KeyState.VALID)), 80)
    assert "keys" not in shown(after(), 80)


@pytest.mark.parametrize(
    ("states", "tone"),
    [
        ({"a": KeyState.VALID, "b": KeyState.VALID}, "good"),
        ({"a": KeyState.VALID, "b": KeyState.DISABLED, "c": KeyState.VALID}, "bad"),  # b has no other key
        ({"a": KeyState.PERMANENT}, "bad"),
    ],
)
def test_a_provider_without_a_key_is_red(states: dict[str, KeyState], tone: str) -> None:
    state = after(*(KeyChanged(provider, "k", health) for provider, health in states.items()))
    assert [tone for text, tone in line(state, START, START, HELLO.url, 80) if text.startswith("keys")] == [tone]
    more = after(*(KeyChanged("a", str(number), health) for number, health in enumerate(KeyState)))
    assert [tone for text, tone in line(more, START, START, HELLO.url, 80) if text.startswith("keys 1/4")] == ["warn"]


def test_a_key_cools_while_the_bridge_is_lost() -> None:
    cooling = after(KeyChanged("openai", "k", KeyState.TEMPORARY, "rate_limited", START + timedelta(seconds=20)))
    said = "".join(text for text, _ in line(cooling, START, START + timedelta(seconds=12), HELLO.url, 80))
    assert "keys 0/1 · next 8s" in said
