"""What happened to one request, event by event with its times, in bounded memory.

The picture keeps what a request has become; this keeps when. Pieces of one text that follow each other make one entry.
Of very many entries the first and the last stay. A snapshot holds no events: of a request that it tells of, only what
has a time in it is known (the beginning, the attempts, the end), and the trace says that it is not whole.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from attrs import Factory, define, evolve, fields

from bridge.events.entries import Attempt, Interception, Tokens
from bridge.events.vocabulary import (
    AnswerDelta,
    AttemptFailed,
    AttemptStarted,
    ContextChanged,
    Event,
    InterceptionEnded,
    InterceptionHeard,
    InterceptionSilent,
    InterceptionStarted,
    InterceptionWaiting,
    KeyMoved,
    ModelServed,
    Noted,
    PromptRecorded,
    ResponseStarted,
    ThoughtDelta,
    ThoughtRecorded,
    ThoughtWithheld,
    TokensUsed,
    ToolCalled,
    ToolResultBrought,
)

HEAD, TAIL = 100, 200
"""Entries kept from the beginning and from the end."""

TEXT = 200
"""Characters kept of what an event says."""


def as_json(value: Any) -> str:
    """A tool's arguments on one line; those that are no JSON come as a text, and stay one."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@define
class TraceEntry:
    """An event, or a run of pieces of one text from `at` until `until`. `number` is an attempt's or a thought's."""

    kind: str
    at: datetime
    until: datetime
    number: int | None = None
    text: str = ""
    count: int = 1
    size: int = 0
    event: Event | None = None
    """What was said, its texts cut; None where only a snapshot tells of it."""
    seq: int = 0


@define
class Trace:
    """The entries in order; `left_out` counts those of the middle that are gone."""

    entries: list[TraceEntry] = Factory(list)
    whole: bool = True
    left_out: int = 0

    def note(self, event: Event, at: datetime, seq: int = 0) -> None:
        """Takes one event in."""
        entry = _entry(event, at)
        last = self.entries[-1] if self.entries else None
        pieces = isinstance(event, ThoughtDelta | AnswerDelta)
        if pieces and last is not None and (last.kind, last.number) == (entry.kind, entry.number):
            last.until = at
            last.count += 1
            last.size += entry.size
            last.text = (last.text + entry.text)[:TEXT] if len(last.text) < TEXT else last.text
            return
        entry.event, entry.seq = shortened(event), seq
        self._add(entry)

    def catch_up(self, request: Interception) -> None:
        """Adds what a snapshot says of the request that is not in here yet."""
        started = InterceptionStarted.type
        if not self.entries:
            self.entries.append(
                TraceEntry(started, request.started_at, request.started_at, None, _route(request.started))
            )
        seen = {(entry.kind, entry.number) for entry in self.entries}
        for attempt in request.attempts:
            self._catch_up_attempt(attempt, seen)
        if request.ended_at is not None and (InterceptionEnded.type, None) not in seen:
            text = f"{request.outcome} {request.error or ''}".strip()[:TEXT]
            self._add(TraceEntry(InterceptionEnded.type, request.ended_at, request.ended_at, None, text))
        self.whole = False

    def _catch_up_attempt(self, attempt: Attempt, seen: set[tuple[str, int | None]]) -> None:
        at, number = attempt.started_at, attempt.attempt
        if (AttemptStarted.type, number) not in seen:
            self._add(TraceEntry(AttemptStarted.type, at, at, number, attempt.key[:TEXT]))

    def _add(self, entry: TraceEntry) -> None:
        self.entries.append(entry)
        if len(self.entries) > HEAD + TAIL:
            del self.entries[HEAD]
            self.left_out += 1

    def first(self, *kinds: str) -> datetime | None:
        """When the first entry of these kinds began."""
        return next((entry.at for entry in self.entries if entry.kind in kinds), None)


