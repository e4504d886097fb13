"""The simulated provider: an ASGI application that answers like a real one, from a scenario instead of a model.

What a request gets is planned at once and without I/O (`plan`), so that the same requests in the same order get the
same bytes; `delivery.py` then sends it in its own time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import trio
from attrs import evolve

from bridge.simulator.account import KeyAccount
from bridge.simulator.answers import ScriptedAnswer
from bridge.simulator.chance import Chance
from bridge.simulator.delivery import AsgiReceive, AsgiSend, Chunk, PlannedReply, ReplyEnding, deliver, read_body
from bridge.simulator.estimate import tokens
from bridge.simulator.fates import KeyScript
from bridge.simulator.request import ModelRequest, Refusal, Trouble
from bridge.simulator.routes import (
    FactRoute,
    IncomingRequest,
    ModelApi,
    ModelRoute,
    NoRoute,
    SimulatedRoute,
    find_route,
)
from bridge.simulator.scenario.file import usual
from bridge.simulator.scenario.scenario import Scenario, Turns
from bridge.simulator.streaming import pauses
from bridge.value_classes import frozen

_JSON = (b"content-type", b"application/json")
_EVENT_STREAM = (b"content-type", b"text/event-stream; charset=utf-8")


ORGANIZATION = "org-simulated"


@frozen
class SimulatedExchange:
    """A request and what became of it, for whoever keeps count: tests, and the `simulate` command's log.

    `number` counts the POST requests; a GET has that of the last one.
    """

    number: int
    request: IncomingRequest
    reply: PlannedReply
    ending: ReplyEnding


class SimulatedProvider:
    """An ASGI 3 application for Trio.

    `speed` divides every scripted time. `clock` gives the wall time that appears in answers, in seconds since the
    epoch. `on_exchange` is told of each request when its reply has ended. With `one_organization` all keys for which
    the scenario names none are of the same, and a bridge rests them together; else each is of one of its own.
    """

    def __init__(
        self,
        scenario: Scenario | None = None,
        *,
        seed: int = 0,
        speed: float = 1.0,
        clock: Callable[[], float] = time.time,
        on_exchange: Callable[[SimulatedExchange], None] | None = None,
        one_organization: bool = False,
    ) -> None:
        if speed <= 0:
            raise ValueError("the speed must be above 0")
        self._scenario = scenario or usual()
        self._seed = seed
        self._speed = speed
        self._clock = clock
        self._on_exchange = on_exchange
        self._turns = Turns(self._scenario)
        self._one_organization = one_organization
        self._accounts: dict[str, KeyAccount] = {}
        for script in self._scenario.keys:
            self._open(script)
        self._number = 0

    async def __call__(self, scope: dict[str, Any], receive: AsgiReceive, send: AsgiSend) -> None:
        """One ASGI connection."""
        match scope["type"]:
            case "http":
                await self._serve(scope, receive, send)
            case "lifespan":
                await _live(receive, send)
            case "websocket":
                await send({"type": "websocket.close"})

    async def _serve(self, scope: dict[str, Any], receive: AsgiReceive, send: AsgiSend) -> None:
        body = await read_body(receive)
        if body is None:
            return
        request = _incoming(scope, body)
        reply = self.plan(request, trio.current_time())
        number = self._number
        ending = await deliver(reply, receive, send)
        if self._on_exchange is not None:
            self._on_exchange(SimulatedExchange(number, request, reply, ending))

    def plan(self, request: IncomingRequest, now: float) -> PlannedReply:
        """The whole reply to a request that comes at `now` (monotonic seconds)."""
        self._number += request.method == "POST"
        route = find_route(request)
        account = self._account(route.http.key(request.headers))
        try:
            reply = self._reply(route, account, request, now)
        except Refusal as refusal:
            status, headers, body = route.http.refuse(refusal, self._clock())
            reply = PlannedReply(status, [_JSON, _length(body), *headers], [Chunk(body)])
        gauges = account.gauges(now) if account else None
        organization = account.organization if account else ORGANIZATION
        usual = route.http.headers(self._chance("headers"), gauges, self._clock(), organization)
        return evolve(reply, headers=[*reply.headers, *usual])

    def _account(self, key: str | None) -> KeyAccount | None:
        if key is not None and key not in self._accounts:
            self._open(KeyScript(key, self._scenario.other_keys))
        return self._accounts[key] if key is not None else None

    def _open(self, script: KeyScript) -> None:
        number = "" if self._one_organization else f"-{len(self._accounts) + 1}"
        self._accounts[script.key] = KeyAccount(script, self._speed, f"{ORGANIZATION}{number}")

    def _reply(
        self, route: SimulatedRoute, account: KeyAccount | None, request: IncomingRequest, now: float
    ) -> PlannedReply:
        if isinstance(route, NoRoute):
            raise Refusal(Trouble.NOT_FOUND, f"Invalid URL ({request.method} {request.path})")
        if account is None:
            raise Refusal(Trouble.NO_KEY)
        match route:
            case ModelRoute(_, api):
                return self._answer(api, account, request, now)
            case FactRoute(_, fact):
                if refusal := account.dead():
                    raise refusal
                body = fact(request)
                return PlannedReply(200, [_JSON, _length(body)], [Chunk(body)])

    def _answer(self, api: ModelApi, account: KeyAccount, request: IncomingRequest, now: float) -> PlannedReply:
        model_request = api.read(request.body, request.encoding)
        fate = account.take(now)
        if fate.refusal is not None:
            raise evolve(fate.refusal, model=model_request.model)
        name, answer = self._turns.choose(model_request, fate.answer or request.headers.get("x-simulate-answer"))
        count = tokens(answer, model_request)
        account.charge(count.total, now)
        events = api.stream(answer, model_request, self._chance("answer"), int(self._clock()))
        pace = self._scenario.pace
        waits = pauses(events, answer.mishap, pace, self._chance("pace"), api.OPENING)
        waits = [(wait + (0 if number else fate.wait)) / self._speed for number, wait in enumerate(waits)]
        reply = PlannedReply(
            200, [_EVENT_STREAM, (b"cache-control", b"no-cache")], [], answer.mishap.dropped, name, count
        )
        if model_request.stream:
            return evolve(reply, chunks=[Chunk(event.data, wait) for event, wait in zip(events, waits, strict=True)])
        return self._in_one_body(reply, api, model_request, answer, sum(waits))

    def _in_one_body(
        self, reply: PlannedReply, api: ModelApi, model_request: ModelRequest, answer: ScriptedAnswer, wait: float
    ) -> PlannedReply:
        body = api.body(answer, model_request, self._chance("answer"), int(self._clock()))
        dropped = reply.dropped_at
        if dropped is not None:
            dropped = min(dropped, len(body) - 1)  # with a Content-Length, less would not be missed
        return evolve(reply, headers=[_JSON, _length(body)], chunks=[Chunk(body, wait)], dropped_at=dropped)

    def _chance(self, what: str) -> Chance:
        return Chance(self._seed, f"{what} {self._number}")


def _length(body: bytes) -> tuple[bytes, bytes]:
    return b"content-length", str(len(body)).encode()


def _incoming(scope: dict[str, Any], body: bytes) -> IncomingRequest:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return IncomingRequest(scope["method"], scope["path"], headers, body)


async def _live(receive: AsgiReceive, send: AsgiSend) -> None:
    """The lifespan protocol: there is nothing to start or stop."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
