"""Hypercorn's HTTP/1.1 engine with its sharp edges taken off: what is refused, and how a request meets the app.

`bridge.http.connection` says why. Private parts of Hypercorn are used, so its version is pinned and checked here.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import Any

import h11
import trio

from bridge.http.fields import RawHeaders, first_value
from bridge.http.grammar import ProtocolFault
from bridge.http.hypercorn_parts import (
    STREAM_ID,
    ASGIHTTPState,
    Body,
    Closed,
    Config,
    EndBody,
    Event,
    H11Protocol,
    H11SendableEvent,
    HTTPStream,
    RawData,
    Request,
    Updated,
    WorkerContext,
    suppress_body,
)
from bridge.http.incoming import RequestStream
from bridge.limits import LIMITS
from bridge.observe.logs import logger

log = logger("http")

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Finish = Callable[[Message | None], Awaitable[None]]
"""The engine's `send`; None says that the app has ended."""

ErrorResponse = Callable[[str, str], tuple[RawHeaders, bytes]]
"""Headers and body for an error that is answered before any app is asked, from what is wrong and the path of the
request, which is empty where none was read. A client may see it in its log: it never repeats what was sent."""

TAKEN = "taken"
"""Where in the scope's `state` an app finds how many bytes its client has taken, to be asked at any time."""

SILENT = frozenset({h11.MUST_CLOSE, h11.CLOSED, h11.ERROR})
"""States of our side in which it says no more on this connection."""
METHODS = (b"allow", b"GET, HEAD, POST")
"""What a 405 says of the methods that some route here takes (RFC 9110, 15.5.6)."""


def engine_config() -> Config:
    """Hypercorn's settings: no logging and no headers of its own."""
    config = Config()
    config.accesslog = None
    config.errorlog = None
    config.include_date_header = False
    config.include_server_header = False
    config.h11_pass_raw_headers = True
    config.h11_max_incomplete_size = LIMITS.head_bytes
    config.keep_alive_max_requests = sys.maxsize
    return config


class Phase(Enum):
    """What a connection is waiting for from its client."""

    HEAD = auto()  # a request, or the rest of its head
    BODY = auto()
    RESPONSE = auto()  # nothing: it is our turn


class Http1(H11Protocol):
    """The engine of one connection. Bytes go in by `handle(RawData)`, what it wants done goes to `handle_event`."""

    def __init__(  # noqa: PLR0913, PLR0917  # what the engine's own constructor takes
        self,
        app: App,
        config: Config,
        context: WorkerContext,
        tasks: RequestTasks,
        client: tuple[str, int],
        server: tuple[str, int],
        handle_event: Callable[[Event], Awaitable[None]],
        error_response: ErrorResponse,
        taken: Callable[[], int],
    ) -> None:
        state: Any = {TAKEN: taken}
        super().__init__(app, config, context, tasks, state, False, client, server, handle_event)  # type: ignore[arg-type]
        self._error_response = error_response
        self._incoming = RequestStream()

    @property
    def phase(self) -> Phase:
        """Whose turn it is."""
        if self.stream is None:
            return Phase.HEAD
        return Phase.BODY if self.connection.their_state is h11.SEND_BODY else Phase.RESPONSE

    @property
    def ahead(self) -> int:
        """How many bytes are here that belong to a later part than the one being handled."""
        return self._incoming.waiting

    async def handle(self, event: Event) -> None:
        """Takes in what happened to the connection."""
        if isinstance(event, RawData):
            self._incoming.feed(event.data)
            await self._handle_events()
        else:
            await super().handle(event)

    async def resume(self) -> None:
        """Goes on with bytes that were read ahead, now that the request before them is answered."""
        await self._handle_events()

    async def time_out(self) -> None:
        """The client took too long: says so, where a request has begun and nothing was answered yet."""
        if self.phase is not Phase.HEAD or self.ahead:
            await self._refuse(408, "the request did not arrive in time")

    def break_off(self) -> None:
        """Nothing more can be sent."""
        if isinstance(self.connection, h11.Connection):  # as it always is: no WebSocket takes its place here
            self.connection.send_failed()

    async def begin_answer(self, status: int, headers: RawHeaders, first: bytes) -> None:
        """Sends the head of an answer, and with it the first bytes of its body, if there are any."""
        head = h11.Response(status_code=status, headers=headers)
        await (self._send_h11_event(head, h11.Data(data=first)) if first else self._send_h11_event(head))

    async def send_chunk(self, data: bytes) -> None:
        """Sends a chunk of a chunked body. h11 would frame it the same, and keeps no count of it."""
        if data and self.connection.our_state is h11.SEND_BODY:  # a chunk of nothing would be the last
            await self.send(RawData(b"%x\r\n%b\r\n" % (len(data), data)))

    async def _send_h11_event(self, *events: H11SendableEvent) -> None:
        if self.connection.our_state is h11.ERROR:
            return
        try:
            data = b"".join([self.connection.send(event) or b"" for event in events])
        except h11.LocalProtocolError:
            if self.connection.their_state is not h11.ERROR:
                raise
        else:
            if data:  # the end of a body of known length is nothing on the wire
                await self.send(RawData(data=data))

    async def _handle_events(self) -> None:
        while self.connection.our_state not in SILENT:
            if self.connection.they_are_waiting_for_100_continue:
                await self._send_h11_event(h11.InformationalResponse(status_code=100, headers=[]))
            try:
                event = self._next_event()
            except ProtocolFault as fault:
                await self._refuse(fault.status, fault.reason)
                return
            if isinstance(event, h11.Request):
                await self.send(Updated(idle=False))
                await self._create_stream(event)
            elif self.stream is None or not isinstance(event, h11.Data | h11.EndOfMessage):
                return  # more is needed, or the next request waits for its turn, or the client has finished
            elif isinstance(event, h11.Data):
                await self.stream.handle(Body(stream_id=STREAM_ID, data=event.data))
            else:
                await self.stream.handle(EndBody(stream_id=STREAM_ID))

    def _next_event(self) -> object:
        """The next event of the request under way, or of the next one when its turn has come."""
        if self.connection.their_state is h11.IDLE and self._incoming.ended:
            self._incoming.begin()
        try:
            while (event := self.connection.next_event()) is h11.NEED_DATA and (data := self._incoming.take()):
                self.connection.receive_data(data)
        except h11.RemoteProtocolError as error:  # its own words quote what came
            raise ProtocolFault(error.error_status_hint) from None
        return event

    async def _create_stream(self, request: h11.Request) -> None:
        # An Upgrade is an offer that may be ignored (RFC 9110, 7.8): every request is plain HTTP here.
        self.stream = AnswerStream(
            self,
            self.app,
            self.config,
            self.context,
            self.task_group,
            self.ssl,
            self.client,
            self.server,
            self.stream_send,
            STREAM_ID,
        )
        await self.stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=request.headers.raw_items(),
                http_version=request.http_version.decode("ascii"),
                method=request.method.decode("ascii"),  # in its case (RFC 9110, 9.1)
                raw_path=request.target,
                state=self.connection_state,
            )
        )

    async def _refuse(self, status: int, reason: str) -> None:
        """Answers an error unless an answer has begun, and closes."""
        if self.connection.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            self.connection.send_failed()  # first: what the app still says goes nowhere
            headers, body = self._error_response(reason, self._incoming.path)
            if status == 405:
                headers = [*headers, METHODS]
            # Not by h11, which has not seen this request: it would not know of a HEAD.
            head = _closing_head(status, headers, len(body))
            await self.send(RawData(head if self._incoming.has_no_answer_body else head + body))
        await self.send(Closed())