def shortened(event: Event) -> Event:
    """The event with at most `TEXT` characters of each text, so that it can be kept; what is cut says so."""
    cut: dict[str, Any] = {}
    for each in fields(type(event)):
        value = getattr(event, each.name)
        if not isinstance(value, str):
            value = "" if value is None or isinstance(value, int | float) else _text(value)
        if len(value) > TEXT:
            cut[each.name] = f"{value[:TEXT]}… {len(value) - TEXT:,} more"
    return evolve(event, **cut) if cut else event


def _text(value: Any) -> str:
    """What may be long and is no text: a tool's arguments, the times of tools."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else ""


def _route(started: InterceptionStarted) -> str:
    return f"{started.method} {started.path} · {started.client} {started.model or ''}"[:TEXT]


def _entry(event: Event, at: datetime) -> TraceEntry:
    number, text, size = _description(event, at)
    return TraceEntry(event.type, at, at, number, text[:TEXT], 1, size)


def _description(event: Event, at: datetime) -> tuple[int | None, str, int]:
    """Of an event: which attempt or thought it is about, what it says, how long its text is."""
    number = getattr(event, "attempt", getattr(event, "index", None))
    text, size = getattr(event, "text", ""), 0
    match event:
        case ThoughtDelta() | ThoughtRecorded() | PromptRecorded() | AnswerDelta():
            size = len(text)
        case ThoughtWithheld():
            text, size = event.reason.replace("_", " "), event.bytes
        case AttemptStarted():
            text = event.key
        case AttemptFailed():
            text = _failure(event)
        case ResponseStarted():
            text = f"{event.status} {event.upstream_request_id or ''}"
        case ToolResultBrought() | ContextChanged():
            text = _of_the_conversation(event)
        case InterceptionSilent() | InterceptionHeard():
            text = event.kind.replace("_", " ")
        case KeyMoved():
            text = f"{event.from_} → {event.to}, {event.cause.replace('_', ' ')}"
        case _:
            text = _more_descriptions(event, at)
    return number, text, size


def _failure(event: AttemptFailed) -> str:
    status = "" if event.status is None else f"{event.status} "
    cools = f", cools {event.cooldown_s:g} s" if event.cooldown_s else ""
    return f"{event.key}: {status}{event.reason.replace('_', ' ')}{cools}"


def _of_the_answer(event: ModelServed | Noted | TokensUsed) -> str:
    match event:
        case ModelServed():
            return " ".join(word for word in (event.model, event.service_tier, event.speed) if word)
        case Noted():
            return f"{event.kind} {event.text}".strip()
        case TokensUsed():
            return f"{Tokens.of(event).total_input:,} in, {event.output:,} out"


def _of_the_wait(event: InterceptionWaiting | InterceptionSilent | InterceptionHeard, at: datetime) -> str:
    """In seconds: in whose zone a time of day would be is not known here."""
    match event:
        case InterceptionWaiting():
            return f"every key cools, the next for {(event.until - at).total_seconds():,.0f} s"
        case InterceptionSilent():
            return event.kind.replace("_", " ")
    return f"{event.kind.replace('_', ' ')} for {(at - event.since).total_seconds():,.0f} s"


def _of_the_conversation(event: ToolResultBrought | ContextChanged) -> str:
    """What a request brought along: what a tool said, or how its messages differ from those of the request before."""
    if isinstance(event, ToolResultBrought):
        failed = "failed, " if event.is_error else ""
        return f"{failed}{event.bytes:,} B {event.text}"
    counts = f"+{event.added} -{event.removed}, {event.messages} messages"
    changed = {"system": event.system_changed, "tools": event.tools_changed}
    return counts + "".join(f", {what} changed" for what, has in changed.items() if has)


def _more_descriptions(event: Event, at: datetime) -> str:
    match event:
        case InterceptionStarted():
            return _route(event)
        case InterceptionWaiting() | InterceptionSilent() | InterceptionHeard():
            return _of_the_wait(event, at)
        case ToolCalled():
            return f"{event.tool} {as_json(event.arguments)[:TEXT]}"
        case ModelServed() | Noted() | TokensUsed():
            return _of_the_answer(event)
        case InterceptionEnded():
            status = "" if event.status is None else f" {event.status}"
            return f"{event.outcome}{status} {event.error or ''}".strip()
    return ""
