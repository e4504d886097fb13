"""Counts over time in a bounded number of buckets: old ones fall out as new ones come."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Generic, TypeVar

from attrs import Factory, define

T = TypeVar("T")

BLOCKS = "▁▂▃▄▅▆▇"  # not the full one: lines of them would run into each other


@define
class Buckets(Generic[T]):
    """`count` buckets of `seconds` each; the time decides which one a thing is counted in, not the order."""

    seconds: int
    count: int
    make: Callable[[], T]
    _kept: dict[int, T] = Factory(dict)
    _newest: int = 0

    def at(self, when: datetime) -> T | None:
        """The bucket for that time; None where it is too long ago to be kept."""
        number = self._number(when)
        if number > self._newest:
            self._newest = number
            for old in [old for old in self._kept if old <= number - self.count]:
                del self._kept[old]
        if number <= self._newest - self.count:
            return None
        if number not in self._kept:
            self._kept[number] = self.make()
        return self._kept[number]

    def last(self, now: datetime, count: int) -> list[T | None]:
        """The `count` latest buckets, the oldest first, that of `now` last; None where nothing was counted."""
        end = self._number(now)
        return [self._kept.get(number) for number in range(end - count + 1, end + 1)]

    def _number(self, when: datetime) -> int:
        return int(when.timestamp()) // self.seconds


def sparkline(values: list[float], width: int) -> str:
    """The values as blocks, a cell each, the highest one full; with more values than cells, neighbours are summed."""
    if width <= 0:
        return ""
    per_cell = max(1, -(-len(values) // width))
    pad = -len(values) % per_cell
    padded = [0.0] * pad + values
    sums = [sum(padded[i : i + per_cell]) for i in range(0, len(padded), per_cell)]
    highest = max(sums, default=0.0)
    cells = [
        " " if highest <= 0 or value <= 0 else BLOCKS[round(value / highest * (len(BLOCKS) - 1))] for value in sums
    ]
    return "".join(cells).rjust(width)[-width:]
