"""Keys that the provider refuses, the checks that follow, and the owner's word (docs/behaviour.md, Key pool)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bridge.events.values import FailureReason, KeyCause, KeyState
from bridge.events.vocabulary import KeyChanged
from bridge.keys.key import CHECKS_S, Key
from bridge.keys.pool import UnknownKey
from bridge.keys.verdict import Failure
from tests.keys.clocks import ALPHA, BRAVO, NOON, Bench
from tests.keys.failures import FORBIDDEN, QUOTA, UNAUTHORIZED, limited

VALID, TEMPORARY, PERMANENT, DISABLED = KeyState


def dead(reason: FailureReason, check_s: float, cause: KeyCause | None = None) -> KeyChanged:
    """What is told of the first key when it is refused, to be checked so many seconds after noon."""
    at = NOON + timedelta(seconds=check_s)
    return KeyChanged("openai", ALPHA.hint, PERMANENT, reason, at, "check", cause=cause)


def test_a_401_refuses_the_key(bench: Bench) -> None:
    assert bench.pool.fail(bench.pool.keys[0], UNAUTHORIZED) is None
    assert bench.events == [dead(FailureReason.UNAUTHORIZED, 60)]
    bench.clocks.pass_time(7 * 86400)
    assert bench.take().secret == BRAVO


def test_a_refused_key_does_not_become_a_resting_one(bench: Bench) -> None:
    key = bench.pool.keys[0]
    bench.pool.fail(key, UNAUTHORIZED)
    assert bench.pool.fail(key, limited(7)) is None
    bench.clocks.pass_time(7)
    bench.pool.expire()
    assert key.state is PERMANENT
    assert len(bench.events) == 1


def test_a_resting_key_can_be_refused_and_has_to_rest_on_when_it_is_not_any_more(bench: Bench) -> None:
    key = bench.pool.keys[0]
    bench.pool.fail(key, QUOTA)
    bench.pool.fail(key, UNAUTHORIZED)
    bench.clocks.pass_time(60)
    assert bench.pool.due_checks() == [key]
    bench.pool.checked(key, 200)
    assert [event.state for event in bench.events] == [TEMPORARY, PERMANENT, TEMPORARY]
    assert bench.events[-1].retry_at == NOON + timedelta(seconds=3600)


def test_checks_come_ever_more_seldom(bench: Bench) -> None:
    key = bench.pool.keys[0]
    bench.pool.fail(key, UNAUTHORIZED)
    for wait in (*CHECKS_S, 3600.0, 3600.0):
        deadline = bench.pool.next_deadline()
        assert deadline is not None
        assert deadline - bench.clocks.monotonic == pytest.approx(wait)
        bench.clocks.pass_time(wait - 1)
        assert bench.pool.due_checks() == []
        bench.clocks.pass_time(1)
        assert bench.pool.due_checks() == [key]
        assert bench.pool.due_checks() == []
        assert bench.pool.next_deadline() is None
        assert bench.events[-1].retry_at == bench.clocks.wall
        bench.pool.checked(key, 401)
    told = [event.retry_at - NOON for event in bench.events if event.retry_at]
    every = [*CHECKS_S, 3600.0, 3600.0, 3600.0]
    assert told == [timedelta(seconds=sum(every[: count + 1])) for count in range(len(every))]
    assert {(event.state, event.reason, event.source) for event in bench.events} == {
        (PERMANENT, FailureReason.UNAUTHORIZED, "check")
    }


@pytest.mark.parametrize("status", [None, 401, 403, 404, 429, 500, 503, 529, 302])
def test_a_check_that_is_not_answered_well_only_plans_the_next(bench: Bench, status: int | None) -> None:
    key = bench.pool.keys[0]
    bench.pool.fail(key, UNAUTHORIZED)
    bench.clocks.pass_time(60)
    bench.pool.due_checks()
    bench.pool.checked(key, status)
    assert bench.events == [dead(FailureReason.UNAUTHORIZED, 60), dead(FailureReason.UNAUTHORIZED, 180)]
    assert bench.pool.next_deadline() == bench.clocks.monotonic + 120


def test_a_good_check_makes_the_key_valid_and_starts_the_count_anew(bench: Bench) -> None:
    key = bench.pool.keys[0]
    bench.pool.fail(key, UNAUTHORIZED)
    for wait in (60, 120):
        bench.clocks.pass_time(wait)
        assert bench.pool.due_checks() == [key]
        bench.pool.checked(key, None)
    bench.clocks.pass_time(300)
    bench.pool.due_checks()
    bench.pool.checked(key, 200)
    assert bench.events[-1] == KeyChanged("openai", ALPHA.hint, VALID)
    assert bench.became_valid == 1
    bench.pool.fail(key, UNAUTHORIZED)
    assert bench.pool.next_deadline() == bench.clocks.monotonic + 60


def test_another_401_does_not_put_the_check_off(bench: Bench) -> None:
    key = bench.pool.keys[0]
    bench.pool.fail(key, UNAUTHORIZED)
    bench.clocks.pass_time(59)
    bench.pool.fail(key, UNAUTHORIZED)
    bench.clocks.pass_time(1)
    assert bench.pool.due_checks() == [key]


def test_a_403_from_a_refused_key_asks_for_no_check(bench: Bench) -> None:
    key = bench.pool.keys[0]
    bench.pool.fail(key, UNAUTHORIZED)
    bench.pool.fail(key, FORBIDDEN)
    assert bench.pool.next_deadline() == bench.clocks.monotonic + 60
    bench.clocks.pass_time(60)
    bench.pool.due_checks()
    bench.pool.checked(key, 403)
    assert key.reason == "unauthorized"


def test_a_403_leaves_the_key_valid_and_checks_it_at_once(bench: Bench) -> None:
    key = bench.pool.keys[0]
    assert bench.pool.fail(key, FORBIDDEN) is None
    assert bench.events == []
    assert bench.take() is key
    assert bench.pool.next_deadline() == bench.clocks.monotonic
    assert bench.pool.due_checks() == [key]


@pytest.mark.parametrize(("status", "reason"), [(401, FailureReason.UNAUTHORIZED), (403, FailureReason.FORBIDDEN)])
def test_only_a_refused_check_makes_a_403_permanent(bench: Bench, status: int, reason: FailureReason) -> None:
    key = bench.pool.keys[0]
    cause = KeyCause("an id", 403, "no")
    bench.pool.fail(key, FORBIDDEN, (), cause)
    bench.pool.due_checks()
    bench.pool.checked(key, status)
    assert bench.events == [dead(reason, 60, cause)]
    assert bench.pool.next_deadline() == bench.clocks.monotonic + 60


@pytest.mark.parametrize("status", [404, 429, 500, None])
def test_a_check_that_says_nothing_leaves_the_key_valid(bench: Bench, status: int | None) -> None:
    key = bench.pool.keys[0]
    bench.pool.fail(key, FORBIDDEN)
    bench.pool.due_checks()
    bench.pool.checked(key, status)
    assert bench.events == []
    assert bench.take() is key


def forbidden_for_good(bench: Bench) -> Key:
    """The first key, after a 403 and a check that was answered so too."""
    key = bench.pool.keys[0]
    bench.pool.fail(key, FORBIDDEN)
    bench.pool.due_checks()
    bench.pool.checked(key, 403)
    return key


def test_a_forbidden_key_may_be_one_that_must_not_list_models(bench: Bench) -> None:
    key = forbidden_for_good(bench)
    for _ in range(3):
        bench.clocks.pass_time(599)
        assert bench.take().secret == BRAVO
        bench.clocks.pass_time(1)
        assert bench.take() is key
        assert bench.take().secret == BRAVO  # one request alone
        bench.pool.fail(key, FORBIDDEN)
        assert key.state is PERMANENT
    bench.clocks.pass_time(600)
    assert bench.take() is key
    bench.pool.succeed(key)
    assert bench.events[-1] == KeyChanged("openai", ALPHA.hint, VALID)
    assert bench.pool.next_deadline() is None
    assert bench.take() is key


def test_a_forbidden_key_is_tried_at_once_after_a_reset(bench: Bench) -> None:
    key = forbidden_for_good(bench)
    bench.pool.reset(ALPHA.hint)
    assert bench.pool.due_checks() == [key]
    bench.pool.checked(key, 403)
    assert key.state is PERMANENT
    assert bench.take() is key
    assert bench.take().secret == BRAVO
    bench.pool.succeed(key)
    assert key.state is VALID


@pytest.mark.parametrize("rest", [limited(7), QUOTA])
def test_a_rest_that_ends_does_not_end_the_trials_of_a_forbidden_key(bench: Bench, rest: Failure) -> None:
    key = bench.pool.keys[0]
    bench.pool.fail(key, rest)
    bench.pool.fail(key, FORBIDDEN)
    bench.pool.due_checks()
    bench.pool.checked(key, 403)
    bench.clocks.pass_time(3600)
    bench.pool.expire()
    assert key.state is PERMANENT
    assert bench.take() is key


def test_an_unauthorized_key_is_never_tried(bench: Bench) -> None:
    key = bench.pool.keys[0]
    bench.pool.fail(key, QUOTA)
    bench.pool.fail(key, UNAUTHORIZED)
    bench.pool.reset(ALPHA.hint)
    bench.pool.fail(key, QUOTA)
    for _ in range(10):
        assert bench.take().secret == BRAVO
        bench.clocks.pass_time(600)


def test_a_forbidden_key_that_is_answered_401_is_unauthorized(bench: Bench) -> None:
    key = forbidden_for_good(bench)
    bench.clocks.pass_time(600)
    assert bench.take() is key
    bench.pool.fail(key, UNAUTHORIZED)
    assert key.reason is FailureReason.UNAUTHORIZED
    bench.clocks.pass_time(6000)
    assert bench.take().secret == BRAVO


def test_the_cause_is_what_put_the_key_into_its_state(bench: Bench) -> None:
    key = bench.pool.keys[0]
    causes = [KeyCause(f"request {number}", 429, "slow down") for number in range(4)]
    bench.pool.fail(key, limited(60), (), causes[0])
    bench.pool.fail(key, limited(7), (), causes[1])  # rests for longer already
    bench.pool.fail(key, FORBIDDEN, (), causes[2])  # only a suspicion
    assert [event.cause for event in bench.events] == causes[:1]
    bench.pool.due_checks()
    bench.pool.checked(key, 403)
    assert bench.events[-1].cause == causes[2]
    bench.pool.due_checks()
    bench.pool.checked(key, 200)
    assert bench.events[-1].cause == causes[0]
    bench.clocks.pass_time(60)
    bench.pool.expire()
    assert bench.events[-1].cause is None


def test_a_good_check_lifts_the_suspicion(bench: Bench) -> None:
    key = bench.pool.keys[0]
    bench.pool.fail(key, FORBIDDEN)
    bench.pool.due_checks()
    bench.pool.checked(key, 200)
    assert bench.events == []
    assert bench.pool.next_deadline() is None
    bench.pool.fail(key, FORBIDDEN)
    assert bench.pool.due_checks() == [key]


def test_an_unanswered_check_after_a_403_is_made_again(bench: Bench) -> None:
    key = bench.pool.keys[0]
    bench.pool.fail(key, FORBIDDEN)
    for wait in (60, 120):
        assert bench.pool.due_checks() == [key]
        bench.pool.checked(key, None)
        assert bench.pool.next_deadline() == bench.clocks.monotonic + wait
        bench.clocks.pass_time(wait)
    bench.pool.due_checks()
    bench.pool.checked(key, 403)
    assert key.state is PERMANENT


def test_a_403_during_a_check_asks_for_no_second(bench: Bench) -> None:
    key = bench.pool.keys[0]
    bench.pool.fail(key, FORBIDDEN)
    assert bench.pool.due_checks() == [key]
    bench.pool.fail(key, FORBIDDEN)
    assert bench.pool.due_checks() == []


def test_a_good_answer_is_worth_more_than_a_refused_check(bench: Bench) -> None:
    key = bench.pool.keys[0]
    bench.pool.fail(key, FORBIDDEN)
    bench.pool.due_checks()
    bench.pool.succeed(key)
    bench.pool.checked(key, 403)
    assert key.state is VALID
    assert bench.pool.next_deadline() is None


def test_a_403_on_a_resting_key_can_still_refuse_it(bench: Bench) -> None:
    key = bench.pool.keys[0]
    bench.pool.fail(key, FORBIDDEN)
    bench.pool.fail(key, limited(7))
    bench.pool.due_checks()
    bench.pool.checked(key, 200)
    assert key.state is TEMPORARY
    bench.pool.fail(key, FORBIDDEN)
    bench.pool.due_checks()
    bench.pool.checked(key, 403)
    assert key.state is PERMANENT


def test_reset_ends_a_cooldown(bench: Bench) -> None:
    bench.pool.fail(bench.pool.keys[0], QUOTA)
    bench.pool.reset(ALPHA.hint)
    assert bench.events[-1] == KeyChanged("openai", ALPHA.hint, VALID)
    assert bench.take().secret == ALPHA


def test_reset_checks_a_refused_key_at_once(bench: Bench) -> None:
    key = bench.pool.keys[0]
    bench.pool.fail(key, UNAUTHORIZED)
    bench.pool.reset(ALPHA.hint)
    assert key.state is PERMANENT
    assert bench.pool.due_checks() == [key]
    bench.pool.reset(ALPHA.hint)
    assert bench.pool.due_checks() == []
    bench.pool.checked(key, 401)
    assert bench.pool.next_deadline() == bench.clocks.monotonic + 60


def test_a_disabled_key_is_not_used_not_checked_and_stays_so(bench: Bench) -> None:
    key = bench.pool.keys[0]
    bench.pool.disable(ALPHA.hint)
    assert bench.events == [KeyChanged("openai", ALPHA.hint, DISABLED)]
    bench.pool.disable(ALPHA.hint)
    bench.pool.fail(key, limited(7))
    bench.pool.fail(key, UNAUTHORIZED)
    bench.pool.succeed(key)
    bench.pool.reset(ALPHA.hint)
    bench.clocks.pass_time(60)
    assert len(bench.events) == 1
    assert bench.pool.due_checks() == []
    assert bench.pool.next_deadline() is None
    assert ALPHA.hint not in bench.used_by_new_walk()


def test_enabling_shows_what_else_is_wrong(bench: Bench) -> None:
    first, second, third = bench.pool.keys
    for key in (first, second, third):
        bench.pool.disable(key.hint)
    bench.pool.fail(first, limited(7))
    bench.pool.fail(second, limited(3))
    bench.pool.fail(third, UNAUTHORIZED)
    bench.clocks.pass_time(5)
    for key in (first, second, third):
        bench.pool.enable(key.hint)
    assert [event.state for event in bench.events[-3:]] == [TEMPORARY, VALID, PERMANENT]
    assert bench.pool.due_checks() == [third]
    bench.pool.enable(first.hint)
    assert len(bench.events) == 6


def test_an_unknown_hint_is_refused_in_words(bench: Bench) -> None:
    for command in (bench.pool.reset, bench.pool.disable, bench.pool.enable):
        with pytest.raises(UnknownKey) as caught:
            command("sk-x...yyyy")
        assert str(caught.value) == ("openai has no such key; its keys: sk-a...AAAA, sk-b...BBBB, sk-c...CCCC")
    with pytest.raises(UnknownKey, match="its keys: none"):
        Bench.of().pool.reset("x")
