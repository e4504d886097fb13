"""What `keys` prints of keys and pools, in the monitor's words and by its count."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bridge.cli.key_tables import key_lines, keys_json
from bridge.cli.paper import Paper
from bridge.events.values import KeyState, RateLimit, RateLimits
from bridge.events.vocabulary import KeyChanged, PoolChanged
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
    assert short in plain(header.line(state, now, None, 120))
    assert [key["health"] for key in keys_json(Snapshot.of(state.picture, 1, now), now)].count("valid") == ready


def test_a_key_with_nothing_left_is_spent_and_says_until_when() -> None:
    found = Snapshot.of(after(*KEYS).picture, 1, START)
    rows = [line.split()[2:6] for line in key_lines(found, Paper(), START)][1:5]
    assert rows == [
        ["spent", "-", "90.0", "s"],
        ["spent", "-", "90.0", "s"],
        ["cooling", "rate_limited", "8.0", "s"],
        ["dead", "unauthorized", "-", "-"],
    ]
