"""Which requests were to be cancelled, and what came of it: the reply says only that the bridge was told.

The event socket has no figure for how long it took to let upstream go. `interception.ended` comes when all that the
request had started is over, its connection upstream too, and a client that was still there has been told why. So the
time from the command to that event is the most that it can have taken; it is measured here, by the monitor's clock.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from attrs import Factory, define, frozen

from bridge.events.entries import Interception
from bridge.events.values import Outcome

PATIENCE = timedelta(seconds=10)
"""After this a person is told that nothing has come of it."""

MOST = 100
"""Waited for at a time; of more, the oldest are not reported."""


@frozen
class SettledCancel:
    """What came of one. `outcome` is None where the request goes on all the same; `took_ms` is from the command on."""

    name: str
    outcome: Outcome | None
    took_ms: float
    was_upstream: bool
    """Whether an attempt was under way, so that there was something to close."""


@define
class Cancels:
    """Those that were sent and have not been reported yet."""

    _sent: dict[str, tuple[str, datetime]] = Factory(dict)

    def send(self, id_: str, name: str, now: datetime) -> None:
        """A command leaves; `name` is what people call the request."""
        self._sent[id_] = name, now
        while len(self._sent) > MOST:
            del self._sent[next(iter(self._sent))]

    def withdraw(self, id_: str) -> None:
        """The bridge would not do it, or was not there."""
        self._sent.pop(id_, None)

    def waits_for(self, id_: str) -> bool:
        """Whether nothing has come of that one yet."""
        return id_ in self._sent

    def settle(self, known: Callable[[str], Interception | None], now: datetime) -> list[SettledCancel]:
        """Those of which something has come by now, or nothing for too long; each is told once."""
        settled: list[SettledCancel] = []
        for id_, (name, at) in list(self._sent.items()):
            request = known(id_)
            if request is None or (request.live and now - at < PATIENCE):
                continue
            del self._sent[id_]
            took_ms = max(0.0, (now - at) / timedelta(milliseconds=1))
            settled.append(SettledCancel(name, request.outcome, took_ms, _was_upstream(request)))
        return settled


def _was_upstream(request: Interception) -> bool:
    return bool(request.attempts) and not request.attempts[-1].failed
