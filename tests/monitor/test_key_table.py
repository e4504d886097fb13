"""The keys view's table: what a line says at every width, and what is left out where there is little room."""

from __future__ import annotations

from datetime import timedelta

import pytest
from rich.cells import cell_len

from bridge.events.values import KeyCause, KeyState, LimitWindow, RateLimit, RateLimits, ServerState
from bridge.events.vocabulary import CircuitChanged, KeyChanged, ServerChanged
from bridge.events.wire import Envelope
from monitor.lines import key_row, key_table
from monitor.lines.key_table import Table
from monitor.state.key_list import KeyList
from monitor.state.state import MonitorState
from tests.support.folds import after, plain
from tests.support.many_keys import COUNT, PROVIDERS, morning
from tests.support.play import START, keys, story

WIDTHS = [57, 77, 117, 157, 197]
"""What a terminal of 60, 80, 120, 160 and 200 columns leaves."""

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


def table(state: MonitorState, seconds: float, width: int, room: int = 0, query: str = "") -> Table:
    now = START + timedelta(seconds=seconds)
    listing = KeyList(query)
    listing.update(state, now)
    return key_table.table(state, listing, now, width, room)


def shown(state: MonitorState, seconds: float, width: int, room: int = 0) -> list[str]:
    return [plain(line).rstrip() for line in table(state, seconds, width, room).lines]


def line(key: KeyChanged, seconds: float = 0, width: int = 117) -> str:
    """The line of that key alone."""
    (found,) = (text for text in shown(after(key), seconds, width) if key.key in text)
    return found


def whole_morning() -> MonitorState:
    state = after()
    for number, (seconds, event) in enumerate(morning(), 1):
        at = START + timedelta(seconds=seconds)
        state.apply(Envelope(number, at, event), at)
    return state


def test_a_line_says_all_that_is_known_of_a_key() -> None:
    lines = shown(STATE, 5, 117, room=40)
    assert lines[0].split() == [
        "key", "state", "ready", "in", "until", "source", "requests", "10", "min", "uses", "fail", "now",
    ]  # fmt: skip
    assert [" ".join(text.split()) for text in lines[1:7]] == [
        "anthropic 0 of 2 ready · next 15s …7de0",
        "◐ sk-a...7de0 cooling ━━━━━━── 15s 03:04:25 header 0",
        "✗ sk-a...55aa dead since 03:04 0",
        "⌁ circuit half open /v1/messages claude-opus-4-5",
        "",
        "gone 0 of 0 ready",
    ]
    (used,) = (text for text in lines if "sk-p...3f2a" in text)
    assert "━─── 37/500" in used
    assert used.endswith("▇    1   1✗")
    assert any("━━━━ ~200k/200k" in text for text in shown(STATE, 5, 157))
    assert any("by the owner" in text for text in lines)


@pytest.mark.parametrize("width", [37, *WIDTHS])
@pytest.mark.parametrize("seconds", [0, 19, 120, 4_000, 500_000])
def test_every_line_fits_and_the_countdown_never_goes(width: int, seconds: float) -> None:
    for state in (STATE, whole_morning()):
        found = table(state, seconds, width)
        assert all(cell_len(plain(each)) <= width for each in found.lines)
        assert len(found.places) == len(state.picture.keys)
        rows = [row for _name, place in found.places for row in place]
        assert rows == sorted(set(rows))
        for name, place in found.places:
            text = plain(found.lines[place.start])
            assert name[1] in text
            if " cooling " in text:
                assert text[key_row.HEAD :].lstrip("━─").split()[0][-1] in "smh"  # 12s, 3m07s, 5d15h
    assert table(STATE, 0, width).place(("openai", "no such")) == range(0)


