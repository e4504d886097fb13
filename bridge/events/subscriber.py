"""One listener's queue: bounded, in order, emptied by somebody else. Whoever fills it never waits.

Lines are shared: a line in many queues is one object, and is counted once in what all queues take. A queue that
overflows is lost as a whole; its subscriber is told how many events that were, and gets a fresh snapshot. A snapshot
that a subscriber asks for takes its place behind what was queued before it, and the reply stands behind the snapshot.
What else it asked for, and takes long to find, takes its place when it is found, and is never lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf

import trio
from attrs import Factory

from bridge.events.snapshots import SharedSnapshot, Snapshots
from bridge.events.vocabulary import Event, EventsDropped
from bridge.events.wire import Envelope, Reply, encode
from bridge.limits import LIMITS
from bridge.value_classes import define, frozen

BATCH = 64 * 1024
"""Bytes of small lines that are sent together."""

GATHER_S = 0.01
"""What comes so soon after the last lines goes out together: waking and sending cost more than an event itself, and a
monitor paints less often."""

ASKED = 64
"""Commands for snapshots that wait at most; further ones are not read before one is answered."""


@define(eq=False)
class QueuedLine:
    """An encoded event."""

    data: bytes
    queues: int = 0


@define(eq=False)
class Queues:
    """What all queues have in common: how many bytes wait, lines that wait in many counted once, and what was lost."""

    size: int = 0
    dropped: int = 0

    def hold(self, line: QueuedLine) -> None:
        """It waits in one more queue."""
        if not line.queues:
            self.size += len(line.data)
        line.queues += 1

    def release(self, line: QueuedLine) -> None:
        """It waits in one queue less."""
        line.queues -= 1
        if not line.queues:
            self.size -= len(line.data)


@frozen
class SnapshotTurn:
    """A snapshot's place in a queue: after the notice of what was lost, before the replies to those who asked."""

    dropped: int
    notice: bytes
    snapshot: SharedSnapshot
    asked: list[int]
    opening: bool

    @property
    def lines(self) -> list[bytes]:
        """All of it, in pieces."""
        return [self.notice, *self.snapshot.pieces, *(encode(Reply(n, ok=True)) for n in self.asked)]


@define(eq=False)
class PlacedLine:
    """A line for one subscriber alone, made when its place in the queue is known."""

    make: Callable[[], list[bytes]]
    lines: list[bytes] = Factory(list)
    sent: trio.Event = Factory(trio.Event)


Entry = QueuedLine | SnapshotTurn | PlacedLine


