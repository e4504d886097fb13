"""Which requests a person wants to see: words typed after `/`, each of which a request must match.

A word matches anywhere in a request: client, model, session, outcome, prompt, thoughts, tools, answer, error.
`client:`, `model:`, `session:`, `key:` and `state:` look in one place only; a leading `!` keeps out what matches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from attrs import Factory, define, frozen

from bridge.events.picture import Interception
from monitor.state.phase import phase


def _state(one: Interception) -> Iterator[str | None]:
    yield from ("live" if one.live else "ended", phase(one), one.outcome)
    yield from (attempt.reason for attempt in one.attempts)


def _texts(one: Interception) -> Iterator[str | None]:
    yield from (one.id, one.path, one.prompt, one.answer, one.error)
    for thought in one.thoughts:
        yield thought.text
    for tool in one.tools:
        yield tool.tool
        yield tool.error
        yield str(tool.arguments)


PLACES: dict[str, Callable[[Interception], Iterator[str | None]]] = {
    "client": lambda one: iter((one.client, one.user_agent, one.initiator)),
    "model": lambda one: iter((one.model, one.provider, one.api)),
    "session": lambda one: iter((one.session_id, one.agent_id, one.parent_agent_id)),
    "key": lambda one: (attempt.key for attempt in one.attempts),
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

    def matches(self, one: Interception) -> bool:
        """Whether the request meets it."""
        found = any(text and self.text in text.lower() for place in self.places for text in PLACES[place](one))
        return found is not self.negated


def words(query: str) -> list[Word]:
    """The conditions in what was typed. A bare `!` or `client:` is a word that is still being typed: none yet."""
    parsed = []
    for typed in query.split():
        rest, negated = (typed[1:], True) if typed.startswith("!") else (typed, False)
        place, colon, wanted = rest.partition(":")
        named = colon and place in PLACES
        text = wanted if named else rest
        if text:
            parsed.append(Word(text.lower(), (place,) if named else tuple(PLACES), negated))
    return parsed


@define
class Sift:
    """A query at work. What it found of an ended request is remembered: that cannot change any more."""

    query: str = ""
    _words: list[Word] = Factory(list)
    _ended: dict[str, bool] = Factory(dict)

    def ask(self, query: str) -> None:
        """Takes another query."""
        if query != self.query:
            self.query, self._words, self._ended = query, words(query), {}

    def keep(self, requests: list[Interception]) -> list[Interception]:
        """Those that match, in their order."""
        if not self._words:
            return requests
        kept = [one for one in requests if self._matches(one)]
        if len(self._ended) > 2 * len(requests) + 100:
            there = {one.id for one in requests}
            self._ended = {id_: found for id_, found in self._ended.items() if id_ in there}
        return kept

    def _matches(self, one: Interception) -> bool:
        known = self._ended.get(one.id)
        if known is not None:
            return known
        found = all(word.matches(one) for word in self._words)
        if not one.live:
            self._ended[one.id] = found
        return found
