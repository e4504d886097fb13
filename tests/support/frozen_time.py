"""Time that stands still: where a limit of a few hundredths of a second must not pass while the machine is busy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from trio.testing import MockClock


@contextmanager
def frozen(clock: MockClock) -> Iterator[None]:
    """In the block no time passes but by `clock.jump`; after it, time passes as usual."""
    clock.rate = 0.0
    try:
        yield
    finally:
        clock.rate = 1.0
