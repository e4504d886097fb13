"""What sessions are called, for as long as anything of them is known, whatever comes or goes beside them.

The rule is the bridge's own (`bridge.events.names`), and the commands name by it too. People speak of `Codex 2`, and it
must not become another one, so the names of before are handed in. A session's number, and its first prompt, outlive the
requests that are forgotten: sums and ledgers of keys still tell of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import Factory, define

from bridge.events.names import Name, id_of, name_the_day, number_sessions
from monitor.state.sessions import Session, SessionAgent

__all__ = ["REMEMBERED", "Name", "Roster", "name_sessions"]

REMEMBERED = 500
"""Sessions whose names are kept though none of their requests is known any more; more than a day's sums tell apart."""


def name_sessions(found: Iterable[Session], before: dict[str, Name]) -> dict[str, Name]:
    """The name of each session, by its id; `before` are the names so far, and stay where their sessions have ids of
    their own."""
    found = list(found)
    names = _still_known(found, before)
    number_sessions(found, names)
    return names


def _still_known(found: list[Session], before: dict[str, Name]) -> dict[str, Name]:
    here = {session.id for session in found}
    gone = [id_ for id_ in before if id_ not in here]
    kept = set([id_ for id_ in gone if id_.startswith(id_of("", "").rstrip())][-REMEMBERED:])
    return {id_: name for id_, name in before.items() if id_ in here or id_ in kept}


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
        self.names = _still_known([*self.sessions, *found], self.names)
        name_the_day(found, self.names)

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