@pytest.mark.parametrize("width", WIDTHS)
def test_fifty_keys_on_eight_providers_fit_sixty_lines(width: int) -> None:
    state = whole_morning()
    state.picture.circuits.clear()
    between_header_and_last_line = 58
    lines = shown(state, 120, width, between_header_and_last_line)
    assert len(lines) == COUNT + len(PROVIDERS) == between_header_and_last_line
    titles, provider = shown(state, 120, width, 100)[:2]
    assert lines[0].startswith(provider)
    assert width < 77 or lines[0].endswith(
        titles[-len("uses fail now") :]
    )  # the columns are named where each line is a key's
    assert len(shown(state, 120, width, 100)) == COUNT + 2 * len(PROVIDERS)  # titles, and blank lines between


@pytest.mark.parametrize("left", [58_900, 999_900])
def test_what_is_left_is_never_cut(left: int) -> None:
    limits = RateLimits(RateLimit(200, 141, RESET), RateLimit(1_080_000, left, RESET))
    text = line(KeyChanged("anthropic", "sk-a...Lw2e", KeyState.VALID, limits=limits), width=157)
    assert "/1.1M" in text
    assert "…" not in text


@pytest.mark.parametrize(
    ("width", "there", "gone"),
    [
        (57, {"uses", "fail", "now"}, {"source", "requests", "10 min", "until", "tokens", "today"}),
        (77, {"source", "requests"}, {"10 min", "until", "tokens", "today"}),
        (97, {"source", "requests", "10 min", "until"}, {"tokens", "today"}),
        (127, {"source", "requests", "10 min", "until", "tokens", "today"}, set()),
    ],
)
def test_what_matters_least_is_left_out_first(width: int, there: set[str], gone: set[str]) -> None:
    titles = plain(table(STATE, 0, width).lines[0])
    assert all(title in titles for title in there)
    assert not any(title in titles for title in gone)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_dead_key_has_a_future(width: int) -> None:
    dead = KeyChanged(
        "openai", "sk-p...dead", KeyState.PERMANENT, "unauthorized", START + timedelta(seconds=60), "check",
        cause=KeyCause("a", 401, "Incorrect API key provided."),
    )  # fmt: skip
    for seconds, left in ((17, "43s"), (60, "0s"), (90, "0s")):
        text = line(dead, seconds, width)
        assert " dead 401 " in text
        assert f"check {left}" in text
    assert ("since 03:04 · next check 43s" in line(dead, 17, width)) == (width > 77)


def test_a_key_that_is_switched_off_says_since_when() -> None:
    assert "off      since 03:04" in line(KeyChanged("openai", "sk-p...dead", KeyState.DISABLED))


def test_a_key_that_shall_never_be_checked_says_since_when_it_is_dead() -> None:
    assert "dead     since 03:04" in line(KeyChanged("openai", "sk-p...dead", KeyState.PERMANENT, "unauthorized"))


@pytest.mark.parametrize(
    "limits",
    [
        RateLimits(requests=RateLimit(500, 0, RESET)),
        RateLimits(tokens=RateLimit(200_000, 0, RESET)),
        RateLimits(five_hours=LimitWindow(1.0, RESET), status="rejected"),
        RateLimits(seven_days=LimitWindow(1.0, RESET)),
    ],
)
def test_a_key_with_nothing_left_is_spent_until_it_is_whole_again(limits: RateLimits) -> None:
    key = KeyChanged("openai", "sk-p...3f2a", KeyState.VALID, limits=limits)
    assert " ◔ sk-p...3f2a  spent    ━━━━━━━━    1m30s 03:05:35 limits" in line(key).replace("  1m30s", "    1m30s")
    found = table(after(key), 0, 117)
    (health,) = (tone for text, tone in found.lines[2] if text.startswith("spent"))
    assert health == "warn"
    assert "openai  0 of 1 ready · next 1m30s …3f2a" in shown(after(key), 0, 117)
    assert " ● sk-p...3f2a  valid " in line(key, 90)
    assert "~" in line(key, 90)
    assert "openai  1 of 1 ready" in shown(after(key), 90, 117)


