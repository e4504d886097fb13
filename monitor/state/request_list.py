"""The requests as the table lists them: filtered, in an order, one of them selected. Pure; views share it.

A selection is a request's id, not a row: it stays on its request wherever that goes. With `follow` on, it jumps to
each new request; moving by hand turns that off.

A filter is words typed after `/`, each of which a request must match. A word matches anywhere in a request: client,
model, session, outcome, prompt, thoughts, tools, answer, error. `client:`, `model:`, `session:`, `key:` and `state:`
look in one place only; a leading `!` keeps out what matches. Words in quotes belong together, and after the name of a
place they are all that may stand there. `since:1h` keeps what began, or still ran, in the last hour (s, m, h, d).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from attrs import Factory, define, frozen

from bridge.events.entries import Interception
from monitor.state.phase import phase_label, running_ms
from monitor.state.state import MonitorState
from monitor.state.trace import as_json


@define
class Selection:
    """The selected request's id and where it stood last."""

    id: str | None = None
    index: int = 0
    follow: bool = True
    newest: str | None = None

    def settle(self, ordered: list[Interception], newest: str | None) -> None:
        """Finds its place in what there is now; `newest` is the request that came last."""
        ids = [request.id for request in ordered]
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


def _state(request: Interception) -> Iterator[str | None]:
    yield from ("live" if request.live else "ended", phase_label(request), request.outcome)
    yield from (attempt.reason for attempt in request.attempts)


def _texts(request: Interception) -> Iterator[str | None]:
    yield from (request.id, request.started.path, request.prompt, request.answer, request.error)
    for thought in request.thoughts:
        yield thought.text
    for tool in request.tools:
        yield tool.tool
        yield tool.error
        yield as_json(tool.arguments)


PLACES: dict[str, Callable[[Interception], Iterator[str | None]]] = {
    "client": lambda request: iter((request.started.client, request.started.user_agent, request.started.initiator)),
    "model": lambda request: iter(
        (request.started.model or request.started.path, request.started.provider, request.started.api)
    ),
    "session": lambda request: iter(
        (request.started.session_id, request.started.agent_id, request.started.parent_agent_id)
    ),
    "key": lambda request: (attempt.key for attempt in request.attempts),
    "state": _state,
    "text": _texts,
}


@frozen
class Word:
    """One condition."""

    text: str
    """In lower case: looking for it in lower-cased texts is many times faster than a pattern that ignores case."""

    places: tuple[str, ...]
    negated: bool = False
    exact: bool = False
    """It is the whole text, not a part of it."""

    def matches(self, request: Interception) -> bool:
        """Whether the request meets it."""
        found = any(text and self._is_in(text.lower()) for place in self.places for text in PLACES[place](request))
        return found is not self.negated

    def _is_in(self, text: str) -> bool:
        return self.text == text if self.exact else self.text in text


TYPED = re.compile(r'(?:[^\s"]|"[^"]*(?:"|$))+')
"""A word as it is typed, with what it has in quotes."""

SINCE = re.compile(r"(?:^|(?<=\s))since:(\d{1,4})([smhd])(?=\s|$)")

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def exactly(place: str, text: str) -> str | None:
    """The word that finds just that text there; None for one that can't be put in quotes."""
    return None if '"' in text or not text else f'{place}:"{text}"'


def without_since(query: str) -> str:
    """The query for all of the time."""
    return SINCE.sub("", query).strip()


def since(query: str) -> timedelta | None:
    """How far back `since:` reaches; None where the query does not say."""
    found = SINCE.search(query)
    return timedelta(**{UNITS[found[2]]: int(found[1])}) if found else None


def words(query: str) -> list[Word]:
    """The conditions in what was typed. A bare `!` or `client:` is a word that is still being typed: none yet."""
    parsed = []
    for typed in TYPED.findall(SINCE.sub("", query)):
        rest, negated = (typed[1:], True) if typed.startswith("!") else (typed, False)
        place, colon, wanted = rest.partition(":")
        named = colon and place in PLACES
        quoted = wanted if named else rest
        text = quoted.replace('"', "")
        exact = bool(named) and len(quoted) > 1 and quoted.startswith('"') and quoted.endswith('"')
        if text:
            parsed.append(Word(text.lower(), (place,) if named else tuple(PLACES), negated, exact))
    return parsed


@define
class RequestFilter:
    """A query at work. What it found of an ended request is remembered: that cannot change any more."""

    query: str = ""
    _words: list[Word] = Factory(list)
    _since: timedelta | None = None
    _ended: dict[str, bool] = Factory(dict)

    def set_query(self, query: str) -> None:
        """Takes another query."""
        if query != self.query:
            self.query, self._words, self._ended = query, words(query), {}
            self._since = since(query)

    def keep(self, requests: list[Interception], now: datetime) -> list[Interception]:
        """Those that match, in their order."""
        if self._since is not None:
            begin = now - self._since
            requests = [request for request in requests if (request.ended_at or now) >= begin]
        if not self._words:
            return requests
        kept = [request for request in requests if self._matches(request)]
        if len(self._ended) > 2 * len(requests) + 100:
            there = {request.id for request in requests}
            self._ended = {id_: found for id_, found in self._ended.items() if id_ in there}
        return kept

    def _matches(self, request: Interception) -> bool:
        known = self._ended.get(request.id)
        if known is not None:
            return known
        found = all(word.matches(request) for word in self._words)
        if not request.live:
            self._ended[request.id] = found
        return found


@define
class Listing:
    """What is listed now. `total` counts the requests before the filter."""

    selection: Selection = Factory(Selection)
    filter: RequestFilter = Factory(RequestFilter)
    slowest_first: bool = False
    rows: list[Interception] = Factory(list)
    total: int = 0

    def update(self, state: MonitorState, now: datetime) -> None:
        """Brings it to the state."""
        ordered = state.ordered()
        self.total = len(ordered)
        self.rows = self.filter.keep(ordered, now)
        if self.slowest_first:
            # Stable: the newest of equals comes first.
            self.rows.sort(key=lambda request: running_ms(request, now), reverse=True)
        listed = {request.id for request in self.rows}
        arrived = reversed(state.picture.interceptions)
        self.selection.settle(self.rows, next((id_ for id_ in arrived if id_ in listed), None))

    @property
    def selected(self) -> Interception | None:
        """The selected request, where there is one."""
        return self.rows[self.selection.index] if self.rows else None
