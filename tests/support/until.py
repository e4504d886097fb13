"""Waiting for what no event tells: another thread's or process's work, or what a plain call has left somewhere."""

from __future__ import annotations

from collections.abc import Callable

import trio

LONG_S = 30.0
"""Nothing here takes nearly so long, on a busy machine either."""


async def until(condition: Callable[[], object]) -> None:
    """Waits until something holds; fails where it takes far too long."""
    with trio.fail_after(LONG_S):
        while not condition():  # noqa: ASYNC110  # there is nothing else to wait for
            await trio.sleep(0.002)
