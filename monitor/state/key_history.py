"""How each key was at a moment that is over: what the walkthrough's pool shows beside a step of the past.

The picture knows how keys are now. A key's last changes of state are kept here, so that a person who goes back to an
attempt that failed sees the pool of that moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from attrs import Factory, define

from bridge.events.picture import REMOVED
from bridge.events.vocabulary import KeyChanged

CHANGES = 64
"""How many changes of a key are kept. What only its limits say is none."""


@define
class KeyHistory:
    """The last changes of each key, oldest first, with their times."""

    _changes: dict[tuple[str, str], list[tuple[datetime, KeyChanged]]] = Factory(dict)

    def note(self, key: KeyChanged, at: datetime) -> None:
        """Takes in how a key is from now on."""
        name = key.provider, key.key
        if key.reason == REMOVED:
            self._changes.pop(name, None)
            return
        changes = self._changes.setdefault(name, [])
        if not changes or _health(changes[-1][1]) != _health(key):
            changes.append((at, key))
            del changes[:-CHANGES]

    def at(self, moment: datetime, keys: Iterable[KeyChanged]) -> list[KeyChanged]:
        """These keys as they were at that moment; the first that is known of a key where that is older."""
        return [self._key_at(moment, key) for key in keys]

    def _key_at(self, moment: datetime, key: KeyChanged) -> KeyChanged:
        changes = self._changes.get((key.provider, key.key), [])
        earlier = [change for at, change in changes if at <= moment]
        return earlier[-1] if earlier else changes[0][1] if changes else key


def _health(key: KeyChanged) -> tuple[object, ...]:
    return key.state, key.reason, key.retry_at
