"""What happened to each key: when it was benched, by which request, in whose words, and where that request went.

A pure fold over the bridge's events. A snapshot carries no history, but the attempts in it say which requests a key
failed, and a key's `cause` says what put it into its present state (`catch_up`); their times are those of attempts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime

from attrs import Factory, define

from bridge.events.entries import Interception
from bridge.events.key_health import KeyName
from bridge.events.picture import REMOVED, Picture
from bridge.events.values import DeadlineSource, KeyState
from bridge.events.vocabulary import AttemptFailed, AttemptStarted, Event, InterceptionEnded, KeyChanged, KeyMoved

LENGTH = 40
"""Entries kept of one key; the oldest go first."""

KEYS = 500
"""Keys of which there are entries; those that nothing happened to for longest are forgotten first."""

LONGEST = 300
"""Characters of a text."""


@define
class LedgerEntry:
    """Something that happened to a key. `at` is None where only that it happened is known."""

    at: datetime | None
    state: KeyState | None = None
    """What it made of the key; None where the key stayed as it was."""
    reason: str | None = None
    status: int | None = None
    text: str | None = None
    """The provider's own words."""
    until: datetime | None = None
    source: DeadlineSource | None = None
    request: str | None = None
    client: str | None = None
    session_id: str | None = None
    moved_to: str | None = None
    """The key that was tried instead, by its hint."""
    agent_moved: bool = False
    """A session's agent left it for that key, whether or not a request had failed here."""
    cache_lost: int | None = None
    """Tokens that the key's cache held for that agent, and that had to be paid anew."""


def _essence(key: KeyChanged) -> object:
    """What makes a change worth an entry: not that a few requests less are left, nor that a dead key was checked."""
    return key.state, key.reason, key.cause, key.retry_at if key.state is KeyState.TEMPORARY else None


def _cut(text: str | None) -> str | None:
    return text[:LONGEST] if text else None


@define
class KeyLedger:
    """The entries of each key, the newest last."""

    since: dict[KeyName, datetime] = Factory(dict)
    """Since when each key has been in its state, for the same reason, where that is known."""
    _entries: dict[KeyName, deque[LedgerEntry]] = Factory(dict)
    _known: dict[KeyName, KeyChanged] = Factory(dict)
    _open: dict[str, dict[KeyName, LedgerEntry]] = Factory(dict)
    """Of requests that run: the entries about each that do not say yet where it went."""

    def of(self, name: KeyName) -> list[LedgerEntry]:
        """A key's entries, the newest first."""
        return list(reversed(self._entries.get(name, ())))

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
            case AttemptFailed():
                request = picture.interceptions.get(event.id)
                if request is not None:
                    self._fail(request, event.key, at, event.reason.value, event.status)
            case AttemptStarted():
                self._move(event.id, event.key)
            case KeyMoved():
                request = picture.interceptions.get(event.id)
                if request is not None:
                    self._leave(request, event, at)
            case InterceptionEnded():
                self._open.pop(event.id, None)

    def catch_up(self, before: Picture, after: Picture) -> None:
        """Takes in what a snapshot tells that the picture before it did not."""
        for request in after.interceptions.values():
            known = before.interceptions.get(request.id)
            seen = {attempt.attempt: attempt.reason for attempt in known.attempts} if known else {}
            for attempt in request.attempts:
                if attempt.attempt not in seen:
                    self._move(request.id, attempt.key)
                if attempt.reason is not None and seen.get(attempt.attempt) is None:
                    self._fail(request, attempt.key, attempt.started_at, attempt.reason.value, attempt.status)
            if not request.live:
                self._open.pop(request.id, None)
        self._open = {id_: entries for id_, entries in self._open.items() if id_ in after.interceptions}
        self._sort(after.keys)
        for name in self._known.keys() - after.keys.keys():
            self._forget(name)
        for key in after.keys.values():
            self._change(key, None, after)

    def _sort(self, names: Iterable[KeyName]) -> None:
        """Requests come in the order in which they began, which is not that of their failures."""
        for name in names:
            entries = self._entries.get(name)
            if entries:
                ordered = sorted(entries, key=lambda entry: entry.at.timestamp() if entry.at else 0.0)
                self._entries[name] = deque(ordered, LENGTH)

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
        if at is None and cause is not None and cause.id is not None:
            for entry in reversed(self._entries.get(name, ())):
                if entry.request == cause.id:
                    entry.text = _cut(cause.text)
                    return entry
        entry = LedgerEntry(at, reason=key.reason)
        if cause is not None and key.state is not KeyState.VALID:
            entry.status, entry.text = cause.status, _cut(cause.text)
            self._ask(entry, name, cause.id, picture.interceptions.get(cause.id or ""))
        self._add(name, entry)
        return entry

    def _fail(self, request: Interception, key: str, at: datetime, reason: str, status: int | None) -> None:
        """An attempt failed; what that made of its key was told just before it."""
        name = (request.started.provider, key)
        entry = self._open.get(request.id, {}).get(name)
        if entry is None:
            entry = LedgerEntry(at, reason=reason)
            self._ask(entry, name, request.id, request)
            self._add(name, entry)
        entry.status = entry.status or status

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
        entries = reversed(self._entries.get(name, ()))
        entry = next((entry for entry in entries if entry.request == event.id), None)
        if entry is None:
            entry = LedgerEntry(at, reason=event.cause.value, request=event.id)
            entry.client, entry.session_id = request.started.client, request.started.session_id
            self._add(name, entry)
        entry.moved_to, entry.agent_moved, entry.cache_lost = event.to, True, event.cache_lost

    def _add(self, name: KeyName, entry: LedgerEntry) -> None:
        entries = self._entries.pop(name, None) or deque(maxlen=LENGTH)
        entries.append(entry)
        self._entries[name] = entries  # last: the key of the latest is the last to be forgotten
        while len(self._entries) > KEYS:
            del self._entries[next(iter(self._entries))]

    def _forget(self, name: KeyName) -> None:
        self._known.pop(name, None)
        self._entries.pop(name, None)
        self.since.pop(name, None)
