"""What the record told of requests that the bridge holds no more, because somebody asked for it; bounded.

Three things are asked for: the last requests before this bridge, once, for the table of requests; older turns of one
session, fifty at a time, which then stand before those that are known; and the last requests in which a text stands
that somebody looks for. The fourth, the last day (`recorded_day`), is counted and not kept.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from datetime import datetime

from attrs import Factory, define

from bridge.events.entries import Interception
from bridge.events.names import id_of

TURNS = 50
"""Asked for at a time."""

MOST = 500
"""Older turns that are kept: half a megabyte at most, and commonly a hundredth of that, each."""

BEFORE = 20
"""Requests from before this bridge that are shown."""

THE_DAY = "day"
"""No session's id: all of the last day is asked for."""


FOUND = 50
"""Requests that a search of the record finds at most."""

A_SEARCH = "search"
"""No session's id: what a text is in is asked for."""


@define
class RecordedPast:
    """Each in the order in which they came."""

    turns: dict[str, Interception] = Factory(dict)
    before: dict[str, Interception] = Factory(dict)
    whole: set[str] = Factory(set)
    """The sessions, by their ids, of which the record holds nothing older."""
    found: dict[str, Interception] = Factory(dict)
    """What the last search of the record found."""
    found_more: bool = False
    """Whether it found more than that."""
    searched: str | None = None
    """The text that it was searched for."""
    wanted: str | None = None
    """The text that it is to be searched for."""
    _asked: str | None = None
    """The session that was asked for."""

    @property
    def full(self) -> bool:
        """Whether no more older turns may be asked for."""
        return len(self.turns) >= MOST

    def expect(self, session: str | None) -> None:
        """The next answer is about that session, `THE_DAY` or `A_SEARCH`; None: about what was before this bridge."""
        self._asked = session

    @property
    def expects_the_day(self) -> bool:
        """Whether the next answer is a page of the last day."""
        return self._asked == THE_DAY

    def take(self, newest_first: Iterable[Interception], *, more: bool, since: datetime | None) -> None:
        """Takes an answer in; `since` is when this bridge began."""
        came = {request.id: request for request in reversed(list(newest_first))}
        if self._asked is None:
            self.before = {id_: each for id_, each in came.items() if since is None or each.started_at < since}
            return
        if self._asked == A_SEARCH:
            self.found, self.found_more, self.searched = came, more, self.wanted
            return
        self.turns = {**came, **self.turns}
        if not more:
            self.whole.add(self._asked)

    def with_later(self, later: Iterable[Interception], named: Container[str] = ()) -> Iterator[Interception]:
        """The older turns, those before this bridge, and then what is known from events. Of those before, the sessions
        that have a name: until the day is read, a name would depend on how many of them are asked for."""
        known = list(later)
        ids = {request.id for request in known} if self.turns or self.before else set()
        yield from (request for id_, request in self.turns.items() if id_ not in ids)
        for id_, request in self.before.items():
            session = request.started.session_id
            if session and id_ not in ids and id_ not in self.turns and id_of(request.started.client, session) in named:
                yield request
        yield from known

    def forget(self) -> None:
        """Lets go of all of it: another bridge has come."""
        self.turns, self.before, self.whole = {}, {}, set()
        self.searched, self.wanted, self.found, self.found_more = None, None, {}, False
