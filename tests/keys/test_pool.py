"""Who is tried, what is told, the timer, reloads (docs/behaviour.md, Key pool)."""

from __future__ import annotations

import pytest

from bridge.events.values import KeyState, RateLimit, RateLimits
from bridge.events.vocabulary import KeyChanged
from bridge.keys.pool import KeyPool
from bridge.keys.secret import Secret
from tests.keys.clocks import ALPHA, BRAVO, CHARLIE, Bench, Clocks
from tests.keys.failures import OVERLOADED, QUOTA, UNAUTHORIZED, limited

VALID, TEMPORARY, PERMANENT, DISABLED = KeyState


def test_keys_are_tried_in_the_order_given_and_once(bench: Bench) -> None:
    assert bench.used_by_new_walk() == [ALPHA.hint, BRAVO.hint, CHARLIE.hint]
    assert bench.take().secret == ALPHA


def test_a_mark_is_seen_at_once_by_walks_already_under_way(bench: Bench) -> None:
    walks = [bench.pool.walk() for _ in range(100)]
    key = walks[0].next()
    assert key is not None
    walks[0].fail(key, limited(7))
    assert {key.hint for key in [walk.next() for walk in walks] if key is not None} == {BRAVO.hint}


def test_only_requests_in_flight_fail_over(bench: Bench) -> None:
    in_flight = [bench.pool.walk() for _ in range(10)]
    for walk in in_flight:
        key = walk.next()
        assert key is not None
        assert key.secret == ALPHA
    bench.pool.fail(bench.pool.keys[0], limited(7))
    later = [bench.pool.walk() for _ in range(90)]
    assert all((key := walk.next()) is not None and key.secret == BRAVO for walk in [*in_flight, *later])


def test_a_walk_does_not_come_back_to_a_key_that_recovered(bench: Bench) -> None:
    walk = bench.pool.walk()
    first = walk.next()
    assert first is not None
    walk.fail(first, limited(1))
    bench.clocks.pass_time(2)
    second = walk.next()
    assert second is not None
    assert second.secret == BRAVO
    assert bench.take() is first


def test_after_a_wait_a_walk_may_try_the_rested_keys_again() -> None:
    bench = Bench.of(ALPHA, BRAVO, CHARLIE)
    walk = bench.pool.walk()
    for failure in (limited(2), UNAUTHORIZED, OVERLOADED):
        key = walk.next()
        assert key is not None
        walk.fail(key, failure)
    assert walk.next() is None
    walk.resume()
    assert walk.next() is None
    bench.clocks.pass_time(2)
    again = walk.next()
    assert again is not None
    assert again.secret == ALPHA
    assert walk.next() is None


def test_round_robin_spreads_and_fails_over_in_a_circle() -> None:
    bench = Bench.of(ALPHA, BRAVO, CHARLIE, strategy="round_robin")
    assert [bench.take().hint for _ in range(4)] == [ALPHA.hint, BRAVO.hint, CHARLIE.hint, ALPHA.hint]
    assert bench.used_by_new_walk() == [BRAVO.hint, CHARLIE.hint, ALPHA.hint]
    bench.pool.fail(bench.pool.keys[1], limited(7))
    assert [bench.take().hint for _ in range(3)] == [CHARLIE.hint, ALPHA.hint, CHARLIE.hint]


def test_most_headroom_takes_the_key_with_the_largest_share_left() -> None:
    bench = Bench.of(ALPHA, BRAVO, CHARLIE, strategy="most_headroom")
    for key, left in zip(bench.pool.keys, (10, 80, 50), strict=True):
        bench.pool.observe_limits(
            key,
            [
                (b"x-ratelimit-limit-tokens", b"100"),
                (b"x-ratelimit-remaining-tokens", str(left).encode()),
                (b"x-ratelimit-reset-tokens", b"1m0s"),
            ],
        )
    assert bench.used_by_new_walk() == [BRAVO.hint, CHARLIE.hint, ALPHA.hint]
    bench.clocks.pass_time(60)
    assert bench.used_by_new_walk() == [ALPHA.hint, BRAVO.hint, CHARLIE.hint]


def test_most_headroom_lets_a_probe_through() -> None:
    bench = Bench.of(ALPHA, BRAVO, strategy="most_headroom")
    bench.pool.fail(bench.pool.keys[1], QUOTA)
    bench.clocks.pass_time(600)
    assert [bench.take().hint, bench.take().hint] == [BRAVO.hint, ALPHA.hint]


def test_an_unknown_strategy_is_refused() -> None:
    with pytest.raises(ValueError, match="fallback, round_robin, most_headroom"):
        Bench.of(ALPHA, strategy="none_such")


def test_keys_of_one_hint_are_told_apart() -> None:
    bench = Bench.of(*(Secret(value) for value in ("k1", "k2", "k3", "sk-alpha-x-AAAA-longer")))
    assert [key.hint for key in bench.pool.keys] == ["...", "...#2", "...#3", "sk-a...nger"]
    bench.pool.disable("...#2")
    assert bench.used_by_new_walk() == ["...", "...#3", "sk-a...nger"]


