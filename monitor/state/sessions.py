"""Agent sessions: the requests that belong together, so that they can be read as one story.

Requests with the same client and session are together. Without a session id, a request belongs to the one whose tool
call it answers (`correlating_tool_call_id`), or else stands alone.

`Panes` says which of them lie open side by side: one in each pane, chosen by hand or, while following, by what goes on.
Following is calm: a session that is still running keeps its pane; one that is over makes room for one that runs.
"""

from __future__ import annotations

from attrs import Factory, define

from bridge.events.entries import Interception
from bridge.events.picture import Picture


@define
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


def sessions(picture: Picture) -> list[Session]:
    """All sessions, in the order in which they began: their places are stable while one reads."""
    found: dict[str, Session] = {}
    callers: dict[tuple[str, str], str] = {}  # client and tool call: the session that made the call
    for request in picture.interceptions.values():
        if request.started.session_id:
            key = f"session {request.started.client} {request.started.session_id}"
        else:
            key = callers.get(
                (request.started.client, request.started.correlating_tool_call_id or ""), f"request {request.id}"
            )
        session = found.setdefault(key, Session(key, request.started.client, request.started.session_id))
        session.requests.append(request)
        for tool in request.tools:
            if tool.tool_call_id:
                callers[request.started.client, tool.tool_call_id] = key
    return list(found.values())


@define
class Panes:
    """The sessions' ids by pane; `at` is the pane that a person is in."""

    open: list[str] = Factory(list)
    at: int = 0
    follow: bool = True

    def settle(self, found: list[Session], room: int) -> None:
        """Fills as many panes as there are sessions for; what is gone makes room for the latest."""
        by_id = {session.id: session for session in found}
        latest = sorted(found, key=lambda session: (session.live, session.last.started_at), reverse=True)
        self.open = [id_ for id_ in self.open if id_ in by_id]
        if self.at >= room and self.at < len(self.open):  # a narrower terminal: keep what was being read
            self.open.insert(0, self.open.pop(self.at))
            self.at = 0
        del self.open[room:]
        waiting = [session for session in latest if session.id not in self.open]
        while waiting and len(self.open) < room:
            self.open.append(waiting.pop(0).id)
        if self.follow:
            for pane, id_ in enumerate(self.open):
                if waiting and waiting[0].live and not by_id[id_].live:
                    self.open[pane] = waiting.pop(0).id
        self.at = min(self.at, max(0, len(self.open) - 1))

    def move(self, found: list[Session], step: int) -> None:
        """Puts the next session (the one before where negative) that is not open elsewhere into this pane."""
        ids = [session.id for session in found]
        if not self.open:
            return
        here = self.open[self.at]
        free = [id_ for id_ in ids if id_ == here or id_ not in self.open]
        place = min(max(free.index(here) + step, 0), len(free) - 1)
        self.open[self.at] = free[place]
        self.follow = False

    def choose(self, session: str) -> None:
        """Opens a session: in the pane it is in already, else in this one."""
        if session in self.open:
            self.at = self.open.index(session)
        elif self.open:
            self.open[self.at] = session
        else:
            self.open = [session]
