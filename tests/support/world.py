"""A small world for tests: a provider that does as it is told, a bridge, and clients, all on real sockets.

The provider is raw on purpose: what goes over the wire is up to the test, down to the byte. The bridge is the real one,
started as `clearspan serve` starts it, in the test's own Trio loop.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import h11
import orjson
import trio
from attrs import define, evolve, field, frozen

from bridge.config.settings import McpSettings, ProviderSettings, RecordSettings, ServerSettings, Settings
from bridge.config.units import Seconds
from bridge.events.wire import Envelope
from bridge.keys.secret import Secret
from bridge.server import Bridge
from tests.support.until import until

KEYS = ("sk-canary-first-0001", "sk-canary-second-0002", "sk-canary-third-0003")
RESPONSES = "/openai/v1/responses"
STREAM = [("content-type", "text/event-stream")]
"""The header of a stream of events."""

RawHeaders = list[tuple[bytes, bytes]]


@frozen
class Asked:
    """A request as the provider got it."""

    method: str
    target: str
    headers: RawHeaders
    body: bytes

    def header(self, name: str) -> str | None:
        """The only value of that name; None where there is none. Fails where there are several."""
        found = [value.decode("latin-1") for key, value in self.headers if key.lower() == name.encode()]
        assert len(found) < 2, f"{name} came {len(found)} times"
        return found[0] if found else None

    @property
    def key(self) -> str:
        """The API key it came with."""
        return (self.header("authorization") or "").removeprefix("Bearer ")


@define
class Reply:
    """The provider's side of one exchange: raw bytes, or HTTP with the framing made for it."""

    stream: trio.SocketStream
    closed: bool = False
    """The bridge was seen to close the connection."""

    async def raw(self, data: bytes) -> None:
        """Sends bytes as they are."""
        await self.stream.send_all(data)

    async def head(
        self, status: int = 200, headers: Sequence[tuple[str, str]] = (), *, length: int | None = None
    ) -> None:
        """Sends a head; chunked unless a length is given."""
        framing = ("transfer-encoding", "chunked") if length is None else ("content-length", str(length))
        lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in (*headers, framing))]
        await self.raw("\r\n".join([*lines, "", ""]).encode("latin-1"))

    async def chunk(self, data: bytes) -> None:
        """Sends one chunk."""
        await self.raw(b"%x\r\n%s\r\n" % (len(data), data))

    async def end(self) -> None:
        """Ends a chunked body."""
        await self.raw(b"0\r\n\r\n")

    async def whole(self, status: int, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> None:
        """A whole answer at once."""
        await self.head(status, headers, length=len(body))
        await self.raw(body)

    async def until_closed(self) -> None:
        """Waits until the bridge closes the connection."""
        try:
            while await self.stream.receive_some(4096):
                pass
        except trio.BrokenResourceError:
            pass
        self.closed = True


Handle = Callable[[Asked, Reply], Awaitable[None]]
"""Answers one request. To return normally keeps the connection; to raise Hang closes it."""


class Hang(Exception):
    """The provider closes the connection."""


@asynccontextmanager
async def provider(handle: Handle) -> AsyncIterator[str]:
    """A provider on a free port; gives its base URL. An exception in `handle` (but Hang) fails the test."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            with contextlib.suppress(Hang, trio.BrokenResourceError, trio.ClosedResourceError):
                await _serve_provider(stream, handle)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        yield f"http://127.0.0.1:{port}/v1"
        nursery.cancel_scope.cancel()


async def _serve_provider(stream: trio.SocketStream, handle: Handle) -> None:
    while True:
        connection = h11.Connection(h11.SERVER)
        request: h11.Request | None = None
        body = bytearray()
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                data = await stream.receive_some(65536)
                if not data:
                    return
                connection.receive_data(data)
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
        assert request is not None
        asked = Asked(request.method.decode(), request.target.decode(), request.headers.raw_items(), bytes(body))
        await handle(asked, Reply(stream))


@define
class World:
    """A running bridge, with all that it says."""

    bridge: Bridge
    url: str
    socket: Path
    record: Path | None = None
    envelopes: list[Envelope] = field(factory=list)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    def events(self, *types: str) -> list[Any]:
        """The events of these types so far, in order; all where none is named."""
        return [envelope.event for envelope in self.envelopes if not types or envelope.event.type in types]

    async def event(self, kind: str, count: int = 1) -> Any:
        """Waits for the count-th event of that type."""
        await until(lambda: len(self.events(kind)) >= count)
        return self.events(kind)[count - 1]


@asynccontextmanager
async def world(
    base_url: str,
    keys: Sequence[str] = KEYS[:1],
    *,
    server: dict[str, Any] | None = None,
    record: RecordSettings | None = None,
    grace: float = 1.0,
    **provider_settings: Any,
) -> AsyncIterator[World]:
    """A bridge with one provider `openai`. On leaving, it is stopped gracefully."""
    settings = ProviderSettings(type="openai", base_url=base_url, keys=tuple(Secret(key) for key in keys))
    providers = {"openai": evolve(settings, **provider_settings)}
    async with running(providers, server=server, record=record, grace=grace) as here:
        yield here


@asynccontextmanager
async def running(
    providers: dict[str, ProviderSettings],
    *,
    server: dict[str, Any] | None = None,
    record: RecordSettings | None = None,
    grace: float = 1.0,
    mcp: McpSettings | None = None,
) -> AsyncIterator[World]:
    """A bridge with these providers, and a record that goes with it unless one is named."""
    with tempfile.TemporaryDirectory(prefix="clearspan-test-") as place:
        socket = Path(place) / "events.sock"
        settings = Settings(
            server=ServerSettings(port=0, socket=socket, shutdown_grace=Seconds(grace), **(server or {})),
            record=record or RecordSettings(path=Path(place) / "clearspan.db"),
            providers=providers,
            mcp=mcp or McpSettings(),
            data_dir=Path(place),
        )
        bridge = Bridge(settings)
        async with trio.open_nursery() as nursery:
            here = World(bridge, "", socket, settings.record.path)
            bridge.hub.add_sink(here.envelopes.append)
            here.url = await nursery.start(bridge.run)
            try:
                yield here
            finally:
                bridge.stop("the test is over")


@frozen
class Answered:
    """What a client got. `complete` says whether the body ended the way HTTP ends a body."""

    status: int
    headers: RawHeaders
    body: bytes
    complete: bool

    def header(self, name: str) -> str | None:
        """The first value of that name."""
        return next((value.decode("latin-1") for key, value in self.headers if key.lower() == name.encode()), None)

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return orjson.loads(self.body)


async def ask(
    port: int,
    body: bytes | dict[str, Any] = b'{"model":"m","input":"hello","stream":true}',
    *,
    path: str = RESPONSES,
    method: str = "POST",
    headers: Sequence[tuple[str, str]] = (),
    on_chunk: Callable[[bytes], None] | None = None,
) -> Answered:
    """One request on a connection of its own. `on_chunk` sees the body as it comes."""
    payload = orjson.dumps(body) if isinstance(body, dict) else body
    own = [("host", f"127.0.0.1:{port}"), ("content-type", "application/json"), ("content-length", str(len(payload)))]
    given = {name.lower() for name, _ in headers}
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        connection = h11.Connection(h11.CLIENT)
        sent = [*(pair for pair in own if pair[0] not in given), *headers]
        await stream.send_all(
            connection.send(
                h11.Request(method=method, target=path, headers=[(a.encode(), b.encode("latin-1")) for a, b in sent])
            )
            or b""
        )
        if payload:
            await stream.send_all(connection.send(h11.Data(data=payload)) or b"")
        connection.send(h11.EndOfMessage())
        return await _answer(connection, stream, on_chunk)


async def _answer(
    connection: h11.Connection, stream: trio.SocketStream, on_chunk: Callable[[bytes], None] | None
) -> Answered:
    head: h11.Response | None = None
    body = bytearray()
    complete = False
    while True:
        try:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await stream.receive_some(65536))
                continue
        except (h11.RemoteProtocolError, trio.BrokenResourceError):
            break
        if isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if on_chunk is not None:
                on_chunk(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            complete = True
            break
        elif isinstance(event, h11.ConnectionClosed):
            break
    assert head is not None, "no answer came"
    return Answered(head.status_code, head.headers.raw_items(), bytes(body), complete)


def sse(kind: str, **fields: Any) -> bytes:
    """One event of a Responses stream."""
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), orjson.dumps({"type": kind, **fields}))


HELLO = [
    sse("response.created", response={"id": "resp_1", "status": "in_progress"}),
    sse("response.output_text.delta", item_id="msg_1", output_index=0, content_index=0, delta="Hello"),
    sse(
        "response.completed",
        response={
            "id": "resp_1",
            "status": "completed",
            "output": [
                {
                    "type": "message",
                    "id": "msg_1",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "Hello"}],
                }
            ],
            "usage": {"input_tokens": 12, "output_tokens": 3, "total_tokens": 15},
        },
    ),
]
"""The events of a small good stream."""


async def say_hello(_asked: Asked, reply: Reply) -> None:
    """Handles a request with a small good stream."""
    await reply.head(200, [*STREAM, ("x-request-id", "req_1")])
    for event in HELLO:
        await reply.chunk(event)
    await reply.end()
