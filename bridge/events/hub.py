"""Hands every event to whoever listens, and never waits for any of them.

`publish` takes secrets out of an event, numbers it, folds it into the picture, and puts it before each sink and
subscriber. A sink is a plain function in this process (metrics, the record); a subscriber is a bounded queue that
somebody else empties. One that does not keep up loses its queue, is told how many events that were, and gets a fresh
snapshot instead: memory stays bounded and the publisher is never slowed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

import trio

from bridge.events.picture import Picture
from bridge.events.redaction import Redaction
from bridge.events.vocabulary import Event, EventsDropped
from bridge.events.wire import Envelope, Snapshot, encode
from bridge.observe.logs import logger, redactor

log = logger("events")

QUEUE_EVENTS = 8192
QUEUE_BYTES = 16 * 1024 * 1024

Sink = Callable[[Envelope], None]


def utc_now() -> datetime:
    """The wall clock in milliseconds, as events tell it to people; deadlines use Trio's."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


class Subscriber:
    """One listener's queue of encoded lines. `types` is what it asked for; None means everything."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._dropped = 0
        self._ready = trio.Event()
        self.caught_up = True
        self.types: frozenset[str] | None = None

    def wants(self, kind: str) -> bool:
        """Whether it asked for events of that type."""
        return self.types is None or kind in self.types

    def offer(self, line: bytes) -> None:
        """Queues a line, or counts it as lost where the queue is full. Never waits."""
        if self._dropped or len(self._lines) >= QUEUE_EVENTS or self._bytes + len(line) > QUEUE_BYTES:
            lost = 1 + len(self._lines)
            self._dropped += lost
            self._hub.events_dropped += lost
            self._lines.clear()
            self._bytes = 0
        else:
            self._lines.append(line)
            self._bytes += len(line)
        self.caught_up = False
        self._ready.set()

    async def take(self) -> bytes:
        """Waits for lines and returns all that are queued; after a loss, the notice of it and a fresh snapshot.

        To call it again says that what it returned last has been sent.
        """
        self.caught_up = not self._ready.is_set()
        await self._ready.wait()
        self._ready = trio.Event()
        if self._dropped:
            notice = self._hub.stamp(EventsDropped(count=self._dropped))
            self._dropped = 0
            return encode(notice) + encode(self._hub.snapshot())
        lines = b"".join(self._lines)
        self._lines.clear()
        self._bytes = 0
        return lines


class Hub:
    """The one place where events get their number and find their listeners."""

    def __init__(self, wall: Callable[[], datetime] = utc_now) -> None:
        self._wall = wall
        self._seq = 0
        self._sinks: list[Sink] = []
        self._subscribers: set[Subscriber] = set()
        self._redaction = Redaction(redactor)
        self.picture = Picture()
        self.events_dropped = 0

    def publish(self, event: Event) -> None:
        """Makes an event known, free of secrets. Returns at once; a sink that fails is logged and harms nobody."""
        for clean in self._redaction.clean(event):
            self._publish(clean)

    def _publish(self, event: Event) -> None:
        self._seq += 1
        envelope = self.stamp(event)
        self.picture.apply(event, envelope.at)
        for sink in self._sinks:
            try:
                sink(envelope)
            except Exception:  # a boundary: recording or counting must never harm a request
                log.exception("a sink failed", type=event.type)
        self._fan_out(envelope)

    def stamp(self, event: Event) -> Envelope:
        """The event with the latest number and the time: for a notice to one subscriber, which takes no number."""
        return Envelope(self._seq, self._wall(), event)

    def snapshot(self) -> Snapshot:
        """All that is known now, made of events that are free of secrets."""
        return Snapshot.of(self.picture, self._seq, self._wall())

    def wants(self, kind: str) -> bool:
        """Whether any subscriber asks for events of that type, so that work for nobody can be left undone."""
        return any(subscriber.wants(kind) for subscriber in self._subscribers)

    def add_sink(self, sink: Sink) -> None:
        """Calls `sink` with every event from now on."""
        self._sinks.append(sink)

    def subscribe(self) -> Subscriber:
        """A new subscriber, which gets every event from now on; undone by `unsubscribe`."""
        subscriber = Subscriber(self)
        self._subscribers.add(subscriber)
        return subscriber

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Forgets a subscriber and what is queued for it."""
        self._subscribers.discard(subscriber)

    async def flushed(self) -> None:
        """Waits until every subscriber has been sent all that was published."""
        # Rare, and bounded by its caller: for the last half second of a bridge a flag per queue is enough.
        while not all(subscriber.caught_up for subscriber in self._subscribers):  # noqa: ASYNC110
            await trio.sleep(0.01)

    @property
    def subscribers(self) -> int:
        """How many listen."""
        return len(self._subscribers)

    def _fan_out(self, envelope: Envelope) -> None:
        kind = envelope.event.type
        takers = [subscriber for subscriber in self._subscribers if subscriber.wants(kind)]
        if not takers:
            return
        try:
            line = encode(envelope)  # once, however many listen
        except Exception:  # a boundary: an event that cannot be told must not harm the request it is about
            log.exception("an event could not be encoded", type=kind)
            return
        for subscriber in takers:
            subscriber.offer(line)
