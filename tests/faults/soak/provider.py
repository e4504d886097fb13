"""The provider of a soak: streams and whole answers of all three APIs, and keys that fail where a request wishes it."""

from __future__ import annotations

import re

import trio
from attrs import define, field

from tests.apis import chat_streams, messages_streams, responses_streams
from tests.support.world import STREAM, Asked, Reply

STREAMS: dict[str, list[bytes]] = {
    "/v1/responses": responses_streams.rich().events,
    "/v1/chat/completions": chat_streams.rich(),
    "/v1/messages": messages_streams.rich(),
}
WHOLE = b'{"id":"resp_1","object":"response","status":"completed","output":[],"usage":null}'
WISH = re.compile(rb'"wish":"(\d+):(\d+)"')
PAUSE_S = 0.002


@define
class SoakProvider:
    """A request's wish says its number, and how many of its attempts are to fail."""

    attempts: dict[int, int] = field(factory=dict)

    async def handle(self, asked: Asked, reply: Reply) -> None:
        """Answers one request."""
        wish = WISH.search(asked.body)
        if wish is not None:
            number, failing = map(int, wish.groups())
            attempt = self.attempts[number] = self.attempts.get(number, 0) + 1
            if attempt <= failing:
                await reply.whole(429, b'{"error":{"message":"slow down"}}', [("retry-after-ms", "5")])
                return
            del self.attempts[number]
        if b'"stream":true' not in asked.body:
            await reply.whole(200, WHOLE, [("content-type", "application/json")])
            return
        await reply.head(200, STREAM)
        for event in STREAMS[asked.target]:
            await reply.chunk(event)
            await trio.sleep(PAUSE_S)
        await reply.end()
