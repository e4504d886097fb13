"""Who goes first where keys are scarce: three lanes, and in each of them one session after another."""

from __future__ import annotations

import pytest

from bridge.events.values import FailureReason, Lane
from bridge.keys.affinity import Asker
from bridge.keys.lanes import Lanes, LanesFull, Ticket
from bridge.keys.turns import PROVEN_S
from bridge.keys.verdict import Failure
from bridge.limits import LIMITS
from tests.keys.clocks import ALPHA, BRAVO, Bench
from tests.keys.failures import UNAUTHORIZED, limited

FOREVER = 1e9


def ticket(lane: Lane = "main", session: str = "s", deadline: float = FOREVER) -> Ticket:
    """A request that nobody has to wake."""
    return Ticket(lane, session, deadline, lambda: None)


def granted_order(lanes: Lanes) -> list[Ticket]:
    """All that wait, in the order in which they are granted their turns."""
    order = []
    while (granted := lanes.grant()) is not None:
        order.append(granted)
    return order


def test_the_lanes_go_in_their_order() -> None:
    lanes = Lanes()
    tickets = [ticket(lane) for lane in ("background", "subagent", "main", "background", "main")]
    for each in tickets:
        lanes.join(each)

    assert granted_order(lanes) == [tickets[2], tickets[4], tickets[1], tickets[0], tickets[3]]


def test_sessions_take_turns_inside_a_lane() -> None:
    lanes = Lanes()
    busy = [ticket(session="busy") for _ in range(3)]
    calm = ticket(session="calm")
    for each in (*busy, calm):
        lanes.join(each)

    assert granted_order(lanes) == [busy[0], calm, busy[1], busy[2]]


def test_a_place_is_how_many_turns_it_takes() -> None:
    lanes = Lanes()
    tickets = [ticket(session=session) for session in "aaabbcaab"]
    for each in tickets:
        lanes.join(each)
    places = {each: lanes.place(each) for each in tickets}

    assert [places[each] for each in granted_order(lanes)] == list(range(1, 10))


def test_who_leaves_gives_up_its_place_and_its_turn() -> None:
    lanes = Lanes()
    first, second = ticket(session="a"), ticket(session="b")
    lanes.join(first)
    lanes.join(second)
    lanes.leave(first)
    lanes.leave(first)
    assert lanes.waiting == 1
    assert lanes.grant() is second
    assert (lanes.granted, lanes.waiting) == (1, 0)
    lanes.leave(second)
    assert lanes.granted == 0


def test_who_had_its_turn_and_found_nothing_is_first_again() -> None:
    lanes = Lanes()
    others = [ticket(session="a"), ticket(session="b")]
    for each in others:
        lanes.join(each)
    again = ticket(session="b")
    lanes.join(again, again=True)

    assert [lanes.place(each) for each in (again, *others)] == [1, 2, 3]
    assert granted_order(lanes) == [again, others[0], others[1]]


def test_where_there_is_no_room_the_last_of_the_lanes_behind_has_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.keys.lanes.LIMITS", LIMITS.__class__(waiting_requests=3))
    lanes = Lanes()
    tickets = [ticket("subagent"), ticket("background", "a"), ticket("background", "b")]
    for each in tickets:
        lanes.join(each)
    lanes.join(ticket("main"))
    assert [each.refused for each in tickets] == [False, False, True]
    with pytest.raises(LanesFull):
        lanes.join(ticket("background"))
    lanes.join(ticket("main"))
    lanes.join(ticket("main"))
    assert [each.refused for each in tickets] == [True, True, True]
    with pytest.raises(LanesFull):
        lanes.join(ticket("main"))
    assert lanes.waiting == 3


# With a pool


def join(bench: Bench, lane: Lane = "main", deadline: float = FOREVER) -> Ticket:
    """A request waits."""
    return bench.pool.turns.join(Asker(lane=lane, session_id=lane), deadline, lambda: None, again=False)


def exhausted(bench: Bench, seconds: float = 7.0) -> None:
    """All keys rest."""
    for key in bench.pool.keys:
        bench.pool.fail(key, limited(seconds))