class AnswerStream(HTTPStream):
    """The engine's half of a request, which sends a head together with the bytes that are there with it.

    That is one system call and one turn of the scheduler less: 60 of the 1500 microseconds of a request.
    """

    def __init__(self, protocol: Http1, *words: Any) -> None:
        super().__init__(*words)
        self._protocol = protocol
        self._chunked = False

    async def app_send(self, message: Any) -> None:
        """Takes what the app says; None says that it has ended."""
        if message is None:
            await super().app_send(None)
        elif self._chunked and message["type"] == "http.response.body" and message["more_body"]:
            await self._protocol.send_chunk(message["body"])
        elif message["type"] == "http.response.start" and self.state is ASGIHTTPState.REQUEST:
            await self._begin(message)
        else:
            await super().app_send(message)

    async def _begin(self, message: Message) -> None:
        status, headers = message["status"], message["headers"]
        self.response = message  # type: ignore[assignment]  # a head, as above
        bodiless = suppress_body(self.scope["method"], status)
        await self._protocol.begin_answer(status, headers, b"" if bodiless else message.get("first", b""))
        self.state = ASGIHTTPState.RESPONSE
        measured = first_value(headers, b"content-length") is not None
        self._chunked = not (bodiless or measured) and self.scope["http_version"] == "1.1"


def _closing_head(status: int, headers: RawHeaders, length: int) -> bytes:
    """The head of an answer after which the connection is closed."""
    fields = [*headers, (b"content-length", str(length).encode()), (b"connection", b"close")]
    return b"HTTP/1.1 %d \r\n%b\r\n" % (status, b"".join(b"%b: %b\r\n" % field for field in fields))


class RequestTasks:
    """Runs the app for each request, in the connection's nursery."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery

    async def spawn_app(self, app: App, config: Config, scope: Scope, send: Finish) -> Send:
        """Starts the app on one request. Returns where the engine puts the request's events."""
        inbox = Inbox(config.max_app_queue_size)
        self._nursery.start_soon(_run_app, app, scope, inbox, send)
        return inbox.put


class Inbox:
    """What the engine tells an app: body parts, which wait while the app is slow, and a disconnect, at once."""

    def __init__(self, size: int) -> None:
        self._put, self._take = trio.open_memory_channel[Message](size)

    async def put(self, message: Message) -> None:
        """Queues a message; one that nobody will read is dropped."""
        if message["type"] == "http.disconnect":
            self._put.close()
            return
        with contextlib.suppress(trio.ClosedResourceError, trio.BrokenResourceError):
            await self._put.send(message)

    async def take(self) -> Message:
        """The next message; after a disconnect, `http.disconnect` for ever."""
        try:
            return await self._take.receive()
        except trio.EndOfChannel:
            return {"type": "http.disconnect"}

    def close(self) -> None:
        """Nobody will read any more."""
        self._take.close()


async def _run_app(app: App, scope: Scope, inbox: Inbox, send: Finish) -> None:
    try:
        await app(scope, inbox.take, send)
    except* Exception:  # a boundary: the engine then answers 500, or ends the answer as incomplete
        log.exception("a request failed inside the bridge")
    finally:
        inbox.close()
        await send(None)
