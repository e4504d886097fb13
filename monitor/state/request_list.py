"""The requests as the table lists them: filtered, in an order, one of them selected. Pure; views share it.

A selection is a request's id, not a row: it stays on its request wherever that goes. With `follow` on, it jumps to
each new request of the same agent; moving by hand turns that off.

Ended requests of a session may be folded into the last of them. Below all of this bridge's stand the last ones from
before it, which the record told.

A filter is words typed after `/`, each of which a request must match. A word matches anywhere in a request: client,
model, session, outcome, prompt, thoughts, tools, answer, error. `client:`, `model:`, `session:`, `key:` and `state:`
look in one place only; a leading `!` keeps out what matches. Words in quotes belong together, and after the name of a
place they are all that may stand there. `since:1h` keeps what began, or still ran, in the last hour (s, m, h, d).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime, timedelta

from attrs import Factory, define, frozen

from bridge.events.entries import Interception
from monitor.state.counted import counted
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
    yield "quiet" if request.silence else None
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
        return self.is_met_by(text for place in self.places for text in PLACES[place](request))

    def is_met_by(self, texts: Iterable[str | None]) -> bool:
        """Whether what is found in its places meets it."""
        return any(text and self._is_in(text.lower()) for text in texts) is not self.negated

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


def words(query: str, places: Collection[str] = PLACES) -> list[Word]:
    """The conditions in what was typed. A bare `!` or `client:` is a word that is still being typed: none yet."""
    parsed = []
    for typed in TYPED.findall(SINCE.sub("", query)):
        rest, negated = (typed[1:], True) if typed.startswith("!") else (typed, False)
        place, colon, wanted = rest.partition(":")
        named = colon and place in places
        quoted = wanted if named else rest
        text = quoted.replace('"', "")
        exact = bool(named) and len(quoted) > 1 and quoted.startswith('"') and quoted.endswith('"')
        if text:
            parsed.append(Word(text.lower(), (place,) if named else tuple(places), negated, exact))
    return parsed


def text_of(query: str) -> str:
    """What the record can be searched for: the words that may stand anywhere, as they follow each other. Empty where
    there are none."""
    return " ".join(word.text for word in words(query) if len(word.places) > 1 and not word.negated)


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
    forgotten: int = 0
    """Requests of this bridge that are in the record alone."""
    before: int = 0
    """How many rows, the last ones, are from before this bridge."""
    before_today: int = 0
    """How many of these are of today, where that is what is counted."""
    in_past: int = 0
    """How many there are from before this bridge, before the filter."""
    found: int | None = None
    """How many of these the record was searched for; None where it was not, for what is listed now."""
    found_more: bool = False
    searching: bool = False
    """Whether the record is searched just now."""
    of_today: int = 0
    """All requests of today, where these are more than those of this bridge."""
    hidden: dict[str, int] = Factory(dict)
    """By the request that they are folded into: how many."""
    folded: set[str] = Factory(set)
    """The sessions that are folded, by their ids."""

    def update(self, state: MonitorState, now: datetime) -> None:
        """Brings it to the state."""
        ordered = [request for request in state.ordered() if request.id not in state.earlier]
        self.total, self.forgotten = len(ordered), state.picture.totals.forgotten
        known = counted(state, now)
        self.of_today = known.totals.interceptions if known.is_today else 0
        self.rows = self.filter.keep(ordered, now)
        if self.slowest_first:
            # Stable: the newest of equals comes first.
            self.rows.sort(key=lambda request: running_ms(request, now), reverse=True)
        newest = self._newest(state)
        self._fold(state, keep=newest)
        past = _before(state)
        self.in_past = len(past)
        past = self.filter.keep(past, now)
        self._add_found(state, past, now)
        self.before = len(past)
        self.before_today = sum(_is_of_today(request, now) for request in past) if self.of_today else 0
        self.rows += past
        self.selection.settle(self.rows, newest)

    def _add_found(self, state: MonitorState, past: list[Interception], now: datetime) -> None:
        """Puts what the record was searched for behind what stands there already."""
        text = text_of(self.filter.query)
        self.found, self.found_more = None, False
        self.searching = bool(text) and state.past.wanted == text != state.past.searched
        if not text or state.past.searched != text:
            return
        listed = {request.id for request in past}
        known = state.picture.interceptions
        more = [each for id_, each in reversed(state.past.found.items()) if id_ not in listed and id_ not in known]
        more = self.filter.keep(more, now)
        self.found, self.found_more = len(more), state.past.found_more
        past += more

    @property
    def blank(self) -> bool:
        """Whether there is nothing to list."""
        return not (self.total or self.in_past)

    def _newest(self, state: MonitorState) -> str | None:
        """The newest request listed: of the agent whose request is selected, else of all."""
        listed = {request.id for request in self.rows}
        agent = state.roster.agent(self.selection.id)
        own = [request.id for request in agent.requests if request.id in listed] if agent else []
        return own[-1] if own else next((id_ for id_ in reversed(state.picture.interceptions) if id_ in listed), None)

    def _fold(self, state: MonitorState, keep: str | None) -> None:
        """Leaves of each folded session what runs, and of what has ended the first in this order."""
        self.hidden = {}
        if not self.folded:
            return
        kept: list[Interception] = []
        standing: dict[str, str] = {}
        for request in self.rows:
            session = state.roster.session(request.id)
            if session is None or session.id not in self.folded or request.live:
                kept.append(request)
            elif session.id in standing and request.id != keep:
                self.hidden[standing[session.id]] += 1
            else:
                standing.setdefault(session.id, request.id)
                self.hidden.setdefault(standing[session.id], 0)
                kept.append(request)
        self.folded &= {session.id for session in state.roster.sessions}
        self.rows = kept

    def fold(self, state: MonitorState) -> None:
        """Folds the session of the selected request, or unfolds it."""
        session = state.roster.session(self.selection.id)
        if session is not None:
            self.folded ^= {session.id}

    @property
    def selected(self) -> Interception | None:
        """The selected request, where there is one."""
        return self.rows[self.selection.index] if self.rows else None


def _is_of_today(request: Interception, now: datetime) -> bool:
    return request.started_at.astimezone(now.tzinfo).date() == now.date()


def _before(state: MonitorState) -> list[Interception]:
    """The requests from before this bridge, newest first: those that were seen, and the last ones of the record."""
    known = state.picture.interceptions
    told = [request for id_, request in state.past.before.items() if id_ not in known]
    seen = [known[id_] for id_ in state.earlier if id_ in known]
    return sorted([*told, *seen], key=lambda request: request.started_at)[::-1]