def test_a_key_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="sk-a\\.\\.\\.AAAA twice") as caught:
        Bench.of(ALPHA, BRAVO, ALPHA)
    assert ALPHA.reveal() not in str(caught.value)


def test_limits_are_told_when_they_change(bench: Bench) -> None:
    key = bench.pool.keys[0]
    headers = [(b"x-ratelimit-limit-requests", b"60"), (b"x-ratelimit-remaining-requests", b"59")]
    bench.pool.observe_limits(key, headers)
    bench.pool.observe_limits(key, headers)
    bench.pool.succeed(key, headers)
    limits = RateLimits(requests=RateLimit(60, 59))
    assert bench.events == [KeyChanged("openai", ALPHA.hint, VALID, limits=limits)]
    assert bench.became_valid == 0
    bench.pool.fail(key, limited(7), [(b"x-ratelimit-remaining-requests", b"0")])
    assert len(bench.events) == 2
    assert bench.events[-1].limits == RateLimits(requests=RateLimit(None, 0))


def test_next_deadline_is_the_earliest_thing_to_do(bench: Bench) -> None:
    first, second, _third = bench.pool.keys
    start = bench.clocks.monotonic
    assert bench.pool.next_deadline() is None
    bench.pool.fail(first, UNAUTHORIZED)
    bench.pool.fail(second, limited(7))
    assert bench.pool.next_deadline() == start + 7
    bench.clocks.pass_time(7)
    bench.pool.expire()
    assert bench.pool.next_deadline() == start + 60
    assert bench.pokes == [start + 60, start + 7, start + 60]


def test_a_new_configuration_keeps_the_health_of_keys_that_stay(bench: Bench) -> None:
    first, second, third = bench.pool.keys
    bench.pool.fail(first, limited(7))
    walk = bench.pool.walk()
    assert walk.next() is second
    delta = Secret("sk-delta-0123456789-DDDD")
    bench.pool.replace([delta, CHARLIE, ALPHA])
    assert [key.hint for key in bench.pool.keys] == [delta.hint, CHARLIE.hint, ALPHA.hint]
    assert bench.pool.keys[1:] == (third, first)
    assert bench.events[-1] == KeyChanged("openai", delta.hint, VALID)
    assert first.state is TEMPORARY
    told = len(bench.events)
    assert bench.pool.fail(second, UNAUTHORIZED) is None
    bench.pool.succeed(second)
    bench.pool.observe_limits(second, [(b"x-ratelimit-limit-requests", b"60")])
    bench.pool.checked(second, 401)
    assert len(bench.events) == told
    following = walk.next()
    assert following is not None
    assert following.secret == delta


def test_a_bad_new_configuration_changes_nothing(bench: Bench) -> None:
    before = bench.pool.keys
    with pytest.raises(ValueError, match="twice"):
        bench.pool.replace([ALPHA, ALPHA])
    with pytest.raises(ValueError, match="strategy"):
        bench.pool.replace([ALPHA], strategy="luck")
    assert bench.pool.keys == before


def test_a_staying_key_keeps_its_hint_from_a_newcomer() -> None:
    bench = Bench.of(Secret("k1"), Secret("k2"))
    bench.pool.replace([Secret("k3"), Secret("k2")])
    assert [(key.secret.reveal(), key.hint) for key in bench.pool.keys] == [("k3", "..."), ("k2", "...#2")]
    bench.pool.replace([Secret("k1"), Secret("k3")])
    assert [(key.secret.reveal(), key.hint) for key in bench.pool.keys] == [("k1", "...#2"), ("k3", "...")]


def test_a_snapshot_shows_every_key_as_it_is_now(bench: Bench) -> None:
    first, second, third = bench.pool.keys
    bench.pool.fail(first, limited(7))
    bench.pool.fail(second, UNAUTHORIZED)
    bench.clocks.pass_time(7)
    assert [(status.key, status.state) for status in bench.pool.snapshot()] == [
        (first.hint, VALID),
        (second.hint, PERMANENT),
        (third.hint, VALID),
    ]


def test_nothing_a_pool_shows_holds_a_key(bench: Bench) -> None:
    bench.pool.fail(bench.pool.keys[0], limited(7))
    shown = repr((bench.events, bench.pool.keys, bench.pool.walk(), bench.pool.snapshot(), bench.pool))
    assert all(secret.reveal() not in shown for secret in (ALPHA, BRAVO, CHARLIE))


def test_hooks_are_optional() -> None:
    clocks = Clocks()
    pool = KeyPool("x", [ALPHA], publish=lambda _: None, clock=lambda: clocks.monotonic, wall=lambda: clocks.wall)
    pool.fail(pool.keys[0], limited(7))
    clocks.pass_time(8)
    assert [status.state for status in pool.snapshot()] == [VALID]
