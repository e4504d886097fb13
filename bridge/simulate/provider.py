"""The simulated provider: an ASGI application that answers like a real one, from a scenario instead of a model.

What a request gets is planned at once and without I/O (`plan`), so that the same requests in the same order get the
same bytes; `delivery.py` then sends it in its own time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import trio
from attrs import evolve, field, frozen

from bridge.simulate import anthropic_http, anthropic_messages, openai_chat, openai_http, openai_responses
from bridge.simulate.account import Account, Gauge
from bridge.simulate.answers import Answer
from bridge.simulate.asked import Asked, Refusal, Trouble
from bridge.simulate.chance import Chance
from bridge.simulate.delivery import Chunk, Delivered, Headers, Receive, Reply, Send, deliver, read_body
from bridge.simulate.estimate import tokens
from bridge.simulate.fates import KeyScript
from bridge.simulate.scenario import Scenario, Turns
from bridge.simulate.scenario_file import everyday
from bridge.simulate.streaming import StreamEvent, pauses


@frozen
class Incoming:
    """A request as it arrived. Header names are in lower case, repeated ones joined by commas."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    raw_headers: Sequence[tuple[bytes, bytes]] = field(default=(), repr=False)


@frozen
class Exchange:
    """A request and what became of it, for whoever keeps count: tests, and the `simulate` command's log."""

    number: int
    request: Incoming
    reply: Reply
    delivered: Delivered


class Http(Protocol):
    """How a provider behaves around its answers: `openai_http`, `anthropic_http`."""

    def speaks(self, headers: Mapping[str, str], /) -> bool:
        """Whether a request seems to be meant for this provider."""

    def key(self, headers: Mapping[str, str]) -> str | None:
        """The key that a request carries."""

    def refuse(self, refusal: Refusal, model: str | None, wall_time: float) -> tuple[int, Headers, bytes]:
        """Status, headers and body of an error."""

    def headers(self, chance: Chance, gauges: tuple[Gauge, Gauge] | None, wall_time: float) -> Headers:
        """The headers of every response."""


class Speaker(Protocol):
    """How an API says an answer: `openai_responses`, …"""

    def read(self, body: bytes, encoding: str) -> Asked:
        """What a body asks for. Raises Refusal where it asks wrongly."""

    def stream(self, answer: Answer, asked: Asked, chance: Chance, created_at: int) -> list[StreamEvent]:
        """The answer as a stream's events."""

    def body(self, answer: Answer, asked: Asked, chance: Chance, created_at: int) -> bytes:
        """The answer in one body. Raises Refusal where the answer is an error."""


Fact = Callable[[Incoming], bytes]
"""What needs no model to be answered, from the request; may raise Refusal."""


@frozen
class Route:
    """What stands behind a method and a path: a speaker's answers, or a fact. With neither, there is nothing."""

    http: Http
    speaker: Speaker | None = None
    fact: Fact | None = None


# Where two providers have the same path, the first that recognizes its own headers is it.
ROUTES: dict[tuple[str, str], tuple[Route, ...]] = {
    ("POST", "/v1/responses"): (Route(openai_http, openai_responses),),
    ("POST", "/v1/chat/completions"): (Route(openai_http, openai_chat),),
    ("POST", "/v1/messages"): (Route(anthropic_http, anthropic_messages),),
    ("POST", "/v1/messages/count_tokens"): (Route(anthropic_http, fact=count_tokens),),
    ("GET", "/v1/models"): (
        Route(anthropic_http, fact=lambda _: anthropic_http.models()),
        Route(openai_http, fact=lambda _: openai_http.models()),
    ),
}
_NOWHERE = (Route(anthropic_http), Route(openai_http))


