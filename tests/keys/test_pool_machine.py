"""The pool against a simple model: random answers, clocks, walkers, owners, reloads and restarts.

The model keeps for each key three facts in plain numbers and says after each step who may be used and what people
should see. It shares no code with the pool. Each step is checked at once, and each event as it is told.
"""

from __future__ import annotations

import json
from datetime import timedelta

from attrs import evolve
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bridge.events.values import FailureReason, KeyCause, KeyState
from bridge.events.vocabulary import KeyChanged
from bridge.keys.key import Key
from bridge.keys.secret import Secret
from bridge.keys.verdict import Failure
from bridge.keys.walk import Walk
from tests.keys.clocks import Bench, Clocks
from tests.keys.key_model import Modelled

SALT = b"0123456789abcdef"
SECRETS = [Secret(f"sk-{name}-0123456789-{name.upper()}") for name in ("aaaa", "bbbb", "cccc", "dddd")]

RATE, QUOTA, OVER = FailureReason.RATE_LIMITED, FailureReason.QUOTA_EXHAUSTED, FailureReason.OVERLOADED

failures = st.sampled_from(
    [
        Failure(RATE, 1.0, "header"),
        Failure(RATE, 0.375, "header"),
        Failure(RATE, 7.0, "header"),
        Failure(RATE, 6.5, "body"),
        Failure(RATE, 60.0, "default"),
        Failure(RATE, 1800.0, "header"),
        Failure(RATE, 86400.0, "header"),
        Failure(QUOTA, 3600.0, "default"),
        Failure(OVER, 5.0, "header"),
        Failure(OVER),
        Failure(FailureReason.UNAUTHORIZED, permanent=True),
        Failure(FailureReason.FORBIDDEN, permanent=True),
        Failure(FailureReason.FORBIDDEN, recheck=True),
    ]
)


