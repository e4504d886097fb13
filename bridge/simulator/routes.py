"""The one table of routes: which provider and which API stand behind a method and a path."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from attrs import field

from bridge.simulator.account import Gauge
from bridge.simulator.answers import ScriptedAnswer
from bridge.simulator.anthropic import http as anthropic_http
from bridge.simulator.anthropic import messages
from bridge.simulator.chance import Chance
from bridge.simulator.openai import chat_completions, responses
from bridge.simulator.openai import http as openai_http
from bridge.simulator.request import ModelRequest, Refusal, ResponseHeaders
from bridge.simulator.streaming import StreamEvent
from bridge.value_classes import frozen


@frozen
class IncomingRequest:
    """A request as it arrived. In `headers` names are in lower case and repeated ones joined by commas."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def encoding(self) -> str:
        """The body's content coding; empty for none."""
        return self.headers.get("content-encoding", "")


class Http(Protocol):
    """How a provider behaves around its answers: `openai_http`, `anthropic_http`."""

    def speaks(self, headers: Mapping[str, str], /) -> bool:
        """Whether a request seems to be meant for this provider."""

    def key(self, headers: Mapping[str, str]) -> str | None:
        """The key that a request carries."""

    def refuse(self, refusal: Refusal, wall_time: float) -> tuple[int, ResponseHeaders, bytes]:
        """Status, headers and body of an error."""

    def headers(
        self, chance: Chance, gauges: tuple[Gauge, Gauge] | None, wall_time: float, organization: str, /
    ) -> ResponseHeaders:
        """The headers of every response."""


class ModelApi(Protocol):
    """How an API says an answer: `responses`, `openai_chat`, `anthropic_messages`."""

    OPENING: int
    """With how many events its streams open, before anything is said."""

    def read(self, body: bytes, encoding: str) -> ModelRequest:
        """What a body asks for. Raises Refusal where it asks wrongly."""

    def stream(
        self, answer: ScriptedAnswer, request: ModelRequest, chance: Chance, created_at: int, /
    ) -> list[StreamEvent]:
        """The answer as a stream's events."""

    def body(self, answer: ScriptedAnswer, request: ModelRequest, chance: Chance, created_at: int, /) -> bytes:
        """The answer in one body. Raises Refusal where the answer is an error."""


@frozen
class ModelRoute:
    """Where a model answers."""

    http: Http
    api: ModelApi


@frozen
class FactRoute:
    """Where an answer needs no model. The fact is made from the request, and may raise Refusal."""

    http: Http
    fact: Callable[[IncomingRequest], bytes]


@frozen
class NoRoute:
    """Where nothing is."""

    http: Http


SimulatedRoute = ModelRoute | FactRoute | NoRoute


def _count_tokens(request: IncomingRequest) -> bytes:
    return messages.count_tokens(request.body, request.encoding)


# Where two providers have the same path, it belongs to the first that recognizes the request as its own.
ROUTES: dict[tuple[str, str], Sequence[SimulatedRoute]] = {
    ("POST", "/v1/responses"): [ModelRoute(openai_http, responses)],
    ("POST", "/v1/chat/completions"): [ModelRoute(openai_http, chat_completions)],
    ("POST", "/v1/messages"): [ModelRoute(anthropic_http, messages)],
    ("POST", "/v1/messages/count_tokens"): [FactRoute(anthropic_http, _count_tokens)],
    ("GET", "/v1/models"): [
        FactRoute(anthropic_http, anthropic_http.models),
        FactRoute(openai_http, openai_http.models),
    ],
}
_NOWHERE = [NoRoute(anthropic_http), NoRoute(openai_http)]


def find_route(request: IncomingRequest) -> SimulatedRoute:
    """What stands behind the request's method and path."""
    routes = ROUTES.get((request.method, request.path), _NOWHERE)
    return next((route for route in routes if route.http.speaks(request.headers)), routes[-1])
