"""Key states across a restart (docs/behaviour.md, Key pool)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.events.values import FailureReason, KeyCause, KeyState
from bridge.keys.persistence import fingerprint
from bridge.keys.secret import Secret
from tests.keys.clocks import ALPHA, BRAVO, CHARLIE, NOON, Bench, Clocks
from tests.keys.failures import UNAUTHORIZED, limited

SALT = b"0123456789abcdef"


def restarted(bench: Bench, *secrets: Secret, offline: float = 0.0, clock_set_by: float = 0.0) -> Bench:
    """The bridge after a stop of `offline` seconds in which the wall clock was also set; its own clock begins anew."""
    rows = json.loads(json.dumps(bench.pool.export_state(SALT)))
    wall = bench.clocks.wall + timedelta(seconds=offline + clock_set_by)
    new = Bench.of(*(secrets or (ALPHA, BRAVO, CHARLIE)), clocks=Clocks(17.5, wall))
    new.pool.restore_state(rows, SALT)
    return new


def test_a_cooldown_goes_on_for_the_rest(bench: Bench) -> None:
    bench.pool.fail(bench.pool.keys[0], limited(30))
    bench.clocks.pass_time(10)
    new = restarted(bench, offline=5)
    assert new.events == []
    snapshot = new.pool.snapshot()
    assert [status.state for status in snapshot] == [KeyState.TEMPORARY, KeyState.VALID, KeyState.VALID]
    assert snapshot[0].retry_at == NOON + timedelta(seconds=30)
    assert (snapshot[0].reason, snapshot[0].source) == ("rate_limited", "header")
    assert new.pool.next_deadline() == pytest.approx(17.5 + 15)
    new.clocks.pass_time(15.001)
    new.pool.expire()
    assert [event.state for event in new.events] == [KeyState.VALID]


def test_a_cooldown_that_ended_meanwhile_is_over(bench: Bench) -> None:
    bench.pool.fail(bench.pool.keys[0], limited(30))
    assert restarted(bench, offline=30).pool.keys[0].state is KeyState.VALID


def test_a_clock_set_back_makes_no_cooldown_longer(bench: Bench) -> None:
    bench.pool.fail(bench.pool.keys[0], limited(30))
    new = restarted(bench, clock_set_by=-86400 * 365)
    assert new.pool.next_deadline() == pytest.approx(17.5 + 30)


def test_no_row_rests_a_key_for_more_than_a_day(bench: Bench) -> None:
    bench.pool.fail(bench.pool.keys[0], limited(30))
    (row,) = bench.pool.export_state(SALT)
    new = Bench.of(ALPHA)
    new.pool.restore_state([{**row, "cooldown_until": "2027-03-01T12:00:00+00:00", "cooldown_s": 1e9}], SALT)
    assert new.pool.next_deadline() == new.clocks.monotonic + 86400


def test_a_long_cooldown_is_probed_again(bench: Bench) -> None:
    bench.pool.fail(bench.pool.keys[0], limited(3600))
    new = restarted(bench)
    new.clocks.pass_time(599)
    assert new.used_by_new_walk()[0] == BRAVO.hint
    new.clocks.pass_time(1)
    assert new.used_by_new_walk()[0] == ALPHA.hint


def test_a_refused_key_stays_so_and_keeps_its_place_in_the_checks(bench: Bench) -> None:
    key = bench.pool.keys[1]
    bench.pool.fail(key, UNAUTHORIZED)
    bench.clocks.pass_time(60)
    bench.pool.due_checks()
    bench.pool.checked(key, 401)
    bench.clocks.pass_time(100)
    new = restarted(bench)
    restored = new.pool.keys[1]
    assert restored.state is KeyState.PERMANENT
    assert restored.reason == "unauthorized"
    assert new.pool.next_deadline() == pytest.approx(17.5 + 20)
    new.clocks.pass_time(20.001)
    assert new.pool.due_checks() == [restored]
    new.pool.checked(restored, None)
    assert new.pool.next_deadline() == pytest.approx(new.clocks.monotonic + 300)


def test_a_check_that_was_on_its_way_is_made_again(bench: Bench) -> None:
    bench.pool.fail(bench.pool.keys[0], UNAUTHORIZED)
    bench.clocks.pass_time(60)
    assert len(bench.pool.due_checks()) == 1
    assert len(restarted(bench).pool.due_checks()) == 1


def test_a_check_missed_while_off_is_due_and_none_is_put_off_by_a_clock(bench: Bench) -> None:
    bench.pool.fail(bench.pool.keys[0], UNAUTHORIZED)
    assert len(restarted(bench, offline=86400).pool.due_checks()) == 1
    new = restarted(bench, clock_set_by=-86400)
    assert new.pool.next_deadline() == pytest.approx(17.5 + 3600)


def test_what_put_a_key_out_is_known_after_a_restart_but_not_in_whose_words(bench: Bench) -> None:
    words = "key sk-alpha is not valid"
    bench.pool.fail(bench.pool.keys[0], UNAUTHORIZED, (), KeyCause("r1", 401, words))
    bench.pool.fail(bench.pool.keys[1], limited(30), (), KeyCause("r2", 429, words))
    assert words not in json.dumps(bench.pool.export_state(SALT))
    causes = [status.cause for status in restarted(bench, offline=5).pool.snapshot()]
    assert causes == [KeyCause("r1", 401), KeyCause("r2", 429), None]


def test_a_disabled_key_stays_disabled(bench: Bench) -> None:
    bench.pool.fail(bench.pool.keys[0], limited(30))
    bench.pool.disable(ALPHA.hint)
    new = restarted(bench, offline=10)
    assert new.pool.keys[0].state is KeyState.DISABLED
    new.pool.enable(ALPHA.hint)
    assert new.pool.next_deadline() == pytest.approx(17.5 + 20)


def test_states_follow_the_key_not_its_place(bench: Bench) -> None:
    bench.pool.fail(bench.pool.keys[0], limited(30))
    bench.pool.fail(bench.pool.keys[1], UNAUTHORIZED)
    new = restarted(bench, CHARLIE, ALPHA)
    assert [key.state for key in new.pool.keys] == [KeyState.VALID, KeyState.TEMPORARY]


def test_nothing_saved_holds_a_key_or_is_the_same_under_another_salt(bench: Bench) -> None:
    for key in bench.pool.keys:
        bench.pool.fail(key, limited(30))
    saved = json.dumps(bench.pool.export_state(SALT))
    for secret in (ALPHA, BRAVO, CHARLIE):
        assert secret.reveal() not in saved
        assert secret.hint not in saved
        assert fingerprint("openai", secret, SALT) in saved
        assert fingerprint("openai", secret, b"other") not in saved
        assert fingerprint("anthropic", secret, SALT) not in saved


def test_another_salt_restores_nothing(bench: Bench) -> None:
    bench.pool.fail(bench.pool.keys[0], limited(30))
    new = Bench.of(ALPHA)
    new.pool.restore_state(bench.pool.export_state(SALT), b"other")
    assert new.pool.keys[0].state is KeyState.VALID


def test_a_well_key_has_no_row(bench: Bench) -> None:
    assert bench.pool.export_state(SALT) == []
    bench.pool.fail(bench.pool.keys[0], limited(30))
    bench.clocks.pass_time(30)
    assert bench.pool.export_state(SALT) == []


@pytest.mark.parametrize(
    "change",
    [
        {"cooldown_until": None},
        {"cooldown_until": "soon"},
        {"cooldown_until": "2026-03-01T12:00:30"},
        {"cooldown_until": 12},
        {"cooldown_reason": "bored"},
        {"cooldown_source": "hearsay"},
        {"cooldown_s": -1},
        {"fingerprint": None},
    ],
)
def test_a_row_without_sense_does_nothing(bench: Bench, change: dict[str, Any]) -> None:
    bench.pool.fail(bench.pool.keys[0], limited(30))
    (row,) = bench.pool.export_state(SALT)
    new = Bench.of(ALPHA)
    new.pool.restore_state([{}, {**row, **change}], SALT)
    assert new.pool.keys[0].state is KeyState.VALID


junk = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
stamps = st.datetimes().map(lambda moment: moment.isoformat() + "+00:00")
rows = st.fixed_dictionaries(
    {"fingerprint": st.just(fingerprint("openai", ALPHA, SALT))},
    optional={
        "disabled": junk,
        "refusal": junk | st.sampled_from(FailureReason),
        "refusal_by": junk,
        "refusal_status": junk | st.just(401),
        "cooldown_by": junk,
        "cooldown_status": junk | st.just(429),
        "checks": junk,
        "check_at": junk | stamps,
        "cooldown_reason": junk | st.sampled_from(FailureReason),
        "cooldown_source": junk | st.just("header"),
        "cooldown_until": junk | stamps,
        "cooldown_s": junk,
    },
)


@given(st.lists(rows, max_size=3))
def test_no_row_can_harm(saved: list[dict[str, Any]]) -> None:
    bench = Bench.of(ALPHA)
    bench.pool.restore_state(saved, SALT)
    bench.pool.snapshot()
    deadline = bench.pool.next_deadline()
    assert deadline is None or deadline - bench.clocks.monotonic <= 86400
    again = Bench.of(ALPHA)
    again.pool.restore_state(json.loads(json.dumps(bench.pool.export_state(SALT))), SALT)
    assert again.pool.keys[0].state == bench.pool.keys[0].state
