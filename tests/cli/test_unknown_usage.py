"""An answer whose tokens nobody told is not one that was free: `history` and `stats` mark it."""

from __future__ import annotations

import re

from bridge.events.client import read_snapshot
from tests.support.command_line import clearspan, home, serving
from tests.support.until import until
from tests.support.world import KEYS, STREAM, Asked, Hang, Reply, ask, provider

CHAT = "/openai/v1/chat/completions"
BODY = {"model": "gpt-5.5", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}


async def breaks_off_or_refuses(asked: Asked, reply: Reply) -> None:
    """A stream that ends early, without a word of its tokens; a request that is refused."""
    if b"refuse" in asked.body:
        await reply.whole(400, b"{}", [("content-type", "application/json")])
        return
    await reply.head(200, STREAM)
    await reply.chunk(b'data: {"id":"c1","object":"chat.completion.chunk","choices":[{"delta":{"content":"Hel"}}]}\n\n')
    raise Hang


async def test_what_is_not_known_of_a_stream_that_broke_off_is_marked() -> None:
    async with provider(breaks_off_or_refuses) as upstream:
        with home(OPENAI_API_KEYS=",".join(KEYS)) as here:
            here.configure(
                f'[providers.openai]\ntype = "openai"\nbase_url = "{upstream}/v1"\nkeys = ["env:OPENAI_API_KEYS"]\n'
            )
            async with serving(here, "--log-level", "error") as (_bridge, url):
                port = int(url.rpartition(":")[2])
                await ask(port, BODY, path=CHAT)
                await ask(port, {**BODY, "model": "refuse"}, path=CHAT)
                await until(lambda: [each.live for each in read_snapshot(here.socket).interceptions] == [False] * 2)
            history = (await clearspan(here, "history")).out.splitlines()
            stats = (await clearspan(here, "stats", "--by", "model")).out.splitlines()
    head, refused, broken = (re.split("  +", line) for line in history)
    usage = slice(head.index("IN"), head.index("COST") + 1)
    assert broken[usage] == ["?", "?", "?"]
    assert refused[usage] == ["-", "-", "-"]
    costs = {line.split()[0]: line.split()[-1] for line in stats[1:]}
    assert costs == {"gpt-5.5": "?", "refuse": "-", "total": "?"}
