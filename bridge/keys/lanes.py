"""Who goes first where fewer keys serve than requests want: three lanes, and in each of them one session after another.

A request that may wait joins, and leaves again however its wait ends; between the two it is granted a turn, or not. All
of the lane `main` go before any of `subagent`, and those before any of `background`. Inside a lane the sessions take
turns, the requests of a session in the order in which they came. So what waits in a lane behind `p` others of its own
session is granted after at most `(p + 1) * s` turns of its lane, `s` being the most sessions that wait in it at a time
(those that had their turn and found no key come before, and are not counted); a lane as a whole waits for those before
it, and no request longer than its provider's `wait_for_key`.

Nothing here waits or knows time: whoever joins brings a `wake`, and the pool says how many turns there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import get_args

from attrs import field

from bridge.events.values import Lane
from bridge.limits import LIMITS
from bridge.value_classes import define

LANES: tuple[Lane, ...] = get_args(Lane)


class LanesFull(Exception):
    """As many wait as may, none of them behind this one."""


@define(eq=False)
class Ticket:
    """A request's place. It is over once the request leaves."""

    lane: Lane
    session: str
    deadline: float
    """Monotonic: it waits no longer, and a key that comes later is none for it."""
    wake: Callable[[], None] = field(repr=False)
    """Called once, when it is granted its turn or refused."""
    granted: bool = False
    refused: bool = False


class Lanes:
    """The requests of one provider that wait for a key."""

    def __init__(self) -> None:
        self._lanes: dict[Lane, dict[str, deque[Ticket]]] = {lane: {} for lane in LANES}
        """By session, the one whose turn is next in front."""
        self._again: dict[Lane, deque[Ticket]] = {lane: deque() for lane in LANES}
        """Those that had their turn and found no key."""
        self._granted: set[Ticket] = set()
        self.waiting = 0
        """How many wait for their turn."""

    @property
    def granted(self) -> int:
        """How many were granted a turn and have not left."""
        return len(self._granted)

    def join(self, ticket: Ticket, *, again: bool = False) -> None:
        """It waits from now on; before all others of its lane where it had its turn already, and found no key.

        Where there is no room the last of those behind it is refused. Raises LanesFull where there is none.
        """
        if self.waiting >= LIMITS.waiting_requests:
            self._refuse_behind(ticket.lane)
        if again:
            self._again[ticket.lane].append(ticket)
        else:
            self._lanes[ticket.lane].setdefault(ticket.session, deque()).append(ticket)
        self.waiting += 1

    def leave(self, ticket: Ticket) -> None:
        """It waits no more, and gives back the turn it was granted. Does nothing the second time."""
        self._granted.discard(ticket)
        self._remove(ticket)

    def grant(self) -> Ticket | None:
        """Grants the next one its turn; None where nobody waits."""
        ticket = next((found for lane in LANES if (found := self._take(lane)) is not None), None)
        if ticket is not None:
            self.waiting -= 1
            self._granted.add(ticket)
            ticket.granted = True
            ticket.wake()
        return ticket

    def refuse_before(self, time: float) -> None:
        """Refuses those whose patience ends before that time, since no key comes earlier."""
        for ticket in [ticket for ticket in self if ticket.deadline < time]:
            self._refuse(ticket)

    def place(self, ticket: Ticket) -> int:
        """How manieth of its lane's turns will be its own as things stand, from 1."""
        again, lane = self._again[ticket.lane], self._lanes[ticket.lane]
        if ticket in again:
            return again.index(ticket) + 1
        own = lane[ticket.session].index(ticket)
        sessions = list(lane)
        before = sessions.index(ticket.session)
        others = (
            min(len(lane[session]), own + (number < before))
            for number, session in enumerate(sessions)
            if session != ticket.session
        )
        return len(again) + own + 1 + sum(others)

    def __iter__(self) -> Iterator[Ticket]:
        """Those that wait, the lanes in their order."""
        for lane in LANES:
            for tickets in (self._again[lane], *self._lanes[lane].values()):
                yield from tickets

    def _take(self, lane: Lane) -> Ticket | None:
        """Takes out the next one of a lane; its session is behind the others then."""
        if self._again[lane]:
            return self._again[lane].popleft()
        sessions = self._lanes[lane]
        session = next(iter(sessions), None)
        if session is None:
            return None
        tickets = sessions.pop(session)
        ticket = tickets.popleft()
        if tickets:
            sessions[session] = tickets
        return ticket

    def _remove(self, ticket: Ticket) -> None:
        if ticket in self._again[ticket.lane]:
            self._again[ticket.lane].remove(ticket)
            self.waiting -= 1
            return
        lane = self._lanes[ticket.lane]
        tickets = lane.get(ticket.session)
        if tickets is None or ticket not in tickets:
            return
        tickets.remove(ticket)
        if not tickets:
            del lane[ticket.session]
        self.waiting -= 1

    def _refuse(self, ticket: Ticket) -> None:
        self._remove(ticket)
        ticket.refused = True
        ticket.wake()

    def _refuse_behind(self, lane: Lane) -> None:
        for other in reversed(LANES[LANES.index(lane) + 1 :]):
            sessions = self._lanes[other]
            last = sessions[next(reversed(sessions))] if sessions else self._again[other]
            if last:
                self._refuse(last[-1])
                return
        raise LanesFull
