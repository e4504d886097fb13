"""Affinity, lanes, groups and cooldowns together, against a simple model: random requests, answers, clocks and clients.

The model knows until when each key rests, where each pair of session and agent lives, and who waits in which order. It
shares no code with the pool. Clients leave at every step: while they wait, once they were granted a turn, and while
their request is on a key. In the end every request that is left is served.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from attrs import define, field
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bridge.events.values import FailureReason
from bridge.events.vocabulary import KeyMoved
from bridge.keys.affinity import Asker
from bridge.keys.key import Key
from bridge.keys.lanes import LANES, Ticket
from bridge.keys.secret import Secret
from bridge.keys.turns import PROVEN_S
from bridge.keys.verdict import Failure
from bridge.keys.walk import Walk
from tests.keys.clocks import Bench

SECRETS = [Secret(f"sk-{name}-0123456789-{name.upper()}") for name in ("aaaa", "bbbb", "cccc")]
ORGANIZATIONS = ("org-1", "org-1", "org-2")

ASKERS = [
    Asker("", "one"),
    Asker("", "one", "a", lane="subagent"),
    Asker("", "two"),
    Asker("", "two", "b", lane="subagent"),
    Asker("", "three"),
    Asker("", "three", "c", lane="background"),
    Asker("", "four", "d", lane="background"),
    Asker("", "four"),
]

failures = st.builds(
    Failure,
    reason=st.sampled_from([FailureReason.RATE_LIMITED, FailureReason.OVERLOADED]),
    cooldown_s=st.sampled_from([0.125, 1.0, 7.0, 60.0]),
    source=st.just("header"),
    scope=st.sampled_from(["key", "organization", None]),
)


@define(eq=False)
class Request:
    """One request as the model sees it."""

    asker: Asker
    walk: Walk
    deadline: float
    ticket: Ticket | None = None
    key: Key | None = None
    since: float = 0.0
    unproven: bool = False
    left: Key | None = None
    had_its_turn: bool = False
    woken: int = 0
    own_before: int = 0
    """Requests of its own session and lane that waited when it came."""
    sessions: set[str] = field(factory=set)
    turns: int = 0
    """First turns of its lane that went to others while it waited."""


class LanesMachine(RuleBasedStateMachine):
    """Drives one pool and its model side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench.of(*SECRETS)
        self.requests: list[Request] = []
        self.rests: dict[Key, float] = {}
        self.off: set[Key] = set()
        self.homes: dict[tuple[str | None, str | None], Key] = {}
        self.moves: list[tuple[str, str, str | None, str | None]] = []
        self.count = 0

    @initialize(strategy=st.sampled_from(["fallback", "round_robin", "most_headroom"]))
    def begin(self, strategy: str) -> None:
        self.bench = Bench.of(*SECRETS, strategy=strategy)
        for key, name in zip(self.keys, ORGANIZATIONS, strict=True):
            self.bench.pool.succeed(key, [(b"openai-organization", name.encode())])

    @property
    def now(self) -> float:
        return self.bench.clocks.monotonic

    @property
    def keys(self) -> Sequence[Key]:
        return self.bench.pool.keys

    def waiting(self) -> list[Request]:
        return [request for request in self.requests if request.ticket and not request.ticket.granted]

    def granted(self) -> list[Request]:
        return [request for request in self.requests if request.ticket and request.ticket.granted]

    def on_keys(self) -> list[Request]:
        return [request for request in self.requests if request.key is not None]

    def room(self) -> float:
        """How many requests the keys that serve can take, by the requests that are on them."""
        unproven = Counter(id(request.key) for request in self.on_keys() if request.unproven)
        return sum(max(key.window - unproven[id(key)], 0) for key in self.keys if self.usable(key))

    def usable(self, key: Key) -> bool:
        return key not in self.off and self.rests.get(key, 0.0) <= self.now

    # Requests

    @rule(which=st.integers(0, len(ASKERS) - 1), patience=st.sampled_from([0.5, 5.0, 30.0, 300.0]))
    def a_request_comes(self, which: int, patience: float) -> None:
        self.count += 1
        asker = Asker(f"r{self.count}", ASKERS[which].session_id, ASKERS[which].agent_id, (), ASKERS[which].lane)
        request = Request(asker, self.bench.pool.walk(asker), self.now + patience)
        self.requests.append(request)
        if self.bench.pool.turns.crowded() or not self.take(request):
            self.queue(request)

    @rule(which=st.lists(st.integers(0, len(ASKERS) - 1), min_size=4, max_size=12))
    def many_come_at_once(self, which: list[int]) -> None:
        for number in which:
            self.a_request_comes(number, 300.0)

    @precondition(lambda self: self.granted())
    @rule(which=st.integers(0, 20))
    def a_granted_request_goes_on(self, which: int) -> None:
        self.go_on(self.granted()[which % len(self.granted())])

    def go_on(self, request: Request) -> None:
        request.walk.resume()
        request.had_its_turn = True
        taken = self.take(request)
        self.let_go_of_ticket(request)
        if not taken:
            self.queue(request)

    def take(self, request: Request) -> bool:
        """A walk takes its next key: where its asker lives, if that serves, and never one that rests."""
        home = self.homes.get((request.asker.session_id, request.asker.agent_id))
        expects_home = home is not None and self.usable(home) and home not in request.walk.tried
        free = [key for key in self.keys if self.usable(key) and key not in request.walk.tried]
        key = request.walk.next()
        assert (key is not None) == bool(free)
        if key is None:
            return False
        assert key in free
        assert not expects_home or key is home
        if home is not None and key is not home:
            request.left = home
        request.key, request.since, request.unproven = key, self.now, True
        return True

    def queue(self, request: Request) -> None:
        until = self.bench.pool.exhaustion(request.walk).wait_until
        if until is None or until > request.deadline:
            self.end(request)
            return
        alike = [other for other in self.waiting() if other.asker.lane == request.asker.lane and not other.had_its_turn]
        request.own_before = sum(other.asker.session == request.asker.session for other in alike)
        request.turns, request.sessions = 0, {other.asker.session for other in alike}

        def wake() -> None:
            request.woken += 1
            self.check_turn(request)

        request.woken = 0
        request.ticket = Ticket(request.asker.lane, request.asker.session, request.deadline, wake)
        # As `KeyTurns.join` does, but the model has to know the ticket before it is granted.
        self.bench.pool.turns.lanes.join(request.ticket, again=request.had_its_turn)
        for other in alike:
            other.sessions.add(request.asker.session)
        request.sessions.add(request.asker.session)
        self.bench.pool.turns.release()

    def check_turn(self, woken: Request) -> None:
        """Somebody is granted its turn, or refused: nobody of a lane before waits, nobody waits beyond the bound."""
        assert woken.ticket is not None
        if not woken.ticket.granted:
            assert woken.ticket.refused
            return
        assert len(self.granted()) <= self.room()
        for other in self.waiting():
            assert LANES.index(other.asker.lane) >= LANES.index(woken.asker.lane)
            if other.asker.lane == woken.asker.lane and not woken.had_its_turn and not other.had_its_turn:
                other.turns += 1
                assert other.turns < (other.own_before + 1) * len(other.sessions)

    def let_go_of_ticket(self, request: Request) -> None:
        ticket, request.ticket = request.ticket, None
        if ticket is not None:
            self.bench.pool.turns.leave(ticket)

    def end(self, request: Request) -> None:
        self.requests.remove(request)
        request.key = None
        self.let_go_of_ticket(request)
        request.walk.close()

    @precondition(lambda self: self.on_keys())
    @rule(which=st.integers(0, 20), failure=failures)
    def an_answer_is_bad(self, which: int, failure: Failure) -> None:
        request = self.on_keys()[which % len(self.on_keys())]
        key, request.key = request.key, None
        assert key is not None
        request.unproven = False
        assert failure.cooldown_s is not None
        shared = failure.scope == "organization" and failure.reason is FailureReason.RATE_LIMITED
        place = self.keys.index(key)
        for other, name in zip(self.keys, ORGANIZATIONS, strict=True):
            if other is key or (shared and name == ORGANIZATIONS[place]):
                self.rests[other] = max(self.rests.get(other, 0.0), self.now + failure.cooldown_s)
        request.walk.fail(key, failure)
        if self.bench.pool.turns.crowded() or not self.take(request):
            self.queue(request)

    @precondition(lambda self: self.on_keys())
    @rule(which=st.integers(0, 20))
    def an_answer_is_good(self, which: int) -> None:
        self.answer(self.on_keys()[which % len(self.on_keys())])

    def answer(self, request: Request) -> None:
        key, asker = request.key, request.asker
        assert key is not None
        request.unproven = False
        pair = (asker.session_id, asker.agent_id)
        home = self.homes.get(pair)
        if home is None or request.left is home:
            self.homes[pair] = key
            if home is not None and home is not key:
                self.moves.append((home.hint, key.hint, *pair))
        self.bench.pool.succeed(key, (), request.walk)
        self.bench.pool.answered(request.walk, key, 1, None, None)
        self.end(request)

    @rule(seconds=st.sampled_from([1.0, 7.0, 60.0]))
    def all_keys_are_limited(self, seconds: float) -> None:
        for key in self.keys:
            self.rests[key] = max(self.rests.get(key, 0.0), self.now + seconds)
            self.bench.pool.fail(key, Failure(FailureReason.RATE_LIMITED, seconds, "header", scope="key"))

    @precondition(lambda self: self.granted())
    @rule(which=st.integers(0, 20))
    def a_client_leaves_that_was_granted_its_turn(self, which: int) -> None:
        self.end(self.granted()[which % len(self.granted())])

    @precondition(lambda self: self.requests)
    @rule(which=st.integers(0, 30))
    def a_client_leaves(self, which: int) -> None:
        self.end(self.requests[which % len(self.requests)])

    # Time and the owner

    @rule(seconds=st.sampled_from([0.0, 0.125, 0.5, 1.0, 5.0, 7.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        """The timer rings whenever the pool asked for it, and whoever has waited for long enough goes."""
        end = self.now + seconds
        while True:
            deadline = self.bench.pool.next_deadline()
            patience = min((request.deadline for request in self.waiting()), default=end)
            step = min(end, patience, end if deadline is None else deadline)
            self.bench.clocks.pass_time(max(step - self.now, 0.0))
            for request in self.on_keys():
                request.unproven = request.unproven and request.since + PROVEN_S > self.now
            self.bench.pool.expire()
            for request in self.waiting():
                if request.deadline <= self.now:
                    self.end(request)
            if self.now >= end:
                break

    @rule(which=st.integers(0, 2), command=st.sampled_from(["disable", "enable", "reset"]))
    def the_owner_speaks(self, which: int, command: str) -> None:
        key = self.keys[which]
        match command:
            case "disable":
                self.off.add(key)
            case "enable":
                self.off.discard(key)
            case _:
                self.rests.pop(key, None)
        getattr(self.bench.pool, command)(key.hint)

    # What always holds

    @invariant()
    def the_pool_admits_what_the_model_does(self) -> None:
        assert [key.admits(self.now) for key in self.keys] == [self.usable(key) for key in self.keys]

    @invariant()
    def no_wake_up_is_lost(self) -> None:
        """While anybody waits, there is no room, and something is to come that makes some."""
        unproven = Counter(id(request.key) for request in self.on_keys() if request.unproven)
        assert [key.unproven for key in self.keys] == [unproven[id(key)] for key in self.keys]
        for request in self.requests:
            if request.ticket is not None and request.ticket.refused:
                assert request.woken == 1
        for request in [request for request in self.waiting() if request.ticket and request.ticket.refused]:
            self.end(request)
        waiting = self.waiting()
        assert self.bench.pool.turns.lanes.waiting == len(waiting)
        assert all(request.woken == 0 for request in waiting)
        assert all(request.woken == 1 for request in self.granted())
        if not waiting:
            return
        assert self.room() - len(self.granted()) < 1
        if not self.granted():
            deadline = self.bench.pool.next_deadline()
            assert deadline is not None
            if any(self.usable(key) for key in self.keys):
                assert deadline <= self.now + PROVEN_S
            else:
                assert all(request.deadline >= deadline for request in waiting)

    @invariant()
    def moves_are_told_once(self) -> None:
        told = [event for event in self.bench.others if isinstance(event, KeyMoved)]
        assert sorted((move.from_, move.to, str(move.session_id), str(move.agent_id)) for move in told) == sorted(
            (old, new, str(session), str(agent)) for old, new, session, agent in self.moves
        )

    def teardown(self) -> None:
        """Once keys serve again, everybody who has not left is served."""
        for key in self.keys:
            self.off.discard(key)
            self.bench.pool.enable(key.hint)
        for request in self.requests:
            request.deadline = float("inf")
            if request.ticket is not None:
                request.ticket.deadline = float("inf")
        for _ in range(10 * len(self.requests) + 10):
            self.no_wake_up_is_lost()
            for request in self.granted():
                self.go_on(request)
            for request in self.on_keys():
                self.answer(request)
            if not self.requests:
                break
            self.time_passes(60.0)
        assert self.requests == []


TestLanes = LanesMachine.TestCase
TestLanes.settings = settings(max_examples=120, stateful_step_count=50, deadline=None)
