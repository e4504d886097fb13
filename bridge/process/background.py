"""A thread that works beside Trio, and that a stop does not wait for longer than it must."""

from __future__ import annotations

from collections.abc import Callable

import trio


async def run_in_background(
    work: Callable[[], None], stop: Callable[[], None], *, patience_s: float, given_up: Callable[[], None]
) -> None:
    """Runs `work` in a thread of its own until cancelled; then calls `stop`, and waits that long for it to return.

    Where it does not, it is left to itself (a disk or a peer hangs) and `given_up` is called.
    """
    patience = trio.CancelScope(shield=True)

    async def run() -> None:
        with patience:
            await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=trio.CapacityLimiter(1))
        if patience.cancelled_caught:
            given_up()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        try:
            await trio.sleep_forever()
        finally:
            patience.deadline = trio.current_time() + patience_s
            stop()
