"""The picture that events add up to: what a subscriber needs to know before the next event makes sense.

`Picture` folds events, in order, into the live and lately ended interceptions, the keys and the totals. The hub keeps
one so that a `snapshot` is always at hand; the monitor keeps its own, begun from that snapshot. The same events, in the
same order, give the same picture on both sides.
"""

from __future__ import annotations

from datetime import datetime
from functools import singledispatchmethod
from typing import Any

from attrs import Factory, define, field, frozen

from bridge.events.vocabulary import (
    AnswerDelta,
    AttemptFailed,
    AttemptStarted,
    CircuitChanged,
    Event,
    FailureReason,
    InterceptionEnded,
    InterceptionStarted,
    InterceptionWaiting,
    KeyChanged,
    Outcome,
    PromptRecorded,
    ResponseStarted,
    ThoughtDelta,
    ThoughtRecorded,
    ThoughtSource,
    ThoughtWithheld,
    TokensUsed,
    ToolCalled,
    WithheldReason,
)

KEPT_ENDED = 200
"""How many ended interceptions a picture remembers (docs/events.md, Snapshots)."""

REMOVED = "removed"
"""The reason in a `key.changed` that is a key's last: it is no longer configured."""

TEXT_LIMIT = 64 * 1024
"""Bytes kept of one thought, prompt or answer in UTF-8 (docs/events.md, Snapshots); what comes after is not shown."""

LONGEST_CHARACTER = 4
"""Bytes of UTF-8."""


@define
class Attempt:
    """One try of one key. `status` and `reason` are None while it runs; `reason` stays None when it served."""

    attempt: int
    key: str
    started_at: datetime
    status: int | None = None
    reason: FailureReason | None = None
    cooldown_s: float | None = None


@define
class Thought:
    """A thought so far, whole once `recorded`; a withheld one has a reason and a size instead of text."""

    index: int
    source: ThoughtSource | None = None
    text: str = ""
    recorded: bool = False
    withheld: WithheldReason | None = None
    bytes: int = 0


@frozen
class Tool:
    """A tool call: the fields of `tool.called`."""

    tool_call_id: str | None
    tool: str
    arguments: Any
    response_id: str | None = None
    injected: bool = False
    server_url: str | None = None
    error: str | None = None


@define
class Tokens:
    """Sums of `tokens.used`; `cost_usd` is None until a price is known."""

    input: int = 0
    output: int = 0
    cache_read_input: int = 0
    cache_write_input: int = 0
    extra: dict[str, int] = field(factory=dict)
    cost_usd: float | None = None

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

    def add(self, used: TokensUsed | Tokens) -> None:
        """Adds one response's tokens, or others' sums."""
        self.input += used.input
        self.output += used.output
        self.cache_read_input += used.cache_read_input
        self.cache_write_input += used.cache_write_input
        for name, count in used.extra.items():
            self.extra[name] = self.extra.get(name, 0) + count
        if used.cost_usd is not None:
            self.cost_usd = (self.cost_usd or 0.0) + used.cost_usd


@define
class Interception:
    """One request as it stands: how it started, what came since, and how it ended (or None)."""

    started: InterceptionStarted
    started_at: datetime
    attempts: list[Attempt] = Factory(list)
    waiting_until: datetime | None = None
    upstream_request_id: str | None = None
    prompt: str | None = None
    thoughts: list[Thought] = Factory(list)
    tools: list[Tool] = Factory(list)
    tokens: Tokens | None = None
    answer: str = ""
    ended_at: datetime | None = None
    outcome: Outcome | None = None
    status: int | None = None
    error: str | None = None
    duration_ms: float | None = None
    first_byte_ms: float | None = None
    first_token_ms: float | None = None
    bytes_out: int | None = None

    @property
    def id(self) -> str:
        """Its name in every event about it."""
        return self.started.id

    @property
    def live(self) -> bool:
        """Whether it has not ended yet."""
        return self.outcome is None

    def thought(self, index: int) -> Thought:
        """The thought of that index, made where it is new."""
        for thought in reversed(self.thoughts):
            if thought.index == index:
                return thought
        thought = Thought(index=index)
        self.thoughts.append(thought)
        return thought


@define
class Totals:
    """Counts since the bridge started."""

    interceptions: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    rejected: int = 0
    failovers: int = 0
    tokens: Tokens = Factory(Tokens)


TOOL_FIELDS = tuple(a.name for a in Tool.__attrs_attrs__)
ENDED_FIELDS = ("outcome", "status", "error", "duration_ms", "first_byte_ms", "first_token_ms", "bytes_out")


