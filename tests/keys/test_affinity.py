"""Who is served with which key: a session's agent stays where it was served; its moves are told with their price."""

from __future__ import annotations

import orjson
import pytest

from bridge.events.values import MoveCause
from bridge.events.vocabulary import KeyMoved
from bridge.keys.affinity import Asker
from bridge.keys.key import Key
from bridge.keys.walk import Walk
from bridge.limits import LIMITS
from tests.keys.clocks import ALPHA, BRAVO, CHARLIE, Bench
from tests.keys.failures import FORBIDDEN, OVERLOADED, UNAUTHORIZED, limited

SALT = b"0123456789abcdef"
MAIN = Asker("r1", "session-1")
HELPER = Asker("r2", "session-1", "agent-7", lane="subagent")
OTHER = Asker("r3", "session-2")
ORG_A = [(b"openai-organization", b"org-a")]


@pytest.fixture
def turning() -> Bench:
    """A pool that gives each new asker the next key."""
    return Bench.of(ALPHA, BRAVO, CHARLIE, strategy="round_robin")


def serve(bench: Bench, asker: Asker, cached: tuple[int, int] | None = None, name: str | None = None) -> str:
    """One request of theirs that is served at once; the hint of the key."""
    walk = bench.pool.walk(asker)
    key = walk.next()
    assert key is not None
    finish(bench, walk, key, cached, name)
    return key.hint


def finish(bench: Bench, walk: Walk, key: Key, cached: tuple[int, int] | None = None, name: str | None = None) -> None:
    """The request is answered with that key."""
    bench.pool.succeed(key, (), walk)
    bench.pool.answered(walk, key, 10, cached, name)
    walk.close()


def moves(bench: Bench) -> list[KeyMoved]:
    """The moves that were told."""
    return [event for event in bench.others if isinstance(event, KeyMoved)]


def test_an_agent_of_a_session_stays_with_its_key_whatever_the_strategy(turning: Bench) -> None:
    assert [serve(turning, asker) for asker in (MAIN, HELPER, OTHER)] == [ALPHA.hint, BRAVO.hint, CHARLIE.hint]
    assert [serve(turning, asker) for asker in (MAIN, HELPER, OTHER, MAIN)] == [
        *(ALPHA.hint, BRAVO.hint, CHARLIE.hint, ALPHA.hint),
    ]
    assert moves(turning) == []


def test_who_names_no_session_is_placed_by_the_strategy_each_time(turning: Bench) -> None:
    assert [serve(turning, Asker(f"r{number}")) for number in range(4)] == [
        *(ALPHA.hint, BRAVO.hint, CHARLIE.hint, ALPHA.hint),
    ]
    assert len(turning.pool.residence.affinity) == 0


def test_residents_do_not_turn_the_wheel_for_newcomers(turning: Bench) -> None:
    serve(turning, MAIN)
    for _ in range(5):
        serve(turning, MAIN)
    assert serve(turning, OTHER) == BRAVO.hint


def test_with_affinity_off_the_strategy_places_all() -> None:
    bench = Bench.of(ALPHA, BRAVO, strategy="round_robin", affinity=False)

    assert [serve(bench, MAIN) for _ in range(3)] == [ALPHA.hint, BRAVO.hint, ALPHA.hint]


def test_a_key_that_fails_is_left_and_not_gone_back_to_when_it_wakes() -> None:
    bench = Bench.of(ALPHA, BRAVO)
    serve(bench, MAIN)
    bench.pool.fail(bench.pool.keys[0], limited(7))

    assert serve(bench, MAIN) == BRAVO.hint
    bench.clocks.pass_time(7)
    assert serve(bench, OTHER) == ALPHA.hint
    assert serve(bench, MAIN) == BRAVO.hint

    [moved] = moves(bench)
    assert moved == KeyMoved("r1", "session-1", None, ALPHA.hint, BRAVO.hint, MoveCause.RATE_LIMITED, None)


def test_a_move_tells_what_of_the_cache_is_lost() -> None:
    bench = Bench.of(ALPHA, BRAVO)
    serve(bench, MAIN, (0, 5000))
    serve(bench, MAIN, (5000, 7000))
    bench.pool.fail(bench.pool.keys[0], limited(7))

    serve(bench, MAIN, (800, 7800))

    assert [moved.cache_lost for moved in moves(bench)] == [6200]


def test_a_move_that_kept_its_cache_has_lost_nothing() -> None:
    bench = Bench.of(ALPHA, BRAVO)
    serve(bench, MAIN, (0, 5000))
    bench.pool.fail(bench.pool.keys[0], UNAUTHORIZED)

    serve(bench, MAIN, (5000, 5500))

    assert [(moved.cause, moved.cache_lost) for moved in moves(bench)] == [(MoveCause.UNAUTHORIZED, 0)]


@pytest.mark.parametrize(
    ("failure", "cause"),
    [(FORBIDDEN, MoveCause.FORBIDDEN), (OVERLOADED, MoveCause.OVERLOADED), (limited(3), MoveCause.RATE_LIMITED)],
)
def test_a_request_that_fails_over_moves_its_agent(failure: object, cause: MoveCause) -> None:
    bench = Bench.of(ALPHA, BRAVO)
    serve(bench, MAIN)
    walk = bench.pool.walk(MAIN)
    first = walk.next()
    assert first is not None
    walk.fail(first, failure)  # type: ignore[arg-type]
    second = walk.next()
    assert second is not None
    finish(bench, walk, second)

    assert [(moved.from_, moved.to, moved.cause) for moved in moves(bench)] == [(ALPHA.hint, BRAVO.hint, cause)]
    assert serve(bench, MAIN) == BRAVO.hint


