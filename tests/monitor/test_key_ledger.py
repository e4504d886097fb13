"""What happened to keys: folded from events, made whole from snapshots as far as these tell, and shown as lines."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from bridge.events.picture import Picture
from bridge.events.values import FailureReason, KeyCause, KeyRunway, KeyState, MoveCause, RateLimit, RateLimits
from bridge.events.vocabulary import (
    AttemptFailed,
    AttemptStarted,
    Event,
    KeyChanged,
    KeyMoved,
    PoolChanged,
    ResponseStarted,
)
from bridge.events.wire import Envelope, Snapshot
from monitor.lines import key_details
from monitor.state.key_ledger import KEYS, KeyLedger
from monitor.state.ledger_entry import LENGTH, LONGEST, MOVES, LedgerEntry
from monitor.state.names import Roster
from monitor.state.state import MonitorState
from tests.support.folds import after, envelopes, fold, plain, snapshot_after, tell, travelled
from tests.support.many_keys import WORDS, morning
from tests.support.play import HELLO, START, ended, started

A, B = ("openai", "sk-p...aaaa"), ("openai", "sk-p...bbbb")
UNTIL = START + timedelta(seconds=31)


def changed(name: tuple[str, str], state: KeyState, reason: str | None = None, **fields: object) -> KeyChanged:
    return KeyChanged(*name, state, reason, **fields)  # type: ignore[arg-type]


def benched(request: str = "r1", name: tuple[str, str] = A) -> list[Event]:
    """A request that is rate limited with one key, and goes on with the other: in the order in which a bridge tells."""
    cause = KeyCause(request, 429, WORDS)
    return [
        started(request),
        AttemptStarted(request, 1, name[1]),
        changed(name, KeyState.TEMPORARY, "rate_limited", retry_at=UNTIL, source="header", cause=cause),
        AttemptFailed(request, 1, name[1], 429, FailureReason.RATE_LIMITED, 31.0),
        AttemptStarted(request, 2, B[1]),
    ]


WELL: list[KeyChanged] = [changed(A, KeyState.VALID), changed(B, KeyState.VALID)]


def test_an_entry_says_when_why_in_whose_words_until_when_whose_request_and_where_it_went() -> None:
    (entry,) = after(*WELL, *benched()).ledger.of(A)
    assert entry == LedgerEntry(
        START, KeyState.TEMPORARY, "rate_limited", 429, WORDS, UNTIL, "header", "r1", "Codex", "019a4c1e-7d", B[1]
    )
    assert after(*WELL, *benched()).ledger.of(B) == []


def test_a_snapshot_tells_the_same_of_the_last_thing_that_happened() -> None:
    events = [*WELL, *benched()]
    lived = fold(HELLO, snapshot_after([]), *envelopes(events))
    joined = fold(HELLO, travelled(snapshot_after(envelopes(events))))
    (seen,), (told,) = lived.ledger.of(A), joined.ledger.of(A)
    assert told.at == START + timedelta(seconds=4)  # that of the attempt
    told.at = seen.at
    assert told == seen


@given(st.integers(0, 7))
def test_nothing_is_told_twice_when_a_snapshot_comes_in_between(cut: int) -> None:
    sent = envelopes([*WELL, *benched()])
    state = fold(HELLO, snapshot_after([]), *sent[:cut], snapshot_after(sent), *sent[cut:], snapshot_after(sent))
    (entry,) = state.ledger.of(A)
    assert (entry.state, entry.request, entry.moved_to) == (KeyState.TEMPORARY, "r1", B[1])


def test_a_key_that_shares_a_limit_says_so_too_and_no_failure_is_told_twice() -> None:
    shared = changed(B, KeyState.TEMPORARY, "rate_limited", retry_at=UNTIL, cause=KeyCause("r1", 429, WORDS))
    events = benched()
    state = after(*WELL, *events[:3], shared, events[3], AttemptStarted("r1", 2, "sk-p...cccc"))
    for name in (A, B):
        (entry,) = state.ledger.of(name)
        assert (entry.text, entry.moved_to) == (WORDS, "sk-p...cccc")


def test_a_failure_that_benches_nobody_is_told() -> None:
    failed = AttemptFailed("r1", 1, A[1], 500, FailureReason.SERVER_ERROR, None)
    (entry,) = after(*WELL, started("r1"), AttemptStarted("r1", 1, A[1]), failed, ended("r1")).ledger.of(A)
    assert (entry.state, entry.status, entry.reason, entry.moved_to) == (None, 500, "server_error", None)


def test_what_is_left_on_a_key_is_no_news_and_a_check_moves_only_its_deadline() -> None:
    cause = KeyCause("r1", 401, "no")
    later = UNTIL + timedelta(seconds=120)
    dead = changed(A, KeyState.PERMANENT, "unauthorized", retry_at=UNTIL, source="check", cause=cause)
    state = after(
        *WELL,
        changed(A, KeyState.VALID, limits=RateLimits(RateLimit(500, 3))),
        dead,
        changed(A, KeyState.PERMANENT, "unauthorized", retry_at=later, source="check", cause=cause),
    )
    (entry,) = state.ledger.of(A)
    assert (entry.state, entry.until) == (KeyState.PERMANENT, later)
    state.apply(Envelope(9, START + timedelta(seconds=60), changed(A, KeyState.VALID)), START)
    assert [entry.state for entry in state.ledger.of(A)] == [KeyState.VALID, KeyState.PERMANENT]


def test_a_key_has_been_dead_since_it_died_whatever_was_told_later() -> None:
    state = after(*WELL)
    for seconds, check in ((10, 60), (70, 190)):
        at = START + timedelta(seconds=seconds)
        dead = changed(A, KeyState.PERMANENT, "unauthorized", retry_at=START + timedelta(seconds=check), source="check")
        state.apply(Envelope(state.seq + 1, at, dead), at)
    assert state.ledger.since[A] == START + timedelta(seconds=10)


def test_of_what_came_before_the_monitor_only_the_fact_is_known() -> None:
    picture = Picture()
    picture.apply(changed(A, KeyState.PERMANENT, "unauthorized", cause=KeyCause("gone", 401, "no")), START)
    state = MonitorState()
    state.apply(HELLO, START)
    state.apply(Snapshot.of(picture, 1, START), START)
    (entry,) = state.ledger.of(A)
    assert (entry.at, entry.status, entry.text, entry.request) == (None, 401, "no", "gone")
    assert A not in state.ledger.since
    assert plain(key_details.ledger([entry], Roster(), START, 80).lines[0]).startswith(
        "before    401 unauthorized, dead"
    )


def test_another_bridge_begins_anew_and_a_key_that_is_gone_is_forgotten() -> None:
    state = after(*WELL, *benched())
    state.apply(Envelope(state.seq + 1, START, changed(A, KeyState.VALID, "removed")), START)
    assert state.ledger.of(A) == []
    state.ledger.restart()
    assert state.ledger.since == {}


def test_an_agent_that_moves_is_told_with_what_its_cache_held() -> None:
    moved = KeyMoved("r1", "019a4c1e-7d", None, A[1], B[1], MoveCause.RATE_LIMITED, 18_432)
    (entry,) = after(*WELL, *benched(), moved, ended("r1")).ledger.of(A)
    assert (entry.status, entry.moves, entry.cache_lost) == (429, 1, 18_432)
    assert "18.4k of cache lost" in plain(key_details.ledger([entry], Roster(), START, 150).lines[0])
    left = KeyMoved("r2", "019a4c1e-7d", None, A[1], B[1], MoveCause.DISABLED)
    state = after(*WELL, *benched(), started("r2"), AttemptStarted("r2", 1, B[1]), left)
    (line,) = key_details.ledger(state.ledger.of(A)[:1], state.roster, START, 150).lines
    assert plain(line).rstrip() == "03:04:05  disabled, an agent moved · Codex 1 · e-7d → …bbbb r2"
    assert after(*WELL, KeyMoved("gone", None, None, A[1], B[1], MoveCause.REMOVED)).ledger.of(A) == []


def moved(number: int, cause: MoveCause = MoveCause.RATE_LIMITED, lost: int | None = 100) -> list[Event]:
    """A request that is served with the other key at once, since its agent's home rests."""
    id_ = f"m{number}"
    return [started(id_), AttemptStarted(id_, 1, B[1]), KeyMoved(id_, f"s-{number}", None, A[1], B[1], cause, lost)]


