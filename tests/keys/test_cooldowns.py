"""Keys that rest, for short and for long (docs/behaviour.md, Key pool)."""

from __future__ import annotations

from datetime import timedelta

from bridge.events.values import FailureReason, KeyState
from bridge.events.vocabulary import KeyChanged
from bridge.keys.verdict import Failure
from tests.keys.clocks import ALPHA, BRAVO, CHARLIE, NOON, Bench
from tests.keys.failures import OVERLOADED, QUOTA, limited

VALID, TEMPORARY, PERMANENT, DISABLED = KeyState


def test_a_rate_limit_rests_the_key_and_tells_so(bench: Bench) -> None:
    assert bench.pool.fail(bench.pool.keys[0], limited(7)) == 7
    assert bench.events == [
        KeyChanged("openai", ALPHA.hint, TEMPORARY, FailureReason.RATE_LIMITED, NOON + timedelta(seconds=7), "header")
    ]


def test_a_passed_deadline_makes_the_key_valid_with_its_event(bench: Bench) -> None:
    bench.pool.fail(bench.pool.keys[0], limited(7))
    bench.clocks.pass_time(6.999)
    bench.pool.expire()
    assert len(bench.events) == 1
    assert bench.take().secret == BRAVO
    bench.clocks.pass_time(0.001)
    bench.pool.expire()
    bench.pool.expire()
    assert bench.events[1:] == [KeyChanged("openai", ALPHA.hint, VALID)]
    assert bench.became_valid == 1


def test_validity_is_right_before_anybody_called_expire(bench: Bench) -> None:
    bench.pool.fail(bench.pool.keys[0], limited(7))
    bench.clocks.pass_time(7)
    assert bench.take().secret == ALPHA
    assert bench.events[-1].state is VALID


def test_the_wall_clock_moves_no_deadline(bench: Bench) -> None:
    bench.pool.fail(bench.pool.keys[0], limited(7))
    bench.clocks.wall += timedelta(days=1)
    assert bench.take().secret == BRAVO
    bench.clocks.wall -= timedelta(days=2)
    bench.clocks.pass_time(7)
    assert bench.take().secret == ALPHA


def test_a_later_deadline_is_never_shortened(bench: Bench) -> None:
    key = bench.pool.keys[0]
    assert bench.pool.fail(key, limited(60)) == 60
    bench.clocks.pass_time(10)
    assert bench.pool.fail(key, limited(7)) == 50
    assert bench.pool.fail(key, limited(0)) == 50
    assert len(bench.events) == 1
    assert bench.pool.fail(key, Failure(FailureReason.QUOTA_EXHAUSTED, 3600, "default")) == 3600
    assert bench.events[-1].reason == "quota_exhausted"
    assert bench.events[-1].source == "default"


def test_no_time_at_all_is_no_mark(bench: Bench) -> None:
    assert bench.pool.fail(bench.pool.keys[0], limited(0)) == 0
    assert bench.pool.fail(bench.pool.keys[0], OVERLOADED) is None
    assert bench.events == []
    assert bench.take().secret == ALPHA


def test_an_overload_with_a_time_rests_the_key(bench: Bench) -> None:
    assert bench.pool.fail(bench.pool.keys[0], Failure(FailureReason.OVERLOADED, 5, "header")) == 5
    assert bench.events[-1].reason == "overloaded"


def test_a_long_cooldown_lets_one_request_through_every_ten_minutes(bench: Bench) -> None:
    bench.pool.fail(bench.pool.keys[0], QUOTA)
    for _ in range(5):
        bench.clocks.pass_time(599.5)
        assert bench.take().secret == BRAVO
        bench.clocks.pass_time(0.5)
        assert bench.take().secret == ALPHA
        assert bench.take().secret == BRAVO
    assert len(bench.events) == 1
    bench.clocks.pass_time(600)
    assert bench.used_by_new_walk() == [ALPHA.hint, BRAVO.hint, CHARLIE.hint]
    assert bench.events[-1].state is VALID


def test_a_probes_success_ends_the_cooldown(bench: Bench) -> None:
    key = bench.pool.keys[0]
    bench.pool.fail(key, QUOTA)
    bench.pool.succeed(key)
    assert key.state is TEMPORARY
    bench.clocks.pass_time(600)
    assert bench.take() is key
    bench.pool.succeed(key)
    assert bench.events[-1] == KeyChanged("openai", ALPHA.hint, VALID)
    assert bench.used_by_new_walk()[0] == ALPHA.hint


def test_a_probes_failure_sets_the_next_one(bench: Bench) -> None:
    key = bench.pool.keys[0]
    bench.pool.fail(key, QUOTA)
    bench.clocks.pass_time(600)
    assert bench.take() is key
    assert bench.pool.fail(key, QUOTA) == 3600
    bench.pool.succeed(key)
    assert key.state is TEMPORARY
    bench.clocks.pass_time(599)
    assert bench.take().secret == BRAVO
    bench.clocks.pass_time(1)
    assert bench.take() is key


def test_ten_minutes_exactly_are_not_probed(bench: Bench) -> None:
    key = bench.pool.keys[0]
    bench.pool.fail(key, limited(600))
    bench.clocks.pass_time(599.9)
    assert bench.take().secret == BRAVO
    bench.pool.succeed(key)
    assert key.state is TEMPORARY
