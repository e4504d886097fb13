"""What a provider answers where the client, the owner or the clock is to end it."""

from __future__ import annotations

from tests.faults.wire import BEGUN
from tests.support.world import STREAM, Asked, Reply


async def begin_and_hang(_: Asked, reply: Reply) -> None:
    """Begins an answer that never ends."""
    await reply.head(200, STREAM)
    await reply.chunk(BEGUN)
    await reply.until_closed()


async def hang(_: Asked, reply: Reply) -> None:
    """Never answers."""
    await reply.until_closed()