def test_a_key_that_wakes_takes_one_request_at_first_and_more_as_they_fare_well() -> None:
    bench = Bench.of(ALPHA)
    exhausted(bench)
    tickets = [join(bench) for _ in range(6)]
    bench.clocks.pass_time(7)
    bench.pool.expire()
    assert [each.granted for each in tickets] == [True, *[False] * 5]

    walk = bench.pool.walk()
    key = walk.next()
    bench.pool.turns.leave(tickets[0])
    assert key is not None
    assert sum(each.granted for each in tickets) == 1
    bench.pool.succeed(key, (), walk)

    assert [each.granted for each in tickets] == [True, True, True, False, False, False]


def test_a_turn_that_is_given_back_is_the_next_ones() -> None:
    bench = Bench.of(ALPHA)
    exhausted(bench)
    first, second = join(bench), join(bench)
    bench.clocks.pass_time(7)
    bench.pool.expire()
    assert (first.granted, second.granted) == (True, False)

    bench.pool.turns.leave(first)  # its client left

    assert second.granted


def test_a_request_that_is_long_on_its_key_holds_nobody_up() -> None:
    bench = Bench.of(ALPHA)
    exhausted(bench)
    first, second = join(bench), join(bench)
    bench.clocks.pass_time(7)
    bench.pool.expire()
    walk = bench.pool.walk()
    walk.next()
    bench.pool.turns.leave(first)
    assert not second.granted

    deadline = bench.pool.next_deadline()
    assert deadline == bench.clocks.monotonic + PROVEN_S
    bench.clocks.pass_time(PROVEN_S)
    bench.pool.expire()

    assert second.granted


def test_as_many_go_on_as_the_gauge_has_left() -> None:
    bench = Bench.of(ALPHA)
    walk = bench.pool.walk()
    key = walk.next()
    assert key is not None
    bench.pool.succeed(key, [(b"x-ratelimit-remaining-requests", b"2"), (b"x-ratelimit-reset-requests", b"60s")], walk)
    assert not bench.pool.turns.crowded()
    on_it = [bench.pool.walk() for _ in range(2)]
    for each in on_it:
        each.next()

    assert bench.pool.turns.crowded()
    waiting = join(bench)
    assert not waiting.granted
    on_it[0].close()
    assert waiting.granted


def test_a_key_without_room_still_takes_one_at_a_time() -> None:
    bench = Bench.of(ALPHA)
    walk = bench.pool.walk()
    key = walk.next()
    assert key is not None
    bench.pool.succeed(key, [(b"x-ratelimit-remaining-tokens", b"0"), (b"x-ratelimit-reset-tokens", b"60s")], walk)
    assert not bench.pool.turns.crowded()
    bench.pool.walk().next()
    assert bench.pool.turns.crowded()


def test_those_whose_patience_ends_before_any_key_wakes_are_refused_at_once() -> None:
    bench = Bench.of(ALPHA, BRAVO)
    exhausted(bench)
    now = bench.clocks.monotonic
    short, long = join(bench, deadline=now + 8), join(bench, deadline=now + 100)
    for key in bench.pool.keys:
        bench.pool.fail(key, limited(50))

    assert (short.refused, long.refused) == (True, False)
    for key in bench.pool.keys:
        bench.pool.fail(key, UNAUTHORIZED)
    assert long.refused


def test_a_key_that_is_switched_on_wakes_who_waits() -> None:
    bench = Bench.of(ALPHA, BRAVO)
    exhausted(bench)
    waiting = join(bench)
    bench.pool.reset(BRAVO.hint)
    assert waiting.granted


def test_a_limit_of_a_group_wakes_nobody_for_a_key_that_rests_for_it_too() -> None:
    bench = Bench.of(ALPHA, BRAVO, groups=[[1, 2]])
    bench.pool.fail(bench.pool.keys[0], limited(7))
    waiting = join(bench)
    bench.clocks.pass_time(7)
    bench.pool.expire()
    assert waiting.granted
    walk = bench.pool.walk()
    key = walk.next()
    bench.pool.turns.leave(waiting)
    second, third = join(bench), join(bench)
    assert key is not None
    assert second.granted  # the other key has room for one

    walk.fail(key, Failure(FailureReason.RATE_LIMITED, 9.0, "header"))

    assert not third.granted
    assert bench.pool.walk().next() is None
