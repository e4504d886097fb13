"""Agent sessions, and the agents in them: the requests that belong together, so that they can be read as one story.

Which requests belong together is the bridge's own rule (`bridge.events.names`). In a session each agent has a story of
its own: the main one, which has no id, and those that it, or one of them, gave work to.

`Panes` says which agents lie open side by side: one in each pane, chosen by hand or, while following, by what goes on.
Following takes nobody's text away: the pane that a person is in stays as it is until they go on, and in each other one
an agent that is over makes room for one that runs only after a while.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from attrs import Factory, define

from bridge.events.entries import Interception
from bridge.events.names import SessionIds, first_asked, id_of, tail_of, words_of

__all__ = ["LINGERS_S", "Panes", "Session", "SessionAgent", "id_of", "is_over", "sessions"]

LINGERS_S = 20.0
"""Seconds for which an agent that is over keeps its pane at least: tools of most turns take less, and nobody reads the
end of an answer faster."""


@define(eq=False)
class SessionAgent:
    """One agent of a session: its requests in the order in which they came. `id` stays the same while it goes on."""

    id: str
    session: str
    """The id of its session, as we name it."""
    client: str
    session_id: str | None
    agent_id: str | None = None
    depth: int = 0
    """How many agents stand above it in its session."""
    requests: list[Interception] = Factory(list)

    @property
    def live(self) -> bool:
        """Whether one of its requests is running."""
        return any(request.live for request in self.requests)

    @property
    def last(self) -> Interception:
        """Its newest request."""
        return self.requests[-1]

    @property
    def kind(self) -> str | None:
        """What its client says it is for."""
        return next((request.started.agent_type for request in self.requests if request.started.agent_type), None)


@define(eq=False)
class Session:
    """Requests in the order in which they came. `id` stays the same while the session goes on."""

    id: str
    client: str
    session_id: str | None
    requests: list[Interception] = Factory(list)

    @property
    def live(self) -> bool:
        """Whether one of its requests is running."""
        return any(request.live for request in self.requests)

    @property
    def last(self) -> Interception:
        """Its newest request."""
        return self.requests[-1]

    @property
    def tail(self) -> str:
        """What is shown in the place of its first words, where nothing is known that it was asked."""
        return tail_of(self.session_id or self.requests[0].id)

    def first_words(self) -> str:
        """The beginning of the first thing that it was asked; empty where that is not known."""
        first = first_asked(self.requests, lambda each: each.started.agent_id is None, lambda each: each.prompt)
        return "" if first is None else words_of(first.prompt)

    def agents(self) -> list[SessionAgent]:
        """Its agents, each followed by those that it gave work to; the main one first."""
        found: dict[str | None, SessionAgent] = {}
        parents: dict[str, str | None] = {}
        for request in self.requests:
            name = request.started.agent_id
            if name not in found:
                id_ = f"{self.id} agent {name or ''}"
                found[name] = SessionAgent(id_, self.id, self.client, self.session_id, name)
            found[name].requests.append(request)
            if name is not None and request.started.parent_agent_id not in (None, name):
                parents.setdefault(name, request.started.parent_agent_id)
        below: dict[str | None, list[SessionAgent]] = {}
        for name, agent in found.items():
            if name is not None:
                parent = parents.get(name)
                below.setdefault(parent if parent in found else None, []).append(agent)
        ordered: list[SessionAgent] = []
        waiting = [(agent, 1 if None in found else 0) for agent in reversed(below.get(None, []))]
        if None in found:
            waiting.append((found[None], 0))
            below.pop(None, None)
        placed: set[str] = set()
        while waiting:
            agent, agent.depth = waiting.pop()
            placed.add(agent.id)
            ordered.append(agent)
            if agent.agent_id is not None:
                waiting += [(each, agent.depth + 1) for each in reversed(below.get(agent.agent_id, []))]
        return ordered + [agent for agent in found.values() if agent.id not in placed]  # each the other's parent


def sessions(requests: Iterable[Interception]) -> list[Session]:
    """All sessions, in the order in which they began: their places are stable while one reads."""
    found: dict[str, Session] = {}
    ids = SessionIds()
    for request in requests:
        started = request.started
        key = ids.of(request.id, started.client, started.session_id, started.correlating_tool_call_id)
        session = found.setdefault(key, Session(key, started.client, started.session_id))
        session.requests.append(request)
        for tool in request.tools:
            ids.note_call(started.client, tool.tool_call_id, key)
    return list(found.values())


@define
class Panes:
    """The agents' ids by pane; `at` is the pane that a person is in."""

    open: list[str] = Factory(list)
    at: int = 0
    follow: bool = True

    def settle(self, found: list[SessionAgent], room: int, now: datetime, *, only_running: bool = False) -> None:
        """Fills as many panes as there are agents for, or that run; what is gone makes room for the latest."""
        by_id = {agent.id: agent for agent in found}
        self.open = [id_ for id_ in self.open if id_ in by_id]
        if self.at >= room and self.at < len(self.open):  # a narrower terminal: keep what was being read
            self.open.insert(0, self.open.pop(self.at))
            self.at = 0
        del self.open[room:]
        waiting = self.waiting(found)
        while waiting and len(self.open) < room and (waiting[0].live or not (only_running and self.open)):
            self.open.append(waiting.pop(0).id)
        self.at = min(self.at, max(0, len(self.open) - 1))
        if self.follow:
            for pane, id_ in enumerate(self.open):
                if waiting and waiting[0].live and pane != self.at and is_over(by_id[id_], now, LINGERS_S):
                    self.open[pane] = waiting.pop(0).id

    def waiting(self, found: list[SessionAgent]) -> list[SessionAgent]:
        """The agents that no pane holds, those that run first, the latest of them at the beginning."""
        others = [agent for agent in found if agent.id not in self.open]
        return sorted(others, key=lambda agent: (agent.live, agent.last.started_at), reverse=True)

    def go_on(self, found: list[SessionAgent]) -> None:
        """Follows from now on; where the agent that is read here is over, begins with the latest that runs."""
        self.follow = True
        here = next((agent for agent in found if self.open and agent.id == self.open[self.at]), None)
        waiting = self.waiting(found)
        if here is not None and not here.live and waiting and waiting[0].live:
            self.open[self.at] = waiting[0].id

    def move(self, found: list[SessionAgent], step: int) -> None:
        """Puts the next agent (the one before where negative) that is not open elsewhere into this pane."""
        ids = [agent.id for agent in found]
        if not self.open:
            return
        here = self.open[self.at]
        free = [id_ for id_ in ids if id_ == here or id_ not in self.open]
        place = min(max(free.index(here) + step, 0), len(free) - 1)
        self.open[self.at] = free[place]
        self.follow = False

    def choose(self, agent: str) -> None:
        """Opens an agent: in the pane it is in already, else in this one."""
        if agent in self.open:
            self.at = self.open.index(agent)
        elif self.open:
            self.open[self.at] = agent
        else:
            self.open = [agent]

    def choose_beside(self, agent: str, room: int) -> None:
        """Opens an agent in the pane after this one, where there is room for another."""
        if agent not in self.open and room > 1 and self.open:
            self.at = min(self.at + 1, len(self.open)) % room
            if self.at == len(self.open):
                self.open.append(agent)
        self.choose(agent)


def is_over(agent: SessionAgent, now: datetime, after_s: float) -> bool:
    """Whether it has been over for so many seconds at least."""
    over_at = agent.last.ended_at or agent.last.started_at
    return not agent.live and (now - over_at).total_seconds() >= after_s