def test_agents_that_move_one_after_the_other_are_one_entry() -> None:
    state = after(*WELL, *benched(), ended("r1"))
    for number in range(30):
        for event in moved(number):
            at = START + timedelta(seconds=60 + number)
            state.apply(Envelope(state.seq + 1, at, event), at)
    moves, failure = state.ledger.of(A)
    assert (moves.moves, moves.request, moves.cache_lost, moves.at) == (30, "m29", 3_000, START + timedelta(seconds=89))
    assert (failure.status, failure.text) == (429, WORDS)
    (line,) = key_details.ledger([moves], Roster(), START, 150).lines
    assert plain(line).startswith("03:05:34  rate limited, agents moved 30 times · since 03:05:05 · ")


def test_failures_stay_whatever_moves_between_them() -> None:
    state = after(*WELL)
    for number in range(30):
        failed = AttemptFailed(f"f{number}", 1, A[1], 500, FailureReason.SERVER_ERROR)
        tell(state, started(f"f{number}"), AttemptStarted(f"f{number}", 1, A[1]), failed, ended(f"f{number}"))
        tell(state, *moved(number))
    entries = state.ledger.of(A)
    assert [entry.request for entry in entries if not entry.is_move] == [f"f{number}" for number in range(29, -1, -1)]
    assert [entry.request for entry in entries if entry.is_move] == [f"m{29 - number}" for number in range(MOVES)]


