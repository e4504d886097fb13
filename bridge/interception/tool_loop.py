"""A request with tools of the bridge's own: round after round upstream, until an answer calls none of them
(docs/behaviour.md, Injected tools).

Each round is a walk through the keys of its own, with its own answer and its own reader. Between two rounds no
connection is held, and the calls run one after another. What of it all the client sees is the API's to say
(`bridge.apis.injection`); here is when it is sent, and what becomes of a round that fails: before the first byte it is
answered like any other failure, after it an event of the stream says so.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Protocol

import trio
from attrs import evolve, field

from bridge.apis.injection import (
    LAST_ROUND,
    MOST_ROUNDS,
    NO_OBJECT,
    Answered,
    InjectedCall,
    ToolResult,
    Turn,
    arguments_of,
)
from bridge.apis.protocol import Api, Reader, RequestFacts, Wants
from bridge.apis.provider_errors import ProviderError
from bridge.apis.rounds import Injection, Round
from bridge.apis.sse_events import HeldTooMuch
from bridge.errors import ErrorKind, Refused
from bridge.events.values import ErrorType, Outcome
from bridge.http.exchange import Exchange
from bridge.interception import first_look
from bridge.interception.decoding import Decode, UndecodableError, decoder, identity
from bridge.interception.failover import Served
from bridge.interception.headers import headers_down
from bridge.interception.lifecycle import Ending, Reporter, error_type
from bridge.interception.told_rounds import CANCELLED, ToldRounds
from bridge.limits import LIMITS
from bridge.observe.logs import logger
from bridge.providers.attempt import Response
from bridge.providers.faults import UpstreamBroke, UpstreamError, UpstreamTimeout
from bridge.tools.toolset import Toolset
from bridge.value_classes import define

log = logger("tools")

SILENCE_S = 10.0
"""After so long without a byte the client of a stream gets a keep-alive."""

COMMENT = b": keep-alive\n\n"
OUT_OF_ROUNDS = f"{MOST_ROUNDS} rounds of tools: the last calls were not run"
BROKEN_OFF = "not run: the answer broke off"
INCOMPLETE = "upstream ended the stream before it was complete"
NO_STREAM = "upstream answered a later round with no stream"
TOLD_ARGUMENTS = 1000
"""Characters of arguments that are none, as the model is told them again."""

Use = Callable[[Served], Awaitable[None]]
"""What is done with a response while its attempt lasts."""


class Ask(Protocol):
    """Sends a request upstream: the walk through the keys, within the time that one answer may take.

    Raises Refused and UpstreamError.
    """

    async def __call__(self, body: bytes, use: Use, *, began: float) -> None: ...


@define(eq=False)
class _Arrival:
    """One round's answer as it comes, for who watches whether anybody has fallen silent."""

    _exchange: Exchange
    _reader: Reader
    came_at: float = field(factory=trio.current_time, init=False)
    sending: bool = field(default=False, init=False)

    @property
    def life(self) -> object:
        """What has come beside pings."""
        return self._reader.life or self.came_at

    @property
    def taken(self) -> int:
        """How many bytes the client has taken, counted from anywhere."""
        return self._exchange.taken


