"""What stands in the picture that events add up to: an interception with its attempts, thoughts and tools, and sums.

`bridge.events.picture` folds events into these, and a snapshot is made of them. Each knows what it takes in a snapshot,
which is what the picture's bounds are made of. Attempts, thoughts and tools are values: who copies an interception's
lists has copied it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, get_type_hints

from attrs import Factory, evolve, field, fields

from bridge.events.size import FIXED, json_size, value_json, value_size
from bridge.events.values import (
    Asked,
    ErrorType,
    FailureReason,
    Outcome,
    SilenceKind,
    ThoughtSource,
    WithheldReason,
    cost_mark,
)
from bridge.events.vocabulary import InterceptionStarted, TokensUsed
from bridge.value_classes import define, frozen


@frozen
class Attempt:
    """One try of one key. `status` and `reason` are None while it runs; `reason` stays None when it served."""

    attempt: int
    key: str
    started_at: datetime
    status: int | None = None
    reason: FailureReason | None = None
    cooldown_s: float | None = None
    cause_text: str | None = None

    @property
    def failed(self) -> bool:
        """Whether it failed: one that follows is a failover, and else another round of tools."""
        return self.reason is not None


@frozen
class Thought:
    """A thought so far, whole once `recorded`; a withheld one has a reason and a size instead of text."""

    index: int
    source: ThoughtSource | None = None
    text: str = ""
    recorded: bool = False
    withheld: WithheldReason | None = None
    bytes: int = 0
    estimated_tokens: int | None = None
    cut: int = 0
    """Bytes of its text that are left out."""

    @property
    def size(self) -> int:
        """What it takes in a snapshot."""
        return FIXED + json_size(self.text)


@frozen
class Tool:
    """A tool call: the fields of `tool.called`. Arguments that were cut are the beginning of their JSON, as a text."""

    tool_call_id: str | None
    tool: str
    arguments: Any
    response_id: str | None = None
    injected: bool = False
    server_url: str | None = None
    error: str | None = None
    cut: int = 0
    """Bytes of its texts and arguments that are left out."""

    @property
    def size(self) -> int:
        """What it takes in a snapshot; more for arguments of many small values, which take more in memory."""
        arguments = self.arguments
        size = json_size(arguments) if isinstance(arguments, str) else value_size(value_json(arguments))
        return FIXED + size + sum(json_size(getattr(self, name)) for name in TOOL_TEXTS)


@frozen
class Result:
    """What a tool answered, as the request brings it: the fields of `tool.result`."""

    tool_call_id: str | None
    bytes: int
    is_error: bool
    text: str

    @property
    def size(self) -> int:
        """What it takes in a snapshot."""
        return FIXED + json_size(self.tool_call_id) + json_size(self.text)


@frozen
class Context:
    """What a request changed of its conversation: the fields of `context.changed`."""

    messages: int
    added: int
    removed: int
    system_changed: bool
    tools_changed: bool


@frozen
class Serving:
    """What really answered: the fields of `served`."""

    model: str | None = None
    service_tier: str | None = None
    speed: str | None = None
    asked: Asked = Factory(Asked)

    @property
    def size(self) -> int:
        """What it takes in a snapshot."""
        asked = self.asked
        texts = (self.model, self.service_tier, self.speed, asked.model, asked.service_tier, asked.speed)
        return FIXED + sum(map(json_size, texts))


@frozen
class OpenSilence:
    """That an interception is silent just now: the fields of `interception.silent`."""

    kind: SilenceKind
    since: datetime


@frozen
class Note:
    """What an answer held beside thoughts, calls and text: the fields of `noted`."""

    kind: str
    text: str = ""

    @property
    def size(self) -> int:
        """What it takes in a snapshot."""
        return FIXED + json_size(self.kind) + json_size(self.text)


@frozen
class Cut:
    """What is left out of an interception: so many thoughts, tools, notes, results of tools, and bytes of these and of
    its texts."""

    thoughts: int = 0
    tools: int = 0
    notes: int = 0
    results: int = 0
    bytes: int = 0
    answer: int = 0
    """Those of the bytes that are of its answer."""


@define
class Tokens:
    """Sums of `tokens.used`; `cost_usd` is that of those whose cost is known, and None where none is."""

    input: int = 0
    output: int = 0
    cache_read_input: int = 0
    cache_write_input: int = 0
    extra: dict[str, int] = field(factory=dict)
    cost_usd: float | None = None
    context_window: int | None = None
    """Of the model that answered last; None in sums over many interceptions."""
    partial: bool = False
    """A stream broke off: counted so far."""
    unpriced: int = 0
    """How many `tokens.used` among them told no cost."""
    cache_saved_usd: float | None = None
    """The sum of those that are known, and None where none is."""

    @classmethod
    def of(cls, used: TokensUsed) -> Tokens:
        """One response's tokens."""
        tokens = cls()
        tokens.add(used)
        return tokens

    @property
    def total_input(self) -> int:
        """All tokens of the prompt, those read from a cache and those written to it included."""
        return self.input + self.cache_read_input + self.cache_write_input

    @property
    def cost_mark(self) -> str:
        """What people see before the cost: `≥` where a part of it is unknown, `~` where a part is an estimate."""
        return cost_mark(self.unpriced, partial=self.partial)

    def copy(self) -> Tokens:
        """The sums as they are now."""
        return evolve(self, extra=dict(self.extra))

    def add(self, used: TokensUsed | Tokens) -> None:
        """Adds one response's tokens, or others' sums."""
        self.input += used.input
        self.output += used.output
        self.cache_read_input += used.cache_read_input
        self.cache_write_input += used.cache_write_input
        for name, count in used.extra.items():
            self.extra[name] = self.extra.get(name, 0) + count
        self.unpriced += used.unpriced if isinstance(used, Tokens) else used.cost_usd is None
        self.partial = self.partial or used.partial
        if used.cost_usd is not None:
            self.cost_usd = (self.cost_usd or 0.0) + used.cost_usd
        if used.cache_saved_usd is not None:
            self.cache_saved_usd = (self.cache_saved_usd or 0.0) + used.cache_saved_usd