def test_moves_of_another_cause_are_another_entry() -> None:
    state = after(*WELL, *moved(1), *moved(2), *moved(3, MoveCause.DISABLED))
    assert [(entry.reason, entry.moves) for entry in state.ledger.of(A)] == [("disabled", 1), ("rate_limited", 2)]


@pytest.mark.parametrize(
    ("reason", "cooldown_s", "made"),
    [
        (FailureReason.RATE_LIMITED, 31.0, (KeyState.TEMPORARY, UNTIL)),
        (FailureReason.UNAUTHORIZED, None, (KeyState.PERMANENT, None)),
        (FailureReason.SERVER_ERROR, None, (None, None)),
    ],
)
def test_what_a_failure_made_of_its_key_is_seen_by_the_attempt_where_nobody_told(
    reason: FailureReason, cooldown_s: float | None, made: tuple[KeyState | None, datetime | None]
) -> None:
    failed = AttemptFailed("r1", 1, A[1], 429, reason, cooldown_s, WORDS)
    picture = Picture()
    for event in (*WELL, started("r1"), AttemptStarted("r1", 1, A[1]), failed, ended("r1")):
        picture.apply(event, START)
    (entry,) = fold(HELLO, Snapshot.of(picture, 1, START)).ledger.of(A)
    assert ((entry.state, entry.until), entry.text) == (made, WORDS)


def test_the_record_says_when_what_a_snapshot_told_of_was() -> None:
    picture, recorded = Picture(), Picture()
    cause = KeyCause("r1", 429, WORDS)
    picture.apply(changed(A, KeyState.TEMPORARY, "rate_limited", retry_at=UNTIL, source="header", cause=cause), START)
    state = fold(HELLO, Snapshot.of(picture, 1, START))
    for envelope in envelopes([*benched(), ended("r1")]):
        recorded.apply(envelope.event, envelope.at)
    state.ledger.recall(recorded.interceptions.values())
    (entry,) = state.ledger.of(A)
    at = START + timedelta(seconds=2)
    assert (entry.at, entry.state, entry.client, entry.moved_to, entry.source) == (
        at, KeyState.TEMPORARY, "Codex", B[1], "header",
    )  # fmt: skip
    assert state.ledger.since[A] == at


