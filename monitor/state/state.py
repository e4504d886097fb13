"""What the monitor knows: a fold over what its source delivers, with no clock and no I/O of its own.

The same messages at the same times give the same state, so a screen, a test and a replay all draw alike. The picture
of requests, keys and totals is the bridge's own (`bridge.events.picture`); what is added here is the connection's
fate and the few facts that only a watcher needs.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from attrs import Factory, define, frozen

from bridge.events.entries import Interception
from bridge.events.picture import Picture
from bridge.events.values import Outcome
from bridge.events.vocabulary import (
    AnswerDelta,
    BridgeStopping,
    Event,
    EventsDropped,
    InterceptionEnded,
    InterceptionStarted,
    RecordFailed,
    RecordRecovered,
    ResponseStarted,
    ThoughtDelta,
    ThoughtRecorded,
    ThoughtWithheld,
    ToolCalled,
)
from bridge.events.wire import Envelope, Hello, History, Message, Reply, Snapshot
from bridge.limits import LIMITS
from monitor.state.key_ledger import KeyLedger
from monitor.state.names import Name, Roster
from monitor.state.pace import WritingPace
from monitor.state.past import RecordedPast
from monitor.state.recorded_day import RecordedDay
from monitor.state.sessions import sessions
from monitor.state.trace import Trace
from monitor.state.usage import UsageHistory


class Status(StrEnum):
    """The connection as a person cares about it."""

    CONNECTING = "connecting"  # never heard from a bridge yet
    LIVE = "live"
    STOPPING = "stopping"  # the bridge said that it is about to go
    LOST = "lost"
    REPLAY = "replay"  # a recorded log is played


@frozen
class Lost:
    """There is no connection (any more), and why; the source goes on trying."""

    reason: str


@frozen
class BadLine:
    """A line from the bridge that was no message; it is skipped."""

    reason: str


@frozen
class LogEnded:
    """A recorded log has nothing more to tell; what becomes of requests that run is not in it."""


LOG_ENDED = "the log ends here"

Incoming = Message | Lost | BadLine | LogEnded
"""Whatever a source delivers."""


@define
class MonitorState:
    """All that the screen is drawn from."""

    status: Status = Status.CONNECTING
    since: datetime | None = None
    problem: str | None = None
    hello: Hello | None = None
    picture: Picture = Factory(Picture)
    seq: int = 0
    gap: bool = False
    dropped: int = 0
    bad_lines: int = 0
    record_failure: RecordFailed | None = None
    first_token_at: dict[str, datetime] = Factory(dict)
    paces: dict[str, WritingPace] = Factory(dict)
    """Of the requests whose answers have begun, and are not over."""
    estimates: dict[str, int] = Factory(dict)
    """Output tokens, as they were estimated, of requests that ended before a provider counted them."""
    traces: dict[str, Trace] = Factory(dict)
    usage: UsageHistory = Factory(UsageHistory)
    ledger: KeyLedger = Factory(KeyLedger)
    earlier: dict[str, Interception] = Factory(dict)
    """Requests of bridges that are gone, which the one that runs knows nothing of."""
    past: RecordedPast = Factory(RecordedPast)
    day: RecordedDay = Factory(RecordedDay)
    is_behind: bool = False
    """Whether the record has to be asked for what happened while nobody listened."""
    _membership: int = 0
    """The last event that may have brought a request into a session, taken one away, or named one."""
    _roster: Roster = Factory(Roster)
    _roster_of: tuple[int, int, int, int, Picture | None] = (0, 0, 0, 0, None)

    def apply(self, incoming: Incoming, now: datetime) -> None:
        """Takes one message in; `now` is when it was delivered, and its zone says where a day begins."""
        self.usage.zone = now.tzinfo or self.usage.zone
        match incoming:
            case Envelope():
                self._take(incoming, now)
            case Snapshot():
                self._replace(incoming, now)
            case Hello():
                self._greet(incoming)
            case Lost(reason):
                self._lose(reason, now)
            case BadLine():
                self.bad_lines += 1
            case History():
                self._recall(incoming)
            case LogEnded():
                for request in self.picture.interceptions.values():
                    request.error = LOG_ENDED if request.live else request.error
            case Reply():
                pass

    def _recall(self, told: History) -> None:
        """Takes in what the record tells, which is what was asked for last."""
        if not self.past.expects_the_day:
            began = self.hello.started_at if self.hello else None
            self.past.take(told.interceptions, more=told.more, since=began)
            return
        for request in self.day.take(told, self.usage, self.ledger, self.roster):
            if request.id in self.picture.interceptions:
                self.picture.interceptions[request.id] = request

    def _greet(self, hello: Hello) -> None:
        known = self.hello
        if known is None or (known.pid, known.started_at) != (hello.pid, hello.started_at):
            self.is_behind = True
            self.record_failure = None
            self.ledger.restart()
            self.dropped = self.bad_lines = 0
            self.past.before = {}
            self._outlive()
        self.hello = hello

    def _outlive(self) -> None:
        """Another bridge is there: what the one before did stays to be read, what it had under way broke off."""
        self.day.leave(self.picture.interceptions.values())
        for request in self.picture.interceptions.values():
            request.ended_nth = 0  # another bridge counts anew, and these are older than all of its own
            if request.live:
                request.outcome, request.error, request.waiting_until = Outcome.FAILED, "bridge stopped", None
                request.ended_at = max(self.since or request.started_at, request.started_at)
                request.duration_ms = (request.ended_at - request.started_at).total_seconds() * 1000
        self.earlier.update(self.picture.interceptions)

    def _with_earlier(self, picture: Picture) -> Picture:
        """The picture and as many earlier requests as it would remember itself."""
        room = LIMITS.ended - sum(not request.live for request in picture.interceptions.values())
        unknown = [(id_, request) for id_, request in self.earlier.items() if id_ not in picture.interceptions]
        self.earlier = dict(unknown[-room:] if room > 0 else [])
        together = {**self.earlier, **picture.interceptions}
        return Picture(
            picture.keys,
            together,
            picture.totals,
            picture.circuits,
            picture.servers,
            picture.sessions,
            pools=picture.pools,
            homes=picture.homes,
        )

    def _replace(self, snapshot: Snapshot, now: datetime) -> None:
        if self.status is not Status.LIVE:
            self.status, self.since, self.problem = Status.LIVE, now, None
        known = self.picture
        self.picture = snapshot.picture()
        self.seq, self.gap = snapshot.seq, False
        self.is_behind = self.is_behind or self.day.lacks(known, self.picture)
        self.usage.catch_up(known, self.picture, snapshot.at)
        self.ledger.catch_up(known, self.picture, snapshot.at)
        if self.earlier:
            self.picture = self._with_earlier(self.picture)
        self.traces = {id_: self.traces.get(id_) or Trace() for id_ in self.picture.interceptions}
        for id_, request in self.picture.interceptions.items():
            self.traces[id_].catch_up(request)
        live = {id_ for id_, request in self.picture.interceptions.items() if request.live}
        self.paces = {id_: pace for id_, pace in self.paces.items() if id_ in live}
        self.first_token_at = {id_: at for id_, at in self.first_token_at.items() if id_ in self.picture.interceptions}

    def _take(self, envelope: Envelope, now: datetime) -> None:
        event = envelope.event
        if isinstance(event, EventsDropped):  # made for this subscriber alone: its place in the order says nothing
            self.dropped += event.count
            return
        if envelope.seq <= self.seq:  # the snapshot had it already
            return
        self.gap = self.gap or envelope.seq > self.seq + 1
        self.seq = envelope.seq
        self.picture.apply(event, envelope.at)
        if not self.gap:
            self.day.heard(envelope.at)
        if not isinstance(event, ThoughtDelta | AnswerDelta):  # the many that change nothing but a text
            self._membership = self.seq
        self._note(event, envelope.at)
        self._trace(event, envelope.at, envelope.seq)
        self.usage.note(event, envelope.at, self.picture)
        self.ledger.note(event, envelope.at, self.picture)
        if isinstance(event, BridgeStopping):
            self.status, self.since, self.problem = Status.STOPPING, now, event.reason

    def _trace(self, event: Event, at: datetime, seq: int) -> None:
        """Keeps what happened to each request that the picture knows, for as long as it does."""
        id_ = getattr(event, "id", "")
        if id_ not in self.picture.interceptions:
            return
        self.traces.setdefault(id_, Trace()).note(event, at, seq)
        if isinstance(event, InterceptionEnded) and len(self.traces) > len(self.picture.interceptions):
            self.traces = {id_: kept for id_, kept in self.traces.items() if id_ in self.picture.interceptions}

    def trace(self, id_: str) -> Trace:
        """What happened to that request, as far as it is known."""
        return self.traces.get(id_) or Trace(whole=False)

    def _note(self, event: Event, at: datetime) -> None:
        """Keeps what the picture does not: when a live answer began, what is not recorded."""
        match event:
            case RecordFailed():
                self.record_failure = event
            case RecordRecovered():
                self.record_failure = None
            case InterceptionStarted():
                self.earlier.pop(event.id, None)
            case InterceptionEnded():
                self.first_token_at.pop(event.id, None)
                self._keep_estimate(event.id)
            case ResponseStarted():
                self._keep_pace(event, event.id, at)
            case ThoughtDelta() | ThoughtRecorded() | ThoughtWithheld() | AnswerDelta() | ToolCalled():
                if event.id not in self.first_token_at and event.id in self.picture.interceptions:
                    self.first_token_at[event.id] = at
                self._keep_pace(event, event.id, at)

    def _keep_pace(self, event: Event, id_: str, at: datetime) -> None:
        request = self.picture.interceptions.get(id_)
        if request is not None and request.live:
            pace = self.paces.get(id_)
            if pace is None:
                pace = self.paces[id_] = WritingPace(at, at)
            pace.note(event, at)

    def _keep_estimate(self, id_: str) -> None:
        pace, request = self.paces.pop(id_, None), self.picture.interceptions.get(id_)
        if pace is not None and request is not None and (request.tokens is None or request.tokens.partial):
            self.estimates[id_] = round(pace.tokens)
            if len(self.estimates) > LIMITS.ended:
                del self.estimates[next(iter(self.estimates))]

    def written(self, request: Interception) -> tuple[int | None, bool]:
        """The output tokens so far, and whether that is an estimate: it is, until a provider has counted them all."""
        pace = self.paces.get(request.id)
        guess = round(pace.tokens) if pace is not None else self.estimates.get(request.id, 0)
        counted = request.tokens.output if request.tokens else None
        partial = request.live or request.tokens is None or request.tokens.partial
        return (guess, True) if partial and guess > (counted or 0) else (counted, False)

    def _lose(self, reason: str, now: datetime) -> None:
        if self.status is Status.CONNECTING:
            self.since = self.since or now
        elif self.status is not Status.LOST:
            if self.status is Status.STOPPING:
                reason = f"the bridge stopped: {self.problem}"
            self.status, self.since = Status.LOST, now
        elif self.problem is not None:
            return  # why it was lost says more than why the tenth retry failed
        self.problem = reason

    @property
    def roster(self) -> Roster:
        """The sessions and their names, made anew where something has happened."""
        past, roster = self.past, self._roster
        of = self._membership, len(past.turns), len(past.before), len(roster.names), self.picture
        if of[:-1] != self._roster_of[:-1] or of[-1] is not self._roster_of[-1]:
            self._roster_of = of
            roster.take(sessions(past.with_later(self.picture.interceptions.values(), roster.names)))
        return roster

    def call(self, names: dict[str, Name]) -> None:
        """Has sessions called by these names, by their ids, where they come up."""
        self._roster.given = names

    def request(self, id_: str | None) -> Interception | None:
        """The request of that id, wherever it is known from."""
        for known in (self.picture.interceptions, self.past.turns, self.past.before, self.past.found):
            if id_ in known:
                return known[id_]
        return None

    def ordered(self) -> list[Interception]:
        """The requests as the table lists them: live ones first, newest first among each."""
        newest_first = list(reversed(self.picture.interceptions.values()))
        return [request for request in newest_first if request.live] + [
            request for request in newest_first if not request.live
        ]

    def first_token_ms(self, request: Interception) -> float | None:
        """Milliseconds from the request to the first token: as the bridge measured it, or as seen while it runs."""
        if request.first_token_ms is not None:
            return request.first_token_ms
        began = self.first_token_at.get(request.id)
        return None if began is None else max(0.0, (began - request.started_at).total_seconds() * 1000)
