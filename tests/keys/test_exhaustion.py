"""What a client is told when no key is left (docs/behaviour.md, Key pool)."""

from __future__ import annotations

import pytest

from bridge.events.values import FailureReason
from bridge.keys.verdict import Failure, judge
from bridge.keys.walk import Exhausted
from tests.keys.clocks import ALPHA, BRAVO, CHARLIE, Bench
from tests.keys.failures import FORBIDDEN, OVERLOADED, QUOTA, UNAUTHORIZED, limited


def after(*failures: Failure, wait: float = 0.0) -> Exhausted:
    """What an interception meets that got these failures, one key each, and looked again so much later."""
    bench = Bench.of(*(ALPHA, BRAVO, CHARLIE)[: len(failures)])
    walk = bench.pool.walk()
    for failure in failures:
        key = walk.next()
        assert key is not None
        walk.fail(key, failure)
    assert walk.next() is None
    bench.clocks.pass_time(wait)
    return bench.pool.exhaustion(walk)


@pytest.mark.parametrize(
    ("failures", "wait", "retry_after_s"),
    [
        ([limited(7)], 0, 7),
        ([limited(7)], 0.1, 7),
        ([limited(7)], 6.5, 1),
        ([limited(0.25)], 0, 1),
        ([limited(7.2)], 0, 8),
        ([limited(30), limited(7), limited(60)], 0, 7),
        ([UNAUTHORIZED, limited(7)], 0, 7),
        ([FORBIDDEN, limited(7)], 0, 7),
        ([limited(7), OVERLOADED], 0, 7),
        ([QUOTA], 0, 3600),
        ([QUOTA, Failure(FailureReason.OVERLOADED, 3.0, "header")], 0, 3),
        ([limited(0)], 0, 1),
        ([limited(7), limited(60)], 8, 1),
    ],
)
def test_some_key_comes_back(failures: list[Failure], wait: float, retry_after_s: int) -> None:
    exhausted = after(*failures, wait=wait)
    assert exhausted.kind == "cooling"
    assert exhausted.retry_after_s == retry_after_s


@pytest.mark.parametrize(
    ("failures", "kind"),
    [
        ([UNAUTHORIZED], "dead"),
        ([UNAUTHORIZED, UNAUTHORIZED], "dead"),
        ([UNAUTHORIZED, FORBIDDEN], "dead"),
        ([FORBIDDEN], "relay"),
        ([FORBIDDEN, FORBIDDEN, FORBIDDEN], "relay"),
        ([OVERLOADED], "relay"),
        ([OVERLOADED, OVERLOADED], "relay"),
        ([UNAUTHORIZED, FORBIDDEN, OVERLOADED], "relay"),
        ([OVERLOADED, UNAUTHORIZED], "dead"),
        ([OVERLOADED, FORBIDDEN], "dead"),
    ],
)
def test_no_key_comes_back_by_itself(failures: list[Failure], kind: str) -> None:
    exhausted = after(*failures)
    assert exhausted.kind == kind
    assert exhausted.retry_after_s is None
    assert exhausted.wait_until is None


def test_the_wait_ends_with_the_earliest_deadline() -> None:
    bench = Bench.of(ALPHA, BRAVO)
    for key, seconds in zip(bench.pool.keys, (30, 7), strict=True):
        bench.pool.fail(key, limited(seconds))
    walk = bench.pool.walk()
    assert walk.next() is None
    assert bench.pool.exhaustion(walk).wait_until == bench.clocks.monotonic + 7
    bench.clocks.pass_time(7)
    recovered = walk.next()
    assert recovered is not None
    assert recovered.secret == BRAVO


def test_a_wait_is_never_so_short_that_the_provider_is_hammered() -> None:
    bench = Bench.of(ALPHA)
    walk = bench.pool.walk()
    key = walk.next()
    assert key is not None
    walk.fail(key, limited(0))
    assert bench.pool.exhaustion(walk).wait_until == pytest.approx(bench.clocks.monotonic + 0.1)


def test_an_overload_whose_time_has_passed_is_worth_another_request() -> None:
    assert after(Failure(FailureReason.OVERLOADED, 2.0, "header"), wait=3).kind == "cooling"


