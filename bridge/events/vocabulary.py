"""The words the bridge speaks: one frozen class per event type, as docs/events.md lists them.

An event says what happened and nothing about how it travels: the hub adds `seq` and `at` when it is published
(`bridge.events.wire.Envelope`), the wire turns it into a JSON line. No field ever holds a secret; a key appears as its
masked hint. Text fields hold well-formed Unicode (no lone surrogates), however broken it came from upstream.

Units: `_ms` milliseconds, `_s` seconds, `bytes` octets, tokens as the provider counts them. `None` means "not known".
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Literal

from attrs import Factory, field, frozen


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


class KeyState(StrEnum):
    """A key's health: see `bridge.keys.pool`."""

    VALID = "valid"
    TEMPORARY = "temporary"  # cooling down until `retry_at`
    PERMANENT = "permanent"  # refused by the provider
    DISABLED = "disabled"  # switched off by the owner


class ThoughtSource(StrEnum):
    """Where in an answer a thought was found."""

    REASONING_SUMMARY = "reasoning_summary"
    COMMENTARY = "commentary"
    THINKING = "thinking"


class WithheldReason(StrEnum):
    """Why there was reasoning but no text of it."""

    OMITTED = "omitted"
    REDACTED = "redacted"
    ENCRYPTED = "encrypted"
    NOT_SUMMARIZED = "not_summarized"


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


@frozen
class KeyCause:
    """What put a key into its state: the interception that met it, the response's status, and the provider's own words
    (at most 300 characters)."""

    id: str | None = None
    status: int | None = None
    text: str | None = None


@frozen
class Event:
    """What all events have in common: a `type`, their name on the wire."""

    type: ClassVar[str]


@frozen
class InterceptionStarted(Event):
    type: ClassVar[str] = "interception.started"
    id: str
    provider: str
    api: str
    method: str
    path: str
    query: str | None = field(default=None, kw_only=True)
    credential: Credential
    model: str | None = None
    streaming: bool = False
    client: str = "Unknown"
    user_agent: str | None = None
    session_id: str | None = None
    agent_id: str | None = None
    parent_agent_id: str | None = None
    request_class: str | None = None
    agent_type: str | None = None
    previous_tool_ms: dict[str, float] | None = None
    initiator: str | None = None
    correlating_tool_call_id: str | None = None
    unread: str | None = None

    @property
    def passed_through(self) -> bool:
        """Whether the request is relayed without being read."""
        return self.api == "passthrough"


@frozen
class AttemptStarted(Event):
    type: ClassVar[str] = "attempt.started"
    id: str
    attempt: int
    key: str


@frozen
class AttemptFailed(Event):
    type: ClassVar[str] = "attempt.failed"
    id: str
    attempt: int
    key: str
    status: int | None
    reason: FailureReason
    cooldown_s: float | None = None


@frozen
class InterceptionWaiting(Event):
    type: ClassVar[str] = "interception.waiting"
    id: str
    until: datetime


@frozen
class ResponseStarted(Event):
    type: ClassVar[str] = "response.started"
    id: str
    attempt: int
    status: int
    upstream_request_id: str | None = None


@frozen
class PromptRecorded(Event):
    type: ClassVar[str] = "prompt.recorded"
    id: str
    response_id: str
    text: str


@frozen
class ThoughtDelta(Event):
    type: ClassVar[str] = "thought.delta"
    id: str
    index: int
    source: ThoughtSource
    text: str


@frozen
class ThoughtRecorded(Event):
    type: ClassVar[str] = "thought.recorded"
    id: str
    response_id: str | None
    index: int
    source: ThoughtSource
    text: str


@frozen
class ThoughtWithheld(Event):
    type: ClassVar[str] = "thought.withheld"
    id: str
    response_id: str | None
    index: int
    reason: WithheldReason
    bytes: int


@frozen
class AnswerDelta(Event):
    type: ClassVar[str] = "answer.delta"
    id: str
    text: str


@frozen
class ToolCalled(Event):
    """A tool call the model asked for. `arguments` is parsed JSON where it is JSON, else the text as it came."""

    type: ClassVar[str] = "tool.called"
    id: str
    response_id: str | None
    tool_call_id: str | None
    tool: str
    arguments: Any = None
    injected: bool = False
    server_url: str | None = None
    error: str | None = None


@frozen
class TokensUsed(Event):
    """Tokens of one upstream response. `input` excludes what was read from a cache."""

    type: ClassVar[str] = "tokens.used"
    id: str
    response_id: str | None
    input: int
    output: int
    cache_read_input: int = 0
    cache_write_input: int = 0
    extra: dict[str, int] = field(factory=dict)
    cost_usd: float | None = None


@frozen
class InterceptionEnded(Event):
    type: ClassVar[str] = "interception.ended"
    id: str
    outcome: Outcome
    status: int | None
    error: str | None
    attempts: int
    duration_ms: float
    first_byte_ms: float | None = None
    first_token_ms: float | None = None
    bytes_out: int = 0


@frozen
class KeyChanged(Event):
    """A key's whole health after a change.

    `retry_at` is when a resting key may serve again, or when a dead one is checked next; `source` says where that came
    from.
    """

    type: ClassVar[str] = "key.changed"
    provider: str
    key: str
    state: KeyState
    reason: str | None = None
    retry_at: datetime | None = None
    source: DeadlineSource | None = None
    limits: RateLimits = Factory(RateLimits)
    cause: KeyCause | None = None


@frozen
class CircuitChanged(Event):
    type: ClassVar[str] = "circuit.changed"
    provider: str
    endpoint: str
    model: str | None
    state: CircuitState


@frozen
class RecordFailed(Event):
    type: ClassVar[str] = "record.failed"
    error: str
    queued: int


@frozen
class RecordRecovered(Event):
    type: ClassVar[str] = "record.recovered"
    error: str | None
    queued: int


@frozen
class EventsDropped(Event):
    """This subscriber was too slow: `count` events never reach it; a fresh snapshot follows."""

    type: ClassVar[str] = "events.dropped"
    count: int


@frozen
class BridgeStopping(Event):
    type: ClassVar[str] = "bridge.stopping"
    reason: str


EVENT_TYPES: dict[str, type[Event]] = {
    cls.type: cls
    for cls in (
        InterceptionStarted,
        AttemptStarted,
        AttemptFailed,
        InterceptionWaiting,
        ResponseStarted,
        PromptRecorded,
        ThoughtDelta,
        ThoughtRecorded,
        ThoughtWithheld,
        AnswerDelta,
        ToolCalled,
        TokensUsed,
        InterceptionEnded,
        KeyChanged,
        CircuitChanged,
        RecordFailed,
        RecordRecovered,
        EventsDropped,
        BridgeStopping,
    )
}