@define
class Interception:
    """One request as it stands: how it started, what came since, and how it ended (or None)."""

    started: InterceptionStarted
    started_at: datetime
    attempts: list[Attempt] = Factory(list)
    waiting_until: datetime | None = None
    silence: OpenSilence | None = None
    upstream_request_id: str | None = None
    prompt: str | None = None
    results: list[Result] = Factory(list)
    context: Context | None = None
    thoughts: list[Thought] = Factory(list)
    tools: list[Tool] = Factory(list)
    served: Serving | None = None
    notes: list[Note] = Factory(list)
    tokens: Tokens | None = None
    answer: str = ""
    ended_at: datetime | None = None
    outcome: Outcome | None = None
    status: int | None = None
    error: str | None = None
    error_type: ErrorType | None = None
    duration_ms: float | None = None
    first_byte_ms: float | None = None
    first_token_ms: float | None = None
    bytes_in: int | None = None
    bytes_out: int | None = None
    request_equal: bool | None = None
    answer_equal: bool | None = None
    added: list[str] | None = None
    cut: Cut = Factory(Cut)
    ended_nth: int = 0
    """It was the n-th of all to end; 0 while it runs, and for those of another bridge."""

    @property
    def id(self) -> str:
        """Its name in every event about it."""
        return self.started.id

    @property
    def live(self) -> bool:
        """Whether it has not ended yet."""
        return self.outcome is None

    @property
    def size(self) -> int:
        """What it takes in a snapshot, about."""
        texts = [self.id, self.upstream_request_id, self.prompt, self.answer, self.error]
        texts += [getattr(self.started, name) for name in STARTED_TEXTS]
        parts = sum(thought.size for thought in self.thoughts) + sum(tool.size for tool in self.tools)
        parts += sum(result.size for result in self.results)
        parts += sum(note.size for note in self.notes) + (self.served.size if self.served else 0)
        return (
            OWN_SIZE + FIXED * len(self.attempts) + tool_times_size(self.started) + sum(map(json_size, texts)) + parts
        )

    def copy(self) -> Interception:
        """It as it stands now, whatever comes later."""
        tokens = None if self.tokens is None else self.tokens.copy()
        lists: dict[str, Any] = {name: list(getattr(self, name)) for name in _LISTS}
        return evolve(self, **lists, tokens=tokens)


@frozen
class Resident:
    """The key that an agent of a session was served with last, by its hint."""

    provider: str
    session_id: str
    agent_id: str | None
    key: str
    at: datetime

    @property
    def name(self) -> tuple[str, str, str | None]:
        """Whose it is."""
        return self.provider, self.session_id, self.agent_id


@define
class Totals:
    """Counts since the bridge started."""

    interceptions: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    rejected: int = 0
    failovers: int = 0
    forgotten: int = 0
    """Ended interceptions that are in the picture no more."""
    tokens: Tokens = Factory(Tokens)

    @property
    def ended(self) -> int:
        """How many have ended."""
        return self.completed + self.failed + self.cancelled + self.rejected

    def copy(self) -> Totals:
        """The counts as they are now."""
        return evolve(self, tokens=self.tokens.copy())


_LISTS = ("attempts", "results", "thoughts", "tools", "notes")

OWN_SIZE = 10 * FIXED
"""What an interception takes beside its texts, attempts, thoughts and tools."""

TOOL_FIELDS = tuple(a.name for a in fields(Tool) if a.name != "cut")
TOOL_TEXTS = ("tool_call_id", "tool", "response_id", "server_url", "error")
STARTED_TEXTS = tuple(
    name for name, kind in get_type_hints(InterceptionStarted).items() if kind in (str, str | None) and name != "id"
)


def tool_times_size(event: InterceptionStarted) -> int:
    """What an interception's `previous_tool_ms` takes."""
    return value_size(value_json(event.previous_tool_ms)) if event.previous_tool_ms else 0
