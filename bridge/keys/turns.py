"""Who may have a key now, where not all can: as many requests go on as the keys can be expected to serve.

Each request that is on a key counts against its room until its answer begins, or for a second at the most: who is
limited is told so at once. Whoever waits is granted a turn as soon as there is room (`bridge.keys.lanes` says whose it
is), and at no other time; what there is room for is reckoned anew after each change, so that no wake-up can be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from math import inf

from bridge.keys.affinity import Asker
from bridge.keys.key import Key
from bridge.keys.lanes import Lanes, Ticket

PROVEN_S = 1.0
"""A request that was on its key for so long without being refused will be served."""


class KeyTurns:
    """The requests of one pool that are on a key, and those that wait for one."""

    def __init__(
        self,
        keys: Callable[[], Sequence[Key]],
        clock: Callable[[], float],
        wall: Callable[[], datetime],
        reschedule: Callable[[], None],
    ) -> None:
        self.lanes = Lanes()
        self._keys = keys
        self._clock = clock
        self._wall = wall
        self._reschedule = reschedule
        self._under_way: dict[object, tuple[Key, float]] = {}
        """By walk, in the order in which they began."""

    # On a key

    def begin(self, walk: object, key: Key) -> None:
        """A request is about to use the key."""
        self.end(walk)
        self._under_way[walk] = (key, self._clock())
        key.unproven += 1

    def end(self, walk: object, *, proven: bool = False) -> None:
        """Its answer began, well (`proven`) or not, or there is none. Does nothing where that is known."""
        key, _ = self._under_way.pop(walk, (None, 0.0))
        if key is not None:
            key.unproven -= 1
            if proven:
                key.prove()
            self.release()

    def expire(self) -> None:
        """Those that have been on their key for long enough are proven."""
        now = self._clock()
        proven = False
        while self._under_way:
            walk, (key, since) = next(iter(self._under_way.items()))
            if since + PROVEN_S > now:
                break
            del self._under_way[walk]
            key.unproven -= 1
            key.prove()
            proven = True
        if proven:
            self.release()

    # Waiting

    def crowded(self) -> bool:
        """Whether a request that may wait has to: others do, or the keys that serve have no room just now."""
        if self.lanes.waiting:
            return True
        return any(key.admits(self._clock()) for key in self._keys()) and self._room() < 1

    def join(self, asker: Asker, deadline: float, wake: Callable[[], None], *, again: bool) -> Ticket:
        """A request waits from now on, until it has left; `again` where it had its turn before. Raises LanesFull."""
        ticket = Ticket(asker.lane, asker.session, deadline, wake)
        self.lanes.join(ticket, again=again)
        self.release()
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """It waits no more, however that came."""
        self.lanes.leave(ticket)
        self.release()

    def release(self) -> None:
        """Grants as many turns as there is room for, and refuses those for whom none can come in time."""
        if not self.lanes.waiting:
            return
        room = self._room()
        while room >= 1 and self.lanes.grant() is not None:
            room -= 1
        if self.lanes.waiting:
            now = self._clock()
            if not any(key.admits(now) for key in self._keys()):
                self.lanes.refuse_before(self._next_admission())
        self._reschedule()

    def next_deadline(self) -> float | None:
        """The monotonic time when somebody who waits may have room without anything else happening."""
        if not self.lanes.waiting:
            return None
        times = [since + PROVEN_S for _, since in self._under_way.values()][:1]
        times += [key.probe_at for key in self._keys() if key.probe_at is not None and not key.disabled]
        return min((time for time in times if time > self._clock()), default=None)

    def _room(self) -> float:
        now, wall = self._clock(), self._wall()
        rooms = (key.room(wall) for key in self._keys() if key.admits(now))
        return sum(room for room in rooms if room > 0) - self.lanes.granted

    def _next_admission(self) -> float:
        times = [key.admitted_at for key in self._keys()]
        return min((time for time in times if time is not None), default=inf)
