"""Sums by name: of all, of each model, client, session and key, in a bounded number of names."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import TypeVar

from attrs import Factory, define, field, fields

from bridge.events.entries import Interception, Totals

NAMES = 24
"""Models and clients told apart in one bucket; those used longest ago are counted together, as `OTHERS`."""

PAIRS = 64
"""Sessions and keys told apart in one bucket."""

OTHERS = "others"

OTHER_PAIRS = ("", OTHERS)

Name = TypeVar("Name", bound=Hashable)

LONGEST_NAME = 100

COUNTS = tuple(each.name for each in fields(Totals) if each.name != "tokens")


def errors(totals: Totals) -> int:
    """Requests that failed or were refused."""
    return totals.failed + totals.rejected


def add(totals: Totals, more: Totals) -> None:
    """Adds others' sums."""
    for name in COUNTS:
        setattr(totals, name, getattr(totals, name) + getattr(more, name))
    totals.tokens.add(more.tokens)


@define
class Breakdown:
    """One bucket: all of it; by model and client; by session (client, id or nothing); by key (provider, hint)."""

    whole: Totals = Factory(Totals)
    models: dict[str, Totals] = Factory(dict)
    clients: dict[str, Totals] = Factory(dict)
    sessions: dict[tuple[str, str], Totals] = Factory(dict)
    keys: dict[tuple[str, str], Totals] = Factory(dict)
    most_pairs: int = field(default=PAIRS, eq=False)

    def parts(self, request: Interception, *, late: bool = False) -> Iterator[Totals]:
        """Those that something about that request is counted in, but for its keys; `late` as in `_named`."""
        started = request.started
        client = started.client[:LONGEST_NAME]
        yield self.whole
        yield _named(self.models, (started.model or started.path)[:LONGEST_NAME], NAMES, OTHERS, late=late)
        yield _named(self.clients, client, NAMES, OTHERS, late=late)
        session = (client, (started.session_id or "")[:LONGEST_NAME])
        yield _named(self.sessions, session, self.most_pairs, OTHER_PAIRS, late=late)

    def of_key(self, provider: str, key: str, *, late: bool = False) -> Totals:
        """Where something about that key is counted."""
        return _named(self.keys, (provider, key[:LONGEST_NAME]), self.most_pairs, OTHER_PAIRS, late=late)

    def add(self, other: Breakdown) -> None:
        """Adds another's sums."""
        add(self.whole, other.whole)
        _add_named(self.models, other.models, NAMES, OTHERS)
        _add_named(self.clients, other.clients, NAMES, OTHERS)
        _add_named(self.sessions, other.sessions, self.most_pairs, OTHER_PAIRS)
        _add_named(self.keys, other.keys, self.most_pairs, OTHER_PAIRS)


def _named(known: dict[Name, Totals], name: Name, most: int, others: Name, *, late: bool = False) -> Totals:
    """The sums under that name, which is the latest of them now; of too many names, the first lose theirs.

    What comes `late`, after what came after it, is the earliest of them instead, and loses its own.
    """
    if late and name in known:
        return known[name]
    totals = known.pop(name, None)
    if totals is None:
        totals = Totals()
        if name != others and len(known) - (others in known) >= most:
            if late:
                return known.setdefault(others, totals)
            oldest = next(old for old in known if old != others)
            add(known.setdefault(others, Totals()), known.pop(oldest))
    known[name] = totals
    return totals


def _add_named(mine: dict[Name, Totals], more: dict[Name, Totals], most: int, others: Name) -> None:
    for name, counted in more.items():
        add(_named(mine, name, most, others), counted)
