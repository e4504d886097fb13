"""The values that events are made of: closed sets of words, and what a provider said of a key.

The events themselves stand in `bridge.events.vocabulary`. A word is on the wire and in the record as it stands here.
"""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Literal

from attrs import Factory

from bridge.value_classes import frozen


class Outcome(StrEnum):
    """How an interception ended."""

    COMPLETED = "completed"  # upstream's good answer reached the client whole
    FAILED = "failed"  # upstream answered an error, or broke off
    CANCELLED = "cancelled"  # the client left, somebody cancelled, or the bridge stopped
    REJECTED = "rejected"  # what the client got is the bridge's own answer: the request is at fault, or no key is left


class FailureReason(StrEnum):
    """Why an attempt with one key failed."""

    RATE_LIMITED = "rate_limited"
    QUOTA_EXHAUSTED = "quota_exhausted"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    CONNECT_ERROR = "connect_error"
    TIMEOUT = "timeout"


class ErrorType(StrEnum):
    """What kind of failure an interception ended with, in few words that all providers share."""

    BAD_REQUEST = "bad_request"
    UNAUTHORIZED = "unauthorized"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class KeyState(StrEnum):
    """A key's health: see `bridge.keys.pool`."""

    VALID = "valid"
    TEMPORARY = "temporary"  # cooling down until `retry_at`
    PERMANENT = "permanent"  # refused by the provider
    DISABLED = "disabled"  # switched off by the owner


class ServerState(StrEnum):
    """How an MCP server is."""

    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"  # and tried again


class ThoughtSource(StrEnum):
    """Where in an answer a thought was found."""

    REASONING_SUMMARY = "reasoning_summary"
    COMMENTARY = "commentary"
    THINKING = "thinking"


class SilenceKind(StrEnum):
    """Where nothing comes from while an interception is silent."""

    NO_ANSWER = "no_answer"  # the request was sent, and no head of a response has come
    NO_BYTES = "no_bytes"  # a response has begun, and not one byte more comes
    PINGS_ONLY = "pings_only"  # what comes says no more than that the connection is there
    CLIENT_NOT_READING = "client_not_reading"  # upstream waits, since the client takes nothing


class WithheldReason(StrEnum):
    """Why there was reasoning but no text of it."""

    OMITTED = "omitted"
    REDACTED = "redacted"
    ENCRYPTED = "encrypted"
    NOT_SUMMARIZED = "not_summarized"


class MoveCause(StrEnum):
    """Why an agent's requests are served with another key than before."""

    RATE_LIMITED = "rate_limited"
    QUOTA_EXHAUSTED = "quota_exhausted"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    OVERLOADED = "overloaded"
    DISABLED = "disabled"  # its key was switched off by the owner
    REMOVED = "removed"  # its key is no longer configured


Lane = Literal["main", "subagent", "background"]
"""Whose request it is, where keys are scarce: those of the first go before those of the next."""

CircuitState = Literal["closed", "half_open", "open"]
"""Whether an endpoint is used, tried with a few requests, or left alone."""

DeadlineSource = Literal["header", "body", "default", "check"]
"""Who said how long a key rests: a header, the error's text, or nobody; `check`: it is when a dead key is checked."""

CredentialKind = Literal["centralized", "byok"]
"""Whose key it is: the pool's, or the caller's own (bring your own key)."""


@frozen
class Credential:
    """With whose key a request goes upstream; a caller's own with its hint."""

    kind: CredentialKind
    hint: str | None = None


@frozen
class Asked:
    """Which model, at which tier of service and which speed, a request asks for."""

    model: str | None = None
    service_tier: str | None = None
    speed: str | None = None


@frozen
class RateLimit:
    """One rate-limit gauge from a provider's response headers."""

    limit: int | None = None
    remaining: int | None = None
    reset_at: datetime | None = None


@frozen
class LimitWindow:
    """How much of an account's allowance over some hours or days is used, from 0 to 1."""

    utilization: float | None = None
    reset_at: datetime | None = None


@frozen
class RateLimits:
    """What a provider last said is left on a key. On the wire the windows are called `5h` and `7d`."""

    requests: RateLimit = Factory(RateLimit)
    tokens: RateLimit = Factory(RateLimit)
    five_hours: LimitWindow | None = None
    seven_days: LimitWindow | None = None
    status: str | None = None
    """Anthropic's own word for all of it: `allowed`, `allowed_warning`, `rejected`."""


Confidence = Literal["headers", "estimate"]
"""How a runway is known: the provider's headers say it, or it follows from them and from the last minutes' use."""


@frozen
class KeyRunway:
    """How long a key lasts. `until` is when it runs out, and None where it does not before its limits are whole again;
    `back_at` is when it has room again after that. `confidence` is None where nothing is known."""

    key: str
    until: datetime | None = None
    back_at: datetime | None = None
    confidence: Confidence | None = None


@frozen
class KeyCause:
    """What put a key into its state: the interception that met it, the response's status, and the provider's own words
    (at most 300 characters)."""

    id: str | None = None
    status: int | None = None
    text: str | None = None


def cost_mark(unpriced: int, *, partial: bool) -> str:
    """What people see before a cost: `≥` where a part of it is unknown, `~` where a part is an estimate."""
    return "≥" if unpriced else "~" if partial else ""


_DATED = re.compile(r"-(?:\d{8}|\d{4}-\d{2}-\d{2}|\d{4})$")
_FREE_TIERS = frozenset({"auto", "default", "standard", "standard_only"})
"""Tiers that leave the choice to the provider, or are what one gets without any word of it."""


def served_otherwise(asked: Asked, model: str | None, service_tier: str | None, speed: str | None) -> bool:
    """Whether something else answered than was asked for, as far as both sides say.

    The version with a date that a model's name stands for is that model; a tier or a speed counts where the request
    names one that is not what everybody gets.
    """
    if asked.model and model and _plain_model(asked.model) != _plain_model(model):
        return True
    if asked.service_tier and service_tier and asked.service_tier not in _FREE_TIERS | {service_tier}:
        return True
    return bool(asked.speed and speed and asked.speed != speed)


def _plain_model(name: str) -> str:
    """A model's name without what says where it is served (`openai/`), how (`:free`), and as of when."""
    plain = name.rpartition("/")[2].partition(":")[0].removesuffix("-latest")
    return _DATED.sub("", plain).lower()


BESIDE_CLASSES = frozenset({"auxiliary", "compaction", "title", "titles"})


def is_beside(request_class: str | None) -> bool:
    """Whether a request of that class is no turn of its agent's conversation, but one about it: a title, a summary."""
    return (request_class or "").strip().lower() in BESIDE_CLASSES
