"""What a provider's error says, in whichever API's form: its words, and what they mean for the key of the request.

The same errors come as bodies and as events of streams that had been answered 200; this reads both. Codes stand in
`code` or `type`, Anthropic's spend limits in `details.error_code`.
"""

from __future__ import annotations

from typing import Any

from bridge.apis.json_text import loads
from bridge.apis.protocol import StreamFailure
from bridge.events.values import ErrorType, FailureReason
from bridge.value_classes import frozen

QUOTA_CODES = frozenset(
    {
        "402",
        "billing_error",
        "billing_hard_limit_reached",
        "credit_balance_exhausted",
        "credit_balance_too_low",
        "enforced_spend_limit_reached",
        "insufficient_quota",
        "organization_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "project_spend_limit_exceeded",
    }
)
"""Error codes and types by which providers say that an account has nothing left to spend (docs/behaviour.md, Key
pool)."""

QUOTA_WORDS = ("credit balance is too low", "insufficient balance")
"""Anthropic and DeepSeek say it in the message alone."""

ON_HOLD = "organization_on_hold"
"""The code by which a provider says that it serves this account no more."""

RATE_LIMIT_CODES = frozenset({"429", "rate_limit_error", "rate_limit_exceeded"})
OVERLOAD_CODES = frozenset({"529", "overloaded_error", "server_is_overloaded", "slow_down"})

ERROR_TYPES = {
    "api_error": ErrorType.SERVER_ERROR,
    "authentication_error": ErrorType.UNAUTHORIZED,
    "internal_error": ErrorType.SERVER_ERROR,
    "internal_server_error": ErrorType.SERVER_ERROR,
    "invalid_request_error": ErrorType.BAD_REQUEST,
    "not_found_error": ErrorType.BAD_REQUEST,
    "permission_error": ErrorType.UNAUTHORIZED,
    "request_too_large": ErrorType.BAD_REQUEST,
    "server_error": ErrorType.SERVER_ERROR,
    "timeout_error": ErrorType.TIMEOUT,
}
"""What kind of failure the codes of errors in a stream tell of, where they do not speak of the key."""

LONGEST_BODY = 64 * 1024
"""Bytes; an error that is longer than this is not looked into."""


@frozen
class ProviderError:
    """An error in a provider's words. `codes` are its code, its type and Anthropic's detail, where they are told."""

    message: str = ""
    codes: tuple[str, ...] = ()

    @classmethod
    def from_body(cls, body: bytes) -> ProviderError:
        """The error in the body of a response; an empty one where the body is too long."""
        if len(body) > LONGEST_BODY:
            return cls()
        try:
            value: Any = loads(body)
        except ValueError:
            return cls(body.decode("utf-8", "replace"))
        if isinstance(value, list) and value:  # Google's OpenAI-compatible endpoint wraps it in a list
            value = value[0]
        return cls.from_object(value.get("error", value) if isinstance(value, dict) else value)

    @classmethod
    def from_object(cls, error: object) -> ProviderError:
        """The error in an `error` object, or in a text in its place."""
        if not isinstance(error, dict):
            return cls(error if isinstance(error, str) else "")
        details = error.get("details")
        detail = details.get("error_code") if isinstance(details, dict) else None
        words = (error.get("code"), error.get("type"), detail)
        codes = tuple(str(code) for code in words if isinstance(code, str | int) and not isinstance(code, bool))
        message = error.get("message")
        return cls(message if isinstance(message, str) else "", codes)

    @property
    def on_hold(self) -> bool:
        """Whether it says that the account is served no more."""
        return ON_HOLD in self.codes

    @property
    def reason(self) -> FailureReason | None:
        """What it says of the key; None where it speaks of something else, such as the request."""
        codes, message = frozenset(self.codes), self.message.lower()
        if codes & QUOTA_CODES or any(words in message for words in QUOTA_WORDS):
            return FailureReason.QUOTA_EXHAUSTED
        if codes & RATE_LIMIT_CODES:
            return FailureReason.RATE_LIMITED
        if codes & OVERLOAD_CODES:
            return FailureReason.OVERLOADED
        return None


def stream_failure_of(error: object) -> StreamFailure:
    """The failure of a stream that an `error` object tells of: its message, else its code, and the reason."""
    found = ProviderError.from_object(error)
    types = (ERROR_TYPES[code] for code in found.codes if code in ERROR_TYPES)
    told_type = ErrorType.UNKNOWN if found.reason else next(types, ErrorType.UNKNOWN)
    texts = (text for text in (found.message, *found.codes) if text not in {"", "error"})
    return StreamFailure(next(texts, "upstream reported an error"), found.reason, told_type)
