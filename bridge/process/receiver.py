"""Signals in Trio: first those that came before anybody listened, then those that come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Container, Iterator
from contextlib import contextmanager

import trio

from bridge.process.signals import first_kept


class Signals:
    """An endless iterator over signals."""

    def __init__(self, numbers: Container[int], arriving: AsyncIterator[int]) -> None:
        self._numbers = numbers
        self._arriving = arriving

    def __aiter__(self) -> Signals:
        return self

    async def __anext__(self) -> int:
        kept = first_kept(self._numbers)
        return await anext(self._arriving) if kept is None else kept


@contextmanager
def receiver(*numbers: int) -> Iterator[Signals]:
    """Delivers these signals while the block runs, also where the process inherited them as ignored."""
    with trio.open_signal_receiver(*numbers) as arriving:
        yield Signals(numbers, arriving)
