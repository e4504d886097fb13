"""Agent sessions: the requests that belong together, so that they can be read as one story.

Requests with the same client and session are together. Without a session id, a request belongs to the one whose tool
call it answers (`correlating_tool_call_id`), or else stands alone.
"""

from __future__ import annotations

from attrs import Factory, define

from bridge.events.picture import Interception, Picture


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
        return any(one.live for one in self.requests)

    @property
    def last(self) -> Interception:
        """Its newest request."""
        return self.requests[-1]


def sessions(picture: Picture) -> list[Session]:
    """All sessions, in the order in which they began: their places are stable while one reads."""
    found: dict[str, Session] = {}
    callers: dict[tuple[str, str], str] = {}  # client and tool call: the session that made the call
    for one in picture.interceptions.values():
        if one.session_id:
            key = f"session {one.client} {one.session_id}"
        else:
            key = callers.get((one.client, one.correlating_tool_call_id or ""), f"request {one.id}")
        session = found.setdefault(key, Session(key, one.client, one.session_id))
        session.requests.append(one)
        for tool in one.tools:
            if tool.tool_call_id:
                callers[one.client, tool.tool_call_id] = key
    return list(found.values())


def of(found: list[Session], request: str | None) -> Session | None:
    """The session that a request belongs to."""
    return next((session for session in found if any(one.id == request for one in session.requests)), None)