class Subscriber:
    """One listener. `types` is what it asked for; None means everything. One that is `opening` gets a snapshot first.

    `close` ends it from outside, where it takes too much.
    """

    def __init__(
        self, queues: Queues, snapshots: Snapshots, stamp: Callable[[Event], Envelope], *, opening: bool = False
    ) -> None:
        self._queues = queues
        self._snapshots = snapshots
        self._stamp = stamp
        self._opening = opening
        self._queue: deque[Entry] = deque()
        self._size = 0  # bytes of the lines in it
        self._sent: list[Entry] = []  # on its way out
        self._unplaced: list[PlacedLine] = []  # whose place is behind the snapshot that is due
        self._dropped = 0
        self._asked: list[int] = []
        self._given = trio.Event()
        self._given_at: deque[float] = deque(maxlen=LIMITS.snapshots_per_s)
        self._ready = trio.Event()
        self._told_at = -inf
        self.caught_up = not opening
        self.types: frozenset[str] | None = None
        self.close: Callable[[], None] = lambda: None

    def wants(self, kind: str) -> bool:
        """Whether it asked for events of that type."""
        return self.types is None or kind in self.types

    @property
    def size(self) -> int:
        """Bytes that wait for it."""
        return self._size

    @property
    def held(self) -> tuple[int, int]:
        """Those with what is on its way, and the latter alone, of which who does not read has more than who does."""
        sending = sum(len(entry.data) for entry in self._sent if isinstance(entry, QueuedLine))
        return self._size + sending, sending

    def offer(self, line: QueuedLine) -> None:
        """Queues a line, or counts it as lost where the queue is full. Never waits."""
        if self._opening:
            return  # the snapshot it begins with will have it
        size = len(line.data)
        if self._dropped or len(self._queue) >= LIMITS.queue_events or self._size + size > LIMITS.queue_bytes:
            self._dropped += 1
            self._queues.dropped += 1
            self.lose()
        else:
            self._queue.append(line)
            self._size += size
            self._queues.hold(line)
        self.caught_up = False
        self._ready.set()

    def lose(self) -> None:
        """Throws away what is queued; a fresh snapshot follows."""
        for entry in self._queue:
            if isinstance(entry, QueuedLine):
                self._queues.release(entry)
                self._dropped += 1
                self._queues.dropped += 1
            elif isinstance(entry, PlacedLine):
                self._unplaced.append(entry)
            else:
                self._asked += entry.asked
                self._opening = self._opening or entry.opening
                self._dropped += entry.dropped
        self._queue.clear()
        self._size = 0
        if self._opening:
            self._dropped = 0  # it has not begun yet: nothing is missing

    async def ask(self, n: int) -> None:
        """A snapshot, and after it a reply to command `n`, in their place among the events."""
        while len(self._asked) >= ASKED:
            await self._given.wait()
        self._asked.append(n)
        self.caught_up = False
        self._ready.set()

    async def place(self, make: Callable[[], list[bytes]]) -> None:
        """Puts a line, in pieces, behind all that is queued now; returns when it has been sent.

        `make` is called at the instant that its place is known, and again where the queue was lost meanwhile.
        """
        line = PlacedLine(make)
        if self._opening or self._dropped:
            self._unplaced.append(line)
        else:
            self._put(line)
        self.caught_up = False
        self._ready.set()
        await line.sent.wait()

    def _put(self, line: PlacedLine) -> None:
        line.lines = line.make()
        self._queue.append(line)

    async def take(self) -> list[bytes]:
        """Waits for what comes next, and returns it in pieces that are whole lines together.

        To call it again says that what it returned last has been sent.
        """
        await trio.lowlevel.checkpoint()
        self._release_sent()
        while True:
            if self._opening or self._dropped or self._asked_at() <= trio.current_time():
                await self._snapshots.take(self._begin)
            if self._queue and (wait := self._gathers_for()) > 0:
                await trio.sleep(wait)
            elif self._queue:
                self._told_at = trio.current_time()
                return self._next()
            else:
                await self._wait_for_more()

    def _gathers_for(self) -> float:
        """Seconds until what is queued should go: at once where it is much, or somebody waits for a reply."""
        if self._size >= BATCH or not isinstance(self._queue[-1], QueuedLine):
            return 0.0
        return self._told_at + GATHER_S - trio.current_time()

    async def _wait_for_more(self) -> None:
        self.caught_up = not self._asked
        self._ready = trio.Event()
        with trio.move_on_at(self._asked_at()):
            await self._ready.wait()

    def forget(self) -> None:
        """It listens no more: what waits for it is let go."""
        self._opening = True
        self.lose()
        self._release_sent()

    def holds(self, snapshot: SharedSnapshot) -> bool:
        """Whether that snapshot waits for it, or is on its way."""
        return any(
            isinstance(entry, SnapshotTurn) and entry.snapshot is snapshot for entry in (*self._queue, *self._sent)
        )

    def _asked_at(self) -> float:
        """When the snapshot it asked for may be made."""
        if not self._asked:
            return inf
        return self._given_at[0] + 1 if len(self._given_at) == LIMITS.snapshots_per_s else -inf

    def _begin(self, snapshot: SharedSnapshot) -> None:
        """The snapshot shows what is known now: its place is here."""
        notice = encode(self._stamp(EventsDropped(self._dropped))) if self._dropped else b""
        if self._asked:
            self._given_at.append(trio.current_time())
            self._given.set()
            self._given = trio.Event()
        self._queue.append(SnapshotTurn(self._dropped, notice, snapshot, self._asked, self._opening))
        self._dropped, self._asked, self._opening = 0, [], False
        unplaced, self._unplaced = self._unplaced, []
        for line in unplaced:
            self._put(line)

    def _next(self) -> list[bytes]:
        entry = self._queue.popleft()
        self._sent.append(entry)
        if not isinstance(entry, QueuedLine):
            return entry.lines
        batch = [entry.data]
        size = len(entry.data)
        while self._queue and size < BATCH:
            entry = self._queue[0]
            if not isinstance(entry, QueuedLine):
                break
            self._queue.popleft()
            self._sent.append(entry)
            batch.append(entry.data)
            size += len(entry.data)
        self._size -= size
        return [b"".join(batch)]

    def _release_sent(self) -> None:
        for entry in self._sent:
            if isinstance(entry, QueuedLine):
                self._queues.release(entry)
            elif isinstance(entry, PlacedLine):
                entry.sent.set()
        self._sent = []
