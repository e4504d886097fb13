"""The reader that every API uses, for streams and for bodies. What an API adds is how it spells a response.

These are the boundary between upstream's bytes and the code that understands them: whatever an `Accumulator` trips over
is contained here, counted and logged, and the relay never learns of it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any, Protocol

from bridge.apis.json_text import loads_object
from bridge.apis.protocol import StreamFailure
from bridge.apis.sse import SseEvent, SseParser
from bridge.apis.transcript import Transcript
from bridge.apis.usage import Usage
from bridge.events.vocabulary import Event
from bridge.limits import LIMITS, Share

_LEADING_TYPE = re.compile(rb'\s*\{\s*"type"\s*:\s*"([^"\\]*)"')  # the providers put `type` first

_PINGS = frozenset({b"ping", b"keepalive"})
"""Events that say no more than that the connection is there: Anthropic's, and one that OpenAI's servers send."""
_UNNAMED_PING = re.compile(rb'\{\s*"type"\s*:\s*"(?:ping|keepalive)"')

_log = logging.getLogger(__name__)


class Accumulator(Protocol):
    """Puts one response together, as one API spells it, and tells its transcript what it understands."""

    transcript: Transcript
    complete: bool
    failure: StreamFailure | None
    token_seen: bool
    unreadable: int  # events or bodies that were not what the API says they are

    @property
    def answered(self) -> bool:
        """Whether all has come that an answer needs, with or without the API's end mark."""

    def event(self, name: bytes, data: bytes) -> None:
        """The next event of a stream."""

    def body(self, value: dict[str, Any]) -> None:
        """The answer as one JSON object, instead of a stream."""

    def end(self) -> None:
        """No more will come."""


class Framing(Protocol):
    """Takes an answer's bytes apart into what the accumulator reads: an `SseParser`, or a `BodyFraming`."""

    dropped: int
    events: int

    @property
    def between_events(self) -> bool:
        """Whether an SSE event may be put in after the bytes so far."""

    @property
    def coming(self) -> int | None:
        """Bytes that are here of what is still coming: 0 where they say nothing (comments, white space), None where it
        is too large to be held."""

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """Takes the next bytes; returns what became whole."""

    def end(self) -> list[SseEvent]:
        """There is no more: what is left."""


class BodyFraming:
    """The framing of an answer in one JSON body: nothing is whole before the end."""

    events = 0
    between_events = False

    def __init__(self, held: Share) -> None:
        self.dropped = 0
        self._held = held
        self._body: bytearray | None = bytearray()  # None once it is too large or was read

    @property
    def coming(self) -> int | None:
        """How much of the body is here, if that is more than white space."""
        body = self._body
        if body is None:
            return None
        return 0 if body.isspace() else len(body)

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """Takes the next bytes."""
        if self._body is not None:
            self._body += chunk
            if len(self._body) > LIMITS.body_bytes or not self._held.grow(len(chunk)):
                self._body = None
                self.dropped += 1
        return []

    def end(self) -> list[SseEvent]:
        """The body, if there is any."""
        body, self._body = self._body, None
        return [(b"", bytes(body))] if body else []


def stream_reader(accumulator: Accumulator) -> AnswerReader:
    """A `Reader` of a `text/event-stream`."""
    return AnswerReader(accumulator, SseParser(held=accumulator.transcript.held), accumulator.event, ragged=True)


def body_reader(accumulator: Accumulator) -> AnswerReader:
    """A `Reader` of an answer in one JSON body."""

    def read(_name: bytes, body: bytes) -> None:
        value = loads_object(body)
        if value is None:
            accumulator.unreadable += 1
        else:
            accumulator.body(value)

    return AnswerReader(accumulator, BodyFraming(accumulator.transcript.held), read)


class AnswerReader:
    """The `Reader` of every API: bytes become events by the framing, and `read` gives each to the accumulator.

    `ragged` says that what is left at the end is mostly an event that broke off, which is nobody's fault.
    """

    def __init__(
        self,
        accumulator: Accumulator,
        framing: Framing,
        read: Callable[[bytes, bytes], None],
        *,
        ragged: bool = False,
    ) -> None:
        self._accumulator = accumulator
        self._framing = framing
        self._read_event = read
        self._ragged = ragged
        self._contained = 0
        self._pings = 0
        self._ended = False

    def feed(self, chunk: bytes) -> list[Event]:
        """Takes the next bytes, split anywhere."""
        self._read(self._framing.feed(chunk))
        return self._accumulator.transcript.take()

    def finish(self) -> list[Event]:
        """There is no more: what was read by now is told."""
        if not self._ended:
            self._ended = True
            last = self._framing.end()
            self._read([event for event in last if _is_whole(event[1])] if self._ragged else last)
            self._contained += _contained_end(self._accumulator)
            self._accumulator.transcript.held.close()
        return self._accumulator.transcript.take()

    @property
    def dropped(self) -> int:
        """Events, or the body, too large to hold or not understood."""
        return self._framing.dropped + self._accumulator.unreadable + self._contained

    @property
    def events_read(self) -> int:
        """Events so far."""
        return self._framing.events

    @property
    def life(self) -> object:
        """What has come beside pings and comments; None while something comes that can't be held."""
        coming = self._framing.coming
        return None if coming is None else (self._framing.events - self._pings, coming)

    @property
    def between_events(self) -> bool:
        """Whether another event may be put in here."""
        return self._framing.between_events

    @property
    def token_seen(self) -> bool:
        """Whether anything generated has come."""
        return self._accumulator.token_seen

    @property
    def complete(self) -> bool:
        """Whether the API's own end of an answer has come."""
        return self._accumulator.complete

    @property
    def answered(self) -> bool:
        """Whether all has come that an answer needs."""
        return self._accumulator.answered

    @property
    def response_id(self) -> str | None:
        """The provider's name for the answer."""
        return self._accumulator.transcript.response_id

    @property
    def failure(self) -> StreamFailure | None:
        """The error in the answer, if any."""
        return self._accumulator.failure

    @property
    def usage(self) -> tuple[Usage, ...]:
        """What the answer used, as `tokens.used` told it."""
        return self._accumulator.transcript.usage

    def _read(self, events: list[SseEvent]) -> None:
        for name, data in events:
            if name in _PINGS or (not name and _UNNAMED_PING.match(data)):
                self._pings += 1
            try:
                self._read_event(name, data)
            except Exception:  # noqa: BLE001 - the boundary: a fault in reading must not reach the relay
                self._contained += 1
                _log_fault(self._contained)


def _is_whole(data: bytes) -> bool:
    return data == b"[DONE]" or loads_object(data) is not None


def _contained_end(accumulator: Accumulator) -> int:
    """Ends the accumulation; 1 where that failed."""
    try:
        accumulator.end()
    except Exception:  # noqa: BLE001 - the boundary, as for events
        _log_fault(1)
        return 1
    return 0


def _log_fault(count: int) -> None:
    """Logs the exception being handled, once for each reader: a fault that repeats with every event says no more."""
    if count == 1:
        _log.exception("an answer could not be read; it is relayed all the same")


def event_type(name: bytes, data: bytes) -> bytes:
    """The event's SSE name; the data's `type` where the stream names no events. Empty where neither says."""
    if name and name != b"message":
        return name
    leading = _LEADING_TYPE.match(data)
    if leading:
        return leading[1]
    value = loads_object(data)
    named = value.get("type") if value else None
    return named.encode() if isinstance(named, str) else b""
