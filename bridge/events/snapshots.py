"""Snapshots for subscribers: never made while an event is published, made once for all who need the same.

A subscriber's task asks for one and is called back at the instant that it shows. The picture is copied at that instant,
which is cheap, since all that is large in it are values that never change. So the snapshot is that of its `seq`,
whatever happens while it is encoded, and a large one can be encoded in a thread without a lock. Who asks meanwhile
waits and shares the next.

A snapshot lives as long as somebody still sends it. Those who send old ones too slowly are let go where all together
would take too much.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable

import trio

from bridge.events.wire import Snapshot, encode_snapshot
from bridge.limits import LIMITS
from bridge.value_classes import define


class SharedSnapshot:
    """One snapshot, and its line once it is encoded. It compares by identity."""

    __slots__ = ("__weakref__", "message", "pieces", "seq", "size")

    def __init__(self, message: Snapshot) -> None:
        self.message: Snapshot | None = message  # None once it is encoded
        self.seq = message.seq
        self.pieces: list[bytes] = []
        self.size = 0

    def take_over(self, pieces: list[bytes]) -> None:
        """It is encoded."""
        self.pieces = pieces
        self.size = sum(map(len, pieces))
        self.message = None


Begin = Callable[[SharedSnapshot], None]
"""Called at the instant that a snapshot shows: what is published later is not in it."""


@define(eq=False)
class _Waiting:
    begin: Begin
    snapshot: SharedSnapshot | None = None


class Snapshots:
    """Makes them one at a time. `large` says whether what would be made now is; `let_go` ends whoever sends one."""

    def __init__(
        self, make: Callable[[], Snapshot], large: Callable[[], bool], let_go: Callable[[SharedSnapshot], None]
    ) -> None:
        self._make = make
        self._large = large
        self._let_go = let_go
        self._turn = trio.Lock()
        self._waiting: list[_Waiting] = []
        self._alive: list[weakref.ref[SharedSnapshot]] = []

    async def take(self, begin: Begin) -> None:
        """Returns when the snapshot that `begin` was given is encoded."""
        waiting = _Waiting(begin)
        self._waiting.append(waiting)
        try:
            async with self._turn:
                snapshot = waiting.snapshot or self._capture()
                if snapshot.message is not None:  # else whoever was first has done it
                    await self._encode(snapshot, snapshot.message)
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)

    @property
    def size(self) -> int:
        """Bytes of those that somebody still sends."""
        return sum(snapshot.size for snapshot in self._living())

    def _living(self) -> list[SharedSnapshot]:
        """Oldest first."""
        living = [snapshot for reference in self._alive if (snapshot := reference()) is not None]
        self._alive = [weakref.ref(snapshot) for snapshot in living]
        return living

    def _capture(self) -> SharedSnapshot:
        """What is known now, for all who wait; no checkpoint in here."""
        message = self._make()
        living = self._living()
        if living and living[-1].seq == message.seq:
            snapshot = living[-1]  # nothing happened since
        else:
            snapshot = SharedSnapshot(message)
            self._alive.append(weakref.ref(snapshot))
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.snapshot = snapshot
            each.begin(snapshot)
        return snapshot

    async def _encode(self, snapshot: SharedSnapshot, message: Snapshot) -> None:
        if self._large():
            snapshot.take_over(await trio.to_thread.run_sync(encode_snapshot, message, abandon_on_cancel=True))
        else:
            snapshot.take_over(encode_snapshot(message))
        living = self._living()
        while sum(alive.size for alive in living) > LIMITS.snapshots_bytes and living[0] is not snapshot:
            self._let_go(living.pop(0))
