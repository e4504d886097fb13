"""Who makes each request, by the name that a monitor has for them, and which events are about one of them.

What comes from a bridge's socket is taken in one message after the other. Sessions are numbered as
`bridge.events.names` says: those of a snapshot first, then each as its first request comes. So `Codex 2` here is the
`Codex 2` of a monitor that came to the bridge at the same time, but for sessions that only the record tells of, which a
monitor numbers before those that are still to come.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import Factory

from bridge.errors import ClearspanError
from bridge.events.entries import Interception
from bridge.events.names import Name, SessionIds, id_of, number_sessions, tail_of
from bridge.events.vocabulary import (
    BridgeStopping,
    Event,
    EventsDropped,
    InterceptionEnded,
    InterceptionStarted,
    ToolCalled,
)
from bridge.events.wire import Envelope, Message, Snapshot
from bridge.value_classes import define, frozen

SESSIONS = 2_000
"""Sessions whose numbers are remembered; of more the one that was named first is forgotten, and its number free."""

LEAST_OF_ID = 4
"""Characters of a request's id that tell it from others."""


class CannotFollow(ClearspanError):
    """What is to be followed is over, or might be any of several."""


@frozen
class NamedCaller:
    """Who made a request: `session` is the session's id among `names`."""

    client: str
    session: str
    name: str


@frozen
class _SessionSeen:
    """As much of a session as its number needs: see `bridge.events.names.NamedSession`."""

    id: str
    client: str
    tail: str

    def first_words(self) -> str:
        """Lines say what it was asked where it is asked."""
        return ""


@define
class Callers:
    """Who makes the requests that run."""

    _names: dict[str, Name] = Factory(dict)
    """By the sessions' ids."""
    _ids: SessionIds = Factory(SessionIds)
    _running: dict[str, NamedCaller] = Factory(dict)

    def begin(self, interceptions: Iterable[Interception]) -> None:
        """A snapshot's requests, in its order: those that run are all that do."""
        self._running.clear()
        for interception in interceptions:
            caller = self._start(interception.started)
            for tool in interception.tools:
                self._ids.note_call(caller.client, tool.tool_call_id, caller.session)
            if not interception.live:
                del self._running[interception.id]

    def take(self, event: Event) -> NamedCaller | None:
        """Who made the request that an event is about; None of one about no request, or about one that nobody knows."""
        if isinstance(event, InterceptionStarted):
            return self._start(event)
        request = getattr(event, "id", "")
        caller = self._running.get(request)
        if caller is not None and isinstance(event, ToolCalled):
            self._ids.note_call(caller.client, event.tool_call_id, caller.session)
        if isinstance(event, InterceptionEnded):
            self._running.pop(request, None)
        return caller

    def called(self, name: str) -> str | None:
        """The id of the session of that name, in letters of any size."""
        wanted = " ".join(name.split()).casefold()
        return next((id_ for id_, known in self._names.items() if _short(known).casefold() == wanted), None)

    def name_of(self, session_id: str) -> str | None:
        """What the session of that id is called, whoever its client."""
        found = (name for id_, name in self._names.items() if id_ == id_of(name.client, session_id))
        return next((_short(name) for name in found), None)

    def _start(self, started: InterceptionStarted) -> NamedCaller:
        id_ = self._ids.of(started.id, started.client, started.session_id, started.correlating_tool_call_id)
        seen = _SessionSeen(id_, started.client, tail_of(started.session_id or started.id))
        if id_ not in self._names:
            number_sessions([seen], self._names)
            if len(self._names) > SESSIONS:
                del self._names[next(iter(self._names))]
        caller = NamedCaller(started.client, id_, _short(self._names[id_]))
        self._running[started.id] = caller
        return caller


def _short(name: Name) -> str:
    return f"{name.client} {name.number}"


@define
class Following:
    """Tells which messages are about what `wanted` names: a session by its id or its name, or a request by its id or
    the beginning of that. What is not known yet may still come.

    A subscriber that lost events, and a bridge that stops, are told of whatever is followed.
    """

    wanted: str
    is_over: bool = False
    """Whether the one request that is followed has ended. A session may always go on."""
    _callers: Callers = Factory(Callers)
    _sessions: set[str] = Factory(set)
    """By their ids; several clients may give theirs the same."""
    _request: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether anything so far is what is to be followed."""
        return bool(self._sessions) or self._request is not None

    def wants(self, message: Message | None) -> bool:
        """Takes a message in. Raises CannotFollow where it says that there is nothing to follow, or too much."""
        match message:
            case Snapshot():
                self._begin(message.interceptions)
            case Envelope():
                return self._wants(message.event)
        return True

    def _wants(self, event: Event) -> bool:
        caller = self._callers.take(event)
        if isinstance(event, InterceptionStarted):
            self._look_for_session(event)
            if not self.is_known and self._begins(event.id):
                self._request = event.id
        request = getattr(event, "id", None)
        if request is None:
            return isinstance(event, EventsDropped | BridgeStopping)
        if request == self._request:
            self.is_over = isinstance(event, InterceptionEnded)
            return True
        return caller is not None and caller.session in self._sessions

    def _begin(self, interceptions: list[Interception]) -> None:
        self._callers.begin(interceptions)
        if self._request is not None:  # where it runs no more, its end was among what was lost
            self.is_over = not any(each.id == self._request and each.live for each in interceptions)
            return
        for each in interceptions:
            self._look_for_session(each.started)
        if self._sessions:
            return
        named = [each for each in interceptions if self._begins(each.id)]
        if len(named) > 1:
            raise CannotFollow(f"{self.wanted}: several requests have ids that begin so; give more of it")
        if named and not named[0].live:
            raise CannotFollow(f"{self.wanted} has ended; 'clearspan show {named[0].id[:8]}' prints it")
        if named:
            self._request = named[0].id

    def _look_for_session(self, started: InterceptionStarted) -> None:
        if self._request is not None:
            return
        if started.session_id == self.wanted:
            self._sessions.add(id_of(started.client, started.session_id))
        elif not self._sessions and (called := self._callers.called(self.wanted)):
            self._sessions.add(called)

    def _begins(self, request: str) -> bool:
        return len(self.wanted) >= LEAST_OF_ID and request.startswith(self.wanted.lower())
