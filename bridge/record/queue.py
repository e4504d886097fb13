"""What waits to be written: bounded by number and by what it holds, for one thread that puts in and one that takes out.

Where it is full the oldest are lost, and counted. And the begin of what is under way, for a file that lacks it.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Iterable, Sequence

import orjson
from attrs import fields

from bridge.events.vocabulary import EVENT_TYPES, Event, InterceptionEnded, InterceptionStarted, ToolCalled
from bridge.events.wire import Envelope
from bridge.limits import LIMITS
from bridge.record.statements import Item
from bridge.value_classes import reading

OVERHEAD = 500
"""Bytes that an item takes beside its texts, roughly."""


_VALUES = {kind: reading([field.name for field in fields(kind)]) for kind in EVENT_TYPES.values()}


class RecordQueue:
    """Items in the order in which they happened. `lost` counts those that had no room."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # held for a few steps only, never while anything is written
        self._items: deque[tuple[Item, int]] = deque()
        self._bytes = 0
        self.lost = 0

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Item) -> None:
        """Appends an item. Never waits."""
        weighed = (item, _weight(item))
        with self._lock:
            self._items.append(weighed)
            self._bytes += weighed[1]
            self._make_room()

    def take(self, most: int) -> list[Item]:
        """Takes out the oldest, at most so many."""
        with self._lock:
            taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
            self._bytes -= sum(weight for _, weight in taken)
        return [item for item, _ in taken]

    def put_back(self, items: Sequence[Item]) -> None:
        """Puts what was taken, and could not be written, where it was."""
        weighed = [(item, _weight(item)) for item in items]
        with self._lock:
            self._items.extendleft(reversed(weighed))
            self._bytes += sum(weight for _, weight in weighed)
            self._make_room()

    def forget_lost(self) -> int:
        """Counts the lost from nought again; returns how many there were."""
        with self._lock:
            lost, self.lost = self.lost, 0
        return lost

    def _make_room(self) -> None:
        while len(self._items) > LIMITS.queued_statements or (self._bytes > LIMITS.queued_bytes and self._items):
            _, weight = self._items.popleft()
            self._bytes -= weight
            self.lost += 1


class UnderWay:
    """Interceptions that have begun and not ended, of what was written; the latest ones."""

    def __init__(self) -> None:
        self._begun: dict[str, Envelope] = {}

    def note(self, written: Iterable[Item]) -> None:
        """These were written."""
        for item in written:
            match item:
                case Envelope(event=InterceptionStarted(id=name)):
                    self._begun[name] = item
                    if len(self._begun) > LIMITS.remembered_begins:  # the ends of some were lost
                        del self._begun[next(iter(self._begun))]
                case Envelope(event=InterceptionEnded(id=name)):
                    self._begun.pop(name, None)

    def missing(self, database: sqlite3.Connection) -> list[Envelope]:
        """The first events of those that the file does not know, in order: all else about them refers to that."""
        known = "SELECT 1 FROM interceptions WHERE id = ?"
        return [begin for name, begin in self._begun.items() if database.execute(known, (name,)).fetchone() is None]


def _weight(item: Item) -> int:
    """About how many bytes of memory it holds on to."""
    return OVERHEAD + (_event_weight(item.event) if isinstance(item, Envelope) else 0)


def _event_weight(event: Event) -> int:
    weight = sum([len(value) for value in _VALUES[type(event)](event) if value.__class__ is str])
    if isinstance(event, ToolCalled) and not isinstance(event.arguments, str | None):
        with contextlib.suppress(orjson.JSONEncodeError):  # it can't be written either
            weight += len(orjson.dumps(event.arguments))
    return weight
