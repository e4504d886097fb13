"""The words the bridge speaks: one frozen class per event type, as docs/events.md lists them.

An event says what happened and nothing about how it travels: the hub adds `seq` and `at` when it is published
(`bridge.events.wire.Envelope`), the wire turns it into a JSON line. No field ever holds a secret; a key appears as its
masked hint. Text fields hold well-formed Unicode (no lone surrogates), however broken it came from upstream.

Units: `_ms` milliseconds, `_s` seconds, `bytes` octets, tokens as the provider counts them. `None` means "not known".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from attrs import Factory, field

from bridge.events.values import (
    Asked,
    CircuitState,
    Confidence,
    Credential,
    DeadlineSource,
    ErrorType,
    FailureReason,
    KeyCause,
    KeyRunway,
    KeyState,
    Lane,
    MoveCause,
    Outcome,
    RateLimits,
    ServerState,
    SilenceKind,
    ThoughtSource,
    WithheldReason,
)
from bridge.value_classes import frozen


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
    cause_text: str | None = None


@frozen
class InterceptionWaiting(Event):
    type: ClassVar[str] = "interception.waiting"
    id: str
    until: datetime
    lane: Lane = "main"
    place: int = 1


@frozen
class InterceptionSilent(Event):
    """Nothing has come since then that is more than a sign that somebody is there."""

    type: ClassVar[str] = "interception.silent"
    id: str
    kind: SilenceKind
    since: datetime


@frozen
class InterceptionHeard(Event):
    """The silence of that kind, which began then, is over."""

    type: ClassVar[str] = "interception.heard"
    id: str
    kind: SilenceKind
    since: datetime


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
    """A piece of a thought. Of one whose text the provider keeps there is none, but perhaps how long it is by now."""

    type: ClassVar[str] = "thought.delta"
    id: str
    index: int
    source: ThoughtSource
    text: str
    estimated_tokens: int | None = None


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
    estimated_tokens: int | None = None


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
class ToolResultBrought(Event):
    """What a tool answered, as the request of that id brings it to the model. `text` is its first 4 KiB."""

    type: ClassVar[str] = "tool.result"
    id: str
    tool_call_id: str | None
    bytes: int
    is_error: bool
    text: str


@frozen
class ContextChanged(Event):
    """What is new in a request's conversation against the request before of the same agent in the same session."""

    type: ClassVar[str] = "context.changed"
    id: str
    messages: int
    added: int
    removed: int
    system_changed: bool
    tools_changed: bool


@frozen
class ModelServed(Event):
    """What really answered, as far as the answer says so; `asked` is what the request wanted."""

    type: ClassVar[str] = "served"
    id: str
    model: str | None = None
    service_tier: str | None = None
    speed: str | None = None
    asked: Asked = Factory(Asked)


@frozen
class Noted(Event):
    """A part of the answer that is neither thought, call nor text. `text` has at most 300 characters."""

    type: ClassVar[str] = "noted"
    id: str
    kind: str
    text: str = ""


@frozen
class TokensUsed(Event):
    """Tokens of one upstream response. `input` excludes what was read from a cache, and what was written to one."""

    type: ClassVar[str] = "tokens.used"
    id: str
    response_id: str | None
    model: str | None = field(default=None, kw_only=True)
    input: int
    output: int
    cache_read_input: int = 0
    cache_write_input: int = 0
    extra: dict[str, int] = field(factory=dict)
    context_window: int | None = field(default=None, kw_only=True)
    cost_usd: float | None = None
    cache_saved_usd: float | None = field(default=None, kw_only=True)
    partial: bool = field(default=False, kw_only=True)


@frozen
class InterceptionEnded(Event):
    type: ClassVar[str] = "interception.ended"
    id: str
    outcome: Outcome
    status: int | None
    error: str | None
    attempts: int
    error_type: ErrorType | None = field(default=None, kw_only=True)
    duration_ms: float
    first_byte_ms: float | None = None
    first_token_ms: float | None = None
    bytes_in: int = field(default=0, kw_only=True)
    bytes_out: int = 0
    request_equal: bool | None = field(default=None, kw_only=True)
    answer_equal: bool | None = field(default=None, kw_only=True)
    added: list[str] = field(factory=list, kw_only=True)


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
class KeyMoved(Event):
    """A session's agent is served with another key now. On the wire the hints are called `from` and `to`."""

    type: ClassVar[str] = "key.moved"
    id: str
    session_id: str | None
    agent_id: str | None
    from_: str
    to: str
    cause: MoveCause
    cache_lost: int | None = None


@frozen
class PoolChanged(Event):
    """A provider's keys together. `total` 0 is the last word on a pool that is gone."""

    type: ClassVar[str] = "pool.changed"
    provider: str
    valid: int
    total: int
    next_at: datetime | None = None
    runway_until: datetime | None = None
    confidence: Confidence | None = None
    groups: list[list[str]] = field(factory=list)
    keys: list[KeyRunway] = field(factory=list)


@frozen
class CircuitChanged(Event):
    type: ClassVar[str] = "circuit.changed"
    provider: str
    endpoint: str
    model: str | None
    state: CircuitState


@frozen
class ServerChanged(Event):
    """An MCP server after a change. `tools` is how many are offered; `error` says why it failed."""

    type: ClassVar[str] = "server.changed"
    server: str
    state: ServerState
    tools: int = 0
    error: str | None = None


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
        InterceptionSilent,
        InterceptionHeard,
        ResponseStarted,
        PromptRecorded,
        ThoughtDelta,
        ThoughtRecorded,
        ThoughtWithheld,
        AnswerDelta,
        ToolCalled,
        ToolResultBrought,
        ContextChanged,
        ModelServed,
        Noted,
        TokensUsed,
        InterceptionEnded,
        KeyChanged,
        KeyMoved,
        PoolChanged,
        CircuitChanged,
        ServerChanged,
        RecordFailed,
        RecordRecovered,
        EventsDropped,
        BridgeStopping,
    )
}
