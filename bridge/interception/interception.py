"""The story of one intercepted request, top to bottom.

One nursery holds all that happens for it: a watcher that cancels everything when the client leaves, the walk through
the keys, the relay of the response with its keep-alive, and a reader on a copy. However it ends, it says so once.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import trio
from attrs import AttrsInstance, Factory, evolve, fields

from bridge.apis.conversation import Fingerprints
from bridge.apis.protocol import ClientFilter, Reader, RequestFacts
from bridge.apis.rounds import Injection
from bridge.errors import NO_RETRY, ErrorKind, Refused
from bridge.events.hub import Hub
from bridge.events.values import ErrorType, Outcome, SilenceKind, is_beside
from bridge.events.vocabulary import ContextChanged, InterceptionStarted
from bridge.http.exchange import ClientGone, Exchange
from bridge.http.fields import RawHeaders
from bridge.interception.agent import CLASS_HEADER, Client, lane_of, recognise, session_of
from bridge.interception.caller import Caller
from bridge.interception.contexts import Comparison, Contexts, agent_key
from bridge.interception.decoding import decoder, identity
from bridge.interception.failover import Failover, Served
from bridge.interception.headers import actor_headers, headers_upstream
from bridge.interception.lifecycle import FAILED_INSIDE, Cancellation, CancelReason, Ending, Reporter, Sending
from bridge.interception.query import told_query
from bridge.interception.reading import ReadRequest, Wishes, inject
from bridge.interception.reading import read as read_request
from bridge.interception.relay import Relay
from bridge.interception.routing import Route
from bridge.interception.silence import Lull, SilenceWatch
from bridge.interception.telling import Pricing
from bridge.interception.tool_loop import ToolLoop, Use
from bridge.keys.affinity import Asker
from bridge.observe.logs import logger
from bridge.providers.attempt import Call, Response
from bridge.providers.circuit_breaker import Permit
from bridge.providers.faults import UpstreamBusy, UpstreamError, UpstreamSilent, UpstreamTimeout
from bridge.providers.outgoing import Content
from bridge.providers.prices import Origin, Prices
from bridge.tools.toolset import Toolset, Toolsets
from bridge.value_classes import frozen

log = logger("interception")

FAREWELL_S = 1.0
"""How long a client whose request is cancelled may take to accept the reason."""

REPLAYABLE = 1024 * 1024
"""A passed-through body up to this many bytes can be sent with another key; a larger one goes by as it comes."""

TOOLS_HEADER = b"x-clearspan-tools"
"""`off` where a client wants no tools but its own; like all such headers it does not go upstream."""
BROKEN = ErrorKind.BAD_GATEWAY
"""What an error within a stream is, as a rule."""
AGAIN = ErrorKind.UNAVAILABLE
"""What it is where the same request should simply be made again. Claude Code makes it again after an `overloaded_error`
and after no other that a stream ends with."""

FAILED_MESSAGE = "the bridge failed; its log says why"


@frozen
class Services:
    """What every interception uses."""

    hub: Hub
    prices: Prices
    silence: SilenceWatch
    max_request_bytes: int
    toolsets: Toolsets | None = None
    """None where no MCP server is configured."""
    contexts: Contexts = Factory(Contexts)


class Interceptor:
    """One request, from the moment its head is here."""

    def __init__(self, exchange: Exchange, route: Route, caller: Caller, services: Services) -> None:
        self._exchange = exchange
        self._provider = route.provider
        self._api = route.api
        self._route = route
        self._caller = caller
        self._services = services
        self._facts = RequestFacts()
        self._client: Client | None = None
        self._filter: ClientFilter | None = None
        self._unread: str | None = None
        self._asker = Asker(exchange.id)
        self._injection: Injection | None = None
        self._toolset: Toolset | None = None
        self._content: Content = b""
        self._comparison: Comparison | None = None
        self._silenced: str | None = None  # why it was given up
        self._relay: Relay | ToolLoop | None = None
        self._ending = FAILED_INSIDE
        provider = route.provider
        self._pricing = Pricing(services.prices, Origin(provider.kind.name, provider.settings.base_url, None))
        self._reporter = Reporter(exchange, services.hub, self._pricing, caller.secrets)
        self.cancellation = Cancellation(exchange)

    async def run(self) -> None:
        """Serves the request to its end. Whatever goes wrong is answered in the shape of the client's API."""
        try:
            await self._run()
        except* trio.Cancelled:  # from outside; a nursery's comes in a group
            self.cancellation.cancel(CancelReason.STOPPING)
            await self._send_cancel_reason(CancelReason.STOPPING)
            raise
        finally:
            if self._comparison is not None:
                self._comparison.settle()
            self._reporter.ended(self.cancellation.settle(self._ending))
            self._relay = None  # a tool loop holds this in turn: both would be garbage that waits to be found

    async def _run(self) -> None:
        self._services.silence.begin(self._reporter.pulse)
        try:
            with self.cancellation.scope:
                async with trio.open_nursery() as nursery:
                    await self._serve(nursery)
                    nursery.cancel_scope.cancel()
            if self.cancellation.reason is not None:
                await self._send_cancel_reason(self.cancellation.reason)
        except Exception:  # a boundary: a bug costs its own request alone, and says nothing of what it saw
            log.exception("a request failed inside the bridge", interception=self._exchange.id)
            if not self._exchange.started:
                await self._respond(ErrorKind.INTERNAL, FAILED_MESSAGE)
        finally:
            self._services.silence.end(self._reporter.pulse)

    async def _watch(self) -> None:
        """Runs from when the request's own task first has to wait: mostly for upstream's answer."""
        self._reporter.release()
        await self._exchange.disconnected()
        self.cancellation.cancel(CancelReason.CLIENT_LEFT)

    async def _serve(self, nursery: trio.Nursery) -> None:
        try:
            self._content = await self._read_request()
            if self._comparison is not None:
                nursery.start_soon(self._comparison.run)
            nursery.start_soon(self._watch)  # not before: who sent it all, and no more, still gets a refusal
            if self._injection is None or self._toolset is None:
                await self._ask_upstream(self._take_content(), lambda served: self._pass_on(served, nursery))
            else:
                await self._run_tools(self._injection, self._toolset, nursery)
        except Refused as refused:
            self._ending = Ending(Outcome.REJECTED, str(refused))
            await self._respond(refused.kind, str(refused), [*refused.headers])
        except UpstreamError as error:
            await self._break_off(error)
        except ClientGone:
            self.cancellation.cancel(CancelReason.CLIENT_LEFT)

    async def _read_request(self) -> Content:
        """Reads the request, and says what it is before anything else happens to it. Returns what goes upstream."""
        body: Content
        read: ReadRequest | None = None
        limit = self._services.max_request_bytes
        received: bytes | None = None
        try:
            if self._api.understood:
                received = await self._exchange.body(limit)
                read = await self._read(received)
                body = read.body
            else:
                body = await self._exchange.body_parts(limit).replayable(REPLAYABLE)
        finally:
            started = self._started()
            if not self._provider.is_dumped:
                self._reporter.hold()
            self._reporter.started(started)
        if read is not None:
            self._reporter.results(read.results)
            self._compare(started, read.fingerprints)
        if self._facts.background:
            advice = "leave out 'background', or ask the provider without the bridge"
            raise Refused(ErrorKind.NOT_IMPLEMENTED, f"background responses are not relayed; {advice}", [NO_RETRY])
        if received is not None and self._services.toolsets is not None:
            self._reporter.release()
            await self._inject(received, self._services.toolsets)
        return body

    async def _read(self, body: bytes) -> ReadRequest:
        """Takes in what a request says."""
        compared = self._compared if self._services.hub.wants(ContextChanged.type) else None
        wishes = Wishes(self._provider.settings.reveal_thoughts, compared)
        read = await read_request(self._api, self._route.endpoint, body, self._encoding(), wishes)
        self._facts, self._filter, self._unread = read.facts, read.client_filter, read.unread
        self._pricing.asked = evolve(self._pricing.asked, model=read.facts.model)
        self._reporter.added = [*read.added]
        return read

    def _encoding(self) -> bytes | None:
        header = self._exchange.header(b"content-encoding")
        return header.encode("latin-1") if header else None

    def _compared(self, facts: RequestFacts) -> bool:
        header = self._exchange.header
        return session_of(header, facts) is not None and not is_beside(header(CLASS_HEADER))

    def _compare(self, started: InterceptionStarted, fingerprints: Callable[[], Fingerprints] | None) -> None:
        """Has the conversation compared with that of the agent's request before, where somebody asks for that."""
        if started.session_id is None or is_beside(started.request_class):
            return
        agent, contexts = agent_key(started.session_id, started.agent_id), self._services.contexts
        if fingerprints is None:
            contexts.forget(agent)
        else:
            self._comparison = Comparison(contexts, agent, started.id, fingerprints, self._reporter.context_changed)

    async def _inject(self, body: bytes, toolsets: Toolsets) -> None:
        """Gives the request the tools of its session, where it is one that gets any."""
        wanted = (self._exchange.header(TOOLS_HEADER) or "").strip().lower() != "off"
        client = self._client
        if not wanted or self._unread is not None or client is None:
            return
        try:
            session = client.session_id and self._caller.secrets.redact(client.session_id)  # as events have it
            toolset = toolsets.toolset(session, client.client)
            if toolset is not None:
                reveal = "thoughts" in self._reporter.added
                self._injection = await inject(self._api, body, self._encoding(), toolset.tools, reveal_thoughts=reveal)
                self._toolset = toolset
                if self._injection is not None:
                    toolset.keep()
                    self._reporter.added.append("tools")
        except Exception:  # a boundary: a request is better off without tools than with an error for their sake
            log.exception("no tools could be added to a request", interception=self._exchange.id)

    def _started(self) -> InterceptionStarted:
        self._client = client = recognise(self._exchange, self._facts, f"{self._provider.kind.title} SDK")
        self._asker = Asker(
            self._exchange.id,
            client.session_id,
            client.agent_id,
            () if self._facts.previous_answer is None else (self._facts.previous_answer,),
            lane_of(self._exchange, client),
        )
        return InterceptionStarted(
            id=self._exchange.id,
            provider=self._provider.name,
            api=self._api.name,
            method=self._exchange.method,
            path=self._exchange.path,
            query=told_query(self._exchange.query),
            credential=self._caller.credential,
            initiator=self._caller.initiator,
            unread=self._unread,
            **_told(self._facts),
            **_told(client),
        )

    async def _run_tools(self, injection: Injection, toolset: Toolset, nursery: trio.Nursery) -> None:
        """Asks upstream as often as calls of injected tools make it necessary. Raises as `_ask_upstream` does."""
        self._relay = loop = ToolLoop(
            exchange=self._exchange,
            api=self._api,
            facts=self._facts,
            wants=self._services.hub.wants,
            reporter=self._reporter,
            injection=injection,
            toolset=toolset,
            ask=self._ask_upstream,
            pass_on=lambda served: self._pass_on(served, nursery),
            note_answer=self._note_answer,
            nursery=nursery,
        )
        try:
            await loop.run()
        finally:
            self._ending = loop.ending or self._ending

    def _take_content(self) -> Content:
        """What goes upstream, for the one who sends it: an agent's request may have a megabyte, and stay open long."""
        content, self._content = self._content, b""
        return content

    def _call(self, content: Content) -> Call:
        settings = self._provider.settings
        streamed = not isinstance(content, bytes)
        return Call(
            method=self._exchange.method,
            target=self._route.target,
            headers=self._headers_upstream(streamed=streamed),
            body=content,
            head_timeout=settings.idle_timeout if self._facts.streaming else settings.request_timeout,
            idle_timeout=settings.idle_timeout,
            departure=Sending(self._exchange.request_passage, self._reporter.pulse, streamed),
        )

    async def _ask_upstream(self, body: Content, use: Use, *, began: float | None = None) -> None:
        """Walks the keys, and has the response used. Raises Refused, UpstreamError and ClientGone."""
        longest = inf if self._facts.streaming else self._provider.settings.request_timeout
        with self._admit() as permit, trio.move_on_after(longest) as limit:
            if self._facts.streaming:
                self._end_when_silent(limit)
            failover = Failover(
                self._provider,
                self._api,
                self._call(body),
                self._caller,
                self._reporter,
                permit,
                self._asker,
                self._facts.streaming,
                began,
            )
            del body  # the failover lets go of it once it is not to be sent again
            async with failover as served:
                self._exchange.request_passage.let_go()
                if served.response.is_stream:
                    limit.deadline = inf  # it has no total limit, whatever the request looked like
                    self._end_when_silent(limit)
                await use(served)
        if limit.cancelled_caught:
            if not self._exchange.started:
                permit.note(None)
                self._reporter.timed_out()
            if self._silenced is not None:
                raise UpstreamSilent(self._silenced)
            raise UpstreamTimeout(f"no whole answer within request_timeout ({longest:g} s)")

    def _end_when_silent(self, scope: trio.CancelScope) -> None:
        """From now on the scope is cancelled where upstream gives no sign of life for too long."""
        pulse, longest = self._reporter.pulse, self._provider.settings.end_silent

        def give_up(lull: Lull) -> None:
            what = "but pings " if lull.kind is SilenceKind.PINGS_ONLY else ""
            self._silenced = f"nothing {what}came from upstream within end_silent ({longest:g} s)"
            scope.cancel()

        pulse.give_up, pulse.give_up_after = give_up, longest or inf

    def _admit(self) -> Permit:
        if not self._api.understood:
            return Permit()
        model = self._facts.model  # which the circuit tells of long after this request
        return self._provider.circuits.admit(self._route.endpoint, model and self._caller.secrets.redact(model))

    def _headers_upstream(self, *, streamed: bool) -> RawHeaders:
        settings = self._provider.settings
        added = list(settings.extra_headers.items())
        if settings.send_actor_headers and self._caller.initiator is not None:
            added += actor_headers(self._caller.initiator)
        headers = headers_upstream(self._exchange.headers, added)
        if self._injection is not None:  # its request is made of the plain body
            headers = [(name, value) for name, value in headers if name.lower() != b"content-encoding"]
        length = self._exchange.header(b"content-length")
        if streamed and length is not None:
            headers.append((b"Content-Length", length.encode("latin-1")))
        return headers

    async def _pass_on(self, served: Served, nursery: trio.Nursery) -> None:
        """Relays the response, whatever it says, and tells what it was."""
        response = served.response
        may_ping = response.is_stream and self._api.keep_alive
        if may_ping:
            self._reporter.hold()
        request_id = response.header(b"x-request-id") or response.header(b"request-id")
        self._reporter.response_started(response.status, request_id.decode("latin-1") if request_id else None)
        make_reader = self._api.stream_reader if response.is_stream else self._api.body_reader
        reader = make_reader(self._exchange.id, self._facts, self._services.hub.wants)
        client_filter = self._filter_for(response)
        self._reporter.answer_changed = client_filter is not None
        self._relay = relay = Relay(self._exchange, response, reader, self._reporter, client_filter)
        self._reporter.pulse.flows(relay)
        if may_ping:
            nursery.start_soon(self._keep_alive, relay, may_ping)
        try:
            await relay.run()
        finally:
            relay.finish()
            self._note_answer(served, reader)
            if self._api.understood and (reader.complete or reader.failure is not None):
                self._ending = evolve(relay.ending(), final=True)
        self._ending = evolve(relay.ending(), final=self._ending.final)

    async def _keep_alive(self, relay: Relay, comment: bytes) -> None:
        """Runs from when the relay first has to wait: for the client, or for what comes next."""
        self._reporter.release()
        await relay.keep_alive(comment)

    def _note_answer(self, served: Served, reader: Reader) -> None:
        """What an answer that is over, however it ended, means for its key and for who is served with it."""
        served.failed_late(reader.failure)
        name = reader.response_id if self._facts.keeps_answer else None
        served.answered(self._provider.pool, reader.usage, name)

    def _filter_for(self, response: Response) -> ClientFilter | None:
        """What takes our own doing out of the response: there is something only in a stream, and it must be legible."""
        legible = decoder(response.header(b"content-encoding")) is identity
        return self._filter if response.is_stream and legible else None

    async def _break_off(self, error: UpstreamError) -> None:
        """No response, or no more of it: an error of the bridge's own, or the end HTTP has for incomplete bodies."""
        broken = ErrorType.TIMEOUT if isinstance(error, UpstreamTimeout) else ErrorType.SERVER_ERROR
        self._ending = evolve(self._ending, outcome=Outcome.FAILED, error=str(error), error_type=broken)
        if not self._exchange.started:
            self._ending = evolve(self._ending, error_type=None)  # the status says it
            late, busy = isinstance(error, UpstreamTimeout), isinstance(error, UpstreamBusy)
            kind = ErrorKind.GATEWAY_TIMEOUT if late else ErrorKind.UNAVAILABLE if busy else ErrorKind.BAD_GATEWAY
            await self._respond(kind, str(error))
        else:
            await self._send_stream_error(str(error), AGAIN if isinstance(error, UpstreamSilent) else BROKEN)

    async def _send_cancel_reason(self, reason: CancelReason) -> None:
        """Tells a client that is still there why its request was cancelled."""
        if reason is CancelReason.CLIENT_LEFT:
            return
        with trio.move_on_after(FAREWELL_S, shield=True):
            if not self._exchange.started:
                kind = ErrorKind.UNAVAILABLE if reason is CancelReason.STOPPING else ErrorKind.FORBIDDEN
                await self._respond(kind, reason)
            else:
                await self._send_stream_error(reason)

    async def _send_stream_error(self, message: str, kind: ErrorKind = BROKEN) -> None:
        if self._relay is not None and self._relay.may_insert:
            await self._exchange.insert(self._api.stream_error(message, self._relay.events_read, kind))

    async def _respond(self, kind: ErrorKind, message: str, headers: RawHeaders | None = None) -> None:
        await self._exchange.respond(kind.status, self._api.error_body(kind, message), headers or [])


TOLD = frozenset(field.name for field in fields(InterceptionStarted))


def _told(found: AttrsInstance) -> dict[str, Any]:
    """What was found out of a request that `interception.started` has a field for."""
    return {field.name: getattr(found, field.name) for field in fields(type(found)) if field.name in TOLD}
