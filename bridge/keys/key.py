"""One key of a pool and its health. Knows monotonic time only as the `now` it is given; tells nobody anything.

Health has three layers, each with its own way out, so that nothing has to be undone when another changes:

- switched off by the owner, until switched on again;
- refused by the provider, until a check is answered 200, or a request that was let through to see;
- cooling down, until its deadline. A later deadline is never shortened, also not by a refusal that is lifted.

The state that people see is the topmost layer's (docs/behaviour.md, Key pool). Beside them stands the suspicion a 403
raises: the key works on while a check finds out whether the provider refuses the key or just refused the request.
"""

from __future__ import annotations

from datetime import datetime
from math import inf

from attrs import Factory, field

from bridge.events.values import DeadlineSource, FailureReason, KeyCause, KeyState, RateLimits
from bridge.keys.groups import Account
from bridge.keys.secret import Secret
from bridge.keys.use import Usage10m
from bridge.keys.verdict import Failure
from bridge.value_classes import define, frozen

CHECKS_S = (60.0, 120.0, 300.0, 600.0, 1200.0, 2400.0, 3600.0)
"""Seconds from one check of a refused key to the next, the last for ever."""

PROBE_S = 600.0
"""A key that cools for longer than this lets one request through each time it has passed, and so does one whose check
was forbidden: it may be one that must not list models."""


WIDEST = 64
"""A window that has grown so wide is open."""


@frozen
class Cooldown:
    """A rest until the monotonic time `until`, why, and by whose word."""

    until: float
    reason: FailureReason
    source: DeadlineSource
    cause: KeyCause | None = None
    shared: int | None = None
    """Of the keys that rest for the same limit, one probes for all and its success ends the rest of all; this number is
    theirs."""