def test_who_may_go_beyond_its_window_is_not_spent() -> None:
    limits = RateLimits(five_hours=LimitWindow(1.0, RESET), status="allowed_overage")
    assert " valid " in line(KeyChanged("anthropic", "sk-a...7de0", KeyState.VALID, limits=limits))


def test_a_gauge_is_full_and_dim_after_its_reset() -> None:
    limits = RateLimits(requests=RateLimit(500, 3, RESET))
    key = KeyChanged("openai", "sk-p...3f2a", KeyState.VALID, limits=limits)
    assert "━─── 3/500" in line(key, 89)
    assert "━━━━ ~500/500" in line(key, 90)
    tones = {tone for text, tone in table(after(key), 90, 117).lines[2] if "━" in text or "500" in text}
    assert tones <= {"faint", "muted"}


@pytest.mark.parametrize(
    ("hours", "until", "left"),
    [(19, "22:04:05", "19h00m"), (21, "Sat 03 Jan 00:04", "21h00m"), (136, "Wed 07 Jan 19:04", "5d16h")],
)
def test_far_times_have_a_date(hours: int, until: str, left: str) -> None:
    end = START + timedelta(hours=hours)
    text = line(KeyChanged("openai", "sk-p...3f2a", KeyState.TEMPORARY, "quota_exhausted", end, "body"))
    assert f"{left} {until}" in text


@pytest.mark.parametrize(
    ("width", "pool"),
    [
        (117, "azure  4 of 6 ready · next 1m22s …k002 · group of 2 · pool lasts till ~05:04"),
        (57, "azure  4 of 6 ready · next 1m22s …k002 · group of 2"),
        (37, "azure  4 of 6 ready"),
    ],
)
def test_a_pool_says_which_keys_share_limits_and_how_long_it_lasts(width: int, pool: str) -> None:
    lines = shown(whole_morning(), 120, width)
    assert pool in lines
    (text,) = (text for text in lines if "k010" in text)
    assert ("lasts till ~04:34" in text) == (width > 57)
    assert ("till ~04:34" in text) == (width > 37)
    assert "lasts" not in "".join(shown(whole_morning(), 3 * 3600, width))


def test_who_uses_a_key_now_is_named() -> None:
    at = {width: next(text for text in shown(STATE, 5, width) if "sk-p...91bc" in text) for width in (117, 197)}
    assert at[117].endswith(" Codex 1")
    assert at[197].endswith(" Codex 1 · fix the flaky cooldown test…")


def test_a_filter_leaves_out_what_does_not_match() -> None:
    found = table(whole_morning(), 120, 117, query="provider:openai- state:cooling")
    assert [name for name, _place in found.places] == [("openai-batch", "sk-p...k022")]
    assert "openai-batch  5 of 6 ready" in plain(found.lines[1])  # the pool is whole all the same
    assert "no key matches" in plain(table(STATE, 0, 117, query="nothing").lines[-1])


@pytest.mark.parametrize("width", WIDTHS)
def test_mcp_servers_have_a_line_each_below_the_keys(width: int) -> None:
    state = after(
        *keys(),
        ServerChanged("docs", ServerState.READY, 7),
        ServerChanged("a server \x1b[31mwith a long name", ServerState.FAILED, 0, "it ended with exit code 1\n" * 9),
        ServerChanged("slow", ServerState.STARTING),
        ServerChanged("gone", ServerState.READY, 1),
        ServerChanged("gone", ServerState.FAILED, 0, "removed"),
    )
    found = table(state, 0, width, room=40)
    lines = [plain(each).rstrip() for each in found.lines]
    assert lines[-5:-3] == ["", "tools  1 of 3 servers ready"]
    assert lines[-3].startswith(" ✗ a server ")
    assert "failed    it ended with exit code 1" in lines[-3]
    assert lines[-2:] == [" ● docs         ready     7 tools", " ◐ slow         starting"]
    assert all(cell_len(each) <= width for each in lines)
    assert "\x1b" not in "".join(lines)
    assert all(place.stop <= len(lines) - 5 for _, place in found.places)
