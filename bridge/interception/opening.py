"""Looks at how a stream begins before the client sees any of it (docs/behaviour.md, Key pool).

A provider may answer 200 and say only then, in the first event that matters, that the key is limited or the model
overloaded. As long as nothing but the opening has come, another key can still serve as if nothing had been.
"""

from __future__ import annotations

import trio

from bridge.apis.protocol import Api, Opening, StreamFailure
from bridge.apis.sse import SseParser
from bridge.providers.attempt import Response, UpstreamError

HOLD_S = 2.0
HOLD_BYTES = 64 * 1024
"""An opening is held back no longer than this."""


async def look_at_opening(response: Response, api: Api) -> tuple[Response, StreamFailure | None]:
    """Receives the opening of a stream. Returns the response as it was, and the failure it opened with, if it did."""
    parser = SseParser()
    held: list[bytes] = []
    verdict: Opening | StreamFailure = Opening.HOLD
    with trio.move_on_after(HOLD_S):
        while verdict is Opening.HOLD and sum(map(len, held)) < HOLD_BYTES:
            try:
                chunk = await response.receive()
            except UpstreamError:
                break  # it will be met again by whoever relays what came
            if not chunk:
                break
            held.append(chunk)
            verdict = _verdict(parser, chunk, api)
    return response.after(held), verdict if isinstance(verdict, StreamFailure) else None


def _verdict(parser: SseParser, chunk: bytes, api: Api) -> Opening | StreamFailure:
    """What the first of these events says that is more than an opening."""
    for name, data in parser.feed(chunk):
        verdict = api.opening(name, data)
        if verdict is not Opening.HOLD:
            return verdict
    return Opening.HOLD