@define
class Picture:
    """All that events have said so far. `interceptions` is in order of arrival; of the ended ones, the last 200."""

    keys: dict[tuple[str, str], KeyChanged] = Factory(dict)
    interceptions: dict[str, Interception] = Factory(dict)
    totals: Totals = Factory(Totals)
    circuits: dict[tuple[str, str, str | None], CircuitChanged] = Factory(dict)
    _ended: dict[str, None] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        ended = [(known.ended_at, known.id) for known in self.interceptions.values() if known.ended_at is not None]
        ended.sort(key=lambda pair: pair[0])  # the first to end is the first to be forgotten
        self._ended.update({id_: None for _, id_ in ended})

    def apply(self, event: Event, at: datetime) -> None:
        """Takes one event in. An event about an interception that is not known (any more) changes nothing."""
        if isinstance(event, InterceptionStarted):
            self._start(event, at)
        elif isinstance(event, KeyChanged):
            self._change_key(event)
        elif isinstance(event, CircuitChanged):
            self._change_circuit(event)
        else:
            interception = self.interceptions.get(getattr(event, "id", ""))
            if interception is not None:
                self._absorb(event, interception, at)

    def _change_key(self, event: KeyChanged) -> None:
        if event.reason == REMOVED:
            self.keys.pop((event.provider, event.key), None)
        else:
            self.keys[event.provider, event.key] = event

    def _change_circuit(self, event: CircuitChanged) -> None:
        """Remembers the circuits that are not closed: these are what one wants to see."""
        name = (event.provider, event.endpoint, event.model)
        if event.state == "closed":
            self.circuits.pop(name, None)
        else:
            self.circuits[name] = event

    def _start(self, event: InterceptionStarted, at: datetime) -> None:
        self.interceptions[event.id] = Interception(event, at)
        self.totals.interceptions += 1

    @singledispatchmethod
    def _absorb(self, event: Event, interception: Interception, at: datetime) -> None:
        """Changes one interception by one event about it; events that tell nothing lasting change nothing."""

    @_absorb.register
    def _(self, event: AttemptStarted, interception: Interception, at: datetime) -> None:
        interception.waiting_until = None
        self.totals.failovers += event.attempt > 1
        interception.attempts.append(Attempt(attempt=event.attempt, key=event.key, started_at=at))

    @_absorb.register
    def _(self, event: AttemptFailed, interception: Interception, _at: datetime) -> None:
        for attempt in interception.attempts:
            if attempt.attempt == event.attempt:
                attempt.status, attempt.reason = event.status, event.reason
                attempt.cooldown_s = event.cooldown_s

    @_absorb.register
    def _(self, event: InterceptionWaiting, interception: Interception, _at: datetime) -> None:
        interception.waiting_until = event.until

    @_absorb.register
    def _(self, event: ResponseStarted, interception: Interception, _at: datetime) -> None:
        interception.upstream_request_id = event.upstream_request_id
        for attempt in interception.attempts:
            if attempt.attempt == event.attempt:
                attempt.status = event.status

    @_absorb.register
    def _(self, event: PromptRecorded, interception: Interception, _at: datetime) -> None:
        interception.prompt = _joined("", event.text)

    @_absorb.register
    def _(self, event: ThoughtDelta, interception: Interception, _at: datetime) -> None:
        thought = interception.thought(event.index)
        thought.source = event.source
        thought.text = _joined(thought.text, event.text)

    @_absorb.register
    def _(self, event: ThoughtRecorded, interception: Interception, _at: datetime) -> None:
        thought = interception.thought(event.index)
        thought.source, thought.recorded = event.source, True
        thought.text = _joined("", event.text)

    @_absorb.register
    def _(self, event: ThoughtWithheld, interception: Interception, _at: datetime) -> None:
        thought = interception.thought(event.index)
        thought.withheld, thought.bytes, thought.recorded = event.reason, event.bytes, True

    @_absorb.register
    def _(self, event: AnswerDelta, interception: Interception, _at: datetime) -> None:
        interception.answer = _joined(interception.answer, event.text)

    @_absorb.register
    def _(self, event: ToolCalled, interception: Interception, _at: datetime) -> None:
        interception.tools.append(Tool(**{name: getattr(event, name) for name in TOOL_FIELDS}))

    @_absorb.register
    def _(self, event: TokensUsed, interception: Interception, _at: datetime) -> None:
        if interception.tokens is None:
            interception.tokens = Tokens()
        interception.tokens.add(event)
        self.totals.tokens.add(event)

    @_absorb.register
    def _(self, event: InterceptionEnded, interception: Interception, at: datetime) -> None:
        for name in ENDED_FIELDS:
            setattr(interception, name, getattr(event, name))
        interception.ended_at, interception.waiting_until = at, None
        name = event.outcome.value
        setattr(self.totals, name, getattr(self.totals, name) + 1)
        self._ended[interception.id] = None
        while len(self._ended) > KEPT_ENDED:
            oldest = next(iter(self._ended))
            del self._ended[oldest]
            del self.interceptions[oldest]


def _joined(text: str, more: str) -> str:
    """Both, as far as they fit into TEXT_LIMIT. A text that has no room for every character stays as it is."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    if size > TEXT_LIMIT - LONGEST_CHARACTER:
        return text
    if more.isascii():
        return text + more[: TEXT_LIMIT - size]
    return text + more.encode("utf-8", "surrogatepass")[: TEXT_LIMIT - size].decode("utf-8", "ignore")