def test_a_key_that_is_switched_off_or_gone_is_left_for_that_reason() -> None:
    bench = Bench.of(ALPHA, BRAVO, CHARLIE)
    serve(bench, MAIN)
    bench.pool.disable(ALPHA.hint)
    serve(bench, MAIN)
    bench.pool.replace([ALPHA, CHARLIE])
    serve(bench, MAIN)

    assert [moved.cause for moved in moves(bench)] == [MoveCause.DISABLED, MoveCause.REMOVED]


def test_a_move_goes_to_a_key_of_the_same_organisation_first() -> None:
    bench = Bench.of(ALPHA, BRAVO, CHARLIE)
    for key in (bench.pool.keys[0], bench.pool.keys[2]):
        bench.pool.succeed(key, ORG_A)
    serve(bench, MAIN)
    bench.pool.fail(bench.pool.keys[0], UNAUTHORIZED)

    assert serve(bench, MAIN) == CHARLIE.hint


def test_requests_that_leave_a_key_together_go_to_the_same_other_one(turning: Bench) -> None:
    serve(turning, MAIN)
    walks = [turning.pool.walk(MAIN) for _ in range(3)]
    for walk in walks:
        key = walk.next()
        assert key is turning.pool.keys[0]
    for walk in walks:
        walk.fail(turning.pool.keys[0], limited(7))
    seconds = [walk.next() for walk in walks]

    assert seconds == [turning.pool.keys[1]] * 3
    for walk in walks:
        finish(turning, walk, turning.pool.keys[1])
    assert len(moves(turning)) == 1


def test_the_first_requests_of_a_pair_go_to_the_same_key(turning: Bench) -> None:
    first, second = turning.pool.walk(MAIN), turning.pool.walk(MAIN)

    assert first.next() is second.next()


def test_an_answer_of_the_old_key_that_comes_late_brings_nobody_back() -> None:
    bench = Bench.of(ALPHA, BRAVO)
    serve(bench, MAIN)
    slow = bench.pool.walk(MAIN)
    slow.next()
    bench.pool.fail(bench.pool.keys[0], limited(7))
    serve(bench, MAIN)

    finish(bench, slow, bench.pool.keys[0])

    assert serve(bench, MAIN) == BRAVO.hint
    assert len(moves(bench)) == 1


def test_a_request_that_ends_before_its_tokens_are_known_tells_its_move_all_the_same() -> None:
    bench = Bench.of(ALPHA, BRAVO)
    serve(bench, MAIN, (10, 20))
    bench.pool.fail(bench.pool.keys[0], limited(7))
    walk = bench.pool.walk(MAIN)
    key = walk.next()
    assert key is not None
    bench.pool.succeed(key, (), walk)
    assert moves(bench) == []

    walk.close()
    walk.close()

    assert [moved.cache_lost for moved in moves(bench)] == [None]


def test_who_refers_to_an_answer_goes_where_it_came_from(turning: Bench) -> None:
    first = serve(turning, Asker("r1"), name="resp_1")
    serve(turning, Asker("r2"))

    assert serve(turning, Asker("r3", references=("resp_1",)), name="resp_2") == first
    assert serve(turning, Asker("r4", references=("resp_2",))) == first
    assert serve(turning, Asker("r5", references=("resp_unknown",))) != first


def test_only_the_latest_are_remembered(monkeypatch: pytest.MonkeyPatch, turning: Bench) -> None:
    monkeypatch.setattr("bridge.keys.affinity.LIMITS", LIMITS.__class__(homes=3))
    serve(turning, MAIN)
    for number in range(2):
        serve(turning, Asker(f"n{number}", f"new-{number}"))
    serve(turning, MAIN)
    serve(turning, OTHER)

    assert len(turning.pool.residence.affinity) == 3
    assert serve(turning, MAIN) == ALPHA.hint


def test_homes_outlive_a_restart_as_hashes_alone(turning: Bench) -> None:
    serve(turning, OTHER)
    serve(turning, MAIN)
    serve(turning, Asker("r9"), name="resp_9")
    rows = orjson.loads(orjson.dumps(turning.pool.residence.take_unsaved(SALT)))
    shown = orjson.dumps(rows).decode()
    assert turning.pool.residence.take_unsaved(SALT) == []

    again = Bench.of(CHARLIE, ALPHA, BRAVO, strategy="round_robin", clocks=turning.clocks)
    again.pool.residence.restore(rows, SALT)

    assert [serve(again, asker) for asker in (MAIN, OTHER)] == [BRAVO.hint, ALPHA.hint]
    assert serve(again, Asker("r10", references=("resp_9",))) == CHARLIE.hint
    assert moves(again) == []
    for secret in ("session", "resp_9", *(key.reveal() for key in (ALPHA, BRAVO, CHARLIE))):
        assert secret not in shown


def test_a_home_whose_key_is_not_configured_any_more_is_found_anew(turning: Bench) -> None:
    serve(turning, MAIN)
    rows = turning.pool.residence.take_unsaved(SALT)

    again = Bench.of(BRAVO, CHARLIE)
    again.pool.residence.restore(rows, SALT)

    assert serve(again, MAIN) == BRAVO.hint


def test_a_home_is_written_again_only_after_an_hour_or_a_move(turning: Bench) -> None:
    serve(turning, MAIN)
    turning.pool.residence.take_unsaved(SALT)
    serve(turning, MAIN)
    assert turning.pool.residence.take_unsaved(SALT) == []
    turning.clocks.pass_time(3600)
    serve(turning, MAIN)
    assert len(turning.pool.residence.take_unsaved(SALT)) == 1


def test_rows_without_sense_are_no_harm(turning: Bench) -> None:
    turning.pool.residence.restore([{}, {"name": None, "fingerprint": 3}, {"name": "x"}], SALT)

    assert serve(turning, MAIN) == ALPHA.hint
