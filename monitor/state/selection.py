"""Which request is selected, while rows move, end, vanish and come back.

A selection is a request's id, not a row: it stays on its request wherever that goes. With `follow` on, it jumps to
each new request; moving by hand turns that off.
"""

from __future__ import annotations

from attrs import define

from bridge.events.picture import Interception


@define
class Selection:
    """The selected request's id and where it stood last."""

    id: str | None = None
    index: int = 0
    follow: bool = True
    newest: str | None = None

    def settle(self, ordered: list[Interception], newest: str | None) -> None:
        """Finds its place in what there is now; `newest` is the request that came last."""
        ids = [one.id for one in ordered]
        if not ids:
            return  # a bridge that has just restarted may still tell of it
        if self.follow and newest is not None and newest != self.newest:
            self.id = newest
        self.newest = newest
        if self.id not in ids:
            self.id = ids[min(self.index, len(ids) - 1)]
        self.index = ids.index(self.id)

    def move(self, ordered: list[Interception], rows: int) -> None:
        """Goes that many rows down (up where negative), as far as there are rows."""
        self.go(ordered, self.index + rows)

    def go(self, ordered: list[Interception], index: int) -> None:
        """Goes to a row."""
        if ordered:
            self.index = min(max(index, 0), len(ordered) - 1)
            self.id = ordered[self.index].id
            self.follow = False
