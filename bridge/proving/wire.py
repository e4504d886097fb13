"""Both ends of a replay: a provider that keeps what it got and gave, and a client that keeps what it got.

Neither uses the bridge's own HTTP: what it does wrong must show. What the provider answers is the simulated one's.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import h11
import trio
from attrs import field

from bridge.http.fields import RawHeaders
from bridge.proving.captures import Capture
from bridge.simulator.provider import SimulatedProvider
from bridge.simulator.routes import IncomingRequest
from bridge.simulator.scenario.file import parse_scenario
from bridge.value_classes import define, frozen

SCENARIO = """
turns = ["plain"]
[answers.plain]
parts = [{ thought = "Prüfen, ob alles ankommt." }, { text = "Ja — jedes Byte, 字 für 字." }]
"""
RECEIVE_SIZE = 64 * 1024


@frozen
class Got:
    """A request as the provider got it, and the body that it gave."""

    headers: RawHeaders
    body: bytes
    given: bytes


@frozen
class Answer:
    """What the client got. `whole`: the body ended as HTTP has it."""

    status: int
    headers: RawHeaders
    body: bytes
    whole: bool


@define
class RecordingProvider:
    """`got` are the requests since it was emptied."""

    got: list[Got] = field(factory=list)
    _simulated: SimulatedProvider = field(factory=lambda: SimulatedProvider(parse_scenario(SCENARIO, "prove")))

    async def serve(self, stream: trio.SocketStream) -> None:
        """One connection."""
        async with stream:
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
                while await self._exchange(stream):
                    pass

    async def _exchange(self, stream: trio.SocketStream) -> bool:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1024 * 1024)
        request, body = await _received(connection, stream)
        if not isinstance(request, h11.Request):
            return False
        named = {name.decode().lower(): value.decode("latin-1") for name, value in request.headers}
        path = request.target.decode().partition("?")[0]
        reply = self._simulated.plan(IncomingRequest(request.method.decode(), path, named, body), trio.current_time())
        chunks = [] if request.method == b"HEAD" else [chunk.data for chunk in reply.chunks]
        self.got.append(Got(request.headers.raw_items(), body, b"".join(chunks)))
        await stream.send_all(connection.send(h11.Response(status_code=reply.status, headers=list(reply.headers))))
        for chunk in chunks:
            third = len(chunk) // 3  # inside of an event, and at times of a character
            for part in (chunk[:third], chunk[third:]):
                await stream.send_all(connection.send(h11.Data(data=part)) or b"")
        await stream.send_all(connection.send(h11.EndOfMessage()) or b"")
        return connection.our_state is h11.DONE


@asynccontextmanager
async def recording_provider() -> AsyncIterator[tuple[str, RecordingProvider]]:
    """One on a free port; gives its URL."""
    recording = RecordingProvider()
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, recording.serve, [listener])
        yield f"http://127.0.0.1:{listener.socket.getsockname()[1]}", recording
        nursery.cancel_scope.cancel()


async def replay(capture: Capture, host: str, port: int) -> Answer:
    """Makes the request on a connection of its own. Raises OSError or h11's errors where it can't be made."""
    own = [(b"Host", f"{host}:{port}".encode())]
    if capture.body or capture.method not in {"GET", "HEAD", "DELETE"}:
        own.append((b"Content-Length", str(len(capture.body)).encode()))
    async with await trio.open_tcp_stream(host, port) as stream:
        connection = h11.Connection(h11.CLIENT)
        head = h11.Request(method=capture.method, target=capture.path, headers=[*own, *capture.headers])
        await stream.send_all((connection.send(head) or b"") + (connection.send(h11.Data(data=capture.body)) or b""))
        connection.send(h11.EndOfMessage())
        response, body = await _received(connection, stream)
        if not isinstance(response, h11.Response):
            raise OSError("no answer came")
        return Answer(
            response.status_code,
            response.headers.raw_items(),
            body,
            connection.their_state in {h11.DONE, h11.MUST_CLOSE},
        )


async def _received(
    connection: h11.Connection, stream: trio.SocketStream
) -> tuple[h11.Request | h11.Response | None, bytes]:
    """A head and its whole body; what came of them where the connection ends."""
    head: h11.Request | h11.Response | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await stream.receive_some(RECEIVE_SIZE))
        elif isinstance(event, h11.Request | h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            return head, bytes(body)
