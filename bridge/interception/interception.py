"""The story of one intercepted request, top to bottom.

One nursery holds all that happens for it: a watcher that cancels everything when the client leaves, the walk through
the keys, the relay of the answer with its keep-alive, and a reader on a copy. However it ends, it says so once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from math import inf

import trio
from attrs import frozen

from bridge.access import Caller
from bridge.apis.passthrough import PASSTHROUGH
from bridge.apis.protocol import Api, ClientFilter, ErrorKind, Reader, RequestFacts, UnreadableRequest
from bridge.errors import ClearspanError
from bridge.events.hub import Hub
from bridge.events.vocabulary import InterceptionStarted, TokensUsed
from bridge.http.exchange import BodyTooLarge, ClientGone, Exchange
from bridge.http.fields import RawHeaders
from bridge.interception.agent import recognise
from bridge.interception.decoding import GrownTooLarge, UndecodableError, decoder, identity
from bridge.interception.failover import Failover, NoKeyLeft
from bridge.interception.headers import actor_headers, headers_upstream
from bridge.interception.lifecycle import Progress
from bridge.interception.relay import Relay
from bridge.observe.logs import logger
from bridge.providers.circuit_breaker import CircuitOpen, Permit
from bridge.providers.connections import Answer, Call, UpstreamBusy, UpstreamError, UpstreamTimeout
from bridge.providers.prices import Prices
from bridge.providers.provider import Provider

log = logger("interception")

FAREWELL_S = 1.0
"""How long a client whose request is cancelled may take to accept the reason."""

REPLAYABLE = 1024 * 1024
"""A passed-through body up to this many bytes can be sent with another key; a larger one goes by as it comes."""

TOO_LARGE = "the request body is larger than server.max_request_bytes"
CLIENT_LEFT = "the client left"
STOPPING = "the bridge is stopping"


class Refused(ClearspanError):
    """A request that the bridge answers by itself, with nothing sent upstream."""

    def __init__(self, kind: ErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@frozen
class Route:
    """Where a request goes: the provider, its API, and the target below the provider's base URL."""

    provider: Provider
    api: Api
    target: bytes


@frozen
class Services:
    """What every interception uses."""

    hub: Hub
    prices: Prices
    max_request_bytes: int


