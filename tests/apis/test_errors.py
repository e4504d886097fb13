"""Errors in the APIs' words, as the real SDKs take them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import anthropic
import httpx2
import openai
import pytest

from bridge.apis.errors import (
    anthropic_error,
    chat_stream_error,
    messages_stream_error,
    openai_error,
    responses_stream_error,
)
from bridge.apis.provider_errors import ProviderError, stream_failure_of
from bridge.errors import ErrorKind
from bridge.events.values import FailureReason
from tests.apis.wire import chunk, named

BROKEN = "upstream broke off after 12 bytes"


def answering(status: int, body: bytes, content_type: str = "application/json") -> httpx2.Client:
    """An HTTP client whose every request gets that answer."""
    return httpx2.Client(
        transport=httpx2.MockTransport(
            lambda _request: httpx2.Response(status, headers={"content-type": content_type}, content=body)
        )
    )


@pytest.fixture
def openai_client() -> Iterator[Callable[..., openai.OpenAI]]:
    clients: list[openai.OpenAI] = []

    def make(status: int, body: bytes, content_type: str = "application/json") -> openai.OpenAI:
        http_client = answering(status, body, content_type)
        clients.append(openai.OpenAI(api_key="clearspan", max_retries=0, http_client=http_client))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def anthropic_client() -> Iterator[Callable[..., anthropic.Anthropic]]:
    clients: list[anthropic.Anthropic] = []

    def make(status: int, body: bytes, content_type: str = "application/json") -> anthropic.Anthropic:
        http_client = answering(status, body, content_type)
        clients.append(anthropic.Anthropic(api_key="clearspan", max_retries=0, http_client=http_client))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


OPENAI = {
    ErrorKind.INVALID_REQUEST: (openai.BadRequestError, "invalid_request_error", None),
    ErrorKind.UNAUTHORIZED: (openai.AuthenticationError, "invalid_request_error", "invalid_api_key"),
    ErrorKind.FORBIDDEN: (openai.PermissionDeniedError, "permission_error", "permission_denied"),
    ErrorKind.NOT_FOUND: (openai.NotFoundError, "invalid_request_error", "not_found"),
    ErrorKind.RATE_LIMITED: (openai.RateLimitError, "rate_limit_error", "rate_limit_exceeded"),
    ErrorKind.BAD_GATEWAY: (openai.InternalServerError, "api_error", "server_error"),
}
ANTHROPIC = {
    ErrorKind.INVALID_REQUEST: (anthropic.BadRequestError, "invalid_request_error"),
    ErrorKind.UNAUTHORIZED: (anthropic.AuthenticationError, "authentication_error"),
    ErrorKind.FORBIDDEN: (anthropic.PermissionDeniedError, "permission_error"),
    ErrorKind.NOT_FOUND: (anthropic.NotFoundError, "not_found_error"),
    ErrorKind.TOO_LARGE: (anthropic.APIStatusError, "request_too_large"),
    ErrorKind.RATE_LIMITED: (anthropic.RateLimitError, "rate_limit_error"),
    ErrorKind.BAD_GATEWAY: (anthropic.InternalServerError, "api_error"),
    ErrorKind.UNAVAILABLE: (anthropic.InternalServerError, "overloaded_error"),
    ErrorKind.GATEWAY_TIMEOUT: (anthropic.InternalServerError, "timeout_error"),
}


@pytest.mark.parametrize("kind", ErrorKind)
def test_every_kind_has_both_shapes(kind: ErrorKind) -> None:
    body = json.loads(openai_error(kind, "no \ud83d"))
    assert body["error"].keys() == {"message", "type", "code", "param"}
    assert body["error"]["message"] == "no \ufffd"
    assert isinstance(body["error"]["type"], str)
    body = json.loads(anthropic_error(kind, "no \ud83d"))
    assert body["type"] == "error"
    assert body["error"].keys() == {"type", "message"}
    assert body["error"]["message"] == "no \ufffd"


@pytest.mark.parametrize("kind", OPENAI)
def test_the_openai_sdk_raises_its_own_exception(kind: ErrorKind, openai_client: Callable[..., openai.OpenAI]) -> None:
    exception, error_type, code = OPENAI[kind]
    client = openai_client(kind.status, openai_error(kind, "what happened"))
    with pytest.raises(exception, match="what happened") as raised:
        client.responses.create(model="m", input="hi")
    assert isinstance(raised.value, openai.APIStatusError)
    assert (raised.value.type, raised.value.code) == (error_type, code)


@pytest.mark.parametrize("kind", ANTHROPIC)
def test_the_anthropic_sdk_raises_its_own_exception(
    kind: ErrorKind, anthropic_client: Callable[..., anthropic.Anthropic]
) -> None:
    exception, error_type = ANTHROPIC[kind]
    client = anthropic_client(kind.status, anthropic_error(kind, "what happened"))
    with pytest.raises(exception, match="what happened") as raised:
        client.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "hi"}])
    assert isinstance(raised.value, anthropic.APIStatusError)
    assert raised.value.type == error_type


def test_the_openai_sdk_raises_on_a_responses_stream_error(openai_client: Callable[..., openai.OpenAI]) -> None:
    begun = named("response.created", sequence_number=0, response={"id": "resp_1", "output": []})
    error = responses_stream_error(BROKEN, 1)
    client = openai_client(200, begun + error, "text/event-stream")
    with pytest.raises(openai.APIError, match=BROKEN) as raised:
        list(client.responses.create(model="m", input="hi", stream=True))
    assert raised.value.code == "server_error"

    data = json.loads(error.split(b"data: ")[1])
    documented = {"type": "error", "code": "server_error", "message": BROKEN, "param": None, "sequence_number": 1}
    assert documented.items() <= data.items()


def test_the_openai_sdk_raises_on_a_chat_stream_error(openai_client: Callable[..., openai.OpenAI]) -> None:
    begun = chunk(id="c", object="chat.completion.chunk", created=1, model="m", choices=[])
    client = openai_client(200, begun + chat_stream_error(BROKEN), "text/event-stream")
    with pytest.raises(openai.APIError, match=BROKEN) as raised:
        list(client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], stream=True))
    assert raised.value.code == "server_error"


def test_the_anthropic_sdk_raises_on_a_messages_stream_error(
    anthropic_client: Callable[..., anthropic.Anthropic],
) -> None:
    body = named("ping") + messages_stream_error(BROKEN)
    client = anthropic_client(200, body, "text/event-stream")
    with pytest.raises(anthropic.APIStatusError, match=BROKEN) as raised:
        list(client.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "hi"}], stream=True))
    assert raised.value.type == "api_error"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("rate_limit_exceeded",), FailureReason.RATE_LIMITED),
        ((None, "rate_limit_error"), FailureReason.RATE_LIMITED),
        ((429,), FailureReason.RATE_LIMITED),
        (("insufficient_quota", "insufficient_quota"), FailureReason.QUOTA_EXHAUSTED),
        (("billing_hard_limit_reached",), FailureReason.QUOTA_EXHAUSTED),
        (("enforced_spend_limit_reached", "rate_limit_error"), FailureReason.QUOTA_EXHAUSTED),
        (("server_is_overloaded",), FailureReason.OVERLOADED),
        (("slow_down",), FailureReason.OVERLOADED),
        (("overloaded_error",), FailureReason.OVERLOADED),
        (("server_error", "api_error"), None),
        (("invalid_prompt",), None),
        ((None, ["rate_limit_exceeded"], {}), None),
        ((), None),
    ],
)
def test_what_an_error_says_of_the_key(words: tuple[object, ...], reason: FailureReason | None) -> None:
    error = dict(zip(("code", "type"), words, strict=False))
    assert ProviderError.from_object(error).reason is reason
    assert ProviderError.from_body(json.dumps({"error": error}).encode()).reason is reason
    assert stream_failure_of(error).reason is reason
