"""Counts over time: exact, bounded, and whole again after a snapshot as far as one can tell of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from attrs import astuple, evolve
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from bridge.events.entries import Totals
from bridge.events.picture import Picture
from bridge.events.values import FailureReason, Outcome
from bridge.events.vocabulary import AttemptFailed, AttemptStarted, Event, TokensUsed
from bridge.events.wire import Envelope, Snapshot
from monitor.lines import breakdown, totals
from monitor.lines.format import BLOCKS, sparkline
from monitor.state.breakdown import NAMES, OTHER_PAIRS, OTHERS, PAIRS, Breakdown, add, errors
from monitor.state.buckets import Buckets
from monitor.state.names import Roster
from monitor.state.state import MonitorState
from monitor.state.usage import KEYS, UsageHistory
from tests.support.folds import HISTORIES, after, envelopes, fold, plain, snapshot_after, travelled
from tests.support.play import HELLO, START, ended, spent, started, story


def counted(*events: tuple[float, Event], zone: timezone | None = None) -> UsageHistory:
    """The usage of events at those seconds."""
    picture, usage = Picture(), UsageHistory(zone=zone or UTC)
    for seconds, event in events:
        at = START + timedelta(seconds=seconds)
        picture.apply(event, at)
        usage.note(event, at, picture)
    return usage


def now(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_windows_hold_what_happened_in_them() -> None:
    usage = counted(
        *((0, event) for event in story("a")),
        (1, spent("a")),
        (2, ended("a")),
        (500, started("b", client="Claude Code", model="opus")),
        (505, ended("b", Outcome.REJECTED)),
        (506, started("c")),
    )
    minute, ten, today = (totals.breakdown(usage, window, now(507)) for window in totals.WINDOWS)
    assert (minute.whole.interceptions, errors(minute.whole), minute.whole.tokens.output) == (2, 1, 0)
    assert (ten.whole.interceptions, ten.whole.completed, ten.whole.failovers) == (3, 1, 1)
    assert (ten.whole.tokens.output, ten.whole.tokens.cache_read_input, ten.whole.tokens.cost_usd) == (
        640,
        10_240,
        0.0312,
    )
    assert ten.models["gpt-5.1-codex"].interceptions == 2
    assert ten.clients["Claude Code"].rejected == 1
    assert today == ten
    later = totals.breakdown(usage, totals.WINDOWS[1], now(2_000))
    assert later == Breakdown()
    assert totals.breakdown(usage, totals.WINDOWS[2], now(2_000)).whole.interceptions == 3
    assert totals.breakdown(usage, totals.WINDOWS[2], now(90_000)) == Breakdown()


def test_a_day_begins_at_midnight_where_the_person_is() -> None:
    twenty_past_two = timezone(-timedelta(hours=3, minutes=3))  # 00:01 there
    usage = counted((-120, started("a")), (10, started("b")), zone=twenty_past_two)
    assert usage.on(now(20)).whole.interceptions == 1
    assert counted((-120, started("a")), (10, started("b"))).on(now(20)).whole.interceptions == 2


def test_what_comes_late_is_counted_where_it_belongs_or_not_at_all() -> None:
    usage = counted((0, started("a")), (700, started("b")), (690, started("c")), (5, started("d")))
    assert totals.breakdown(usage, totals.WINDOWS[1], now(700)).whole.interceptions == 2


def test_uses_of_a_key_are_counted() -> None:
    events: list[tuple[float, Event]] = [(0.0, started("a"))]
    for attempt in range(1, 7):
        events.append((attempt * 30, AttemptStarted("a", attempt, "k")))
        if attempt % 2:
            events.append((attempt * 30 + 1, AttemptFailed("a", attempt, "k", 529, FailureReason.OVERLOADED)))
    uses = counted(*events).keys["openai", "k"].last(now(200), 30)
    assert sum(bucket.tried for bucket in uses if bucket) == 6
    assert sum(bucket.failed for bucket in uses if bucket) == 3


@given(HISTORIES, st.integers(0, 30))
def test_a_snapshot_and_the_rest_count_the_same(events: list[Event], cut: int) -> None:
    """All but when: a snapshot does not say when tokens were used and attempts failed, nor with which key."""
    sent = envelopes(events)
    whole = fold(HELLO, snapshot_after([]), *map(travelled, sent))
    joined = fold(HELLO, travelled(snapshot_after(sent[:cut])), *map(travelled, sent[cut:]))
    assert sums(joined.usage) == sums(whole.usage)
    again = fold(
        HELLO, travelled(snapshot_after(sent[:cut])), *map(travelled, sent[cut:]), travelled(snapshot_after(sent))
    )
    assert sums(again.usage) == sums(whole.usage)


def sums(usage: UsageHistory) -> tuple[object, ...]:
    uses = {
        name: (sum(bucket.tried for bucket in kept if bucket), sum(bucket.failed for bucket in kept if bucket))
        for name, buckets in usage.keys.items()
        for kept in [buckets.last(now(100), 30)]
    }
    found = usage.on(now(100))
    keys = {name: (counted.interceptions, counted.failed) for name, counted in found.keys.items()}
    return astuple(evolve(found, keys={})), keys, uses


@given(st.lists(st.tuples(st.floats(0, 2_000), st.sampled_from("abc"), st.sampled_from("xyz"))))
def test_the_whole_is_the_sum_of_its_parts(requests: list[tuple[float, str, str]]) -> None:
    events: list[tuple[float, Event]] = []
    for number, (seconds, model, client) in enumerate(sorted(requests)):
        events.append((seconds, started(f"r{number}", model=model, client=client)))
        events.append((seconds, TokensUsed(f"r{number}", None, 3, 5)))
    usage = counted(*events)
    for window in totals.WINDOWS:
        found = totals.breakdown(usage, window, now(2_000))
        for sums_by_name in (found.models.values(), found.clients.values(), found.sessions.values()):
            total = Totals()
            for sums in sums_by_name:
                add(total, sums)
            assert total == found.whole


def test_memory_is_bounded_over_days_and_names() -> None:
    picture, usage = Picture(), UsageHistory()
    for number in range(3_000):
        at = START + timedelta(seconds=number * 60)
        begun = started(f"r{number}", model=f"m{number}", client="x" * 500 + str(number))
        for event in (begun, AttemptStarted(begun.id, 1, f"key{number}"), ended(begun.id)):
            picture.apply(event, at)
            usage.note(event, at, picture)
    assert len(usage.short._kept) <= 120
    assert len(usage.long._kept) <= 48
    assert len(usage.keys) == KEYS
    assert len(usage.today.models) == NAMES + 1
    assert usage.today.models[OTHERS].interceptions > 100
    assert all(len(name) <= 100 for name in usage.today.clients)


@given(st.lists(st.integers(0, 10_000)), st.integers(1, 60), st.integers(1, 20))
def test_buckets_keep_the_latest(times: list[int], seconds: int, count: int) -> None:
    buckets = Buckets(seconds, count, lambda: [0])
    for time in sorted(times):
        bucket = buckets.at(datetime.fromtimestamp(time, UTC))
        assert bucket is not None
        bucket[0] += 1
    end = max(times, default=0)
    first = (end // seconds - count + 1) * seconds
    kept = sum(bucket[0] for bucket in buckets.last(datetime.fromtimestamp(end, UTC), count) if bucket)
    assert kept == sum(time >= first for time in times)
    assert len(buckets._kept) <= count


@given(st.lists(st.floats(0, 1e9)), st.integers(0, 80))
def test_a_sparkline_has_its_width(values: list[float], width: int) -> None:
    line = sparkline(values, width)
    assert len(line) == width
    assert set(line) <= {" ", *BLOCKS}
    if width and any(values):
        assert BLOCKS[-1] in line


def test_a_sum_over_some_unknown_costs_says_so() -> None:
    unknown = TokensUsed("b", "resp_2", 100, 10)
    usage = counted(
        *((0, event) for event in (*story("a"), *story("b"))),
        (1, spent("a")),
        (400, unknown),
        (401, evolve(spent("a"), partial=True)),
    )
    (named,) = breakdown.table(usage, Roster(), "models", totals.WINDOWS[2], now(410), 77).lines[1:]
    lines = totals.table(MonitorState(usage=usage), now(410), 77)
    shown = {plain(line)[:13].strip(): plain(line)[13:37].split() for line in lines}
    assert shown["cost"] == ["≥$0.03", "≥$0.06", "≥$0.06"]
    assert "≥$0.06" in plain(named)
    known = counted(*((0, event) for event in story("a")), (1, evolve(spent("a"), partial=True)))
    assert "~$0.03" in plain(breakdown.table(known, Roster(), "models", totals.WINDOWS[2], now(2), 77).lines[1])


def test_a_snapshot_brings_what_is_unknown_along() -> None:
    before, after = Picture(), Picture()
    for event in (*story("a"), spent("a")):
        before.apply(event, START)
    for event in (*story("a"), spent("a"), TokensUsed("a", "resp_2", 100, 10)):
        after.apply(event, START)
    usage = UsageHistory()
    usage.catch_up(before, after, START)
    assert (usage.today.whole.tokens.unpriced, usage.today.whole.tokens.input) == (1, 100)


WIDTHS = (58, 77, 117, 157, 197)


def test_the_table_tells_all_windows_and_stands_in_columns() -> None:
    events = [*story("a"), spent("a"), ended("a")]
    state = fold(HELLO, snapshot_after([]), *envelopes(events), Envelope(len(events) + 1, now(400), started("b")))
    for width in WIDTHS:
        lines = totals.table(state, now(410), width)
        assert all(cell_len(plain(line)) <= width for line in lines)
        shown = {plain(line)[:13].strip(): plain(line)[13:45].split() for line in lines}
        assert shown[""] in (["1", "min", "10", "min", "today", "bridge"], [])
        assert shown["requests"] == ["1", "2", "2", "2"]
        assert shown["in"] == ["0", "12.3k", "12.3k", "12.3k"]
        assert shown["out"] == ["0", "640", "640", "640"]
        assert shown["reasoning"] == ["0", "256", "256", "256"]
        assert shown["cached"] == ["–", "83%", "83%", "83%"]  # noqa: RUF001  what is not known yet
        assert shown["cost"] == ["–", "$0.03", "$0.03", "$0.03"]  # noqa: RUF001
        assert shown["burn $/h"][0] == "–"  # noqa: RUF001
        minor = {plain(line)[:13].strip() for line in totals.table(state, now(410), width, low=True)}
        assert minor == shown.keys() - {"into cache", "reasoning", "cache saved", "cancelled"}
    assert totals.since(state, now(410)) == " · today since 03:04 · the bridge since 03:04"
    assert totals.since(MonitorState(), now(0)) == ""


def test_rates_divide_by_the_time_that_was_watched() -> None:
    usage = counted(*((0, event) for event in story("a")), (1, spent("a")), (2, ended("a")), (400, started("b")))
    lines = totals.table(MonitorState(usage=usage), now(410), 77)
    shown = {plain(line)[:13].strip(): plain(line)[13:37].split() for line in lines}
    assert shown["a minute"] == ["1.0", "0.3", "0.3"]
    assert shown["burn $/h"] == ["–", "$0.27", "$0.27"]  # noqa: RUF001  $0.0312 in 410 seconds


def test_the_last_column_is_the_count_that_the_header_shows() -> None:
    picture = Picture()
    for number in range(300):
        for event in (started(f"r{number}"), spent(f"r{number}"), ended(f"r{number}")):
            picture.apply(event, START)
    state = fold(HELLO, Snapshot.of(picture, 900, START))
    requests = next(plain(line) for line in totals.table(state, now(60), 117) if plain(line).startswith("requests"))
    assert requests.split()[1:5] == ["0", "200", "200", "300"]
    assert totals.since(state, now(60)) == (
        " · today since 03:04 · the bridge since 03:04 · 200 of its 300 requests here"
    )
    assert " · the bridge since Fri 02 Jan 03:04" in totals.since(state, now(90_000))


def test_a_course_says_its_times_and_its_highest_rate() -> None:
    minute = [(200 + 5.0 * number, started(f"r{number}")) for number in range(12)]
    usage = counted((0, started("x")), *minute, (590, started("y")))
    lines = totals.table(MonitorState(usage=usage), now(595), 157)
    texts = {plain(line)[:13].strip(): plain(line)[45:] for line in lines}
    assert "max 12/min" in texts["requests"]
    assert "max 14/h" in texts["requests"]
    assert "max" not in texts["failovers"]
    axis = plain(lines[-1])[45:]
    assert axis.split() == ["-10m", "-5m", "now", "-1d", "-12h", "now"]
    course = texts["requests"]
    assert axis.index("now") + 3 == course.index("max") - 1  # the newest stands under now
    assert course[axis.index("-10m") + 2 :].strip()


@pytest.mark.parametrize("width", WIDTHS)
def test_tables_by_name_stand_in_columns_and_know_whose_their_lines_are(width: int) -> None:
    usage = counted(*((0, event) for event in story("a")), (1, spent("a")), (2, ended("a")), (400, started("b")))
    shown = {
        by: breakdown.table(usage, after(*story("a")).roster, by, totals.WINDOWS[2], now(410), width)
        for by in ("models", "clients", "sessions", "keys")
    }
    rows = {by: [plain(line).split() for line in sums.lines[1:]] for by, sums in shown.items()}
    assert rows["models"][0][:6] == ["gpt-5.1-codex", "2", "12.3k", "640", "$0.03", "0"]
    assert rows["clients"][0][:6] == ["Codex", "2", "12.3k", "640", "$0.03", "0"]
    (session,) = map(plain, shown["sessions"].lines[1:])
    assert session.startswith("Codex 1 · fix the fla" if width > 58 else "Codex 1  ")
    assert " ".join(session.split()).partition(" 2 12.3k 640 $0.03 0")[1]
    assert [row[:7] for row in rows["keys"]] == [
        ["openai", "sk-p...91bc", "1", "12.3k", "640", "$0.03", "0"],
        ["openai", "sk-p...3f2a", "1", "0", "0", "–", "1"],  # noqa: RUF001
    ]
    assert "tries" in plain(shown["keys"].lines[0])
    for sums in shown.values():
        assert all(cell_len(plain(line)) <= width for line in sums.lines)
        assert [sums.place(name).start for name in sums.names] == list(range(1, len(sums.lines)))
    assert shown["keys"].place(("openai", "gone")) == range(0)
    assert shown["keys"].place(None) == range(0)


def test_a_key_is_told_from_others_by_its_end_where_its_provider_is_long() -> None:
    roster = after().roster
    name = ("anthropic-in-europe", "sk-a...k006")
    assert breakdown.label("keys", name, roster, 31) == "anthropic-in-europe sk-a...k006"
    assert breakdown.label("keys", name, roster, 24) == "anthropic-… sk-a...k006"
    assert breakdown.label("keys", name, roster, 12).endswith("sk-a...k006")


def test_a_table_of_nothing_says_so() -> None:
    sums = breakdown.table(UsageHistory(), Roster(), "clients", totals.WINDOWS[0], now(0), 80)
    assert "nothing" in plain(sums.lines[1])
    assert sums.names == []


def test_a_row_is_also_a_filter() -> None:
    cases: tuple[tuple[breakdown.By, breakdown.RowName, str | None], ...] = (
        ("models", "gpt-5.5", 'model:"gpt-5.5"'),
        ("clients", "Claude Code", 'client:"Claude Code"'),
        ("sessions", ("Claude Code", "7c9e"), 'client:"Claude Code" session:"7c9e"'),
        ("sessions", ("Claude Code", ""), None),
        ("keys", ("openai", "sk-p...3f2a"), 'model:"openai" key:"sk-p...3f2a"'),
        ("keys", OTHER_PAIRS, None),
        ("models", OTHERS, None),
        ("models", 'a "quoted" one', None),
        ("clients", "x" * 100, None),
    )
    for by, name, query in cases:
        assert breakdown.query(by, name) == query
    assert breakdown.label("sessions", ("Codex", ""), Roster(), 40) == "Codex, no session"
    assert breakdown.label("keys", OTHER_PAIRS, Roster(), 40) == "others"


def test_of_too_many_names_the_latest_are_told_apart() -> None:
    usage = counted(*((0, started(f"r{number}", session_id=f"s{number}")) for number in range(100)))
    sessions = usage.over(now(1), 60).sessions
    assert len(sessions) == PAIRS + 1
    assert ("Codex", "s99") in sessions
    assert ("Codex", "s0") not in sessions
    assert sessions[OTHER_PAIRS].interceptions == 100 - PAIRS
    assert len(usage.today.sessions) == 100  # of a day there is room for more


def test_each_of_many_keys_is_told_apart_today() -> None:
    usage = counted(
        *(
            (0, event)
            for number in range(2 * PAIRS)
            for event in (started(f"r{number}"), AttemptStarted(f"r{number}", 1, f"k{number}"), spent(f"r{number}"))
        )
    )
    assert len(usage.on(now(1)).keys) == 2 * PAIRS
    used = usage.key_tokens(("openai", "k0"), now(1))
    assert used is not None
    assert (used.output, used.cost_usd) == (640, 0.0312)
    assert usage.key_tokens(("openai", "k0"), now(86_400)) is None
    tried = counted((0, started("a")), (0, AttemptStarted("a", 1, "k")))
    assert tried.key_tokens(("openai", "k"), now(1)) is None  # tried, and nothing used


def test_the_state_counts_as_it_folds() -> None:
    state = fold(HELLO, snapshot_after([]), *envelopes([*story("a"), spent("a"), ended("a")]))
    assert state.usage.on(now(60)).whole.interceptions == 1
    assert state.usage.on(now(60)).whole.tokens.output == 640
    assert not errors(fold(HELLO, Envelope(1, START, ended("unknown"))).usage.today.whole)


def test_another_round_of_tools_is_no_failover_live_or_caught_up() -> None:
    events = [
        started("a"),
        AttemptStarted("a", 1, "k"),
        AttemptStarted("a", 2, "k"),
        AttemptFailed("a", 2, "k", 429, FailureReason.RATE_LIMITED),
        AttemptStarted("a", 3, "k"),
    ]
    live = counted(*((0, event) for event in events))
    picture, caught_up = Picture(), UsageHistory(zone=UTC)
    for event in events:
        picture.apply(event, START)
    caught_up.catch_up(Picture(), picture, START)
    for usage in (live, caught_up):
        assert totals.breakdown(usage, totals.WINDOWS[0], now(1)).whole.failovers == 1
