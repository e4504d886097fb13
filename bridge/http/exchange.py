"""One HTTP request and its response, as the app sees them: ASGI messages turned into something with a shape."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

import trio

from bridge.errors import ErrorKind, Refused
from bridge.http.engine import TAKEN, Receive, Scope, Send
from bridge.http.fields import RawHeaders
from bridge.http.passage import Passage

JSON = b"application/json"
INTERCEPTION_HEADER = b"X-Clearspan-Interception"


def new_id() -> str:
    """A name for an interception that no other has."""
    return str(uuid.uuid4())


class ClientGone(Exception):
    """The client left before its request was complete."""


class BodyTooLarge(Refused):
    """The request's body is larger than allowed; `limit` is in bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(ErrorKind.TOO_LARGE, f"the request body is larger than server.max_request_bytes ({limit})")


class RequestBody:
    """A request body as it comes, in parts that are not empty.

    Raises BodyTooLarge as soon as it is known to exceed `limit`, or ClientGone. No generator, since whoever sends it on
    may be cancelled and leave it where it is.
    """

    def __init__(self, receive: Receive, limit: int, read: trio.Event, passage: Passage) -> None:
        self._receive = receive
        self._limit = limit
        self._read = read
        self._passage = passage
        self._begun = b""

    def __aiter__(self) -> RequestBody:
        return self

    async def __anext__(self) -> bytes:
        part, self._begun = self._begun, b""
        while not part:
            if self._read.is_set():
                raise StopAsyncIteration
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            part = message["body"]
            if part:
                self._passage.came(part)
            if self._passage.bytes_in > self._limit:
                raise BodyTooLarge(self._limit)
            if not message["more_body"]:
                self._read.set()
        return part

    async def replayable(self, limit: int) -> bytes | RequestBody:
        """All of it where that is at most `limit` bytes; else itself, to be read from the beginning."""
        begun: list[bytes] = []
        async for part in self:
            begun.append(part)
            if self._passage.bytes_in > limit:
                self._begun = b"".join(begun)
                return self
        return self._whole(begun)

    async def whole(self) -> bytes:
        """All of it."""
        return self._whole([part async for part in self])

    def _whole(self, parts: list[bytes]) -> bytes:
        body = b"".join(parts)
        self._passage.came_whole(body)
        return body


class Exchange:
    """A request, with its response under way.

    `id` names it in events, logs and the `X-Clearspan-Interception` header; `first_byte_at` is Trio's time at which
    the first byte of a response went out.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.id = new_id()
        self.method: str = scope["method"]
        self.path: str = scope["raw_path"].decode("ascii")
        self.query: bytes = scope["query_string"]
        self.headers: RawHeaders = scope["headers"]
        self._first = {name.lower(): value for name, value in reversed(self.headers)}
        self._receive = receive
        self._send = send
        self._body_read = trio.Event()
        self.started = False
        self.finished = False
        self.status: int | None = None
        self.bytes_out = 0
        self.request_passage = Passage()
        """Of the request's body on its way upstream."""
        self.response_passage = Passage()
        """Of the response's body on its way to the client, without what the bridge says by itself."""
        self._taken: Callable[[], int] = scope.get("state", {}).get(TAKEN, int)
        self.first_byte_at: float | None = None

    def header(self, name: bytes) -> str | None:
        """The first value of that name (given in lower case)."""
        value = self._first.get(name)
        return None if value is None else value.decode("latin-1")

    async def body(self, limit: int) -> bytes:
        """The whole request body. Raises BodyTooLarge as soon as it is known to exceed `limit`, or ClientGone."""
        return await self.body_parts(limit).whole()

    def body_parts(self, limit: int) -> RequestBody:
        """The request body as it comes, to be read once. Raises BodyTooLarge where its length says so."""
        length = self.header(b"content-length")
        if length is not None and length.isdecimal() and int(length) > limit:
            raise BodyTooLarge(limit)
        return RequestBody(self._receive, limit, self._body_read, self.request_passage)

    @property
    def taken(self) -> int:
        """How many bytes the client has taken, counted from anywhere: it stands still with a client that does."""
        return self._taken()

    async def disconnected(self) -> None:
        """Returns when the client leaves after its whole body was read. Also returns after the response's end."""
        if not self._body_read.is_set():  # to wait for what is there already would be a turn of the scheduler
            await self._body_read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def start(self, status: int, headers: Sequence[tuple[bytes, bytes]], first: bytes = b"") -> None:
        """Sends the response's head, together with the first bytes of the body if they are here."""
        if first:
            self.response_passage.went(first)
        await self._start(status, headers, first)

    async def _start(self, status: int, headers: Sequence[tuple[bytes, bytes]], first: bytes) -> None:
        self.started, self.status = True, status
        if first:
            self._note(first)
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [*headers, (INTERCEPTION_HEADER, self.id.encode())],
                "first": first,
            }
        )

    async def send(self, chunk: bytes) -> None:
        """Sends a part of the body; waits while the client is slow."""
        self.response_passage.went(chunk)
        await self.insert(chunk)

    async def insert(self, chunk: bytes) -> None:
        """Sends a part of the body that is the bridge's own."""
        self._note(chunk)
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    def _note(self, chunk: bytes) -> None:
        if self.first_byte_at is None:
            self.first_byte_at = trio.current_time()
        self.bytes_out += len(chunk)

    async def end(self) -> None:
        """Ends the body. A response that is never ended reaches the client as incomplete."""
        self.finished = True  # first: the engine says "disconnect" after a successful last send, too
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def respond(
        self, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]] = (), content_type: bytes = JSON
    ) -> None:
        """Sends a whole response at once."""
        described = [(b"content-type", content_type), (b"content-length", str(len(body)).encode()), *headers]
        await self._start(status, described, body)
        await self.end()