def test_after_a_restart_the_record_says_since_when_a_key_is_dead_and_in_whose_words() -> None:
    picture = Picture()
    picture.apply(started("r9"), START)
    picture.apply(AttemptStarted("r9", 1, A[1]), START)
    picture.apply(AttemptFailed("r9", 1, A[1], 401, FailureReason.UNAUTHORIZED, None, "no such key"), START)
    picture.apply(ended("r9"), START)
    state = fold(HELLO)
    # What the new bridge knows by itself: which request it was, and its status.
    dead = changed(A, KeyState.PERMANENT, "unauthorized", cause=KeyCause("r9", 401))
    state.apply(Snapshot.of(Picture(keys={A: dead}), 0, UNTIL), UNTIL)
    state.ledger.recall(picture.interceptions.values())
    assert state.ledger.since[A] == START
    (entry,) = state.ledger.of(A)
    assert (entry.at, entry.status, entry.text, entry.request) == (START, 401, "no such key", "r9")


def test_what_the_record_tells_never_drives_out_what_came_later() -> None:
    state = after(*WELL)
    for number in range(LENGTH):
        tell(state, *_failing(f"f{number}"))
    old = Picture()
    for event in [event for number in range(LENGTH) for event in _failing(f"o{number}")]:
        old.apply(event, START - timedelta(hours=1))
    state.ledger.recall(old.interceptions.values())
    assert {entry.request for entry in state.ledger.of(A)} == {f"f{number}" for number in range(LENGTH)}


def _failing(id_: str) -> list[Event]:
    failed = AttemptFailed(id_, 1, A[1], 500, FailureReason.SERVER_ERROR)
    return [started(id_), AttemptStarted(id_, 1, A[1]), failed, ended(id_)]


def test_how_keys_were_at_a_moment_is_known_beside_how_they_are() -> None:
    state = after(*WELL)
    cooled = changed(A, KeyState.TEMPORARY, "rate_limited", retry_at=UNTIL)
    for seconds, key in ((10, cooled), (31, changed(A, KeyState.VALID))):
        state.apply(Envelope(state.seq + 1, START + timedelta(seconds=seconds), key), START)
    keys = list(state.picture.keys.values())
    at = [state.ledger.at(START + timedelta(seconds=seconds), keys)[0].state for seconds in (-60, 5, 10, 30, 31)]
    temporary, valid = KeyState.TEMPORARY, KeyState.VALID
    assert at == [valid, valid, temporary, temporary, valid]
    assert state.ledger.changed_at(A) == START + timedelta(seconds=31)


def test_the_facts_say_who_shares_its_limits_and_how_long_it_lasts() -> None:
    pool = PoolChanged(
        "openai", 2, 2, None, None, None, [[A[1], B[1]]], [KeyRunway(A[1], START + timedelta(hours=1), None, "headers")]
    )
    shown = [plain(line).rstrip() for line in key_details.facts(WELL[0], after(*WELL, pool), START, 100)]
    assert "  lasts till 04:04 · shares its limits with …bbbb" in shown
    answered = [*benched(), ResponseStarted("r1", 2, 200)]
    shown = [plain(line).rstrip() for line in key_details.facts(WELL[1], after(*WELL, *answered), START, 100)]
    assert "  home of 1 agent" in shown


def test_memory_is_bounded() -> None:
    ledger, picture = KeyLedger(), Picture()
    for number in range(3 * LENGTH):
        cause = KeyCause(None, 429, "x" * 10_000)
        state = KeyState.TEMPORARY if number % 2 else KeyState.VALID
        ledger.note(changed(A, state, str(number), cause=cause), START, picture)
    assert len(ledger.of(A)) == LENGTH
    assert max(len(entry.text or "") for entry in ledger.of(A)) == LONGEST
    for number in range(2 * KEYS):
        key = changed(("openai", f"k{number}"), KeyState.TEMPORARY)
        ledger.note(key, START, picture)
    assert len(ledger._entries) == KEYS


