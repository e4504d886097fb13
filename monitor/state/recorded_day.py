"""The last day, as the record tells it: read page by page at attach, so that sums and ledgers begin before the monitor.

A snapshot tells of the last 200 requests at most, and of none of another bridge. What it cannot tell is asked for with
`history`, newest first, until a day ago, or until where this monitor knew everything already. Each request is counted
once, whoever told of it first; one that ran when the connection was lost is counted to its end.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from attrs import Factory, define

from bridge.events.entries import Interception
from bridge.events.names import MOST, PAGE, PROMPT, SPAN, first_asked, id_of
from bridge.events.picture import Picture
from bridge.events.wire import History
from monitor.state.key_ledger import KeyLedger
from monitor.state.names import Roster
from monitor.state.sessions import sessions
from monitor.state.usage import UsageHistory

__all__ = ["MOST", "PAGE", "RecordedDay"]


@define
class RecordedDay:
    """How far the record is read. `next` is the request before which to go on; None: it is done."""

    next: str | None = None
    whole: bool = False
    """Whether all since a day ago is counted."""
    known_until: datetime | None = None
    """All that had ended by then is counted, as far as the record was read at all."""
    _horizon: datetime | None = None
    _read: int = 0
    _asked: dict[str, Interception] = Factory(dict)
    """The first request of each session that is read, with no more of it than its prompt."""
    _unfinished: dict[str, Interception] = Factory(dict)
    """Requests that ran when the connection was lost, as they were counted then."""

    def leave(self, requests: Iterable[Interception]) -> None:
        """These run, and what becomes of them may never be told."""
        self._unfinished.update({request.id: request.copy() for request in requests if request.live})

    def heard(self, at: datetime) -> None:
        """Events come without a gap up to then."""
        if self.whole:
            self.known_until = at

    def lacks(self, before: Picture, after: Picture) -> bool:
        """Whether a snapshot of the same bridge leaves something out that happened since the picture before it."""
        new = sum(id_ not in before.interceptions for id_ in after.interceptions)
        self.leave(each for id_, each in before.interceptions.items() if id_ not in after.interceptions)
        for id_ in after.interceptions:
            self._unfinished.pop(id_, None)
        missed = after.totals.interceptions - before.totals.interceptions > new
        return not self.whole or missed or bool(self._unfinished)

    def begin(self, now: datetime) -> None:
        """Reads from the newest on."""
        day = now - SPAN
        self._horizon = max(day, self.known_until) if self.whole and self.known_until else day
        for request in self._unfinished.values():
            self._horizon = max(day, min(self._horizon, request.started_at))
        self.next, self._read, self.whole = None, 0, False
        self._asked.clear()

    def take(self, told: History, usage: UsageHistory, ledger: KeyLedger, roster: Roster) -> list[Interception]:
        """Counts what is not counted yet; returns those that ran when the connection was lost, as they ended."""
        over = [request for request in told.interceptions if not request.live]
        news = [request for request in over if not usage.has_counted(request.id)]
        usage.recall(news)
        ledger.recall(news)
        ended = [request for request in over if request.id in self._unfinished]
        for request in ended:
            usage.finish(self._unfinished.pop(request.id), request)
        for request in over:
            self._note_asked(request)
        self._read += len(told.interceptions)
        last = told.interceptions[-1] if told.interceptions else None
        self.whole = last is None or not told.more or (self._horizon is not None and last.started_at < self._horizon)
        self.next = None if self.whole or last is None or self._read >= MOST else last.id
        if self.whole:
            self._unfinished.clear()
            if self._horizon is not None:
                usage.since = min(usage.since or self._horizon, self._horizon)
        if self.next is None:
            roster.learn(sessions(sorted(self._asked.values(), key=lambda request: request.started_at)))
            self._asked.clear()
        return ended

    def _note_asked(self, request: Interception) -> None:
        """Keeps what a session was asked first: the main agent, if that was asked at all."""
        session_id = request.started.session_id
        if session_id is None:
            return
        name = id_of(request.started.client, session_id)
        later = self._asked.get(name)
        known = [request] if later is None else [request, later]
        first = first_asked(known, lambda each: each.started.agent_id is None, lambda each: each.prompt) or known[-1]
        if first is request:
            self._asked[name] = Interception(
                request.started, request.started_at, prompt=(request.prompt or "")[:PROMPT]
            )
