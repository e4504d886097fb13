"""A request with injected tools, round after round, as bytes: what goes upstream, and what of each answer the client
gets to see.

What holds for all APIs is here: answers in one body are held, streams are taken apart, rounds are counted. How an API
writes it all is its `Dialect`, which stands in its folder's `injection`; its streams are in `injected_stream`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import orjson

from bridge.apis.injection import NOTHING, Answered, InjectedTool, Turn
from bridge.apis.raw_json import ObjectText, with_member
from bridge.apis.sse_events import EventSplitter, WholeEvent
from bridge.apis.usage import summed
from bridge.limits import HELD, LIMITS, Share
from bridge.value_classes import define


class Round(Protocol):
    """One answer to a request with injected tools: what of it the client gets to see, and what it asks for.

    Made new for each answer. `feed` and `finish` raise `bridge.apis.sse_events.HeldTooMuch` where more would have to be
    held than there is room for.
    """

    turn: Turn
    """Known when `finish` was called."""

    def feed(self, chunk: bytes) -> bytes:
        """Takes the next bytes from upstream, without an encoding, and returns those for the client."""

    def finish(self) -> bytes:
        """Upstream has ended its answer: the rest for the client. Called again, there is none."""

    def close(self) -> None:
        """Nobody reads this answer any more: gives back what it holds."""

    @property
    def complete(self) -> bool:
        """Whether all has come that an answer needs; an error counts as all."""

    @property
    def next_number(self) -> int:
        """What the next event for the client would be numbered, where the API numbers its events."""


@define(eq=False)
class SoFar:
    """What the rounds that are over leave to those that follow."""

    rounds: int = 0
    texts: tuple[bytes, ...] = ()
    """Of answers in one body, what the client gets with the last one: text, as JSON."""

    usage: Any = None
    """The sum of their usage, in the API's form."""

    def count(self, turn: Turn) -> None:
        """A round is over."""
        self.rounds += 1
        self.texts += turn.shown_later
        self.usage = summed(self.usage, turn.usage)

    def with_usage(self, answer: bytes, usage: Any) -> bytes:
        """An object whose member `usage` is that of the last round, with the sum over all in its place."""
        if self.usage is None:
            return answer
        return with_member(answer, "usage", orjson.dumps(summed(self.usage, usage)))


class StreamedAnswer(Protocol):
    """A stream that may call injected tools, event by event."""

    complete: bool
    """Whether all has come that it needs; an error counts as all."""

    next_number: int
    """What the next event for the client would be numbered, where the API numbers its events."""

    def take(self, event: WholeEvent) -> bytes:
        """What the client sees now that this event has come. Raises `HeldTooMuch`."""

    def turn(self) -> Turn:
        """What it asks for; no further event comes."""


class Dialect(Protocol):
    """How an API writes the rounds of one request."""

    end_mark: bytes
    """What ends a stream of this API cleanly after an error; empty where such a stream is left without an end."""

    def stream(self, so_far: SoFar, held: Share, *, last: bool) -> StreamedAnswer:
        """For an answer that is a stream. What it holds, it takes from `held`."""

    def whole(self, body: bytes, so_far: SoFar, *, last: bool) -> tuple[bytes, Turn]:
        """Of an answer in one body what the client gets, and what it asks for."""

    def go_on(self, request: ObjectText, turn: Turn, results: Answered) -> None:
        """Puts what that turn said, and what its calls came to, into the request."""


class Injection:
    """One request with injected tools, through all its rounds.

    `tools` are those that it was given, by the id that the model knows them by. `unforced` is the `tool_choice` of
    later rounds, where the client's wants a call and one of ours is one.
    """

    def __init__(
        self, request: bytes, tools: Mapping[str, InjectedTool], dialect: Dialect, unforced: bytes | None = None
    ) -> None:
        self.request = request
        """What goes upstream in the round to come."""

        self.tools = tools
        self._dialect = dialect
        self._unforced = unforced
        self._so_far = SoFar()

    @property
    def end_mark(self) -> bytes:
        """What ends a stream of this API cleanly after an error; empty where such a stream is left without an end."""
        return self._dialect.end_mark

    def stream(self, *, last: bool) -> Round:
        """For an answer that is a stream. `last`: its calls are not run any more."""
        return StreamRound(partial(self._dialect.stream, self._so_far, last=last))

    def body(self, *, last: bool) -> Round:
        """For an answer in one body."""
        return BodyRound(partial(self._dialect.whole, so_far=self._so_far, last=last))

    def answer(self, turn: Turn, results: Answered) -> None:
        """The calls of that turn were run: `request` becomes the next."""
        self._so_far.count(turn)
        text = ObjectText(self.request)
        self._dialect.go_on(text, turn, results)
        if self._unforced is not None:
            text.put("tool_choice", self._unforced)
        self.request = text.text()


class StreamRound:
    """An answer that is a stream: its events, one by one, through what `make` makes for it."""

    def __init__(self, make: Callable[[Share], StreamedAnswer]) -> None:
        self.turn = NOTHING
        self._splitter = EventSplitter()
        self._answer = make(self._splitter.held)
        self._is_over = False

    def feed(self, chunk: bytes) -> bytes:
        """Takes the next bytes."""
        return b"".join(map(self._answer.take, self._splitter.feed(chunk)))

    def finish(self) -> bytes:
        """There is no more."""
        if self._is_over:
            return b""
        rest = b"".join(map(self._answer.take, self._splitter.end()))
        self.turn = self._answer.turn()
        self._is_over = True
        return rest

    def close(self) -> None:
        """Gives back what is held."""
        self._splitter.held.close()

    @property
    def complete(self) -> bool:
        """As the API has it."""
        return self._answer.complete

    @property
    def next_number(self) -> int:
        """As the API has it."""
        return self._answer.next_number


class BodyRound:
    """An answer in one body. `understand` says what of it the client gets, and what it asks for.

    One that is too large to be read (`bridge.limits`) goes to the client as it comes.
    """

    next_number = 0
    complete = True
    """A body is what HTTP says it is."""

    def __init__(self, understand: Callable[[bytes], tuple[bytes, Turn]]) -> None:
        self.turn = NOTHING
        self._understand = understand
        self._held = Share(HELD)
        self._body: bytearray | None = bytearray()

    def feed(self, chunk: bytes) -> bytes:
        """Holds it, as long as that is to be had."""
        if self._body is None:
            return chunk
        self._body += chunk
        if len(self._body) <= LIMITS.body_bytes and self._held.grow(len(chunk)):
            return b""
        whole, self._body = bytes(self._body), None
        self._held.close()
        return whole

    def finish(self) -> bytes:
        """The body for the client; none where it asks for calls."""
        if self._body is None:
            return b""
        body, self._body = bytes(self._body), None
        shown, self.turn = self._understand(body)
        return shown

    def close(self) -> None:
        """Gives back what is held."""
        self._held.close()