@define(eq=False)
class ToolLoop:
    """All rounds of one request. `pass_on` relays a response that is no answer as it is; `note_answer` hears of each
    answer when it is over."""

    _exchange: Exchange
    _api: Api
    _facts: RequestFacts
    _wants: Wants
    _reporter: Reporter
    _injection: Injection
    _toolset: Toolset
    _ask: Ask
    _pass_on: Use
    _note_answer: Callable[[Served, Reader], None]
    _nursery: trio.Nursery
    ending: Ending | None = field(default=None, init=False)
    """What it comes to; None while that is for somebody else to say."""

    _told: ToldRounds = field(init=False)
    _round: Round | None = field(default=None, init=False)
    _arrival: _Arrival = field(init=False)
    _turn: Turn | None = field(default=None, init=False)
    """What the last answer asked for; None where there was none to be understood."""

    _sending: trio.Lock = field(factory=trio.Lock, init=False)
    _sent_at: float = field(default=0.0, init=False)
    _begun: bool = field(default=False, init=False)
    """Something of the answer went to the client."""

    _is_stream: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._told = ToldRounds(self._reporter, self._injection.tools)

    async def run(self) -> None:
        """Asks, runs the calls, and asks again. Raises Refused and UpstreamError as long as the client has nothing."""
        try:
            for number in range(1, MOST_ROUNDS + 1):
                turn = await self._ask_round(number)
                if turn is None or not turn.calls:
                    break
                await self._answer(turn, await self._run_calls(turn))
        finally:
            self._told.calls_not_run(self._why_not_run())

    def _why_not_run(self) -> str:
        if self._turn is None:
            return BROKEN_OFF
        return self._turn.not_run or (CANCELLED if self._turn.calls else BROKEN_OFF)

    @property
    def may_insert(self) -> bool:
        """Whether an event of our own may go to the client just now."""
        return self._is_stream and not self._sending.locked()

    @property
    def events_read(self) -> int:
        """How such an event is to be numbered."""
        return self._round.next_number if self._round is not None else 0

    async def _ask_round(self, number: int) -> Turn | None:
        """One round. Returns what its answer asks for; None where there was none to be understood."""
        began = self._reporter.began if number == 1 else trio.current_time()
        self._turn = None

        async def use(served: Served) -> None:
            await self._take(served, number)

        try:
            await self._ask(self._injection.request, use, began=began)
        except (Refused, UpstreamError) as error:
            if number == 1 or not self._exchange.started:
                raise
            await self._fail(str(error), _kind(error))
        return self._turn

    async def _take(self, served: Served, number: int) -> None:
        """Takes an answer in, and gives the client what it is to see of it."""
        response = served.response
        decode = decoder(response.header(b"content-encoding"), LIMITS.decoded_chunk_bytes)
        if response.status != 200 or decode is None:
            await self._take_no_answer(served)
            return
        if self._is_stream and not response.is_stream:
            raise UpstreamBroke(NO_STREAM)
        request_id = response.header(b"x-request-id") or response.header(b"request-id")
        self._reporter.response_started(200, request_id.decode("latin-1") if request_id else None)
        make_reader = self._api.stream_reader if response.is_stream else self._api.body_reader
        facts = self._facts if number == 1 else evolve(self._facts, prompt=None)
        reader = make_reader(self._exchange.id, facts, self._wants)
        make_round = self._injection.stream if response.is_stream else self._injection.body
        self._round = answer = make_round(last=number == MOST_ROUNDS)
        self._arrival = _Arrival(self._exchange, reader)
        self._reporter.answer_changed = True
        self._reporter.pulse.flows(self._arrival)
        try:
            if response.is_stream:
                await self._start_stream(response)
            await self._relay(response, decode, answer, reader)
        except HeldTooMuch as error:
            raise UpstreamBroke(str(error)) from None
        finally:
            self._reporter.pulse.at_ease()  # tools may take their time
            with contextlib.suppress(HeldTooMuch):
                answer.finish()  # cancelled, a client may have left because it has all
            answer.close()
            self._told.end(reader)
            self._note_answer(served, reader)
            if reader.failure is not None or (reader.complete and not answer.turn.calls):
                self.ending = evolve(_ending(reader, answer.turn), final=True)
        self._turn = answer.turn if reader.failure is None else evolve(answer.turn, calls=())
        if not self._turn.calls:
            await self._end(reader, self._turn, number)

    async def _relay(self, response: Response, decode: Decode, answer: Round, reader: Reader) -> None:
        """The whole answer, as it comes. Raises UpstreamError where it breaks off."""
        while chunk := await response.receive():
            self._arrival.came_at = trio.current_time()
            try:
                plain = decode(chunk)
            except UndecodableError as error:
                raise UpstreamBroke(f"upstream's answer can't be decoded: {error}") from None
            await self._send(answer.feed(plain), response)
            self._told.read(reader, plain)
        rest = answer.finish()
        if not answer.complete:
            await self._send(rest, response)
            raise UpstreamBroke(INCOMPLETE)
        if response.is_stream:
            await self._send(rest, response)
        elif not answer.turn.calls and not self._exchange.started:
            headers = [*_headers(response), (b"content-length", b"%d" % len(rest))]
            await self._exchange.start(response.status, headers, rest)

    async def _start_stream(self, response: Response) -> None:
        """The first answer that is a stream sends the head, and from then on the client is kept waiting."""
        if self._exchange.started:
            return
        self._is_stream = True
        await self._exchange.start(response.status, _headers(response))
        self._sent_at = trio.current_time()
        self._nursery.start_soon(self._keep_alive)

    async def _send(self, data: bytes, response: Response) -> None:
        if not data:
            return
        async with self._sending:
            if not self._exchange.started:  # a body that is too large to be read
                await self._exchange.start(response.status, _headers(response))
            self._begun = self._arrival.sending = True
            await self._exchange.send(data)
            self._arrival.sending = False
        self._sent_at = trio.current_time()

    async def _keep_alive(self) -> None:
        """Sends a comment or a ping whenever the client got nothing for SILENCE_S, until cancelled."""
        while True:
            await trio.sleep_until(self._sent_at + SILENCE_S)
            if trio.current_time() - self._sent_at < SILENCE_S:
                continue
            async with self._sending:
                if self._exchange.finished:
                    return
                await self._exchange.send(self._api.keep_alive if self._begun else COMMENT)
            self._sent_at = trio.current_time()

    async def _end(self, reader: Reader, turn: Turn, number: int) -> None:
        """That was the last answer."""
        if turn.not_run == LAST_ROUND:
            log.warning(OUT_OF_ROUNDS, interception=self._exchange.id)
        failed = reader.failure is not None and number > 1
        async with self._sending:
            if failed and self._injection.end_mark and not reader.complete:
                await self._exchange.send(self._injection.end_mark)
            self.ending = evolve(_ending(reader, turn), final=True)
            await self._exchange.end()

    async def _take_no_answer(self, served: Served) -> None:
        """An error, or what nobody can read: relayed as it is; where a stream has begun, an event says what it says."""
        if not self._exchange.started:
            await self._pass_on(served)
            return
        response, body = await first_look.look_at_error(served.response, trio.current_time() + first_look.HOLD_S)
        self._reporter.response_started(response.status, None)
        status = response.status
        message = ProviderError.from_body(body).message or f"upstream answered {status}"
        await self._fail(message, _kind_of_status(status), f"upstream answered {status}")

    async def _fail(self, message: str, kind: ErrorKind, told: str | None = None) -> None:
        """A later round failed, and the client has the beginning of a stream."""
        failed = Ending(Outcome.FAILED, told or message)
        self.ending = evolve(failed, error_type=error_type(failed, kind.status))
        async with self._sending:
            await self._exchange.send(self._api.stream_error(message, self.events_read, kind))
            if self._injection.end_mark:
                await self._exchange.send(self._injection.end_mark)
                self.ending = evolve(self.ending, final=True)
                await self._exchange.end()

    async def _answer(self, turn: Turn, results: Answered) -> None:
        """Makes the next request; of a large one in a thread, as it was read in one."""
        if len(self._injection.request) <= LIMITS.on_loop_bytes:
            self._injection.answer(turn, results)
        else:
            await trio.to_thread.run_sync(self._injection.answer, turn, results)

    async def _run_calls(self, turn: Turn) -> Answered:
        """Runs the calls one after another, in the answer's order."""
        return [(call, await self._run_call(call)) for call in turn.calls]

    async def _run_call(self, call: InjectedCall) -> ToolResult:
        result: ToolResult | None = None
        try:
            result = await self._result(call)
        finally:
            self._told.called(call, result)
        return result

    async def _result(self, call: InjectedCall) -> ToolResult:
        arguments = arguments_of(call)
        if arguments is None:
            return ToolResult(error=f"{NO_OBJECT}: {call.arguments[:TOLD_ARGUMENTS]}")
        try:
            return await self._toolset.call(call.tool, arguments)
        except Exception:  # a boundary: whatever is wrong with a tool, the request it was called in goes on
            log.exception("a tool could not be called", interception=self._exchange.id, tool=call.tool.id)
            return ToolResult(error="the bridge failed to call it; its log says why")


