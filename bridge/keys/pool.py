"""A provider's keys: who is tried next, what responses do to them, and what is published of it.

An interception takes a `Walk` and tries the keys it hands out until one serves. What a response says against its key
(`bridge.keys.verdict`) goes back to the pool; from that moment no walk gets the key until it is well again. All calls
return at once and do no I/O: time comes in through two clocks, and `next_deadline` tells whoever owns a timer when to
call `expire` and `due_checks`. docs/behaviour.md, Key pool, has the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Any

from bridge.events.values import DeadlineSource, FailureReason, KeyCause, KeyState, RateLimits
from bridge.events.vocabulary import Event, KeyChanged
from bridge.keys import persistence
from bridge.keys.key import Cooldown, Key
from bridge.keys.rate_limits import Headers, read_limits
from bridge.keys.secret import Secret
from bridge.keys.strategy import in_order, strategy_named
from bridge.keys.verdict import Failure
from bridge.keys.walk import Exhausted, Walk, exhausted

TURN_S = 0.01
LAST_TURN_S = 1.0

Visible = tuple[KeyState, FailureReason | None, Cooldown | None, float | None, KeyCause | None, RateLimits]
"""All of a key that subscribers can see; the number is a dead key's next check."""


class UnknownKey(LookupError):
    """No key of that hint is in the pool. Its text is for the person who asked."""


