"""When keys run out and when they are back: facts of headers, estimates of use, and nothing where nothing is known."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bridge.events.values import KeyRunway
from bridge.events.vocabulary import PoolChanged
from bridge.keys.pool_fact import EVERY_S
from bridge.keys.rate_limits import Headers
from bridge.keys.use import LOOK_BACK_S
from tests.keys.clocks import ALPHA, BRAVO, NOON, Bench
from tests.keys.failures import limited


def left(requests: int, reset_s: int, limit: int = 1000) -> Headers:
    """Headers of a request gauge."""
    return [
        (b"x-ratelimit-limit-requests", str(limit).encode()),
        (b"x-ratelimit-remaining-requests", str(requests).encode()),
        (b"x-ratelimit-reset-requests", f"{reset_s}s".encode()),
    ]


def use(bench: Bench, place: int, *, every_s: float, times: int, first_left: int, reset_s: int) -> None:
    """A key serves so often, its gauge falling by one each time."""
    for number in range(times):
        walk = bench.pool.walk()
        key = bench.pool.keys[place]
        bench.pool.succeed(key, left(first_left - number, reset_s - round(number * every_s)), walk)
        walk.close()
        bench.clocks.pass_time(every_s)


def runway(bench: Bench, place: int = 0) -> KeyRunway | None:
    """What the pool knows of that key."""
    hint = bench.pool.keys[place].hint
    return next((told for told in bench.pool.fact().keys if told.key == hint), None)


def told(bench: Bench) -> list[PoolChanged]:
    """The pool's events."""
    return [event for event in bench.others if isinstance(event, PoolChanged)]


def test_without_headers_nothing_is_known() -> None:
    bench = Bench.of(ALPHA, BRAVO)
    for _ in range(20):
        bench.pool.succeed(bench.pool.keys[0])
        bench.clocks.pass_time(1)

    fact = bench.pool.fact()

    assert (fact.runway_until, fact.confidence, fact.keys) == (None, None, [])


def test_a_gauge_at_nought_is_a_fact() -> None:
    bench = Bench.of(ALPHA)
    bench.pool.succeed(bench.pool.keys[0], left(0, 90))

    assert runway(bench) == KeyRunway(ALPHA.hint, NOON, NOON + timedelta(seconds=90), "headers")
    assert bench.pool.fact().runway_until == NOON


def test_use_says_when_a_gauge_will_be_at_nought() -> None:
    bench = Bench.of(ALPHA)
    use(bench, 0, every_s=2.0, times=60, first_left=159, reset_s=7200)

    found = runway(bench)

    assert found is not None
    assert found.until is not None
    assert found.confidence == "estimate"
    assert (found.until - bench.clocks.wall).total_seconds() == pytest.approx(200, rel=0.02)
    assert found.back_at is not None
    assert abs((found.back_at - NOON).total_seconds() - 7200) <= 2


def test_a_gauge_that_is_whole_again_before_that_lasts() -> None:
    bench = Bench.of(ALPHA)
    use(bench, 0, every_s=2.0, times=60, first_left=159, reset_s=250)

    assert runway(bench) == KeyRunway(ALPHA.hint, None, None, "estimate")


def test_use_of_more_than_ten_minutes_ago_counts_no_more() -> None:
    bench = Bench.of(ALPHA)
    use(bench, 0, every_s=2.0, times=60, first_left=159, reset_s=72000)
    bench.clocks.pass_time(LOOK_BACK_S + 60)

    assert runway(bench) == KeyRunway(ALPHA.hint, None, None, "estimate")


def test_a_subscriptions_window_runs_out_by_how_fast_it_is_used() -> None:
    bench = Bench.of(ALPHA)
    reset = str(int(NOON.timestamp()) + 4 * 3600).encode()
    for number in range(6):
        share = f"{0.5 + number * 0.01:.2f}".encode()
        headers = [
            (b"anthropic-ratelimit-unified-5h-utilization", share),
            (b"anthropic-ratelimit-unified-5h-reset", reset),
        ]
        bench.pool.succeed(bench.pool.keys[0], headers)
        bench.clocks.pass_time(60)

    found = runway(bench)

    assert found is not None
    assert found.until is not None
    assert (found.until - bench.clocks.wall).total_seconds() == pytest.approx(0.45 / 0.01 * 60, rel=0.02)
    assert found.back_at == NOON + timedelta(hours=4)


def test_the_pool_lasts_as_long_as_all_that_is_left_on_its_keys() -> None:
    bench = Bench.of(ALPHA, BRAVO)
    bench.pool.succeed(bench.pool.keys[1], left(300, 7200))
    use(bench, 0, every_s=2.0, times=60, first_left=159, reset_s=7200)

    fact = bench.pool.fact()

    assert fact.runway_until is not None
    assert (fact.runway_until - bench.clocks.wall).total_seconds() == pytest.approx((100 + 300) * 2, rel=0.03)


def test_keys_of_a_group_have_one_gauge_between_them() -> None:
    bench = Bench.of(ALPHA, BRAVO, groups=[[1, 2]])
    bench.pool.succeed(bench.pool.keys[1], left(160, 7200))
    use(bench, 0, every_s=2.0, times=60, first_left=159, reset_s=7200)

    fact = bench.pool.fact()

    assert fact.runway_until is not None
    assert (fact.runway_until - bench.clocks.wall).total_seconds() < 400


def test_a_key_that_serves_and_says_nothing_makes_the_pools_unknown() -> None:
    bench = Bench.of(ALPHA, BRAVO)
    use(bench, 0, every_s=2.0, times=60, first_left=159, reset_s=7200)
    assert bench.pool.fact().confidence is None
    bench.pool.disable(BRAVO.hint)
    assert bench.pool.fact().confidence == "estimate"


def test_how_many_serve_is_told_at_once_and_a_runway_now_and_then() -> None:
    bench = Bench.of(ALPHA, BRAVO)
    bench.pool.fail(bench.pool.keys[0], limited(7))
    assert [(event.valid, event.total) for event in told(bench)] == [(1, 2)]
    assert told(bench)[0].next_at == NOON + timedelta(seconds=7)
    bench.clocks.pass_time(7)
    bench.pool.expire()
    assert [(event.valid, event.next_at) for event in told(bench)][1:] == [(2, None)]

    before = len(told(bench))
    use(bench, 0, every_s=0.1, times=1000, first_left=100_000, reset_s=7200)
    assert len(told(bench)) - before <= 100 / EVERY_S + 1
