"""How OpenAI's servers behave around an answer: where the key is, headers, errors, the list of models."""

from __future__ import annotations

import math
from collections.abc import Mapping
from email.utils import formatdate

import orjson

from bridge.simulator.account import Gauge
from bridge.simulator.chance import Chance
from bridge.simulator.request import Refusal, ResponseHeaders, Trouble

_MODELS = ("gpt-5.5", "gpt-5.4", "gpt-5.4-mini", "gpt-5.1-codex")

# trouble: status, type, code, message
_ERRORS: dict[Trouble, tuple[int, str, str | None, str]] = {
    Trouble.INVALID: (400, "invalid_request_error", None, "The request is not valid."),
    Trouble.NO_KEY: (
        401,
        "invalid_request_error",
        None,
        "You didn't provide an API key. Send it in the Authorization header: 'Authorization: Bearer YOUR_KEY'.",
    ),
    Trouble.UNAUTHORIZED: (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    Trouble.FORBIDDEN: (
        403,
        "invalid_request_error",
        "insufficient_permissions",
        "You have insufficient permissions for this operation.",
    ),
    Trouble.MODEL_FORBIDDEN: (
        403,
        "invalid_request_error",
        "model_not_found",
        "Your project does not have access to model `{model}`.",
    ),
    Trouble.NOT_FOUND: (404, "invalid_request_error", None, "Invalid URL."),
    Trouble.REQUESTS_LIMITED: (
        429,
        "requests",
        "rate_limit_exceeded",
        "Rate limit reached for {model} on requests per minute.{again}",
    ),
    Trouble.TOKENS_LIMITED: (
        429,
        "tokens",
        "rate_limit_exceeded",
        "Rate limit reached for {model} on tokens per minute.{again}",
    ),
    Trouble.QUOTA: (
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    Trouble.SERVER_ERROR: (500, "server_error", None, "The server had an error while processing your request."),
    Trouble.OVERLOADED: (503, "server_error", "server_is_overloaded", "The server is overloaded. Try again later."),
}


def speaks(_headers: Mapping[str, str]) -> bool:
    """Whether a request seems to be meant for this provider: any that is for no other."""
    return True


def key(headers: Mapping[str, str]) -> str | None:
    """The key that a request carries."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() or None if scheme.lower() == "bearer" else None


def refuse(refusal: Refusal, wall_time: float) -> tuple[int, ResponseHeaders, bytes]:
    """Status, headers and body of an error. `wall_time` is seconds since the epoch."""
    status, kind, code, usual = _ERRORS[refusal.trouble]
    again = "" if refusal.retry_after is None else f" Please try again in {duration(refusal.retry_after)}."
    message = refusal.message or usual.format(model=refusal.model, again=again)
    error = {"message": message, "type": kind, "param": refusal.param, "code": refusal.code or code}
    headers = [] if refusal.retry_after is None else retry_after(refusal.retry_after, refusal.retry_form, wall_time)
    return refusal.status or status, headers, orjson.dumps({"error": error}, option=orjson.OPT_INDENT_2)


def retry_after(seconds: float, form: str, wall_time: float) -> ResponseHeaders:
    """The header that says when to come again; whole seconds have their milliseconds beside them where they round."""
    if form == "date":
        return [(b"retry-after", formatdate(math.ceil(wall_time + seconds), usegmt=True).encode())]
    headers = [(b"retry-after-ms", str(math.ceil(seconds * 1000)).encode())]
    if form == "ms":
        return headers
    whole = [(b"retry-after", str(math.ceil(seconds)).encode())]
    return whole if seconds == math.ceil(seconds) else [*whole, *headers]


def headers(
    chance: Chance, gauges: tuple[Gauge, Gauge] | None, _wall_time: float, organization: str
) -> ResponseHeaders:
    """What every response has: request id, organization, processing time and, for a known key, what its rate limits
    have left."""
    made = [
        (b"x-request-id", f"req_{chance.hex(32)}".encode()),
        (b"openai-version", b"2020-10-01"),
        (b"openai-organization", organization.encode()),
        (b"openai-processing-ms", str(round(chance.between(40, 400))).encode()),
    ]
    for name, gauge in zip(("requests", "tokens"), gauges or (), strict=False):
        for what, value in (
            ("limit", gauge.limit),
            ("remaining", gauge.remaining),
            ("reset", duration(gauge.reset)),
        ):
            made.append((f"x-ratelimit-{what}-{name}".encode(), str(value).encode()))
    return made


def duration(seconds: float) -> str:
    """A time as OpenAI writes it: `120ms`, `7s`, `6m0s`, `1h0m0s`."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    whole, milliseconds = divmod(math.ceil(seconds * 1000), 1000)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    last = f"{rest}.{milliseconds:03}".rstrip("0") if milliseconds else str(rest)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{last}s"


def models(_request: object) -> bytes:
    """The body of `GET /v1/models`."""
    data = [{"id": name, "object": "model", "created": 1765000000, "owned_by": "openai"} for name in _MODELS]
    return orjson.dumps({"object": "list", "data": data})
