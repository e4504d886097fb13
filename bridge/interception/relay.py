"""Bytes from upstream to the client, untouched and as they come, with a copy to the reader.

Nothing waits for a whole event: what one read brought goes on in one send, and the next read begins when the client has
taken it. The reader looks at a chunk after it was sent. While upstream is silent, a comment or ping keeps the client
from giving up, put only where one event has ended and the next has not begun.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from bridge.apis.protocol import ClientFilter, Reader
from bridge.events.values import ErrorType, Outcome
from bridge.events.vocabulary import Event
from bridge.http.exchange import Exchange
from bridge.http.fields import first_value
from bridge.interception.decoding import UndecodableError, decoder, identity
from bridge.interception.headers import headers_down
from bridge.interception.lifecycle import Ending, Reporter
from bridge.limits import LIMITS
from bridge.observe.logs import logger
from bridge.providers.attempt import Response
from bridge.providers.faults import UpstreamError

log = logger("relay")

SILENCE_S = 10.0
"""After so long without a byte the client gets a keep-alive."""


class Relay:
    """One response on its way to the client."""

    def __init__(
        self,
        exchange: Exchange,
        response: Response,
        reader: Reader,
        reporter: Reporter,
        client_filter: ClientFilter | None = None,
    ) -> None:
        self._exchange = exchange
        self._response = response
        self._reader = reader
        self._reporter = reporter
        self._filter = client_filter
        self._decode = decoder(response.header(b"content-encoding"), LIMITS.decoded_chunk_bytes)
        """What makes an answer legible; None once it is not read, or not any more."""
        self._sent_at = trio.current_time()
        self.came_at = self._sent_at
        """When the last bytes came from upstream, or the head."""
        self._length_known = False
        """The client was told how many bytes will come."""
        self._at_rest = False
        """Between two chunks: all that came was sent and read."""

    async def run(self) -> None:
        """Relays the whole response. Raises UpstreamError where it breaks off; the reader then has what came."""
        headers = headers_down(self._response.headers)
        if self._filter is not None:
            headers = [(name, value) for name, value in headers if name.lower() != b"content-length"]
        self._length_known = first_value(headers, b"content-length") is not None
        if self._decode is None:
            self._leave_unread("its encoding is not undone here")
        first = self._response.take() if self._filter is None else b""
        if first:
            self._exchange.response_passage.came(first)
        await self._exchange.start(self._response.status, headers, first)
        if first:
            self._read(first)
        self._sent_at = trio.current_time()
        try:
            while chunk := await self._next():
                await self._pass_on(chunk if self._filter is None else self._filter.feed(chunk))
                self._read(chunk)
                self._sent_at = trio.current_time()
        except UpstreamError:
            await self._pass_on_rest()
            raise
        await self._pass_on_rest()
        self._read(b"")
        await self._exchange.end()

    async def _next(self) -> bytes:
        self._at_rest = True
        chunk = await self._response.receive()
        self._at_rest = False
        self.came_at = trio.current_time()
        if chunk:
            self._exchange.response_passage.came(chunk)
        return chunk

    async def _pass_on(self, chunk: bytes) -> None:
        if chunk:
            await self._exchange.send(chunk)

    async def _pass_on_rest(self) -> None:
        if self._filter is not None:
            await self._pass_on(self._filter.finish())

    async def keep_alive(self, comment: bytes) -> None:
        """Sends `comment` whenever upstream has been silent for SILENCE_S between two events, until cancelled."""
        while True:
            await trio.sleep_until(self._sent_at + SILENCE_S)
            silent = trio.current_time() - self._sent_at >= SILENCE_S
            if silent and self.may_insert:
                await self._exchange.insert(comment)
            if silent:
                self._sent_at = trio.current_time()

    @property
    def sending(self) -> bool:
        """Whether the client has yet to take what came last."""
        return not self._at_rest

    @property
    def taken(self) -> int:
        """How many bytes the client has taken, counted from anywhere."""
        return self._exchange.taken

    @property
    def life(self) -> object:
        """What has come beside pings; every byte where nobody can tell."""
        return self.came_at if self._decode is None else self._reader.life or self.came_at

    @property
    def events_read(self) -> int:
        """How many events have gone by."""
        return self._reader.events_read

    @property
    def may_insert(self) -> bool:
        """Whether bytes of our own may go to the client just now."""
        readable = self._decode is identity  # else nobody knows where events end, or ours would be read as encoded
        begun = self._exchange.first_byte_at is not None
        return readable and begun and self._at_rest and not self._length_known and self._reader.between_events

    def ending(self) -> Ending:
        """What the response came to, as far as it was read."""
        if self._response.status >= 400:
            return Ending(Outcome.FAILED, f"upstream answered {self._response.status}")
        if self._reader.failure is not None:
            failure = self._reader.failure
            return Ending(Outcome.FAILED, failure.message, error_type=failure.error_type)
        unread = self._decode is None or self._reader.dropped  # then all that is known is how HTTP ended
        if self._response.is_stream and not self._reader.answered and not unread:
            broken = "upstream ended the stream before it was complete"
            return Ending(Outcome.FAILED, broken, error_type=ErrorType.SERVER_ERROR)
        return Ending(Outcome.COMPLETED)

    def finish(self) -> None:
        """There is no more, for whatever reason: what was read is told. Never raises."""
        self._take(self._reader.finish)

    def _read(self, chunk: bytes) -> None:
        if self._decode is None:
            return
        try:
            plain = self._decode(chunk)
        except UndecodableError as error:
            self._leave_unread(str(error))
        else:
            if plain:
                self._take(lambda: self._reader.feed(plain))

    def _leave_unread(self, why: str) -> None:
        self._decode = None
        if not self._reader.complete:  # else all that matters was read, or nobody wants to
            log.warning("an answer is relayed and not read", because=why, interception=self._reporter.id)

    def _take(self, step: Callable[[], list[Event]]) -> None:
        try:
            events = step()
            self._reporter.read(events, self._reader.usage, token_seen=self._reader.token_seen)
        except Exception:  # a boundary: reading is for the owner's eyes and must never harm the relay
            log.exception("an answer could not be read", interception=self._reporter.id)
            self._decode = None