def _headers(response: Response) -> list[tuple[bytes, bytes]]:
    """Those for the client of an answer that is made anew: without a length and without an encoding."""
    gone = {b"content-length"}
    if decoder(response.header(b"content-encoding")) is not identity:
        gone.add(b"content-encoding")
    return [(name, value) for name, value in headers_down(response.headers) if name.lower() not in gone]


def _ending(reader: Reader, turn: Turn) -> Ending:
    """What an answer that is the last comes to."""
    if reader.failure is not None:
        return Ending(Outcome.FAILED, reader.failure.message, error_type=reader.failure.error_type)
    return Ending(Outcome.COMPLETED, OUT_OF_ROUNDS if turn.not_run == LAST_ROUND else None)


def _kind(error: Refused | UpstreamError) -> ErrorKind:
    if isinstance(error, Refused):
        return error.kind
    return ErrorKind.GATEWAY_TIMEOUT if isinstance(error, UpstreamTimeout) else ErrorKind.BAD_GATEWAY


def _kind_of_status(status: int) -> ErrorKind:
    """The kind of error that a provider's status comes nearest to."""
    if error_type(Ending(Outcome.FAILED), status) is ErrorType.OVERLOADED:
        return ErrorKind.UNAVAILABLE
    return ErrorKind(status) if status in {kind.value for kind in ErrorKind} else ErrorKind.BAD_GATEWAY
