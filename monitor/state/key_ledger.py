"""What happened to each key: when it was benched, by which request, in whose words, and where that request went.

A pure fold over the bridge's events. A snapshot carries no history, and neither does the record, but the attempts in
them say which requests a key failed, and a key's `cause` says what put it into its present state (`catch_up`,
`recall`); their times are those of attempts. The walkthrough asks how keys were at a moment that is over (`at`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from attrs import Factory, define

from bridge.events.entries import Attempt, Interception
from bridge.events.key_health import KeyName
from bridge.events.picture import REMOVED, Picture
from bridge.events.values import FailureReason, KeyState
from bridge.events.vocabulary import AttemptFailed, AttemptStarted, Event, InterceptionEnded, KeyChanged, KeyMoved
from monitor.state.ledger_entry import LedgerEntry, cut, forget, in_order

KEYS = 500
"""Keys of which there are entries; those that nothing happened to for longest are forgotten first."""

CHANGES = 64
"""States kept of one key. What only its limits say is none."""


def _essence(key: KeyChanged) -> object:
    """What makes a change worth an entry: not that a few requests less are left, nor that a dead key was checked."""
    return key.state, key.reason, key.cause, key.retry_at if key.state is KeyState.TEMPORARY else None


def _standing(key: KeyChanged) -> object:
    """What makes it another state for who looks back."""
    return key.state, key.reason, key.retry_at


@define
class KeyLedger:
    """The entries of each key, the newest last."""

    since: dict[KeyName, datetime] = Factory(dict)
    """Since when each key has been in its state, for the same reason, where that is known."""
    _entries: dict[KeyName, list[LedgerEntry]] = Factory(dict)
    _changes: dict[KeyName, list[tuple[datetime, KeyChanged]]] = Factory(dict)
    """The states of each key there is, with the times from which on they held, the oldest first."""
    _known: dict[KeyName, KeyChanged] = Factory(dict)
    _open: dict[str, dict[KeyName, LedgerEntry]] = Factory(dict)
    """Of requests that run: the entries about each that do not say yet where it went."""

    def of(self, name: KeyName) -> list[LedgerEntry]:
        """A key's entries, the newest first."""
        return list(reversed(self._entries.get(name, ())))

    def changed_at(self, name: KeyName) -> datetime | None:
        """Since when a key has been as it is, as far as this monitor saw."""
        changes = self._changes.get(name)
        return changes[-1][0] if changes else None

    def at(self, moment: datetime, keys: Iterable[KeyChanged]) -> list[KeyChanged]:
        """These keys as they were at that moment; the first that is known of a key where that is older."""
        return [self._key_at(moment, key) for key in keys]

    def _key_at(self, moment: datetime, key: KeyChanged) -> KeyChanged:
        changes = self._changes.get((key.provider, key.key), [])
        earlier = [change for at, change in changes if at <= moment]
        return earlier[-1] if earlier else changes[0][1] if changes else key

    def restart(self) -> None:
        """Another bridge is there, which knows nothing of what the one before said of its keys."""
        self._known.clear()
        self._open.clear()
        self.since.clear()

    def note(self, event: Event, at: datetime, picture: Picture) -> None:
        """Takes in an event that the picture has taken in already."""
        match event:
            case KeyChanged():
                self._change(event, at, picture)
                self._remember(event, at)
            case AttemptFailed():
                request = picture.interceptions.get(event.id)
                attempts = request.attempts if request else []
                attempt = next((each for each in attempts if each.attempt == event.attempt), None)
                if request is not None and attempt is not None:
                    self._fail(request, attempt, at)
            case AttemptStarted():
                self._move(event.id, event.key)
            case KeyMoved():
                request = picture.interceptions.get(event.id)
                if request is not None:
                    self._leave(request, event, at)
            case InterceptionEnded():
                self._open.pop(event.id, None)

    def catch_up(self, before: Picture, after: Picture, at: datetime) -> None:
        """Takes in what a snapshot of that time tells that the picture before it did not."""
        for request in after.interceptions.values():
            self._read(request, before.interceptions.get(request.id))
            if not request.live:
                self._open.pop(request.id, None)
        self._open = {id_: entries for id_, entries in self._open.items() if id_ in after.interceptions}
        for name in after.keys:
            self._arrange(name)
        for name in (self._known.keys() | self._changes.keys()) - after.keys.keys():
            self._forget(name)
        for key in after.keys.values():
            self._change(key, None, after)
            self._remember(key, at)

    def recall(self, requests: Iterable[Interception]) -> None:
        """Takes in what the record tells of requests that were over before the monitor heard of them."""
        for request in requests:
            self._read(request, None)
            self._open.pop(request.id, None)
        for name in self._entries:
            self._arrange(name)

    def _read(self, request: Interception, known: Interception | None) -> None:
        seen = {attempt.attempt: attempt.reason for attempt in known.attempts} if known else {}
        for attempt in request.attempts:
            if attempt.attempt not in seen:
                self._move(request.id, attempt.key)
            if attempt.reason is not None and seen.get(attempt.attempt) is None:
                self._fail(request, attempt, attempt.started_at)

    def _arrange(self, name: KeyName) -> None:
        """Requests come in the order in which they began, which is not that of their failures."""
        entries = self._entries.get(name)
        if entries:
            entries[:] = in_order(entries)
            forget(entries)

    def _remember(self, key: KeyChanged, at: datetime) -> None:
        """Notes how a key is from now on."""
        if key.reason == REMOVED:
            return
        changes = self._changes.setdefault((key.provider, key.key), [])
        if not changes or _standing(changes[-1][1]) != _standing(key):
            changes.append((at, key))
            del changes[:-CHANGES]

    def _change(self, key: KeyChanged, at: datetime | None, picture: Picture) -> None:
        name = (key.provider, key.key)
        if key.reason == REMOVED:
            self._forget(name)
            return
        before = self._known.get(name)
        self._known[name] = key
        if before is not None and _essence(before) == _essence(key):
            if before.retry_at != key.retry_at and self._entries.get(name):
                self._entries[name][-1].until = key.retry_at
            return
        if before is None and key.state is KeyState.VALID:
            return  # nothing has happened to it yet
        entry = self._entry_of(key, name, at, picture)
        entry.state, entry.until, entry.source = key.state, key.retry_at, key.source
        entry.reason = entry.reason or key.reason
        if before is None or (before.state, before.reason) != (key.state, key.reason):
            self.since.pop(name, None)
            if entry.at is not None:
                self.since[name] = entry.at

    def _entry_of(self, key: KeyChanged, name: KeyName, at: datetime | None, picture: Picture) -> LedgerEntry:
        """The entry of that change: a new one, or, in a snapshot, the attempt that it came of."""
        cause = key.cause
        if at is None and cause is not None:
            entry = self._about(name, cause.id)
            if entry is not None:
                entry.text = cut(cause.text) or entry.text  # after a restart the bridge does not know whose words
                return entry
        entry = LedgerEntry(at, reason=key.reason)
        if cause is not None and key.state is not KeyState.VALID:
            entry.status, entry.text = cause.status, cut(cause.text)
            self._ask(entry, name, cause.id, picture.interceptions.get(cause.id or ""))
        self._add(name, entry)
        return entry

    def _about(self, name: KeyName, request: str | None) -> LedgerEntry | None:
        """The last entry that came of that request."""
        entries = reversed(self._entries.get(name, ()))
        return next((entry for entry in entries if request is not None and entry.request == request), None)

    def _fail(self, request: Interception, attempt: Attempt, at: datetime) -> None:
        """An attempt failed; what that made of its key was told just before it, or else is seen by the attempt."""
        name = (request.started.provider, attempt.key)
        entry = self._open.get(request.id, {}).get(name) or self._about(name, request.id)
        if entry is None:
            entry = LedgerEntry(at, reason=attempt.reason)
            entry.state, entry.text = _made_of_key(attempt), cut(attempt.cause_text)
            if entry.state is KeyState.TEMPORARY:
                entry.until = at + timedelta(seconds=attempt.cooldown_s or 0.0)
            self._add(name, entry)
        if entry.at is None:  # a snapshot told of it, and the record when it was
            entry.at, entry.text = at, entry.text or cut(attempt.cause_text)
            self.since.setdefault(name, at)
        self._ask(entry, name, request.id, request)
        entry.status = entry.status or attempt.status

    def _ask(self, entry: LedgerEntry, name: KeyName, id_: str | None, request: Interception | None) -> None:
        """Notes which request it came of, and whose that is, where that is known."""
        entry.request = id_
        if request is not None:
            entry.client, entry.session_id = request.started.client, request.started.session_id
            self._open.setdefault(request.id, {})[name] = entry

    def _move(self, id_: str, key: str) -> None:
        """The request goes on with another key."""
        for entry in self._open.pop(id_, {}).values():
            entry.moved_to = key

    def _leave(self, request: Interception, event: KeyMoved, at: datetime) -> None:
        """An agent is served with another key now; that is told after the answer, long after its cause."""
        name = (request.started.provider, event.from_)
        entry = self._about(name, event.id)
        if entry is not None:
            entry.moved_to, entry.moves, entry.cache_lost = event.to, 1, event.cache_lost
            return
        entry = LedgerEntry(at, reason=event.cause.value, request=event.id, moved_to=event.to, moves=1)
        entry.client, entry.session_id = request.started.client, request.started.session_id
        entry.cache_lost = event.cache_lost
        last = next(reversed(self._entries.get(name, ())), None)
        if last is None or not last.takes(entry):
            self._add(name, entry)

    def _add(self, name: KeyName, entry: LedgerEntry) -> None:
        entries = self._entries.pop(name, [])
        last = entries[-1].at if entries else None
        entries.append(entry)
        if entry.at is not None and last is not None and entry.at < last:  # the record tells of what is long over
            entries[:] = in_order(entries)
        forget(entries)
        self._entries[name] = entries  # last: the key of the latest is the last to be forgotten
        while len(self._entries) > KEYS:
            del self._entries[next(iter(self._entries))]

    def _forget(self, name: KeyName) -> None:
        self._known.pop(name, None)
        self._entries.pop(name, None)
        self._changes.pop(name, None)
        self.since.pop(name, None)


def _made_of_key(attempt: Attempt) -> KeyState | None:
    """What a failure makes of its key (docs/behaviour.md, Key pool), where nobody told of the key itself."""
    if attempt.cooldown_s is not None:
        return KeyState.TEMPORARY
    return KeyState.PERMANENT if attempt.reason is FailureReason.UNAUTHORIZED else None
