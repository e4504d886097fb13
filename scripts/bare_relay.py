"""The bare relay that `scripts/bench relay` measures the bridge against: Hypercorn on Trio before httpx, and nothing
else. It reads nothing, tells nothing, records nothing, and keeps none of the promises of the bridge.

`bare_relay.py UPSTREAM_PORT` prints the port it listens on.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any

import httpx
import trio
from hypercorn.config import Config
from hypercorn.trio import serve

Message = MutableMapping[str, Any]
HOP = {b"host", b"content-length", b"connection", b"transfer-encoding"}


async def relay(
    client: httpx.AsyncClient,
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """One request to the same path upstream, its answer as it comes."""
    if scope["type"] != "http":
        raise NotImplementedError  # how an app says that it has no lifespan
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message["body"], message["more_body"]
    headers = [(name, value) for name, value in scope["headers"] if name not in HOP]
    request = client.build_request(scope["method"], scope["path"], headers=headers, content=body)
    response = await client.send(request, stream=True)
    try:
        kept = [(name, value) for name, value in response.headers.raw if name.lower() != b"transfer-encoding"]
        await send({"type": "http.response.start", "status": response.status_code, "headers": kept})
        async for chunk in response.aiter_raw():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        await response.aclose()


async def main(upstream: int) -> None:
    """Serves until it is ended."""
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.keep_alive_max_requests = sys.maxsize
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{upstream}", limits=limits, timeout=60) as client,
        trio.open_nursery() as nursery,
    ):
        bound: list[str] = await nursery.start(partial(serve, partial(relay, client), config))
        print(bound[0], flush=True)


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]))