class Interception:
    """One request, from the moment its head is here."""

    def __init__(self, exchange: Exchange, route: Route, caller: Caller, services: Services) -> None:
        self._exchange = exchange
        self._provider = route.provider
        self._api = route.api
        self._target = route.target
        self._caller = caller
        self._services = services
        self._facts = RequestFacts()
        self._relay: Relay | None = None
        self._filter: ClientFilter | None = None
        self.progress = Progress(exchange, services.hub)

    async def run(self) -> None:
        """Serves the request to its end. Whatever goes wrong is answered in the shape of the client's API."""
        try:
            await self._run()
        except* trio.Cancelled:  # from outside; a nursery's comes in a group
            self.progress.cancel(STOPPING)
            await self._take_leave(STOPPING)
            raise
        finally:
            self.progress.end()

    async def _run(self) -> None:
        try:
            with self.progress.scope:
                body = await self._understand()
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._watch)
                    await self._serve(body, nursery)
                    nursery.cancel_scope.cancel()
            if self.progress.cancelled is not None:
                await self._take_leave(self.progress.cancelled)
        except Refused as refused:
            await self._refuse(refused.kind, str(refused))
        except ClientGone:
            self.progress.cancel(CLIENT_LEFT)  # before there was anything to cancel: this names the reason
        except Exception:  # a boundary: a bug costs its own request alone, and says nothing of what it saw
            log.exception("a request failed inside the bridge", interception=self.progress.id)
            if not self._exchange.started:
                await self._answer(ErrorKind.INTERNAL, "the bridge failed; its log says why")

    async def _understand(self) -> bytes | AsyncIterator[bytes]:
        """Reads the request, and says what it is before anything else happens to it. Returns what goes upstream."""
        body: bytes | AsyncIterator[bytes]
        limit = self._services.max_request_bytes
        try:
            if self._api.name == PASSTHROUGH:
                body = await self._exchange.body_parts(limit).replayable(REPLAYABLE)
            else:
                body = await self._exchange.body(limit)
                self._facts = self._read(body)
                self.progress.price = self._price
        except BodyTooLarge:
            raise Refused(ErrorKind.TOO_LARGE, f"{TOO_LARGE} ({limit})") from None
        except UnreadableRequest as error:
            raise Refused(ErrorKind.INVALID_REQUEST, str(error)) from None
        finally:
            self.progress.start(self._started())
        if self._facts.background:
            advice = "leave out 'background', or ask the provider without the bridge"
            raise Refused(ErrorKind.NOT_IMPLEMENTED, f"background responses are not relayed; {advice}")
        if isinstance(body, bytes):
            body, self._filter = self._api.adapt(body)
        return body

    def _read(self, body: bytes) -> RequestFacts:
        """What a request says; nothing is known of one in an encoding that can't be undone here, which may be fine."""
        encoding = self._exchange.header(b"content-encoding")
        decode = decoder(encoding.encode("latin-1") if encoding else None)
        try:
            return RequestFacts() if decode is None else self._api.read_request(decode(body))
        except GrownTooLarge:
            return RequestFacts()
        except UndecodableError:
            raise UnreadableRequest("the body is not in the encoding that its Content-Encoding names") from None

    def _price(self, used: TokensUsed) -> float | None:
        return self._services.prices.cost(self._provider.settings.type, self._facts.model, used)

    def _started(self) -> InterceptionStarted:
        who = recognise(self._exchange, self._facts.session_hint)
        return InterceptionStarted(
            id=self._exchange.id,
            provider=self._provider.name,
            api=self._api.name,
            method=self._exchange.method,
            path=self._exchange.path,
            credential=self._caller.credential,
            model=self._facts.model,
            streaming=self._facts.streaming,
            client=who.client,
            user_agent=who.user_agent,
            session_id=who.session_id,
            agent_id=who.agent_id,
            parent_agent_id=who.parent_agent_id,
            request_class=who.request_class,
            agent_type=who.agent_type,
            previous_tool_ms=who.previous_tool_ms,
            initiator=self._caller.initiator,
            correlating_tool_call_id=self._facts.correlating_tool_call_id,
        )

    async def _watch(self) -> None:
        await self._exchange.disconnected()
        self.progress.cancel(CLIENT_LEFT)

    async def _serve(self, body: bytes | AsyncIterator[bytes], nursery: trio.Nursery) -> None:
        settings = self._provider.settings
        longest = inf if self._facts.streaming else settings.request_timeout
        call = Call(
            method=self._exchange.method,
            target=self._target,
            headers=self._headers_upstream(streamed=not isinstance(body, bytes)),
            body=body,
            head_timeout=min(longest, settings.idle_timeout) if self._facts.streaming else longest,
            idle_timeout=settings.idle_timeout,
        )
        try:
            with self._admit() as permit, trio.move_on_after(longest) as limit:
                failover = Failover(self._provider, self._api, call, self._caller, self.progress, permit)
                async with failover.answer() as answer:
                    if answer.is_stream:
                        limit.deadline = inf  # it has no total limit, whatever the request looked like
                    await self._pass_on(answer, nursery)
            if limit.cancelled_caught:
                if not self._exchange.started:
                    permit.note(None)
                    self.progress.attempt_timed_out()
                raise UpstreamTimeout(f"no whole answer within request_timeout ({longest:g} s)")
        except NoKeyLeft as error:
            wait = [] if error.retry_after is None else [(b"retry-after", str(error.retry_after).encode())]
            await self._refuse(error.kind, str(error), wait)
        except CircuitOpen as error:
            await self._refuse(ErrorKind.UNAVAILABLE, str(error), [(b"retry-after", str(error.retry_after).encode())])
        except UpstreamError as error:
            await self._break_off(error)
        except ClientGone:
            self.progress.cancel(CLIENT_LEFT)
        except BodyTooLarge:
            await self._refuse(ErrorKind.TOO_LARGE, TOO_LARGE)

    def _admit(self) -> Permit:
        if self._api.name == PASSTHROUGH:
            return Permit()
        return self._provider.circuits.admit(
            self._exchange.path.removeprefix(f"/{self._provider.name}"), self._facts.model
        )

    def _headers_upstream(self, *, streamed: bool) -> RawHeaders:
        settings = self._provider.settings
        added = list(settings.extra_headers.items())
        if settings.send_actor_headers and self._caller.initiator is not None:
            added += actor_headers(self._caller.initiator)
        headers = headers_upstream(self._exchange.headers, added)
        length = self._exchange.header(b"content-length")
        if streamed and length is not None:
            headers.append((b"Content-Length", length.encode("latin-1")))
        return headers

    async def _pass_on(self, answer: Answer, nursery: trio.Nursery) -> None:
        """Relays the answer, whatever it says, and tells what it was."""
        request_id = answer.header(b"x-request-id") or answer.header(b"request-id")
        self.progress.response(answer.status, request_id.decode("latin-1") if request_id else None)
        make_reader = self._api.stream_reader if answer.is_stream else self._api.body_reader
        reader = make_reader(self._exchange.id, self._facts, self._services.hub.wants)
        self._relay = relay = Relay(self._exchange, answer, reader, self.progress, self._filter_for(answer))
        if answer.is_stream and self._api.keep_alive:
            nursery.start_soon(relay.keep_alive, self._api.keep_alive)
        try:
            await relay.run()
        finally:
            relay.finish()
            self.progress.stream_failure = reader.failure
            if self._api.name != PASSTHROUGH and (reader.complete or reader.failure is not None):
                self.progress.concluded = True
                self._judge(answer, reader)
        self._judge(answer, reader)

    def _judge(self, answer: Answer, reader: Reader) -> None:
        if answer.status >= 400:
            self.progress.failed(f"upstream answered {answer.status}")
        elif reader.failure is not None:
            self.progress.failed(reader.failure.message)
        elif answer.is_stream and not reader.complete and not reader.dropped:
            self.progress.failed("upstream ended the stream before it was complete")
        else:
            self.progress.completed()

    def _filter_for(self, answer: Answer) -> ClientFilter | None:
        """What takes our own doing out of the answer: there is something only in a stream, and it must be legible."""
        legible = decoder(answer.header(b"content-encoding")) is identity
        return self._filter if answer.is_stream and legible else None

    async def _break_off(self, error: UpstreamError) -> None:
        """No answer, or no more of it: an error of the bridge's own, or the end that HTTP has for incomplete bodies."""
        self.progress.failed(str(error))
        if not self._exchange.started:
            kind = {UpstreamTimeout: ErrorKind.GATEWAY_TIMEOUT, UpstreamBusy: ErrorKind.UNAVAILABLE}
            await self._answer(kind.get(type(error), ErrorKind.BAD_GATEWAY), str(error))
        elif self._relay is not None and self._relay.may_insert:
            await self._exchange.send(self._api.stream_error(str(error), self._relay.events_read))

    async def _take_leave(self, reason: str) -> None:
        """Tells a client that is still there why its request was cancelled."""
        if reason == CLIENT_LEFT:
            return
        with trio.move_on_after(FAREWELL_S, shield=True):
            if not self._exchange.started:
                kind = ErrorKind.UNAVAILABLE if reason == STOPPING else ErrorKind.FORBIDDEN
                await self._answer(kind, reason)
            elif self._relay is not None and self._relay.may_insert:
                await self._exchange.send(self._api.stream_error(reason, self._relay.events_read))

    async def _refuse(self, kind: ErrorKind, message: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
        self.progress.rejected(message)
        await self._answer(kind, message, headers or [])

    async def _answer(self, kind: ErrorKind, message: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
        await self._exchange.answer(kind.status, self._api.error_body(kind, message), headers or [])