def test_only_the_deadlines_of_keys_that_rest_count() -> None:
    bench = Bench.of(ALPHA, BRAVO, CHARLIE)
    first, second, third = bench.pool.keys
    for key, seconds in ((first, 1), (second, 2), (third, 30)):
        bench.pool.fail(key, limited(seconds))
    bench.pool.disable(first.hint)
    bench.pool.fail(second, UNAUTHORIZED)
    assert bench.pool.exhaustion(bench.pool.walk()).retry_after_s == 30


def test_a_403_counts_for_the_request_only_when_every_key_it_tried_gave_one() -> None:
    bench = Bench.of(ALPHA, BRAVO)
    bench.pool.fail(bench.pool.keys[0], UNAUTHORIZED)
    walk = bench.pool.walk()
    key = walk.next()
    assert key is not None
    walk.fail(key, FORBIDDEN)
    bench.pool.due_checks()
    bench.pool.checked(key, 403)
    assert bench.pool.exhaustion(walk).kind == "relay"
    assert bench.pool.exhaustion(bench.pool.walk()).kind == "dead"


def test_rounding_does_not_add_a_second() -> None:
    for start in (1.3, 1000.1, 123456.789, 9999999.123):
        bench = Bench.of(ALPHA)
        bench.clocks.monotonic = start
        bench.pool.fail(bench.pool.keys[0], limited(7))
        assert bench.pool.exhaustion(bench.pool.walk()).retry_after_s == 7


def test_the_message_says_how_many_and_why_each() -> None:
    bench = Bench.of(ALPHA, BRAVO, CHARLIE)
    first, second, third = bench.pool.keys
    bench.pool.fail(first, limited(6.5))
    bench.pool.fail(second, UNAUTHORIZED)
    bench.pool.disable(third.hint)
    assert bench.pool.exhaustion(bench.pool.walk()).message == (
        "none of the 3 API keys of openai is available: sk-a...AAAA cools down for 7 s (rate_limited); "
        "sk-b...BBBB was refused by the provider (unauthorized); sk-c...CCCC is disabled"
    )
    assert after(OVERLOADED).message == (
        "the only API key of openai is not available: sk-a...AAAA was tried (overloaded)"
    )


def test_a_pool_without_keys_says_so() -> None:
    bench = Bench.of()
    walk = bench.pool.walk()
    assert walk.next() is None
    assert bench.pool.exhaustion(walk) == Exhausted(
        "no_keys", "openai has no API key configured; add one to providers.openai.keys"
    )


def test_a_key_that_left_the_pool_promises_nothing() -> None:
    bench = Bench.of(ALPHA, BRAVO)
    walk = bench.pool.walk()
    key = walk.next()
    assert key is not None
    walk.fail(key, limited(1))
    bench.pool.replace([BRAVO])
    bench.pool.fail(bench.pool.keys[0], UNAUTHORIZED)
    bench.clocks.pass_time(2)
    assert bench.pool.exhaustion(walk).kind == "dead"


def test_keys_that_were_tried_without_fault_of_theirs() -> None:
    bench = Bench.of(ALPHA)
    walk = bench.pool.walk()
    walk.next()
    assert bench.pool.exhaustion(walk) == Exhausted(
        "dead", "the only API key of openai is not available: sk-a...AAAA was tried"
    )


def test_a_key_that_says_again_at_once_is_asked_once_a_second() -> None:
    """Of 5 s there are six whole seconds, both ends counted; where an answer takes any time, five."""
    bench = Bench.of(ALPHA)
    walk = bench.pool.walk()
    began, attempts = bench.clocks.monotonic, 0
    while True:
        key = walk.next()
        if key is None:
            wait_until = bench.pool.exhaustion(walk).wait_until
            assert wait_until is not None
            if wait_until > began + 5:
                break
            bench.clocks.pass_time(wait_until - bench.clocks.monotonic)
            walk.resume()
            continue
        attempts += 1
        assert attempts <= 6
        failure = judge(429, [(b"retry-after", b"0")], b"", bench.clocks.wall)
        assert failure is not None
        walk.fail(key, failure)
    assert attempts == 6
