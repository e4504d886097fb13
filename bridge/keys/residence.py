"""Where askers go as requests fail and are served: keeps their homes (`bridge.keys.affinity`), and tells their moves.

A request goes where its asker lives, as long as that key serves. Where it does not, it goes to one of the same
organisation, which has the same caches, else to any by the strategy; when that answers well its asker lives there, and
goes back for no key that wakes. Requests of an asker that leave the same key together go to the same other one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bridge.events.values import KeyState, MoveCause
from bridge.events.vocabulary import Event, KeyMoved
from bridge.keys.affinity import Affinity, Asker, Home, HomeRow, Move, reference
from bridge.keys.key import Key
from bridge.keys.persistence import fingerprint
from bridge.keys.walk import Walk


class Residence:
    """The askers of one pool."""

    def __init__(self, provider: str, publish: Callable[[Event], None], clock: Callable[[], float]) -> None:
        self.affinity = Affinity()
        self._provider = provider
        self._publish = publish
        self._clock = clock
        self._salt = b""

    def home(self, asker: Asker, keys: Sequence[Key]) -> Home | None:
        """Where it lives, or is about to; None where that is not known."""
        if not asker.session_id and not asker.references:
            return None
        return self.affinity.home(asker, keys, self._fingerprint)

    def in_order(self, home: Home, order: Sequence[Key]) -> Sequence[Key]:
        """The keys, those to be tried first in front: home, where others of this asker are heading, those that share
        limits and so caches with home, the rest as they stand."""
        old = home.key

        def rank(key: Key) -> int:
            if key is old:
                return 0
            if key is home.heading:
                return 1
            return 2 if old is not None and old.account.shares(key.account, "organization") else 3

        return sorted(order, key=rank)

    def head_for(self, walk: Walk, home: Home | None, key: Key) -> None:
        """A request is about to use that key."""
        if home is None:
            self.affinity.settle(walk.asker, Home(heading=key))
        elif home.key is not None and home.key is not key:
            home.heading = key
            walk.left = (home.key, _cause(home.key, walk))
        elif home.key is None and home.heading is not key:
            home.heading = key

    def failed(self, walk: Walk, key: Key) -> None:
        """A request failed with that key."""
        home = self.affinity.home(walk.asker, (), self._fingerprint)
        if home is not None and home.heading is key:
            home.heading = None

    def served(self, walk: Walk, key: Key) -> None:
        """An answer begins well."""
        home = self.affinity.home(walk.asker, (), self._fingerprint)
        if home is None:
            home = Home()
            self.affinity.settle(walk.asker, home)
        if home.key is not None and home.key is not key:
            if walk.left is None or walk.left[0] is not home.key:
                return  # another of its requests has moved meanwhile
            walk.move = Move(home.key, key, walk.left[1], home.cached)
            home.saved_at = None
        home.key, home.heading = key, None
        self.affinity.lives(walk.asker, home, self._clock())

    def answered(self, walk: Walk, key: Key, cached: tuple[int, int] | None, name: str | None) -> None:
        """The answer is whole: a move is told with what it cost."""
        home = self.affinity.home(walk.asker, (), self._fingerprint)
        read, held = cached or (None, None)
        if walk.move is not None:
            self._tell(walk, walk.move, read)
        if held is not None and home is not None and home.key is key:  # an answer without tokens says nothing of it
            home.cached = held
        if name is not None and not walk.asker.session_id:
            self.affinity.answered(reference(name), key, held)

    def closed(self, walk: Walk) -> None:
        """The request is over: a move of which nothing more was heard is told as it is."""
        if walk.move is not None:
            self._tell(walk, walk.move, None)

    def take_unsaved(self, salt: bytes) -> list[HomeRow]:
        """What is to be kept over a restart, since it was asked for last."""
        if not self.affinity.has_unsaved:
            return []
        self._salt = salt
        return self.affinity.take_unsaved(salt, self._fingerprint)

    def restore(self, rows: Iterable[Mapping[str, Any]], salt: bytes) -> None:
        """Takes up what a former bridge kept, the oldest first."""
        self._salt = salt
        self.affinity.restore(rows, salt)

    def _fingerprint(self, key: Key) -> str:
        return fingerprint(self._provider, key.secret, self._salt)

    def _tell(self, walk: Walk, move: Move, read: int | None) -> None:
        walk.move = None
        asker = walk.asker
        lost = None if read is None or move.cached is None else max(move.cached - read, 0)
        self._publish(
            KeyMoved(asker.id, asker.session_id, asker.agent_id, move.old.hint, move.new.hint, move.cause, lost)
        )


def _cause(old: Key, walk: Walk) -> MoveCause:
    """Why the key that an asker lives at does not serve it."""
    if old.retired:
        return MoveCause.REMOVED
    failure = next((failure for key, failure in reversed(walk.failures) if key is old), None)
    if failure is not None:
        return MoveCause(failure.reason.value)
    if old.state is KeyState.DISABLED or old.reason is None:
        return MoveCause.DISABLED
    return MoveCause(old.reason.value)