@pytest.mark.parametrize("width", [37, 57, 77, 117, 157, 197])
def test_its_lines_fit_and_each_belongs_to_an_entry(width: int) -> None:
    state = after()
    for number, (seconds, event) in enumerate(morning(), 1):
        at = START + timedelta(seconds=seconds)
        state.apply(Envelope(number, at, event), at)
    for name, key in state.picture.keys.items():
        for now in (START + timedelta(seconds=120), START + timedelta(days=2)):
            shown = key_details.ledger(state.ledger.of(name), state.roster, now, width)
            assert all(cell_len(plain(line)) <= width for line in shown.lines)
            rows = [row for place in shown.places for row in place]
            assert rows == (list(range(len(shown.lines))) if state.ledger.of(name) else [])
            facts = key_details.facts(key, state, now, width)
            assert all(cell_len(plain(line)) <= width for line in facts)


def lines(now: datetime, width: int) -> list[str]:
    state = after(*WELL, *benched())
    shown = key_details.ledger(state.ledger.of(A), state.roster, now, width)
    return [plain(line).rstrip() for line in shown.lines]


def test_an_entry_reads_as_a_sentence() -> None:
    assert lines(START, 150) == [
        "03:04:05  429 rate limited, cooling · until 03:04:36 (header) · Codex 1 · e-7d → …bbbb r1",
        "          “" + WORDS + "”",
    ]
    assert lines(START, 60)[:2] == [
        "03:04:05  429 rate limited, cooling",
        "          until 03:04:36 (header) · Codex 1 → …bbbb r1",
    ]
    assert lines(START + timedelta(days=1), 150)[0].startswith("Fri 02 Jan 03:04  429")


def test_facts_for_which_there_is_no_room_are_not_left_out_unsaid() -> None:
    cooling = changed(A, KeyState.TEMPORARY, "rate_limited", retry_at=UNTIL, source="header")
    state = after(*WELL, cooling)
    shown = [plain(line).rstrip() for line in key_details.facts(cooling, state, START, 50, 3)]
    assert shown == [
        "◐ cooling, rate limited since 03:04:05",
        "  cools until 03:04:36 (31s)",
        "  as the provider's headers say …",
    ]


def test_the_facts_say_how_long_and_what_is_left() -> None:
    limits = RateLimits(RateLimit(500, 37, UNTIL), RateLimit(200_000, 154_000, START))
    cause = KeyCause("r1", 429, WORDS)
    key = changed(A, KeyState.TEMPORARY, "rate_limited", retry_at=UNTIL, source="header", cause=cause, limits=limits)
    shown = [plain(line).rstrip() for line in key_details.facts(key, after(*WELL, key), START, 150)]
    assert shown == [
        "◐ cooling, rate limited since 03:04:05 · cools until 03:04:36 (31s) · as the provider's headers say",
        "  requests ━─────────── 37/500 ↻ 31s · tokens ━━━━━━━━━━━━ ~200k/200k",
        "  0 uses in 10 min",
    ]


def test_what_happened_to_other_keys_stands_below_where_there_is_room() -> None:
    other = ("anthropic", "sk-a...cccc")
    dead = changed(other, KeyState.PERMANENT, "unauthorized")
    state = after(*WELL, changed(other, KeyState.VALID), *benched(), dead)
    shown = key_details.elsewhere(state, B, START, 80, 9)
    assert [plain(line).rstrip() for line in shown] == [
        "",
        "What happened to the others",
        "03:04:05  openai sk-p...aaaa     429 rate limited, cooling",
        "03:04:05  anthropic sk-a...cccc  unauthorized, dead",
    ]
    assert [plain(line) for line in key_details.elsewhere(state, A, START, 80, 9)][2:] == [plain(shown[3])]
    assert len(key_details.elsewhere(state, B, START, 80, 4)) == 4
    assert key_details.elsewhere(state, B, START, 80, 3) == []
    assert key_details.elsewhere(after(*WELL), B, START, 80, 9) == []
    for width in (37, 57, 77, 117, 157):
        assert all(cell_len(plain(line)) <= width for line in key_details.elsewhere(state, B, START, width, 9))