class KeyPool:
    """The keys of one provider, in the order given.

    `publish` never waits; it gets a `key.changed` whenever something about a key changed that a subscriber can see.
    `clock` is monotonic seconds, `wall` an aware UTC time. Raises ValueError for an unknown strategy, or a key that is
    given twice.
    """

    def __init__(
        self,
        provider: str,
        keys: Sequence[Secret],
        *,
        publish: Callable[[Event], None],
        clock: Callable[[], float],
        wall: Callable[[], datetime],
        strategy: str = "fallback",
    ) -> None:
        self.provider = provider
        self.on_reschedule: Callable[[], None] = _nothing
        """Called when `next_deadline` has changed."""
        self.on_valid: Callable[[], None] = _nothing
        """Called when a key became valid, after its event: whoever waits for one may look again."""
        self._publish = publish
        self._clock = clock
        self._wall = wall
        self._strategy = strategy_named(strategy)
        self._keys: tuple[Key, ...] = ()
        self._last: Key | None = None
        self._published: dict[Key, Visible] = {}
        self._announced: float | None = None
        self._turn = (0.0, 0)
        for key in self._adopt(keys):
            self._published[key] = _visible(key)

    @property
    def keys(self) -> tuple[Key, ...]:
        """All keys, in order."""
        return self._keys

    # A request's way

    def walk(self) -> Walk:
        """A new interception's walk."""
        return Walk(self.pick, self.fail)

    def pick(self, tried: AbstractSet[Key]) -> Key | None:
        """The first key, by the pool's strategy, that is valid now and not among those tried."""
        self.expire()
        now = self._clock()
        for key in in_order(self._keys, self._strategy, self._last, self._wall()):
            if key not in tried and key.admits(now):
                key.take(now)
                self._last = key
                return key
        return None

    def fail(self, key: Key, failure: Failure, headers: Headers = (), cause: KeyCause | None = None) -> float | None:
        """Applies a failure, and the rate-limit headers that came with it.

        Returns the seconds the key rests now, which may be more than this failure asked for; None where it does not
        rest, or not for a set time.
        """
        self.expire()
        if key.retired:
            return failure.cooldown_s
        now = self._clock()
        before = key.cooldown
        key.fail(failure, now, cause)
        key.limits = read_limits(headers, key.limits, self._wall())
        self._changed(key)
        if failure.cooldown_s is None or key.refusal is not None:
            return None
        if key.cooldown is None or key.cooldown is not before:
            return failure.cooldown_s
        return key.cooldown.until - now

    def succeed(self, key: Key, headers: Headers = ()) -> None:
        """A good response (2xx): ends a long cooldown that was being probed, clears suspicion; reads the limits."""
        self.expire()
        if not key.retired:
            key.succeed()
            key.limits = read_limits(headers, key.limits, self._wall())
            self._changed(key)

    def observe_limits(self, key: Key, headers: Headers) -> None:
        """Reads the rate-limit headers of any response."""
        self.expire()
        if not key.retired:
            key.limits = read_limits(headers, key.limits, self._wall())
            self._changed(key)

    def exhaustion(self, walk: Walk) -> Exhausted:
        """What to tell the client of a walk whose `next` gave None."""
        self.expire()
        return exhausted(self.provider, self._keys, walk.failures, self._clock())

    def turn(self, until: float) -> float:
        """When one more of the requests that wait until then may go on: the first at once, each after it 10 ms later
        (a second at most), so that those behind see how the first ones fare."""
        waiting_for, count = self._turn
        count = count + 1 if waiting_for == until else 0
        self._turn = (until, count)
        return until + min(count * TURN_S, LAST_TURN_S)

    # Time

    def expire(self) -> None:
        """Ends the cooldowns whose deadline has passed, with their events."""
        now = self._clock()
        for key in self._keys:
            if key.cooldown is not None and key.cooldown.until <= now:
                key.settle(now)
                self._changed(key)

    def next_deadline(self) -> float | None:
        """The monotonic time when `expire` and `due_checks` have something to do again; may have passed."""
        return min((key.wakes_at for key in self._keys if key.wakes_at is not None), default=None)

    def due_checks(self) -> list[Key]:
        """The keys to be checked now. Each is handed out once: `checked` must follow, whatever becomes of it."""
        self.expire()
        now = self._clock()
        due = [key for key in self._keys if key.check_due(now)]
        for key in due:
            key.checking = True
        self._reschedule()
        return due

    def checked(self, key: Key, status: int | None) -> None:
        """The response to a check: 200 makes the key valid, 401 and 403 refuse it, all else (None: none at all)
        only sets the time of the next."""
        self.expire()
        if not key.retired:
            key.checked(status, self._clock())
            self._changed(key)

    # The owner's word

    def reset(self, hint: str) -> None:
        """Ends a cooldown; a refused key is checked at once. Raises UnknownKey."""
        self.expire()
        key = self.key(hint)
        key.reset(self._clock())
        self._changed(key)

    def disable(self, hint: str) -> None:
        """No request gets the key from now on. Raises UnknownKey."""
        self.expire()
        key = self.key(hint)
        key.disabled = True
        self._changed(key)

    def enable(self, hint: str) -> None:
        """The key is what it would be had it not been disabled. Raises UnknownKey."""
        self.expire()
        key = self.key(hint)
        key.enable(self._clock())
        self._changed(key)

    def key(self, hint: str) -> Key:
        """The key of that hint. Raises UnknownKey."""
        for key in self._keys:
            if key.hint == hint:
                return key
        known = ", ".join(key.hint for key in self._keys) or "none"
        raise UnknownKey(f"{self.provider} has no such key; its keys: {known}")

    def replace(self, keys: Sequence[Secret], strategy: str = "fallback") -> None:
        """Takes over a new configuration: keys that stay keep their health and hint, the others go or begin valid.

        Walks under way go on with the new keys. Raises ValueError, with nothing changed, as the constructor does.
        """
        self.expire()
        known = strategy_named(strategy)
        new = self._adopt(keys)
        self._strategy = known
        for key in new:
            self._changed(key)
        self._reschedule()

    def snapshot(self) -> list[KeyChanged]:
        """All keys as they are now."""
        self.expire()
        return [self._event(key) for key in self._keys]

    def export_state(self, salt: bytes) -> list[persistence.Row]:
        """What a restart must not forget, by salted fingerprint; replaces whatever was exported before."""
        self.expire()
        return persistence.save(self.provider, self._keys, salt, self._clock(), self._wall())

    def restore_state(self, rows: Iterable[Mapping[str, Any]], salt: bytes) -> None:
        """Takes exported states up again, for a new pool whose snapshot is yet to be told: publishes nothing."""
        persistence.restore(self.provider, self._keys, rows, salt, self._clock(), self._wall())
        self._published = {key: _visible(key) for key in self._keys}
        self._reschedule()

    # What follows a change

    def _adopt(self, secrets: Sequence[Secret]) -> list[Key]:
        """Makes these the pool's keys; returns those that are new."""
        if len(set(secrets)) < len(secrets):
            twice = next(secret for secret in secrets if secrets.count(secret) > 1)
            raise ValueError(f"{self.provider} has the key {twice} twice")
        staying = {key.secret: key for key in self._keys}
        hints = {key.hint for secret, key in staying.items() if secret in secrets}
        new: list[Key] = []
        keys: list[Key] = []
        for secret in secrets:
            key = staying.pop(secret, None)
            if key is None:
                key = Key(secret, _distinct(secret.hint, hints))
                hints.add(key.hint)
                new.append(key)
            keys.append(key)
        for key in staying.values():
            key.retired = True
            self._published.pop(key, None)
        self._keys = tuple(keys)
        return new

    def _changed(self, key: Key) -> None:
        before, seen = self._published.get(key), _visible(key)
        if before != seen:
            self._published[key] = seen
            self._publish(self._event(key))
            if key.state is KeyState.VALID and (before is None or before[0] is not KeyState.VALID):
                self.on_valid()
        self._reschedule()

    def _reschedule(self) -> None:
        deadline = self.next_deadline()
        if deadline != self._announced:
            self._announced = deadline
            self.on_reschedule()

    def _event(self, key: Key) -> KeyChanged:
        at, source = _retry_at(key)
        return KeyChanged(
            provider=self.provider,
            key=key.hint,
            state=key.state,
            reason=key.reason,
            retry_at=None if at is None else self._wall() + timedelta(seconds=at - self._clock()),
            source=source,
            cause=key.cause,
            limits=key.limits,
        )


def _retry_at(key: Key) -> tuple[float | None, DeadlineSource | None]:
    """When a key that is out may serve again, or is checked; and who says so."""
    if key.cooling is not None:
        return key.cooling.until, key.cooling.source
    if key.state is KeyState.PERMANENT and key.check_at is not None:
        return key.check_at, "check"
    return None, None


def _visible(key: Key) -> Visible:
    # Not the event: its `retry_at` follows a wall clock that may be set, and would differ each time.
    check_at = key.check_at if key.state is KeyState.PERMANENT else None
    return (key.state, key.reason, key.cooling, check_at, key.cause, key.limits)


def _distinct(hint: str, taken: set[str]) -> str:
    name, number = hint, 1
    while name in taken:
        number += 1
        name = f"{hint}#{number}"
    return name


def _nothing() -> None:
    pass
