"""A redactor is asked by threads while the bridge's own learns keys and gives callers theirs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from bridge.observe.logs import Redactor

FIRST = "sk-canary-first-0123"
KEYS = [f"sk-canary-{number:04}-later" for number in range(400)]


@pytest.fixture(autouse=True)
def _turns() -> Iterator[None]:
    """Threads take turns a thousand times as often as they would."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(0.000_005)
    yield
    sys.setswitchinterval(usual)


def test_threads_can_ask_it_at_any_time() -> None:
    general = Redactor()
    general.learn([(FIRST, "(first)")])
    own = general.also([("sk-canary-own-0123", "(own)")])
    faults: list[BaseException] = []
    learned = threading.Event()

    def ask() -> None:
        try:
            while not learned.is_set():
                for redactor in (general, own):
                    assert redactor.redact(f"a line with {FIRST} in it") == "a line with (first) in it"
                    assert redactor.beginning("a delta that ends in sk-can") == len("sk-can")
                    assert redactor.longest >= len(FIRST)
                    assert redactor.frozen().redact(FIRST) == "(first)"
                assert own.redact("sk-canary-own-0123") == "(own)"
        except BaseException as fault:
            faults.append(fault)
            raise

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for key in KEYS:
        general.learn([(key, "(later)")])
        assert general.also([(key + "-own", "(own)")]).redact(key + "-own") == "(own)"
    learned.set()
    for thread in threads:
        thread.join()
    assert not faults
    assert own.redact(" ".join(KEYS)) == " ".join(["(later)"] * len(KEYS))


def test_a_word_or_a_placeholder_is_no_reason_to_change_a_text() -> None:
    redactor = Redactor()
    redactor.learn([(word, "...") for word in ("e", "EMPTY", "seven77", "lm-studio", "eight888")])
    text = "e EMPTY seven77 lm-studio"
    assert redactor.redact(f"{text} eight888") == f"{text} ..."
    assert redactor.also([("test", "...")]) is redactor
    assert redactor.holds_secret("seven77"), "a short key is one where it stands alone"
    assert not redactor.holds_secret("EMPTY")
    assert not redactor.holds_secret("seven77 and more")


def test_what_is_adopted_of_callers_is_bounded_and_the_latest_stay() -> None:
    general = Redactor()
    general.learn([(FIRST, "(first)")])
    servers = Redactor(general)
    for key in [*KEYS[:3], KEYS[0], *KEYS[3:5]]:
        servers.adopt(general.also([(key, "(own)")]), 3)
        assert servers.redact(key) == "(own)"
    servers.adopt(general, 3)
    kept = [key for key in KEYS if servers.redact(key) != key]
    assert kept == [KEYS[0], KEYS[3], KEYS[4]]
    assert servers.redact(FIRST) == "(first)"
    assert general.redact(KEYS[4]) == KEYS[4]
