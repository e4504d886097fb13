"""What each agent of each session has asked and used, as far as it is counted: since a day before the monitor came, by
bridges that are gone as well.

A bridge knows the sums of its own requests alone, and its picture the last requests. How many turns an agent had before
those that can be read here, and what its session cost, is known only by counting what events, snapshots and the record
told, each request once (`monitor.state.usage`).
"""

from __future__ import annotations

from attrs import Factory, define

from bridge.events.entries import Interception, Totals
from monitor.state.breakdown import add

SESSIONS, AGENTS = 500, 200
"""Sessions whose sums are kept, and agents told apart in each: those of them that come later are counted as one."""

THE_REST = "\x1f"
"""No agent's id."""


@define
class AgentSums:
    """By session, which is a client and an id, and in each by agent; the session that was counted last at the end."""

    _sessions: dict[tuple[str, str], dict[str | None, Totals]] = Factory(dict)

    def count(self, request: Interception, counted: Totals, *, late: bool = False) -> None:
        """Counts something about a request. What comes `late` makes no other session go."""
        started = request.started
        if started.session_id is None:
            return
        name = (started.client, started.session_id)
        if late:
            if name not in self._sessions and len(self._sessions) >= SESSIONS:
                return
            agents = self._sessions.setdefault(name, {})
        else:
            agents = self._sessions[name] = self._sessions.pop(name, {})
            while len(self._sessions) > SESSIONS:
                del self._sessions[next(iter(self._sessions))]
        agent = started.agent_id if started.agent_id in agents or len(agents) < AGENTS else THE_REST
        add(agents.setdefault(agent, Totals()), counted)

    def turns(self, client: str, session_id: str | None, agent_id: str | None) -> int:
        """How many requests of that agent are counted; 0 where it is not told apart."""
        sums = self._sessions.get((client, session_id or ""), {}).get(agent_id)
        return 0 if sums is None else sums.interceptions

    def of_session(self, client: str, session_id: str | None) -> Totals:
        """What all agents of a session have asked and used together."""
        sums = Totals()
        for agent in self._sessions.get((client, session_id or ""), {}).values():
            add(sums, agent)
        return sums
