"""What `keys` prints of keys and pools, in the monitor's words and by its count."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from bridge.cli.key_tables import key_lines, keys_json, watched_lines
from bridge.cli.paper import Paper
from bridge.events.values import Credential, KeyRunway, KeyState, RateLimit, RateLimits
from bridge.events.vocabulary import (
    AttemptStarted,
    Event,
    InterceptionStarted,
    KeyChanged,
    PoolChanged,
    ResponseStarted,
)
from bridge.events.wire import Snapshot
from monitor.lines import key_table
from monitor.state.key_list import KeyList
from monitor.widgets import header
from tests.support.folds import after, plain
from tests.support.play import START

SPENT = RateLimits(RateLimit(500, 0, START + timedelta(seconds=90)))
KEYS = [
    KeyChanged("openai", "sk-p...a1a1", KeyState.VALID, limits=SPENT),
    KeyChanged("openai", "sk-p...b2b2", KeyState.VALID, limits=SPENT),
    KeyChanged("openai", "sk-p...QxV7", KeyState.TEMPORARY, "rate_limited", START + timedelta(seconds=8)),
    KeyChanged("openai", "sk-p...d4d4", KeyState.PERMANENT, "unauthorized", START + timedelta(seconds=1)),
]
POOL = PoolChanged("openai", 2, 4, START + timedelta(seconds=8), START + timedelta(hours=1), "headers")


@pytest.mark.parametrize(
    ("seconds", "ready", "said", "short"),
    [
        (0, 0, "openai 0 of 4 ready · next 8s …QxV7", "keys 0/4 · next 8s"),
        (90, 2, "openai 2 of 4 ready · next 0s …QxV7", "keys 2/4 · next 0s"),  # two windows are whole again
    ],
)
def test_the_command_the_header_and_the_providers_line_count_alike(
    seconds: float, ready: int, said: str, short: str
) -> None:
    now = START + timedelta(seconds=seconds)
    state = after(*KEYS, POOL)
    listing = KeyList()
    listing.update(state, now)
    (line,) = (plain(line) for line in key_table.table(state, listing, now, 117).lines if "ready ·" in plain(line))
    *_, printed = key_lines(Snapshot.of(state.picture, 1, now), Paper(), now)
    assert POOL.valid != 0  # what the bridge counts: keys that nobody refused
    assert printed.startswith(f"{said} · lasts till ")
    assert " ".join(line.split()).startswith(said)
    assert short in plain(header.line(state, now, now, None, 120))
    assert [key["health"] for key in keys_json(Snapshot.of(state.picture, 1, now), now)].count("valid") == ready


def test_a_key_with_nothing_left_is_spent_and_says_until_when() -> None:
    found = Snapshot.of(after(*KEYS).picture, 1, START)
    rows = [re.split("  +", line)[2:5] for line in key_lines(found, Paper(), START)][1:5]
    assert rows == [
        ["spent", "-", "1m30s"],
        ["spent", "-", "1m30s"],
        ["cooling", "rate limited", "8s"],
        ["dead", "unauthorized", "check 1s"],
    ]


def key(number: int, provider: str = "openai", **fields: Any) -> KeyChanged:
    return KeyChanged(provider, f"sk-p...{number:04}", **{"state": KeyState.VALID, **fields})


def found(*events: Event) -> Snapshot:
    return Snapshot.of(after(*events).picture, 1, START)


def cell(lines: list[str], title: str, row: int = 1) -> str:
    """What stands below a title, where no column to its left goes over its end."""
    at = lines[0].index(title)
    return re.split("  +", lines[row][at:])[0]


LEFT = RateLimits(RateLimit(30, 28, START + timedelta(hours=1)))
AGO, SOON = START - timedelta(seconds=1), START + timedelta(minutes=9)


@pytest.mark.parametrize(
    ("limits", "runway", "told"),
    [
        (LEFT, KeyRunway("sk-p...0001", SOON, START + timedelta(hours=1), "estimate"), "~"),
        (LEFT, KeyRunway("sk-p...0001", AGO, START + timedelta(hours=1), "estimate"), "-"),  # it did not come
        (LEFT, KeyRunway("sk-p...0001", AGO, SOON, "headers"), "-"),  # there is something left again
        (LEFT, KeyRunway("sk-p...0001", None, None, "estimate"), "lasts"),
        (SPENT, KeyRunway("sk-p...0001", None, None, "estimate"), "out, back "),
        (SPENT, KeyRunway("sk-p...0001", AGO, SOON, "headers"), "out, back "),
    ],
)
def test_a_line_says_no_end_that_is_over_and_none_that_its_gauge_denies(
    limits: RateLimits, runway: KeyRunway, told: str
) -> None:
    pool = PoolChanged("openai", 1, 1, None, runway.until, "headers", keys=[runway])
    lines = list(key_lines(found(key(1, limits=limits), pool), Paper(), START))
    assert cell(lines, "RUNWAY").startswith(told)
    assert ("lasts till" in lines[-1]) is (runway.until == SOON)
    if told.endswith("back "):  # when it is full again, as its countdown says
        assert cell(lines, "RUNWAY").endswith(f"{START + timedelta(seconds=90):%H:%M:%S}")


def test_keys_stand_in_the_order_of_their_providers_lines() -> None:
    lines = list(key_lines(found(key(1, "zeta"), key(2, "alpha")), Paper(), START))
    assert [line.split()[:1] for line in lines] == [["PROVIDER"], ["alpha"], ["zeta"], [], ["alpha"], ["zeta"]]


def test_sessions_have_their_names() -> None:
    asked = InterceptionStarted(
        "r1", "openai", "responses", "POST", "/x", Credential("centralized"), client="Codex", session_id="thread-a"
    )
    served = (AttemptStarted("r1", 1, "sk-p...0001"), ResponseStarted("r1", 1, 200, None))
    lines = list(key_lines(found(key(1), asked, *served), Paper(), START))
    assert cell(lines, "SESSIONS") == "Codex 1"


def test_a_screen_that_is_too_low_keeps_providers_and_trouble_and_says_what_is_left_out() -> None:
    cooling = key(17, state=KeyState.TEMPORARY, reason="rate_limited", retry_at=SOON)
    keys = [cooling if number == 17 else key(number) for number in range(20)]
    lines = watched_lines(found(*keys, key(99, "azure")), Paper(80, 12), START)
    assert len(lines) <= 11
    assert [line.split()[0] for line in lines[:2]] == ["azure", "openai"]
    assert any("0017" in line and "cooling" in line for line in lines)
    assert lines[-1] == "… 15 more keys, valid"
    dead = [key(number, state=KeyState.PERMANENT) for number in range(20)]
    assert watched_lines(found(*dead), Paper(80, 12), START)[-1] == "… 13 more keys"
    whole = watched_lines(found(*keys), Paper(80, 30), START)
    assert not any("more key" in line for line in whole)
    assert sum("sk-p..." in line for line in whole) == 20
