"""With which key each agent of a session is served, so that it stays there (docs/behaviour.md, Key pool).

Caches, encrypted reasoning and stored responses belong to the organisation of a key: who changes keys pays for its
whole prompt again. Who names no session is known by what the request refers to. Only hashes are kept, of names and of
keys; those that were served longest ago are forgotten first, and a restart forgets none of them.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

from bridge.events.values import Lane, MoveCause
from bridge.keys.key import Key
from bridge.limits import LIMITS
from bridge.value_classes import define, frozen

SAVE_AGAIN_S = 3600.0
"""A home that is lived in is written anew so often, so that what is old in the record is what nobody asks for."""

HomeRow = dict[str, str]
"""A home as it outlives the bridge: `name` and `fingerprint`, both salted hashes."""

Fingerprint = Callable[[Key], str]


@frozen
class Asker:
    """On whose behalf a key is wanted. `id` is the interception's."""

    id: str = ""
    session_id: str | None = None
    agent_id: str | None = None
    references: tuple[str, ...] = ()
    """What the request refers to, the most telling first: a response, a conversation, a key of a cache."""
    lane: Lane = "main"

    @property
    def session(self) -> str:
        """With whom it takes turns: its session's requests, or itself alone."""
        return self.session_id or self.id

    @property
    def names(self) -> tuple[str, ...]:
        """What its home is remembered by, the most telling first; nothing for one that nobody can know again."""
        if self.session_id:
            return (f"session\0{self.session_id}\0{self.agent_id or ''}",)
        return tuple(map(reference, self.references))

    @cached_property
    def digests(self) -> tuple[bytes, ...]:
        """Its names as homes are found by them; a request asks for them at each of its steps."""
        return tuple(map(_digest, self.names))


def reference(name: str) -> str:
    """What an answer, a conversation or a cache is remembered by."""
    return f"reference\0{name}"


@define(eq=False)
class Home:
    """Where somebody is served: `key`, once an answer came by it; `heading` while the first one is still to come."""

    key: Key | None = None
    heading: Key | None = None
    cached: int | None = None
    """Tokens of the last answer's prompt that its cache holds, as the provider told them."""
    saved_at: float | None = None


@frozen
class Move:
    """Somebody is served with another key; `cached` is what the cache held where it was."""

    old: Key
    new: Key
    cause: MoveCause
    cached: int | None


class Affinity:
    """The homes of one provider's askers, by hashes of their names."""

    def __init__(self) -> None:
        self._homes: dict[bytes, Home] = {}
        self._saved: dict[str, str] = {}
        self._salt = b""
        self._unsaved: dict[bytes, Home] = {}

    def __len__(self) -> int:
        return len(self._homes)

    def home(self, asker: Asker, keys: Iterable[Key], fingerprint: Fingerprint) -> Home | None:
        """Where it lives, if that is known; what a former bridge knew is looked for among `keys`."""
        for digest in asker.digests:
            home = self._homes.pop(digest, None) or self._restored(digest, keys, fingerprint)
            if home is not None:
                self._homes[digest] = home  # the latest
                return home
        return None

    def settle(self, asker: Asker, home: Home) -> None:
        """Remembers a new home."""
        if asker.digests:
            self._put(asker.digests[0], home)

    def lives(self, asker: Asker, home: Home, now: float) -> None:
        """It was served there: noted for the record, where that is new or was long ago."""
        if home.saved_at is None or home.saved_at + SAVE_AGAIN_S <= now:
            home.saved_at = now
            self._unsaved.update((digest, home) for digest in asker.digests[:1])

    def answered(self, name: str, key: Key, cached: int | None) -> None:
        """An answer that later requests may refer to came by that key."""
        digest = _digest(name)
        self._unsaved[digest] = home = Home(key, cached=cached)
        self._put(digest, home)

    def take_unsaved(self, salt: bytes, fingerprint: Fingerprint) -> list[HomeRow]:
        """What is to be kept over a restart, since it was asked for last."""
        unsaved, self._unsaved = self._unsaved, {}
        return [
            {"name": _salted(digest, salt), "fingerprint": fingerprint(home.key)}
            for digest, home in unsaved.items()
            if home.key is not None and not home.key.retired
        ]

    @property
    def has_unsaved(self) -> bool:
        """Whether there is anything to be kept."""
        return bool(self._unsaved)

    def restore(self, rows: Iterable[Mapping[str, Any]], salt: bytes) -> None:
        """Takes up what a former bridge kept, the oldest first."""
        self._salt = salt
        for row in rows:
            self._saved[str(row.get("name"))] = str(row.get("fingerprint"))
        while len(self._saved) > LIMITS.homes:
            del self._saved[next(iter(self._saved))]

    def _restored(self, digest: bytes, keys: Iterable[Key], fingerprint: Fingerprint) -> Home | None:
        if not self._saved:
            return None
        name = _salted(digest, self._salt)
        wanted = self._saved.get(name)
        key = None if wanted is None else next((key for key in keys if fingerprint(key) == wanted), None)
        if key is None:
            return None
        del self._saved[name]
        return Home(key)

    def _put(self, digest: bytes, home: Home) -> None:
        self._homes.pop(digest, None)
        self._homes[digest] = home
        while len(self._homes) > LIMITS.homes:
            del self._homes[next(iter(self._homes))]
        if len(self._unsaved) > LIMITS.homes:  # nobody writes them: recording is off
            self._unsaved.clear()


def _digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _salted(digest: bytes, salt: bytes) -> str:
    return hmac.new(salt, digest, hashlib.sha256).hexdigest()
