"""What sessions are called: the client, a number among its sessions, and the first words of what it was asked.

A name stays with its session for as long as anything of it is known, whatever comes or goes beside it: people speak of
`Codex 2`, and it must not become another one. So the names of before are handed in, and what is new gets the lowest
number that is free. That number, and the first prompt, outlive the requests that are forgotten: sums and ledgers of
keys still tell of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import Factory, define, evolve, frozen

from monitor.state.sessions import Session, SessionAgent, id_of

PROMPT = 200
"""Characters of a prompt that its first words are taken from."""

REMEMBERED = 500
"""Sessions whose names are kept though none of their requests is known any more; more than a day's sums tell apart."""


@frozen
class Name:
    """`words` are on one line, of any characters at all; without a prompt they are the end of the session's id."""

    client: str
    number: int
    words: str
    asked: bool = False
    """Whether the words are a prompt's."""


def name_sessions(found: Iterable[Session], before: dict[str, Name]) -> dict[str, Name]:
    """The name of each session, by its id; `before` are the names so far, and stay where their sessions have ids of
    their own."""
    found = list(found)
    here = {session.id for session in found}
    gone = [id_ for id_ in before if id_ not in here]
    kept = set([id_ for id_ in gone if id_.startswith(id_of("", "").rstrip())][-REMEMBERED:])
    names = {id_: name for id_, name in before.items() if id_ in here or id_ in kept}
    taken = {(name.client, name.number) for name in names.values()}
    for session in found:
        name = names.get(session.id)
        if name is None:
            number = 1
            while (session.client, number) in taken:
                number += 1
            taken.add((session.client, number))
            name = Name(session.client, number, (session.session_id or session.requests[0].id)[-4:])
        if not name.asked and (words := first_words(session)):
            name = evolve(name, words=words, asked=True)
        names[session.id] = name
    return names


def first_words(session: Session) -> str:
    """The beginning of the first thing that it was asked, on one line; of its main agent, if that was asked at all."""
    asked = [request for request in session.requests if request.prompt]
    main = [request for request in asked if request.started.agent_id is None]
    first = next(iter(main or asked), None)
    return " ".join(first.prompt[:PROMPT].split()) if first is not None and first.prompt else ""


@define
class Roster:
    """The sessions there are, in the order in which they began, their agents, and what they are called."""

    sessions: list[Session] = Factory(list)
    names: dict[str, Name] = Factory(dict)
    """By the session's id."""
    agents: list[SessionAgent] = Factory(list)
    """Session by session; in each the main one first."""
    given: dict[str, Name] = Factory(dict)
    """Names by which sessions are known elsewhere already, and are to be called here."""
    _session_of: dict[str, Session] = Factory(dict)
    _agent_of: dict[str, SessionAgent] = Factory(dict)

    def take(self, found: list[Session]) -> None:
        """Takes over these in the place of all that it held, but for the names."""
        self.names = name_sessions(found, {**self.given, **self.names})
        self.sessions = found
        self.agents = [agent for session in found for agent in session.agents()]
        self._session_of = {request.id: session for session in found for request in session.requests}
        self._agent_of = {request.id: agent for agent in self.agents for request in agent.requests}

    def learn(self, found: Iterable[Session]) -> None:
        """Takes in sessions of which only sums are kept, and what any was asked first: who comes later can't know."""
        found = list(found)
        self.names = name_sessions([*self.sessions, *found], self.names)
        for session in found:
            if words := first_words(session):
                self.names[session.id] = evolve(self.names[session.id], words=words, asked=True)

    def called(self, client: str, session_id: str) -> Name | None:
        """What the session of that client and id is called, where it was ever known."""
        return self.names.get(id_of(client, session_id))

    def session(self, request: str | None) -> Session | None:
        """The session that a request belongs to."""
        return self._session_of.get(request or "")

    def agent(self, request: str | None) -> SessionAgent | None:
        """The agent that made a request."""
        return self._agent_of.get(request or "")

    def name(self, request: str) -> Name | None:
        """What the session of that request is called."""
        session = self._session_of.get(request)
        return self.names[session.id] if session else None