@define(eq=False)
class Key:
    """One key. Read it freely; only its pool changes it."""

    secret: Secret
    hint: str
    """Its name for people, unlike any other in its pool."""

    disabled: bool = False
    refusal: FailureReason | None = None
    cooldown: Cooldown | None = None
    limits: RateLimits = Factory(RateLimits)
    retired: bool = field(default=False, repr=False)
    """No longer in the pool: requests that still use it change nothing."""

    account: Account = field(factory=Account, repr=False)
    """Whose it is: with whom it shares limits."""
    use: Usage10m = field(factory=Usage10m, repr=False)
    unproven: int = field(default=0, repr=False)
    """Requests that are on it and may yet be told that it is limited."""
    window: float = field(default=inf, repr=False)
    """As many of these may be on it at a time, for requests that could wait. After a rest it begins with one, and each
    that is not refused makes room for another."""

    checks: int = field(default=0, repr=False)
    check_at: float | None = field(default=None, repr=False)
    checking: bool = field(default=False, repr=False)
    suspect: bool = field(default=False, repr=False)
    accusation: KeyCause | None = field(default=None, repr=False)
    """What refused it, or made it suspect."""

    probe_at: float | None = field(default=None, repr=False)
    probing: bool = field(default=False, repr=False)

    @property
    def state(self) -> KeyState:
        """What people see. A cooldown counts until `settle` was told that its deadline has passed."""
        if self.disabled:
            return KeyState.DISABLED
        if self.refusal is not None:
            return KeyState.PERMANENT
        return KeyState.VALID if self.cooldown is None else KeyState.TEMPORARY

    @property
    def cooling(self) -> Cooldown | None:
        """The cooldown, where it is what keeps the key out."""
        return self.cooldown if self.state is KeyState.TEMPORARY else None

    @property
    def reason(self) -> FailureReason | None:
        """Why it is in its state."""
        if self.state is KeyState.PERMANENT:
            return self.refusal
        return self.cooling.reason if self.cooling else None

    @property
    def cause(self) -> KeyCause | None:
        """What put it into its state."""
        if self.state is KeyState.PERMANENT:
            return self.accusation
        return self.cooling.cause if self.cooling else None

    @property
    def wakes_at(self) -> float | None:
        """When it needs the pool's attention next: its deadline or its check."""
        if self.disabled:
            return None
        times = [self.cooling.until] if self.cooling else []
        if self.check_at is not None and not self.checking:
            times.append(self.check_at)
        return min(times, default=None)

    @property
    def admitted_at(self) -> float | None:
        """When a request may use it at the latest, if nothing else happens; None where that is never."""
        if self.disabled:
            return None
        times = [self.probe_at] if self._may_be_probed and self.probe_at is not None else []
        if self.refusal is None:
            times.append(self.cooldown.until if self.cooldown is not None else 0.0)
        return min(times, default=None)

    def admits(self, now: float) -> bool:
        """Whether a request may use it now: it is valid, or out so long that one may look whether it still must be."""
        if self.disabled:
            return False
        if self.refusal is None and (self.cooldown is None or self.cooldown.until <= now):
            return True
        return self._may_be_probed and self.probe_at is not None and self.probe_at <= now

    def room(self, wall: datetime) -> float:
        """How many more requests it can be expected to serve: as many as its gauges have left, and its window allows.

        One at a time may always look, since gauges are those of the last answer.
        """
        room = self.window
        requests, tokens = self.limits.requests, self.limits.tokens
        if requests.remaining is not None:
            reset = requests.reset_at is not None and requests.reset_at <= wall
            left = requests.limit if reset else requests.remaining
            room = room if left is None else min(room, left)
        if tokens.remaining == 0 and not (tokens.reset_at is not None and tokens.reset_at <= wall):
            room = 0
        return max(room, 1) - self.unproven

    def prove(self) -> None:
        """A request that was on it was not refused."""
        self.window = self.window + 1 if self.window < WIDEST else inf

    def take(self, now: float) -> None:
        """A request is about to use it. If only as the one that probes, the next one's turn is set."""
        if self.refusal is not None or (self.cooldown is not None and self.cooldown.until > now):
            self.probing = True
            self._plan_probe(now)

    def settle(self, now: float) -> None:
        """Ends a cooldown whose deadline has passed."""
        if self.cooldown is not None and self.cooldown.until <= now:
            self._warm_up()

    def fail(self, failure: Failure, now: float, cause: KeyCause | None = None, shared: int | None = None) -> None:
        """Takes in what a response said against it; `shared` numbers a limit that others rest for too."""
        self.probing = False
        if failure.permanent:
            self._refuse(failure.reason, now, cause)
        elif failure.recheck:
            self._suspect(now, cause)
        elif failure.cooldown_s is not None:
            until = now + failure.cooldown_s
            self._cool(Cooldown(until, failure.reason, failure.source or "default", cause, shared), now)

    def succeed(self) -> None:
        """A request was answered well: what was being probed is over, a suspicion unfounded."""
        if self.probing and self._may_be_probed:
            self.refusal = None
            self._warm_up()
        self.suspect = False
        if self.refusal is None:
            self.check_at = None
            self.checks = 0

    def reset(self, now: float) -> None:
        """The owner believes it well: a cooldown ends, a refused key is checked at once, and tried if it may be."""
        self._warm_up()
        if self.refusal is not None:
            self.check_at = now
            self.checks = 0
            self.probe_at = now

    def enable(self, now: float) -> None:
        """Switched on again; what else is wrong with it stays, but a refused key is checked at once."""
        if self.disabled and self.refusal is not None:
            self.check_at = now
            self.checks = 0
        self.disabled = False

    def check_due(self, now: float) -> bool:
        """Whether a check should be sent now: at most one at a time, none while switched off."""
        return not self.disabled and not self.checking and self.check_at is not None and self.check_at <= now

    def checked(self, status: int | None, now: float) -> None:
        """A check came back; None where there was no response.

        Refused without standing under suspicion (any more) means nothing: a key may be good for requests and yet not
        be allowed to list models.
        """
        self.checking = False
        if status is not None and 200 <= status <= 299:
            if self.refusal is not None:
                self.refusal = None
                self._plan_probe(now)
            self.suspect = False
            self.check_at = None
            self.checks = 0
        elif self.suspect and status in (401, 403):
            reason = FailureReason.UNAUTHORIZED if status == 401 else FailureReason.FORBIDDEN
            self._refuse(reason, now, self.accusation)
        elif self.suspect or self.refusal is not None:
            self._plan_check(now)
        else:
            self.check_at = None

    def restore_refusal(
        self, reason: FailureReason, checks: int, check_at: float, now: float, cause: KeyCause | None = None
    ) -> None:
        """Refused before the bridge's restart already, and checked that often."""
        self.refusal = reason
        self.accusation = cause
        self.checks = checks
        self.check_at = check_at
        self._plan_probe(now)

    def rest(self, cooldown: Cooldown, now: float) -> None:
        """Rests for a limit that another key met."""
        self._cool(cooldown, now)

    def end_rest(self) -> None:
        """The limit for which it rests is over."""
        self._warm_up()

    def delay_probe(self, now: float) -> None:
        """Another key that rests for the same limit probes it just now."""
        if self.refusal is None:
            self._plan_probe(now)

    def restore_cooldown(self, cooldown: Cooldown, now: float) -> None:
        """Had to rest before the bridge's restart already, and has to for the remainder."""
        self._cool(cooldown, now)

    def _cool(self, cooldown: Cooldown, now: float) -> None:
        if cooldown.until > now and (self.cooldown is None or cooldown.until > self.cooldown.until):
            self.cooldown = cooldown
            self._plan_probe(now)

    def _warm_up(self) -> None:
        if self.cooldown is not None:
            self.window = 1
        self.cooldown = None
        if self.refusal is None:  # what one that is refused may be tried for is not over
            self.probe_at = None
            self.probing = False

    @property
    def _may_be_probed(self) -> bool:
        return self.refusal in (None, FailureReason.FORBIDDEN)

    def _plan_probe(self, now: float) -> None:
        long = self.cooldown is not None and self.cooldown.until - now > PROBE_S
        self.probe_at = now + PROBE_S if long or self.refusal is not None else None

    def _refuse(self, reason: FailureReason, now: float, cause: KeyCause | None) -> None:
        self.suspect = False
        if self.refusal is None or (self.refusal is FailureReason.FORBIDDEN and reason is FailureReason.UNAUTHORIZED):
            self.refusal = reason
            self.accusation = cause
            self.checks = 0
            self._plan_check(now)
            self._plan_probe(now)

    def _suspect(self, now: float, cause: KeyCause | None) -> None:
        if self.refusal is None:
            self.suspect = True
            self.accusation = cause
            self.check_at = now
            self.checks = 0

    def _plan_check(self, now: float) -> None:
        self.check_at = now + CHECKS_S[min(self.checks, len(CHECKS_S) - 1)]
        self.checks += 1
