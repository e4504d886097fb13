"""An MCP server at a URL: the library's streamable HTTP, over connections on which nothing has more than its bound."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx2
import trio
from mcp.client.streamable_http import streamable_http_client

from bridge.limits import LIMITS

CONNECT_S = 10.0
READ_S = 300.0
"""The longest silence of an open stream, in seconds; the library opens it again. A call's own time is shorter."""


class UnreadableAnswer(httpx2.StreamError):
    """An answer that is not read, its text says why; the library makes it the failure of that one request."""


class BoundedTransport(httpx2.AsyncBaseTransport):
    """Sends requests, and bounds what comes back. `refused` gets the status of an answer that is none.

    `lost` is called where the server does not know our session any more.
    """

    def __init__(self, tls: ssl.SSLContext, refused: Callable[[int], None], lost: Callable[[], None]) -> None:
        self._transport = httpx2.AsyncHTTPTransport(verify=tls, trust_env=False)
        self._refused = refused
        self._lost = lost

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """One request."""
        response = await self._transport.handle_async_request(request)
        if response.status_code >= 400 and request.method == "POST":
            self._refused(response.status_code)
            if response.status_code == 404 and "mcp-session-id" in request.headers:
                self._lost()
        if response.headers.get("content-encoding", "identity") != "identity":  # a little of it can be very much
            raise UnreadableAnswer("it answers in an encoding that it was not asked for")
        if request.method == "POST":  # the stream of a GET has no end, and each event in it has its bound
            response.stream = _Bounded(cast("httpx2.AsyncByteStream", response.stream), LIMITS.tool_message_bytes)
        return response

    async def aclose(self) -> None:
        """Closes its connections."""
        await self._transport.aclose()


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, limit: int) -> None:
        self._stream = stream
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self._limit
        try:
            async for chunk in self._stream:
                left -= len(chunk)
                if left >= 0:
                    yield chunk
                else:
                    await self._stream.aclose()  # it is read on into its end: generators below are not left half-way
        except httpx2.TransportError:
            if left >= 0:
                raise
        if left < 0:
            raise UnreadableAnswer(f"an answer of more than {self._limit} bytes")

    async def aclose(self) -> None:
        await self._stream.aclose()


@asynccontextmanager
async def remote(
    url: str, headers: Mapping[str, str], refused: Callable[[int], None], lost: Callable[[], None]
) -> AsyncIterator[Any]:
    """Speaks with a server while the block runs; gives the messages from it, and where those to it go."""
    tls = await trio.to_thread.run_sync(ssl.create_default_context)
    timeout = httpx2.Timeout(CONNECT_S, read=READ_S)
    transport = BoundedTransport(tls, refused, lost)
    sent = {**headers, "Accept-Encoding": "identity"}
    async with httpx2.AsyncClient(transport=transport, headers=sent, timeout=timeout, trust_env=False) as client:
        streams = streamable_http_client(url, http_client=client, max_sse_event_size=LIMITS.tool_message_bytes)
        async with streams as messages:
            yield messages
