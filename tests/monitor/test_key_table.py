"""The keys view's lines."""

from __future__ import annotations

from datetime import timedelta

import pytest
from rich.cells import cell_len

from bridge.events.values import KeyState, RateLimit, RateLimits, ServerState
from bridge.events.vocabulary import CircuitChanged, KeyChanged, ServerChanged
from monitor.lines import key_table
from tests.support.folds import after, plain
from tests.support.play import START, keys, story

RESET = START + timedelta(seconds=90)
STATE = after(
    *keys(),
    *story("a"),
    KeyChanged(
        "openai",
        "sk-p...3f2a",
        KeyState.VALID,
        limits=RateLimits(RateLimit(500, 37, RESET), RateLimit(200_000, 0, START)),
    ),
    KeyChanged("openai", "sk-p...c0de", KeyState.DISABLED, "by_the_owner"),
    CircuitChanged("anthropic", "/v1/messages", "claude-opus-4-5", "half_open"),
    CircuitChanged("gone", "/v1/responses", None, "open"),
)


def shown(seconds: float, width: int) -> list[str]:
    table = key_table.table(STATE, START + timedelta(seconds=seconds), width)
    return [plain(line).rstrip() for line in table.lines]


def test_keys_say_all_that_is_known_of_them() -> None:
    lines = shown(5, 117)
    assert lines[:7] == [
        "anthropic  0 of 2 keys valid",
        " ◐ sk-a...7de0  cooling ━━━━━━━━━━━━━━━─────  15s  until 03:04:25" + " " * 45 + "0",
        "                rate limited, deadline from the provider's headers",
        " ✗ sk-a...55aa  dead" + " " * 90 + "0",
        "                unauthorized",
        " ⌁ circuit half open  /v1/messages claude-opus-4-5",
        "",
    ]
    assert lines[8] == "gone  0 of 0 keys valid" or "gone  0 of 0 keys valid" in lines
    assert "requests ━─────────────── 37/500 full in 1m25s   tokens ──────────────── 0/200k full again" in "\n".join(
        lines
    )
    (used,) = (line for line in lines if "sk-p...3f2a" in line)
    assert used.endswith("▇     1   1 ✗")
    assert any("by the owner" in line for line in lines)


@pytest.mark.parametrize("width", [40, 77, 99, 117, 197])
def test_keys_fit_and_a_cooldown_ends(width: int) -> None:
    for seconds in (0, 19, 20, 4_000):
        table = key_table.table(STATE, START + timedelta(seconds=seconds), width)
        if width >= 77:
            assert all(cell_len(plain(line)) <= width for line in table.lines)
        assert len(table.places) == 5
        covered = [row for _name, place in table.places for row in place]
        assert covered == sorted(set(covered))
    assert width < 77 or "  0s" in "\n".join(shown(4_000, width))
    assert key_table.table(STATE, START, width).place(("openai", "no such")) == range(0)


@pytest.mark.parametrize(("seconds", "left"), [(17, "43s"), (60, "0s"), (90, "0s")])
@pytest.mark.parametrize("width", [40, 77, 117])
def test_a_dead_key_says_when_it_is_checked(seconds: float, left: str, width: int) -> None:
    check = START + timedelta(seconds=60)
    dead = KeyChanged("openai", "sk-p...dead", KeyState.PERMANENT, "unauthorized", check, "check")
    table = key_table.table(after(dead), START + timedelta(seconds=seconds), width)
    (line,) = (plain(line) for line in table.lines if "sk-p...dead" in plain(line))
    assert f" dead    {'next ' if width >= 100 else ''}check {left} " in line
    assert any("unauthorized" in plain(line) for line in table.lines)


@pytest.mark.parametrize("width", [77, 117])
def test_mcp_servers_have_a_line_each_below_the_keys(width: int) -> None:
    state = after(
        *keys(),
        ServerChanged("docs", ServerState.READY, 7),
        ServerChanged("a server \x1b[31mwith a long name", ServerState.FAILED, 0, "it ended with exit code 1\n" * 9),
        ServerChanged("slow", ServerState.STARTING),
        ServerChanged("gone", ServerState.READY, 1),
        ServerChanged("gone", ServerState.FAILED, 0, "removed"),
    )
    table = key_table.table(state, START, width)
    lines = [plain(line).rstrip() for line in table.lines]
    assert lines[-5:-3] == ["", "tools  1 of 3 servers ready"]
    assert lines[-3].startswith(" ✗ a server ")
    assert "failed    it ended with exit code 1" in lines[-3]
    assert lines[-2:] == [" ● docs         ready     7 tools", " ◐ slow         starting"]
    assert all(cell_len(line) <= width for line in lines)
    assert "\x1b" not in "".join(lines)
    assert all(place.stop <= len(lines) - 5 for _, place in table.places)
