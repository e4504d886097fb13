"""What the pure views say: the story, the table's columns, the keys' lines."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from rich.cells import cell_len

from bridge.events.entries import Interception
from bridge.events.values import Asked, Credential, FailureReason, KeyState, Outcome, ThoughtSource, WithheldReason
from bridge.events.vocabulary import (
    AttemptFailed,
    AttemptStarted,
    Event,
    InterceptionWaiting,
    KeyChanged,
    ModelServed,
    Noted,
    ResponseStarted,
    ThoughtDelta,
    ThoughtWithheld,
    TokensUsed,
    ToolCalled,
)
from monitor.lines import key_panel, request_row
from monitor.lines.request_story import WITHHELD, story_blocks, title
from monitor.lines.tool_arguments import arguments
from monitor.lines.verdict import mark, verdict
from monitor.state.state import MonitorState
from tests.support.folds import after, plain
from tests.support.play import START, SUMMARY, ended, keys, spent, started, story


def request(*events: Event) -> Interception:
    return after(*events).picture.interceptions["a"]


def story_text(*events: Event, seconds: float = 0) -> str:
    """The whole story as text."""
    parts: list[str] = []
    for block in story_blocks(request(*events), START + timedelta(seconds=seconds)):
        parts += [plain(block.heading), *map(plain, block.lines)]
        parts += [block.text] if block.text else []
    return "\n".join(parts)


def test_a_story_tells_everything_in_order() -> None:
    assert story_text(*story("a"), spent("a"), ended("a")).splitlines() == [
        "Codex gpt-5.1-codex · responses · streaming",
        "POST /openai/v1/responses",
        "session 019a4c1e-7d",
        "Attempts  1 failed",
        "✗ 1 sk-p...3f2a  429 rate limited  cools 7s",
        "✓ 2 sk-p...91bc  200 ",
        "Prompt",
        "fix the flaky cooldown test and say why it was flaky",
        "Thought  summary",
        "**Inspecting the failing test**",
        "",
        SUMMARY.splitlines()[-1],
        "Thought  withheld",
        "no text: the provider sent it encrypted, 2.3 kB",
        "Thought  commentary  …",
        "Running the key tests first.",
        "Tool shell  call_9f",
        "command: bash -lc pytest -q",
        "timeout_ms: 60000",
        "Answer",
        "I moved the deadline to the monotonic clock.",
        "",
        "✓ done · HTTP 200 · 12s",
        "in 12.3k (10.2k from cache) · out 640 · reasoning 256 · $0.03",
        "first byte 180ms · first token 850ms · 48.2 kB relayed",
    ]


@pytest.mark.parametrize("reason", WithheldReason)
def test_a_withheld_thought_says_why_it_is_blank(reason: WithheldReason) -> None:
    assert f"no text: {WITHHELD[reason]}, 12 B" in story_text(started("a"), ThoughtWithheld("a", "r", 0, reason, 12))


def test_what_served_what_is_noted_and_what_broke_off_is_told() -> None:
    text = story_text(
        started("a", model="gpt-5.6"),
        ModelServed("a", "gpt-5.6-2026", "priority", "fast", Asked("gpt-5.6", "auto")),
        Noted("a", "compaction", "made\nshort"),
        ThoughtDelta("a", 0, ThoughtSource.THINKING, "", 1500),
        TokensUsed("a", "r", 10, 5, partial=True),
        ended("a", Outcome.FAILED),
    )
    for words in ("served by gpt-5.6-2026 priority fast", "compaction", "~1.5k tokens", "counted until it broke off"):
        assert words in text


def test_a_waiting_request_says_for_how_long() -> None:
    text = story_text(started("a"), InterceptionWaiting("a", START + timedelta(seconds=9)), seconds=2)
    assert "every key cools; the next is ready in 7s" in text


def test_the_failure_of_a_request_is_told() -> None:
    text = story_text(started("a"), ended("a", Outcome.FAILED, status=None, error="upstream hung up"))
    assert "✗ failed · 12s" in text
    assert "upstream hung up" in text


def test_a_tool_that_failed_or_came_from_the_bridge_says_so() -> None:
    call = ToolCalled("a", "r", "c1", "search", {"q": "x"}, True, "http://127.0.0.1:9000/mcp", "timed out")
    assert "Tool search  by the bridge, http://127.0.0.1:9000/mcp\n✗ timed out\nq: x" in story_text(started("a"), call)


def test_the_callers_own_key_is_named_as_such() -> None:
    assert "the caller's own key" in story_text(started("a", credential=Credential("byok", "sk-u...1234")))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("not { json", "not { json"),
        ([1, "x"], '[1, "x"]'),
        (3, "3"),
        ({}, ""),
        ({"path": "a.py", "patch": "one\ntwo"}, "path: a.py\npatch:\n  one\n  two"),
        ({"argv": ["ls", "-l"], "deep": {"n": [1]}, "ja": "日本"}, 'argv: ls -l\ndeep: {"n": [1]}\nja: 日本'),
    ],
)
def test_arguments_are_made_readable(value: Any, text: str) -> None:
    assert arguments(value) == (text, "plain")


@pytest.mark.parametrize(
    ("events", "word"),
    [
        ([], "● accepted"),
        ([AttemptStarted("a", 1, "k")], "● sent"),
        ([AttemptStarted("a", 1, "k"), AttemptFailed("a", 1, "k", 429, FailureReason.RATE_LIMITED, 1.0)], "● accepted"),
        ([AttemptStarted("a", 1, "k"), ResponseStarted("a", 1, 200)], "● connected"),
        (story("a")[1:8], "● thinking"),
        (story("a")[1:11], "● tool call"),
        (story("a")[1:], "● answering"),
        ([InterceptionWaiting("a", START)], "◌ waits for key"),
        ([ended("a")], "✓ done"),
        ([ended("a", status=429)], "✗ HTTP 429"),
        ([ended("a", Outcome.FAILED)], "✗ failed"),
        ([ended("a", Outcome.CANCELLED)], "⊘ cancelled"),
        ([ended("a", Outcome.REJECTED)], "! rejected"),
    ],
)
def test_a_request_says_in_a_word_how_it_stands(events: list[Event], word: str) -> None:
    interception = request(started("a"), *events)
    assert f"{mark(interception)[0]} {verdict(interception, START).word}" == word
    assert word in title(interception, START)


@pytest.mark.parametrize("width", [70, 77, 80, 96, 100, 117, 140, 196])
def test_rows_fill_the_width_and_stand_under_their_titles(width: int) -> None:
    state = after(*story("a"), spent("a"), ended("a"), started("b", client="日本語のクライアント名", model="m" * 90))
    layout = request_row.shown(width)
    lines = [
        request_row.header(layout),
        *(request_row.row(interception, state, START, layout) for interception in state.ordered()),
    ]
    cells = {cell_len(plain(line)) for line in lines}
    assert len(cells) == 1
    assert cells.pop() <= width


def test_more_room_shows_more_columns() -> None:
    narrow, wide = ([column.title for column, _width in request_row.shown(width)] for width in (77, 180))
    assert narrow == ["", "state", "agent", "model", "key", "", "out", "time", "age"]
    assert set(wide) == {*narrow, "first", "in", "about", "tok/s", "cost"}


def shown_keys(state: MonitorState, seconds: float, width: int, room: int = 20) -> list[str]:
    return [plain(line).rstrip() for line in key_panel.panel(state, START + timedelta(seconds=seconds), width, room)]


def test_a_cooldown_runs_down() -> None:
    state = after(*keys())
    bars = [shown_keys(state, seconds, 77)[0] for seconds in (0, 10, 19.9, 20, 30)]
    assert [bar.count("━") for bar in bars] == [12, 6, 1, 0, 0]
    assert [bar.split("cooling")[1].strip(" ━─").split()[0] for bar in bars] == ["20s", "10s", "1s", "0s", "0s"]


def test_keys_stand_by_provider_in_the_order_of_their_pool() -> None:
    assert shown_keys(after(*keys()), 10, 77) == [
        "anthropic    ◐ sk-a...7de0 cooling ━━━━━━──────   10s rate limited",
        "             ✗ sk-a...55aa dead    unauthorized",
        "openai       ● sk-p...3f2a valid   412 req · 154k tok left",
        "             ● sk-p...91bc valid",
    ]
    assert shown_keys(after(*keys()), 10, 40) == [
        "anthropic",
        "◐ sk-a...7de0 ━━━━───   10s rate limited",
        "✗ sk-a...55aa dead    unauthorized",
        "openai",
        "● sk-p...3f2a valid   412 req · 154k tok",
        "● sk-p...91bc valid",
    ]


def test_keys_in_trouble_are_seen_where_there_is_little_room() -> None:
    state = after(*keys(), KeyChanged("openai", "sk-p...91bc", KeyState.TEMPORARY, "overloaded", START))
    first = shown_keys(state, 0, 77, room=3)[:3]
    assert [line[15:26] for line in first] == ["sk-a...7de0", "sk-p...91bc", "sk-a...55aa"]


def test_keys_in_trouble_come_first_where_lines_for_providers_take_the_room() -> None:
    state = after(*keys(), KeyChanged("openai", "sk-p...91bc", KeyState.TEMPORARY, "overloaded", START))
    assert shown_keys(state, 0, 40, room=6)[0] == "anthropic"
    assert [line[2:26].rstrip() for line in shown_keys(state, 0, 44, room=5)] == [
        "sk-a...7de0 anthropic",
        "sk-p...91bc openai",
        "sk-a...55aa anthropic",
        "sk-p...3f2a openai",
    ]


def test_a_title_gives_up_words_of_the_name_before_how_it_goes() -> None:
    names = ["Codex 1 · why is it late", "Codex 1"]
    live = request(*story("a")[:8])
    whole = "Codex 1 · why is it late · a · ● thinking 0s"
    assert title(live, START, names) == title(live, START, names, cell_len(whole)) == whole
    assert title(live, START, names, cell_len(whole) - 1) == "Codex 1 · a · ● thinking 0s"
    assert title(live, START, (), 10).endswith("● thinking 0s")


def test_the_summary_counts_each_health() -> None:
    assert key_panel.summary(after(*keys()), START) == "2 valid · 1 cooling · 1 dead"