class SimulatedProvider:
    """An ASGI 3 application for Trio.

    `speed` divides every scripted time. `clock` gives the wall time that appears in answers. `on_exchange` is told of
    each request when its reply has ended.
    """

    def __init__(
        self,
        scenario: Scenario | None = None,
        *,
        seed: int = 0,
        speed: float = 1.0,
        clock: Callable[[], float] = time.time,
        on_exchange: Callable[[Exchange], None] | None = None,
    ) -> None:
        if speed <= 0:
            raise ValueError("the speed must be above 0")
        self._scenario = scenario or everyday()
        self._seed = seed
        self._speed = speed
        self._clock = clock
        self._on_exchange = on_exchange
        self._turns = Turns(self._scenario)
        self._accounts = {script.key: Account(script, speed) for script in self._scenario.keys}
        self._number = 0

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        match scope["type"]:
            case "http":
                await self._serve(scope, receive, send)
            case "lifespan":
                await _live(receive, send)
            case "websocket":
                await send({"type": "websocket.close"})

    async def _serve(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        if body is None:
            return
        request = _incoming(scope, body)
        reply = self.plan(request, trio.current_time())
        number = self._number
        delivered = await deliver(reply, receive, send)
        if self._on_exchange is not None:
            self._on_exchange(Exchange(number, request, reply, delivered))

    def plan(self, request: Incoming, now: float) -> Reply:
        """The whole reply to a request that comes at `now` (monotonic seconds)."""
        self._number += request.method == "POST"
        routes = ROUTES.get((request.method, request.path), _NOWHERE)
        route = next((one for one in routes if one.http.speaks(request.headers)), routes[-1])
        try:
            account = self._account(route, request)
        except Refusal as refusal:
            return self._finish(self._refused(refusal, route, None), route, None, now)
        asked = None
        try:
            if route.speaker is None:
                reply = _told(route, account, request)
            else:
                asked = route.speaker.read(request.body, request.headers.get("content-encoding", ""))
                reply = self._answer(route.speaker, asked, account, request, now)
        except Refusal as refusal:
            reply = self._refused(refusal, route, asked)
        return self._finish(reply, route, account, now)

    def _refused(self, refusal: Refusal, route: Route, asked: Asked | None) -> Reply:
        status, headers, body = route.http.refuse(refusal, asked.model if asked else None, self._clock())
        return Reply(status, [_JSON, _length(body), *headers], [Chunk(body)])

    def _finish(self, reply: Reply, route: Route, account: Account | None, now: float) -> Reply:
        gauges = account.gauges(now) if account else None
        usual = route.http.headers(self._chance("headers"), gauges, self._clock())
        return evolve(reply, headers=[*reply.headers, *usual])

    def _account(self, route: Route, request: Incoming) -> Account:
        """The account of a request's key. Raises Refusal where nobody is asked, or by nobody."""
        if route.speaker is route.fact is None:
            raise Refusal(Trouble.NOT_FOUND, f"Invalid URL ({request.method} {request.path})")
        key = route.http.key(request.headers)
        if key is None:
            raise Refusal(Trouble.NO_KEY)
        if key not in self._accounts:
            self._accounts[key] = Account(KeyScript(key, self._scenario.other_keys), self._speed)
        return self._accounts[key]

    def _answer(self, speaker: Speaker, asked: Asked, account: Account, request: Incoming, now: float) -> Reply:
        fate = account.take(now)
        if fate.refusal is not None:
            raise fate.refusal
        name, answer = self._turns.choose(asked, fate.answer or request.headers.get("x-simulate-answer"))
        created_at = int(self._clock())
        events = speaker.stream(answer, asked, self._chance("answer"), created_at)
        waits = [wait / self._speed for wait in self._waits(events, answer)]
        waits[0] += fate.wait
        dropped = answer.mishap.dropped
        if asked.stream:
            chunks = [Chunk(event.data, wait) for event, wait in zip(events, waits, strict=True)]
            headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
        else:
            body = speaker.body(answer, asked, self._chance("answer"), created_at)
            chunks = [Chunk(body, sum(waits))]
            headers = [_JSON, _length(body)]
            if dropped is not None:
                dropped = min(dropped, len(body) - 1)  # with a Content-Length, less would not be missed
        count = tokens(answer, asked)
        account.charge(count.total, now)
        return Reply(200, headers, chunks, dropped, name, count)

    def _waits(self, events: list[StreamEvent], answer: Answer) -> list[float]:
        return pauses(events, answer.mishap, self._scenario.pace, self._chance("pace"))

    def _chance(self, what: str) -> Chance:
        return Chance(self._seed, f"{what} {self._number}")


_JSON = (b"content-type", b"application/json")


def _told(route: Route, account: Account, request: Incoming) -> Reply:
    """A fact, for a key that is not dead."""
    assert route.fact is not None
    if refusal := account.dead():
        raise refusal
    body = route.fact(request)
    return Reply(200, [_JSON, _length(body)], [Chunk(body)])


def _length(body: bytes) -> tuple[bytes, bytes]:
    return b"content-length", str(len(body)).encode()


def _incoming(scope: dict[str, Any], body: bytes) -> Incoming:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Incoming(scope["method"], scope["path"], headers, body, tuple(scope["headers"]))


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
