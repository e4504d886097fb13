"""Something that happened to a key, as its ledger tells it; and which of these stay where there are too many.

Agents that move to another key are many where a key rests often. They are told, but one after the other in one entry,
and they are the first to be forgotten: why a key was benched is what people look for here.
"""

from __future__ import annotations

from datetime import datetime

from attrs import define

from bridge.events.values import DeadlineSource, KeyState

LENGTH = 40
"""Entries kept of one key; moves go first, then the oldest."""

MOVES = 8
"""Of them, entries that tell only of agents that moved."""

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
    moves: int = 0
    """How often a session's agent left it for another key, whether or not a request had failed here; `at`, `request`
    and `moved_to` are those of the last."""
    moved_since: datetime | None = None
    """When the first of several did."""
    cache_lost: int | None = None
    """Tokens that the key's cache held for these agents, and that had to be paid anew."""

    @property
    def is_move(self) -> bool:
        """Whether it tells of moves alone: no request failed here, and the key stayed as it was."""
        return self.moves > 0 and self.state is None and self.status is None

    def takes(self, later: LedgerEntry) -> bool:
        """Takes a move that came next into this entry; False where they are not alike."""
        if not (self.is_move and later.is_move and self.reason == later.reason):
            return False
        self.moved_since = self.moved_since or self.at
        self.at, self.request, self.moved_to = later.at, later.request, later.moved_to
        self.client, self.session_id = later.client, later.session_id
        self.moves += later.moves
        if later.cache_lost is not None:
            self.cache_lost = (self.cache_lost or 0) + later.cache_lost
        return True


def cut(text: str | None) -> str | None:
    """As much of a provider's words as is kept."""
    return text[:LONGEST] if text else None


def in_order(entries: list[LedgerEntry]) -> list[LedgerEntry]:
    """The entries by their times; those of no known time first."""
    return sorted(entries, key=lambda entry: entry.at.timestamp() if entry.at else 0.0)


def forget(entries: list[LedgerEntry]) -> None:
    """Takes out what is too much of entries in their order."""
    moves = [entry for entry in entries if entry.is_move]
    surplus = max(len(moves) - MOVES, min(len(entries) - LENGTH, len(moves)))
    for entry in moves[: max(0, surplus)]:
        entries.remove(entry)
    del entries[: max(0, len(entries) - LENGTH)]
