"""Hands every event to whoever listens, and never waits for any of them.

`publish` takes secrets out of an event, numbers it, folds it into the picture, and puts it before each sink and
subscriber. A sink is a plain function in this process (metrics, the record); a subscriber is a bounded queue that
somebody else empties (`bridge.events.subscriber`). What waits in all queues together is bounded too.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import trio

from bridge.events.picture import Picture
from bridge.events.redaction import Redaction
from bridge.events.snapshots import SharedSnapshot, Snapshots
from bridge.events.subscriber import QueuedLine, Queues, Subscriber
from bridge.events.vocabulary import Event
from bridge.events.wire import Envelope, Snapshot, encode
from bridge.limits import LIMITS
from bridge.observe.logs import Redactor, logger, redactor

log = logger("events")

Sink = Callable[[Envelope], None]


def utc_now() -> datetime:
    """The wall clock in milliseconds, as events tell it to people; deadlines use Trio's."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


class Hub:
    """The one place where events get their number and find their listeners."""

    def __init__(self, wall: Callable[[], datetime] = utc_now) -> None:
        self._wall = wall
        self._seq = 0
        self._sinks: list[Sink] = []
        self._subscribers: set[Subscriber] = set()
        self._redaction = Redaction()
        self.picture = Picture()
        self.queues = Queues()
        self.snapshots = Snapshots(self.snapshot, lambda: self.picture.size > LIMITS.on_loop_bytes, self._let_go)

    def publish(self, event: Event, at: datetime | None = None, secrets: Redactor | None = None) -> None:
        """Makes an event known, free of secrets; `at` is when it happened, where that is not now, and `secrets` knows
        more of them than everybody does. Returns at once; a sink that fails is logged and harms nobody."""
        for clean in self._redaction.clean(event, secrets or redactor):
            self._publish(clean, at)

    def _publish(self, event: Event, at: datetime | None) -> None:
        self._seq += 1
        envelope = self.stamp(event, at)
        self.picture.apply(event, envelope.at)
        for sink in self._sinks:
            try:
                sink(envelope)
            except Exception:  # a boundary: recording or counting must never harm a request
                log.exception("a sink failed", type=event.type)
        self._fan_out(envelope)

    def stamp(self, event: Event, at: datetime | None = None) -> Envelope:
        """The event with the latest number and the time, or when it happened: by itself for a notice to one subscriber,
        which takes no number."""
        return Envelope(self._seq, at or self._wall(), event)

    @property
    def seq(self) -> int:
        """The last event's number; 0 before the first."""
        return self._seq

    def snapshot(self) -> Snapshot:
        """All that is known now, made of events that are free of secrets."""
        return Snapshot.of(self.picture, self._seq, self._wall())

    def wants(self, kind: str) -> bool:
        """Whether any subscriber asks for events of that type, so that work for nobody can be left undone."""
        return any(subscriber.wants(kind) for subscriber in self._subscribers)

    def add_sink(self, sink: Sink) -> None:
        """Calls `sink` with every event from now on."""
        self._sinks.append(sink)

    def subscribe(self, *, opening: bool = False) -> Subscriber:
        """A new subscriber; undone by `unsubscribe`.

        It gets every event from now on, or, where it is `opening`, a snapshot first and every event after that.
        """
        subscriber = Subscriber(self.queues, self.snapshots, self.stamp, opening=opening)
        self._subscribers.add(subscriber)
        return subscriber

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Forgets a subscriber and what is queued for it."""
        if subscriber in self._subscribers:
            self._subscribers.remove(subscriber)
            subscriber.forget()

    async def flushed(self) -> None:
        """Waits until every subscriber has been sent all that was published."""
        # Rare, and bounded by its caller: for the last half second of a bridge a flag per queue is enough.
        while not all(subscriber.caught_up for subscriber in self._subscribers):  # noqa: ASYNC110
            await trio.sleep(0.01)

    @property
    def subscribers(self) -> int:
        """How many listen."""
        return len(self._subscribers)

    @property
    def events_dropped(self) -> int:
        """How many events slow subscribers have lost."""
        return self.queues.dropped

    def _fan_out(self, envelope: Envelope) -> None:
        kind = envelope.event.type
        takers = [subscriber for subscriber in self._subscribers if subscriber.wants(kind)]
        if not takers:
            return
        try:
            line = QueuedLine(encode(envelope))  # once, however many listen
        except Exception:  # a boundary: an event that cannot be told must not harm the request it is about
            log.exception("an event could not be encoded", type=kind)
            return
        for subscriber in takers:
            subscriber.offer(line)
        while self.queues.size > LIMITS.queues_bytes:
            most = max(self._subscribers, key=lambda subscriber: subscriber.held)
            if not most.size:  # it does not even take the line that is on its way
                most.close()
                break
            most.lose()

    def _let_go(self, snapshot: SharedSnapshot) -> None:
        for subscriber in self._subscribers:
            if subscriber.holds(snapshot):
                log.warning("a subscriber is let go: it does not read its snapshot, and others need theirs")
                subscriber.close()
