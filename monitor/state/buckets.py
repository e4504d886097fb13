"""Counts over time in a bounded number of buckets: old ones fall out as new ones come."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Generic, TypeVar

from attrs import Factory, define

T = TypeVar("T")


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
