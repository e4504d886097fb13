"""Who is woken first goes first: Trio runs tasks that were woken at one time in any order.

Nobody is woken by another task, so that no wake-up can be lost; one that was woken only lets those go by that were
woken before it and are about to go.
"""

from __future__ import annotations

import trio


class Procession:
    """Those who were woken, in their order."""

    def __init__(self) -> None:
        self._last: trio.Event | None = None
        """Set once the one that was woken last has gone."""

    def follower(self) -> Follower:
        """One that is not woken yet."""
        return Follower(self)

    def join(self, gone: trio.Event) -> trio.Event | None:
        """One goes behind all others; returns what the one before it sets."""
        before, self._last = self._last, gone
        return before


class Follower:
    """One that waits to be woken. It has to say when it has gone, however that came."""

    def __init__(self, procession: Procession) -> None:
        self._procession = procession
        self._woken = trio.Event()
        self._gone = trio.Event()
        self._before: trio.Event | None = None

    def wake(self) -> None:
        """From now on it may go, after those who were woken before. Called once at the most."""
        self._before = self._procession.join(self._gone)
        self._woken.set()

    async def wait(self) -> None:
        """Until it is woken, and those before it have gone."""
        await self._woken.wait()
        if self._before is not None:
            await self._before.wait()

    def leave(self) -> None:
        """It has gone."""
        self._before = None
        self._gone.set()
