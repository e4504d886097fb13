"""A key under suspicion is cleared by a good answer and by nothing less (docs/behaviour.md, Key pool)."""

from __future__ import annotations

import pytest
import trio

from tests.support.world import KEYS, Asked, Reply, ask, provider, say_hello, world


@pytest.mark.parametrize(
    ("status", "state"),
    [(200, "valid"), (302, "permanent"), (400, "permanent"), (404, "permanent"), (422, "permanent")],
)
async def test_a_request_at_fault_says_nothing_good_of_its_key(status: int, state: str) -> None:
    checking, answered = trio.Event(), trio.Event()

    async def handle(asked: Asked, reply: Reply) -> None:
        if asked.method == "GET":  # the check that the 403 asks for, refused once the second request is over
            checking.set()
            await answered.wait()
            await reply.whole(403, b"{}")
        elif not checking.is_set():
            await reply.whole(403, b"{}")
        elif status == 200:
            await say_hello(asked, reply)
        else:
            await reply.whole(status, b'{"error":{"message":"no"}}')

    async with provider(handle) as url, world(url, KEYS[:1]) as here:
        (key,) = here.bridge.providers["openai"].pool.keys
        assert (await ask(here.port)).status == 403
        await checking.wait()
        assert (await ask(here.port)).status == status
        await here.event("interception.ended", 2)
        answered.set()
        with trio.fail_after(10):
            while here.bridge.providers["openai"].upstream.in_use:  # noqa: ASYNC110  # the check is over
                await trio.sleep(0.005)
        assert key.state == state
