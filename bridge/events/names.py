"""What sessions are called: the client, a number among its sessions, and the first words of what it was asked.

`Codex 2 · test_due_date fails on Frid…` is the same session wherever it is named: the dashboard and the commands that
read the record number by the one rule that stands here (docs/behaviour.md, Names of sessions). First come the sessions
of a snapshot, in the order in which they began; then those that only the last day of the record tells of. Each gets the
lowest number of its client that is free, and keeps it. The day is read newest first, in pages, since the bridge that is
asked for it serves agents meanwhile.

Nothing here depends on events, so that commands need not load them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Protocol, TypeVar

from attrs import Factory, evolve

from bridge.value_classes import define, frozen

PROMPT = 200
"""Characters of a prompt that its first words are taken from."""

WORDS = 28
"""Cells that the first words take where they are shown."""

PAGE = 50
"""Requests of the last day asked for at a time: what comes is read between two frames. Of the page in which the day
began, all sessions are named."""

SPAN = timedelta(hours=24)
"""How far back sessions are named."""

MOST = 10_000
"""Requests read of the last day; where it has more, the totals say since when they are, and sessions of its beginning
are not named."""

CALLS = 100_000
"""Tool calls whose sessions are remembered, the latest: more than a snapshot can hold."""

Request = TypeVar("Request")


@frozen
class Name:
    """`words` are on one line, of any characters at all; without a prompt they are the end of the session's id."""

    client: str
    number: int
    words: str
    asked: bool = False
    """Whether the words are a prompt's."""


class NamedSession(Protocol):
    """What a name is made of. `tail` stands in the place of the first words where there are none."""

    @property
    def id(self) -> str:
        """By which `SessionIds` knows it."""

    @property
    def client(self) -> str:
        """Who asks in it."""

    @property
    def tail(self) -> str:
        """The end of its id."""

    def first_words(self) -> str:
        """What it was asked first, as `words_of` gives it; empty where that is not known."""


def id_of(client: str, session_id: str) -> str:
    """A session's id, as we name it, by what its requests say."""
    return f"session {client} {session_id}"


def tail_of(name: str) -> str:
    """The end of an id, by which people tell a few of them apart."""
    return name[-4:]


@define
class SessionIds:
    """Tells which session each request belongs to, one after the other in the order in which they came.

    Requests with the same client and session are together. Without a session id, a request belongs to the one whose
    tool call it answers, or else stands alone.
    """

    _callers: dict[tuple[str, str], str] = Factory(dict)
    """The session that made a call, by its client and the call's id."""

    def of(self, request: str, client: str, session_id: str | None, answered: str | None) -> str:
        """The id of the session of a request of that id; `answered` is the tool call that it says it answers."""
        if session_id:
            return id_of(client, session_id)
        return self._callers.get((client, answered or ""), f"request {request}")

    def note_call(self, client: str, tool_call: str | None, session: str) -> None:
        """A request of that session led to a tool call."""
        if tool_call:
            self._callers[client, tool_call] = session
            if len(self._callers) > CALLS:
                del self._callers[next(iter(self._callers))]


def first_asked(
    requests: Sequence[Request], is_main: Callable[[Request], bool], prompt: Callable[[Request], str | None]
) -> Request | None:
    """Of a session's requests, the first one first, the one that says what it was asked: the first with a prompt of
    the main agent, if that was asked at all, and else of any. None where no prompt is known."""
    asked = [request for request in requests if prompt(request)]
    return next((request for request in asked if is_main(request)), asked[0] if asked else None)


def words_of(prompt: str | None) -> str:
    """The beginning of a prompt, on one line."""
    return " ".join((prompt or "")[:PROMPT].split())


def number_sessions(found: Iterable[NamedSession], names: dict[str, Name]) -> None:
    """Gives each session that is not in `names` the lowest number of its client that is free, in the order in which
    they are given; and first words to those that had none."""
    taken = {(name.client, name.number) for name in names.values()}
    lowest: dict[str, int] = {}  # where to look for a free number of a client: all below are taken
    for session in found:
        name = names.get(session.id)
        if name is None:
            number = lowest.get(session.client, 1)
            while (session.client, number) in taken:
                number += 1
            lowest[session.client] = number + 1
            name = Name(session.client, number, session.tail)
        if not name.asked and (words := session.first_words()):
            name = evolve(name, words=words, asked=True)
        names[session.id] = name


def name_the_day(found: Iterable[NamedSession], names: dict[str, Name]) -> None:
    """Adds the names of sessions that the last day of the record tells of, in the order in which they were asked; what
    it says that any was asked first goes before what was known: who comes later can't know."""
    found = list(found)
    number_sessions(found, names)
    for session in found:
        if words := session.first_words():
            names[session.id] = evolve(names[session.id], words=words, asked=True)
