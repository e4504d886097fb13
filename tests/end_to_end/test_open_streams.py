"""What an open stream holds: an agent's request may have megabytes, and its answer take hours."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import trio

from tests.support.world import HELLO, STREAM, Asked, Reply, ask, provider, say_hello, world

TESTS = str(Path(__file__).parent.parent)
LONG = 5_000_000


async def stay_open(_: Asked, reply: Reply) -> None:
    await reply.head(200, STREAM)
    await reply.chunk(b"".join(HELLO[:-1]))
    await trio.sleep_forever()


def held() -> int:
    """Bytes that others than the tests have taken and not given back."""
    taken = tracemalloc.take_snapshot().filter_traces(
        [tracemalloc.Filter(inclusive=False, filename_pattern=f"{TESTS}/*")]
    )
    return sum(trace.size for trace in taken.traces)


async def test_of_a_request_that_was_sent_nothing_is_held() -> None:
    told = [
        {"role": "user", "content": "hello"},
        {"type": "function_call_output", "call_id": "c", "output": "x" * LONG},
    ]
    is_open = trio.Event()
    async with provider(say_hello) as url, world(url) as here:
        await ask(here.port)  # what is loaded for the first one stays
    async with provider(stay_open) as url, world(url) as here, trio.open_nursery() as nursery:
        tracemalloc.start()
        try:
            asked = {"model": "m", "stream": True, "input": told}
            nursery.start_soon(lambda: ask(here.port, asked, on_chunk=lambda _: is_open.set()))
            await is_open.wait()
            assert held() < LONG // 2
        finally:
            tracemalloc.stop()
        nursery.cancel_scope.cancel()