class PoolMachine(RuleBasedStateMachine):
    """Drives one fallback pool and its model side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench.of()
        self.model: dict[Secret, Modelled] = {}
        self.walks: list[Walk] = []
        self.in_flight: list[tuple[Walk, Key]] = []
        self.tried: dict[Walk, list[Key]] = {}
        self.told: dict[str, KeyChanged] = {}
        self.read = 0
        self.may_end_refusal = False
        self.may_shorten = False
        self.rests: dict[Key, float] = {}
        self.announced: float | None = None
        self.failed = 0
        self.quiet_steps = 0
        """Since the last restart or reload, which wipe much out: they keep their distance."""

    @property
    def now(self) -> float:
        return self.bench.clocks.monotonic

    def begin(self, bench: Bench) -> None:
        """Listens to a new pool."""
        self.bench = bench
        self.told = {event.key: event for event in bench.pool.snapshot()}
        self.read = 0
        self.rests = {}
        self.announced = bench.pool.next_deadline()

        def poked() -> None:
            self.announced = bench.pool.next_deadline()

        bench.pool.on_reschedule = poked

    def settle_all(self) -> None:
        for modelled in self.model.values():
            modelled.settle(self.now)

    @initialize(count=st.integers(0, 9))
    def start(self, count: int) -> None:
        self.model = {secret: Modelled() for secret in SECRETS[: min(count, 4)]}
        self.begin(Bench.of(*self.model))

    # Requests

    @rule()
    def a_request_comes(self) -> None:
        self.go_on(self.bench.pool.walk())

    @precondition(lambda self: self.walks)
    @rule(which=st.integers(0, 5))
    def a_request_goes_on(self, which: int) -> None:
        self.go_on(self.walks[which % len(self.walks)])

    @rule(answers=st.lists(failures, min_size=1, max_size=4))
    def a_request_meets_these_failures(self, answers: list[Failure]) -> None:
        walk = self.bench.pool.walk()
        for failure in answers:
            self.go_on(walk)
            if not self.in_flight or self.in_flight[-1][0] is not walk:
                break
            self.fail(*self.in_flight.pop(), failure)

    def go_on(self, walk: Walk) -> None:
        """A walk takes its next key, the one the model says."""
        if walk not in self.walks:
            self.walks = [*self.walks[-5:], walk]
        tried = self.tried.setdefault(walk, [])
        self.settle_all()
        secrets = [key.secret for key in tried if not key.retired]
        free = [
            secret for secret, modelled in self.model.items() if secret not in secrets and modelled.usable(self.now)
        ]
        key = walk.next()
        assert (key.secret if key else None) == (free[0] if free else None)
        if key is None:
            self.check_exhaustion(walk)
            return
        assert key not in tried
        tried.append(key)
        self.in_flight.append((walk, key))
        modelled = self.model[key.secret]
        if modelled.refused_for or modelled.rests_until > self.now:
            modelled.on_probe = True
            modelled.plan_probe(self.now)

    @precondition(lambda self: self.in_flight)
    @rule(which=st.integers(0, 5), failure=failures)
    def an_answer_is_bad(self, which: int, failure: Failure) -> None:
        self.fail(*self.in_flight.pop(which % len(self.in_flight)), failure)

    def fail(self, walk: Walk, key: Key, failure: Failure) -> None:
        """An attempt fails."""
        self.settle_all()
        self.failed += 1
        cause = KeyCause(f"request {self.failed}")
        told = walk.fail(key, failure, (), cause)
        if key.retired:
            return
        modelled = self.model[key.secret]
        modelled.on_probe = False
        if failure.permanent:
            modelled.refuse(failure.reason, self.now, cause)
        elif failure.recheck:
            if not modelled.refused_for:
                modelled.suspect, modelled.check_at, modelled.checks = True, self.now, 0
                modelled.accused_by = cause
        elif failure.cooldown_s is not None:
            modelled.rest(self.now + failure.cooldown_s, failure.reason, self.now, cause)
        if failure.cooldown_s is None or modelled.refused_for:
            assert told is None
        else:
            assert told is not None
            assert told >= failure.cooldown_s
            assert abs(told - max(modelled.rests_until - self.now, 0)) < 1e-6

    @precondition(lambda self: self.in_flight)
    @rule(which=st.integers(0, 5))
    def an_answer_is_good(self, which: int) -> None:
        _walk, key = self.in_flight.pop(which % len(self.in_flight))
        self.settle_all()
        self.bench.pool.succeed(key)
        if key.retired:
            return
        modelled = self.model[key.secret]
        if modelled.on_probe and modelled.revivable:
            modelled.refused_for = ""
            modelled.wake()
            self.may_shorten = self.may_end_refusal = True
        modelled.suspect = False
        if not modelled.refused_for:
            modelled.check_at, modelled.checks = None, 0

    @precondition(lambda self: self.walks)
    @rule(which=st.integers(0, 5))
    def a_request_waited(self, which: int) -> None:
        walk = self.walks[which % len(self.walks)]
        walk.resume()
        rested = {key for key, failure in walk.failures if failure.cooldown_s is not None}
        self.tried[walk] = [key for key in self.tried[walk] if key not in rested]

    def check_exhaustion(self, walk: Walk) -> None:
        exhausted = self.bench.pool.exhaustion(walk)
        resting = [modelled for modelled in self.model.values() if modelled.shown()[0] is KeyState.TEMPORARY]
        if resting:
            assert exhausted.kind == "cooling"
            assert exhausted.retry_after_s is not None
            assert exhausted.wait_until is not None
            earliest = min(modelled.rests_until for modelled in resting) - self.now
            assert 1 <= exhausted.retry_after_s <= max(earliest + 1, 1)
            assert exhausted.retry_after_s >= earliest - 1e-6 or self.over_for(walk)
            assert exhausted.wait_until >= self.now
        elif not self.model:
            assert exhausted.kind == "no_keys"
        if exhausted.kind != "cooling":
            assert exhausted.retry_after_s is None
        assert all(key.hint in exhausted.message for key in self.bench.pool.keys)
        assert not any(secret.reveal() in exhausted.message for secret in SECRETS)

    def over_for(self, walk: Walk) -> bool:
        """Whether a key that had to rest for this walk is valid again, so that the next request may have it."""
        return any(
            failure.cooldown_s is not None and not key.retired and self.model[key.secret].usable(self.now)
            for key, failure in walk.failures
        )

    # Time

    @rule(seconds=st.sampled_from([0.0, 0.125, 0.375, 1.0, 5.0, 7.0, 55.0, 60.0, 120.0, 600.0, 3600.0, 90000.0]))
    def time_passes(self, seconds: float) -> None:
        self.bench.clocks.pass_time(seconds)

    @rule(days=st.sampled_from([-400, -1, 1, 400]))
    def somebody_sets_the_wall_clock(self, days: int) -> None:
        self.bench.clocks.wall += timedelta(days=days)

    @rule()
    def the_timer_rings(self) -> None:
        self.settle_all()
        self.bench.pool.expire()

    @precondition(lambda self: self.bench.pool.next_deadline() is not None)
    @rule()
    def time_passes_until_the_timer_rings(self) -> None:
        deadline = self.bench.pool.next_deadline()
        assert deadline is not None
        self.bench.clocks.pass_time(max(deadline - self.now, 0))
        if self.now < deadline:  # the sum was rounded down
            self.bench.clocks.monotonic = deadline
        self.the_timer_rings()

    # Checks

    @precondition(lambda self: any(modelled.check_at is not None for modelled in self.model.values()))
    @rule()
    def checks_are_sent(self) -> None:
        self.settle_all()
        due = [
            secret
            for secret, modelled in self.model.items()
            if modelled.check_at is not None
            and modelled.check_at <= self.now
            and not modelled.in_check
            and not modelled.off
        ]
        assert [key.secret for key in self.bench.pool.due_checks()] == due
        for secret in due:
            self.model[secret].in_check = True

    @precondition(lambda self: any(modelled.in_check for modelled in self.model.values()))
    @rule(data=st.data(), status=st.sampled_from([200, 200, 401, 403, 404, 429, 500, 529, None]))
    def a_check_comes_back(self, data: st.DataObject, status: int | None) -> None:
        secret = data.draw(st.sampled_from([secret for secret, modelled in self.model.items() if modelled.in_check]))
        modelled = self.model[secret]
        self.settle_all()
        self.may_end_refusal = status == 200
        self.bench.pool.checked(self.key(secret), status)
        modelled.in_check = False
        if status == 200:
            if modelled.refused_for:
                modelled.refused_for = ""
                modelled.plan_probe(self.now)
            modelled.suspect, modelled.check_at, modelled.checks = False, None, 0
        elif status in (401, 403) and modelled.suspect:
            modelled.refuse("unauthorized" if status == 401 else "forbidden", self.now, modelled.accused_by)
        elif modelled.suspect or modelled.refused_for:
            modelled.plan_check(self.now)
        else:
            modelled.check_at = None

    def key(self, secret: Secret) -> Key:
        return next(key for key in self.bench.pool.keys if key.secret == secret)

    # The owner

    @precondition(lambda self: self.model)
    @rule(data=st.data(), command=st.sampled_from(["reset", "disable", "enable"]))
    def the_owner_speaks(self, data: st.DataObject, command: str) -> None:
        secret = data.draw(st.sampled_from(list(self.model)))
        modelled = self.model[secret]
        self.settle_all()
        getattr(self.bench.pool, command)(self.key(secret).hint)
        if command == "reset":
            modelled.wake()
            self.may_shorten = True
        if modelled.refused_for and (command == "reset" or (command == "enable" and modelled.off)):
            modelled.check_at, modelled.checks = self.now, 0
            if command == "reset":
                modelled.probe_at = self.now
        if command != "reset":
            modelled.off = command == "disable"

    @precondition(lambda self: self.quiet_steps > 12)
    @rule(secrets=st.lists(st.sampled_from(SECRETS), unique=True, max_size=4))
    def the_owner_changes_the_configuration(self, secrets: list[Secret]) -> None:
        self.quiet_steps = 0
        gone = {key.hint for key in self.bench.pool.keys if key.secret not in secrets}
        self.settle_all()
        self.bench.pool.replace(secrets)
        self.model = {secret: self.model.get(secret) or Modelled() for secret in secrets}
        self.hear()
        for hint in gone:
            del self.told[hint]

    @precondition(lambda self: self.quiet_steps > 12)
    @rule(offline=st.sampled_from([0.0, 3.0, 100.0, 5000.0]))
    def the_bridge_restarts(self, offline: float) -> None:
        rows = json.loads(json.dumps(self.bench.pool.export_state(SALT)))
        assert not any(secret.reveal() in json.dumps(rows) for secret in SECRETS)
        before = self.now
        self.settle_all()
        clocks = Clocks(77.125, self.bench.clocks.wall + timedelta(seconds=offline))
        bench = Bench.of(*self.model, clocks=clocks)
        bench.pool.restore_state(rows, SALT)
        assert bench.events == []
        self.quiet_steps, self.tried, self.walks, self.in_flight = 0, {}, [], []
        self.begin(bench)
        for secret, modelled in self.model.items():
            key = self.key(secret)
            left = max(modelled.rests_until - before - offline, 0.0)
            until = key.cooldown.until if key.cooldown else 0.0
            assert abs(max(until - self.now, 0.0) - left) < 1e-4
            new = Modelled(refused_for=modelled.refused_for, accused_by=modelled.accused_by, off=modelled.off)
            new.rest(until, modelled.rests_for, self.now, modelled.rests_by)
            new.plan_probe(self.now)
            if modelled.refused_for:
                assert key.check_at is not None
                due = self.now
                if modelled.check_at is not None:
                    due += max(modelled.check_at - before - offline, 0.0)
                assert abs(key.check_at - due) < 1e-4
                new = evolve(new, check_at=key.check_at, checks=min(modelled.checks, key.checks))
            self.model[secret] = new

    # What always holds

    @invariant()
    def a_step_was_made(self) -> None:
        self.quiet_steps += 1

    @invariant()
    def validity_is_the_models(self) -> None:
        for key in self.bench.pool.keys:
            assert key.admits(self.now) == self.model[key.secret].usable(self.now)

    def hear(self) -> None:
        """Takes in what was told since; each event must say something new, and nothing that can't be."""
        for event in self.bench.events[self.read :]:
            before = self.told.get(event.key)
            if before is not None:
                assert evolve(event, retry_at=None) != evolve(before, retry_at=None) or (
                    event.retry_at is not None and before.retry_at is not None and event.retry_at != before.retry_at
                )
                if before.state is KeyState.PERMANENT and event.state in (KeyState.VALID, KeyState.TEMPORARY):
                    assert self.may_end_refusal
            out = event.state in (KeyState.TEMPORARY, KeyState.PERMANENT)
            assert (event.retry_at is not None) == out == (event.source is not None)
            assert (event.source == "check") == (event.state is KeyState.PERMANENT)
            self.told[event.key] = event
        self.read = len(self.bench.events)

    @invariant()
    def events_tell_the_state(self) -> None:
        self.hear()
        self.may_end_refusal = False
        assert set(self.told) == {key.hint for key in self.bench.pool.keys}
        for key in self.bench.pool.keys:
            event = self.told[key.hint]
            assert (event.state, event.reason) == (key.state, key.reason)
            assert (event.state, event.reason) == self.model[key.secret].shown()
            assert event.cause == self.model[key.secret].cause()

    @invariant()
    def no_cooldown_is_shortened(self) -> None:
        for key in self.bench.pool.keys:
            before, after = self.rests.get(key, 0.0), key.cooldown.until if key.cooldown else 0.0
            assert after >= before or before <= self.now or self.may_shorten
            self.rests[key] = after
        self.may_shorten = False

    @invariant()
    def the_timer_knows(self) -> None:
        wanted = [
            at
            for modelled in self.model.values()
            if not modelled.off
            for at in (
                modelled.rests_until if modelled.shown()[0] is KeyState.TEMPORARY else None,
                None if modelled.in_check else modelled.check_at,
            )
            if at is not None
        ]
        assert self.bench.pool.next_deadline() == min(wanted, default=None)
        assert self.announced == self.bench.pool.next_deadline()


TestPool = PoolMachine.TestCase
TestPool.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
