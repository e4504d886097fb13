"""How Anthropic's servers behave around an answer: where the key is, headers, errors, the list of models."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import orjson

from bridge.simulator.account import Gauge
from bridge.simulator.chance import Chance
from bridge.simulator.openai.http import retry_after
from bridge.simulator.request import Refusal, ResponseHeaders, Trouble

_MODELS = (("claude-opus-4-6", "Claude Opus 4.6"), ("claude-sonnet-4-6", "Claude Sonnet 4.6"))

# trouble: status, type, message
_ERRORS: dict[Trouble, tuple[int, str, str]] = {
    Trouble.INVALID: (400, "invalid_request_error", "The request is not valid."),
    Trouble.NO_KEY: (401, "authentication_error", "x-api-key header is required"),
    Trouble.UNAUTHORIZED: (401, "authentication_error", "invalid x-api-key"),
    Trouble.FORBIDDEN: (403, "permission_error", "Your API key does not have permission to do this."),
    Trouble.MODEL_FORBIDDEN: (403, "permission_error", "Your organization does not have access to {model}."),
    Trouble.NOT_FOUND: (404, "not_found_error", "Not found."),
    Trouble.REQUESTS_LIMITED: (
        429,
        "rate_limit_error",
        "This request would exceed your organization's rate limit of requests per minute.",
    ),
    Trouble.TOKENS_LIMITED: (
        429,
        "rate_limit_error",
        "This request would exceed your organization's rate limit of tokens per minute.",
    ),
    Trouble.QUOTA: (429, "rate_limit_error", "Your organization has reached its monthly spend limit."),
    Trouble.SERVER_ERROR: (500, "api_error", "Internal server error"),
    Trouble.OVERLOADED: (529, "overloaded_error", "Overloaded"),
}
_DETAILS = {Trouble.QUOTA: {"error_code": "enforced_spend_limit_reached"}}


def speaks(headers: Mapping[str, str]) -> bool:
    """Whether a request seems to be meant for this provider."""
    return "anthropic-version" in headers


def key(headers: Mapping[str, str]) -> str | None:
    """The key that a request carries."""
    if own := headers.get("x-api-key", "").strip():
        return own
    scheme, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() or None if scheme.lower() == "bearer" else None


def refuse(refusal: Refusal, wall_time: float) -> tuple[int, ResponseHeaders, bytes]:
    """Status, headers and body of an error. `wall_time` is seconds since the epoch."""
    status, kind, usual = _ERRORS[refusal.trouble]
    status = refusal.status or status
    error: dict[str, Any] = {"type": kind, "message": refusal.message or usual.format(model=refusal.model)}
    if details := _DETAILS.get(refusal.trouble):
        error["details"] = details
    again = status in {408, 409, 429} or status >= 500
    headers: ResponseHeaders = [(b"x-should-retry", b"true" if again and not details else b"false")]
    if refusal.retry_after is not None:
        headers += retry_after(refusal.retry_after, refusal.retry_form, wall_time)
    return status, headers, orjson.dumps({"type": "error", "error": error})


def headers(chance: Chance, gauges: tuple[Gauge, Gauge] | None, wall_time: float, organization: str) -> ResponseHeaders:
    """What every response has: request id, organization and, for a known key, what its rate limits have left.

    Tokens are reported three times, as the API does: in all, of input and of output.
    """
    made = [
        (b"request-id", f"req_011{chance.alphanumeric(21)}".encode()),
        (b"anthropic-organization-id", str(uuid5(NAMESPACE_URL, organization)).encode()),
    ]
    if gauges is not None:
        requests, tokens = gauges
        named = {"requests": requests, "tokens": tokens, "input-tokens": tokens, "output-tokens": tokens}
        for name, gauge in named.items():
            whole_again = datetime.fromtimestamp(math.ceil(wall_time), UTC) + timedelta(seconds=math.ceil(gauge.reset))
            for what, value in (
                ("limit", str(gauge.limit)),
                ("remaining", str(gauge.remaining)),
                ("reset", whole_again.strftime("%Y-%m-%dT%H:%M:%SZ")),
            ):
                made.append((f"anthropic-ratelimit-{name}-{what}".encode(), value.encode()))
    return made


def models(_request: object) -> bytes:
    """The body of `GET /v1/models`."""
    data = [
        {"type": "model", "id": id_, "display_name": name, "created_at": "2026-02-05T00:00:00Z", "lifecycle": "active"}
        for id_, name in _MODELS
    ]
    return orjson.dumps({"data": data, "has_more": False, "first_id": _MODELS[0][0], "last_id": _MODELS[-1][0]})
