"""A provider's keys: who is tried next, what responses do to them, and what is published of it.

An interception takes a `Walk` and tries the keys it hands out until one serves. What a response says against its key
(`bridge.keys.verdict`) goes back to the pool; from that moment no walk gets the key until it is well again. All calls
return at once and do no I/O: time comes in through two clocks, and `next_deadline` tells whoever owns a timer when to
call `expire` and `due_checks`. docs/behaviour.md, Key pool, has the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import evolve

from bridge.events.values import KeyCause, KeyState
from bridge.events.vocabulary import Event, KeyChanged, PoolChanged
from bridge.keys import persistence
from bridge.keys.affinity import Asker
from bridge.keys.groups import read_account
from bridge.keys.key import Cooldown, Key
from bridge.keys.key_fact import Visible, key_event, visible
from bridge.keys.pool_fact import PoolFact
from bridge.keys.rate_limits import Headers, read_limits
from bridge.keys.residence import Residence
from bridge.keys.secret import Secret
from bridge.keys.shared_rest import limited_too, resting_for
from bridge.keys.strategy import in_order, strategy_named
from bridge.keys.turns import KeyTurns
from bridge.keys.verdict import Failure
from bridge.keys.walk import Exhausted, Walk, exhausted

Groups = Sequence[Sequence[int]]
"""Keys that share limits as the owner says, by their place in the pool, from 1."""


class UnknownKey(LookupError):
    """No key of that hint is in the pool. Its text is for the person who asked."""


class KeyPool:
    """The keys of one provider, in the order given.

    `publish` never waits; it gets a `key.changed` whenever something about a key changed that a subscriber can see.
    `clock` is monotonic seconds, `wall` an aware UTC time. Raises ValueError for an unknown strategy, or a key that is
    given twice.
    """

    def __init__(  # noqa: PLR0913  # what the configuration says of them
        self,
        provider: str,
        keys: Sequence[Secret],
        *,
        publish: Callable[[Event], None],
        clock: Callable[[], float],
        wall: Callable[[], datetime],
        strategy: str = "fallback",
        groups: Groups = (),
        affinity: bool = True,
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
        self._limits_met = 0
        self.turns = KeyTurns(lambda: self._keys, clock, wall, self._reschedule)
        self.residence = Residence(provider, publish, clock)
        self._fact = PoolFact(provider, publish, clock, wall)
        self._affine = affinity
        for key in self._adopt(keys):
            self._published[key] = visible(key)
        self._group(groups)

    @property
    def keys(self) -> tuple[Key, ...]:
        """All keys, in order."""
        return self._keys

    # A request's way

    def walk(self, asker: Asker | None = None) -> Walk:
        """A new interception's walk, on behalf of that asker."""
        return Walk(self._pick, self._fail, self._end, asker or Asker())

    def _pick(self, walk: Walk) -> Key | None:
        """The first key that is valid now and was not tried: where its asker lives, else by the pool's strategy."""
        self.expire()
        now = self._clock()
        home = self.residence.home(walk.asker, self._keys) if self._affine else None
        order = in_order(self._keys, self._strategy, self._last, self._wall())
        for key in order if home is None else self.residence.in_order(home, order):
            if key not in walk.tried and key.admits(now):
                key.take(now)
                if key.probing and key.cooldown is not None:
                    for other in resting_for(key.cooldown, self._keys):
                        other.delay_probe(now)
                if home is None or home.key is not key:
                    self._last = key
                if self._affine:
                    self.residence.head_for(walk, home, key)
                self.turns.begin(walk, key)
                return key
        return None

    def fail(self, key: Key, failure: Failure, headers: Headers = (), cause: KeyCause | None = None) -> float | None:
        """Applies a failure, and the headers that came with it; a limit that others share rests them too.

        Returns the seconds the key rests now, which may be more than this failure asked for; None where it does not
        rest, or not for a set time.
        """
        self.expire()
        if key.retired:
            return failure.cooldown_s
        now = self._clock()
        before = key.cooldown
        self._read(key, headers)
        akin = limited_too(key, self._keys, failure, headers)
        self._limits_met += bool(akin)
        shared = self._limits_met if akin else None
        key.fail(failure, now, cause, shared)
        if failure.cooldown_s is not None:
            rest = Cooldown(now + failure.cooldown_s, failure.reason, failure.source or "default", cause, shared)
            for other in akin:
                other.rest(rest, now)
        for changed in (key, *akin):  # not before all of them rest: who is woken must not be handed one of these
            self._changed(changed)
        if failure.cooldown_s is None or key.refusal is not None:
            return None
        if key.cooldown is None or key.cooldown is not before:
            return failure.cooldown_s
        return key.cooldown.until - now

    def _fail(self, walk: Walk, key: Key, failure: Failure, headers: Headers, cause: KeyCause | None) -> float | None:
        cooldown_s = self.fail(key, failure, headers, cause)
        self.residence.failed(walk, key)
        self.turns.end(walk)
        return cooldown_s

    def _end(self, walk: Walk) -> None:
        self.turns.end(walk)
        self.residence.closed(walk)

    def succeed(self, key: Key, headers: Headers = (), walk: Walk | None = None) -> None:
        """A good response (2xx): ends a long cooldown that was being probed, clears suspicion; reads the limits.

        The asker of that walk lives here from now on.
        """
        self.expire()
        if not key.retired:
            rest = key.cooldown
            key.succeed()
            key.use.note(self._clock(), requests=1)
            self._read(key, headers)
            if rest is not None and key.cooldown is None:
                for other in resting_for(rest, self._keys):
                    other.end_rest()
                    self._changed(other)
            self._changed(key)
        if walk is not None:
            if self._affine and not key.retired:
                self.residence.served(walk, key)
            self.turns.end(walk, proven=True)

    def answered(self, walk: Walk, key: Key, tokens: int, cached: tuple[int, int] | None, name: str | None) -> None:
        """The whole answer is there. `tokens` is what it used; `cached` what of its prompt was read from a cache, and
        what that holds now; `name` what later requests may refer to it by."""
        if not key.retired:
            key.use.note(self._clock(), tokens=tokens)
            if self._affine:
                self.residence.answered(walk, key, cached, name)

    def observe_limits(self, key: Key, headers: Headers, walk: Walk | None = None) -> None:
        """Reads the rate-limit headers of any response."""
        self.expire()
        if not key.retired:
            self._read(key, headers)
            self._changed(key)
        if walk is not None:
            self.turns.end(walk, proven=True)

    def _read(self, key: Key, headers: Headers) -> None:
        key.account = read_account(headers, key.account)
        limits = read_limits(headers, key.limits, self._wall())
        if limits is not key.limits:
            key.limits = limits
            key.use.note_windows(self._clock(), limits)

    def exhaustion(self, walk: Walk) -> Exhausted:
        """What to tell the client of a walk whose `next` gave None."""
        self.expire()
        return exhausted(self.provider, self._keys, walk, self._clock())

    # Time

    def expire(self) -> None:
        """Ends the cooldowns whose deadline has passed, with their events."""
        now = self._clock()
        for key in self._keys:
            if key.cooldown is not None and key.cooldown.until <= now:
                key.settle(now)
                self._changed(key)
        self.turns.expire()

    def next_deadline(self) -> float | None:
        """The monotonic time when `expire` and `due_checks` have something to do again; may have passed."""
        times = [key.wakes_at for key in self._keys if key.wakes_at is not None]
        room = self.turns.next_deadline()
        return min(times if room is None else [*times, room], default=None)

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

    def replace(
        self, keys: Sequence[Secret], strategy: str = "fallback", *, groups: Groups = (), affinity: bool = True
    ) -> None:
        """Takes over a new configuration: keys that stay keep their health and hint, the others go or begin valid.

        Walks under way go on with the new keys. Raises ValueError, with nothing changed, as the constructor does.
        """
        self.expire()
        known = strategy_named(strategy)
        new = self._adopt(keys)
        self._strategy = known
        self._affine = affinity
        self._group(groups)
        for key in new:
            self._changed(key)
        self.turns.release()
        self._fact.tell(self._keys)
        self._reschedule()

    def snapshot(self) -> list[KeyChanged]:
        """All keys as they are now."""
        self.expire()
        return [key_event(self.provider, key, self._clock(), self._wall()) for key in self._keys]

    def fact(self) -> PoolChanged:
        """All of them together, as they are now."""
        self.expire()
        return self._fact.say(self._keys)

    def export_state(self, salt: bytes) -> list[persistence.Row]:
        """What a restart must not forget, by salted fingerprint; replaces whatever was exported before."""
        self.expire()
        return persistence.save(self.provider, self._keys, salt, self._clock(), self._wall())

    def restore_state(self, rows: Iterable[Mapping[str, Any]], salt: bytes) -> None:
        """Takes exported states up again, for a new pool whose snapshot is yet to be told: publishes nothing."""
        persistence.restore(self.provider, self._keys, rows, salt, self._clock(), self._wall())
        self._published = {key: visible(key) for key in self._keys}
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

    def _group(self, groups: Groups) -> None:
        """Takes over which keys the owner says share limits."""
        numbers = {place: number for number, places in enumerate(groups) for place in places}
        for place, key in enumerate(self._keys, 1):
            key.account = evolve(key.account, configured=numbers.get(place))

    def _changed(self, key: Key) -> None:
        before, seen = self._published.get(key), visible(key)
        if before != seen:
            self._published[key] = seen
            self._publish(key_event(self.provider, key, self._clock(), self._wall()))
            if key.state is KeyState.VALID and (before is None or before[0] is not KeyState.VALID):
                self.on_valid()
        self._fact.tell(self._keys)
        self.turns.release()
        self._reschedule()

    def _reschedule(self) -> None:
        deadline = self.next_deadline()
        if deadline != self._announced:
            self._announced = deadline
            self.on_reschedule()


def _distinct(hint: str, taken: set[str]) -> str:
    name, number = hint, 1
    while name in taken:
        number += 1
        name = f"{hint}#{number}"
    return name


def _nothing() -> None:
    pass
