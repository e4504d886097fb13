"""What a trace is made of besides events, and what of an event it needs: little, since it waits for a thread."""

from __future__ import annotations

from typing import Any

import orjson
from attrs import evolve

from bridge.events.vocabulary import (
    AttemptFailed,
    AttemptStarted,
    Event,
    InterceptionEnded,
    InterceptionStarted,
    ModelServed,
    PromptRecorded,
    ResponseStarted,
    ServerChanged,
    ThoughtRecorded,
    TokensUsed,
    ToolCalled,
)
from bridge.events.wire import Envelope
from bridge.value_classes import frozen

INPUT_CHARACTERS = 100
"""Of the arguments of an injected call."""

TRACED = frozenset(
    kind.type
    for kind in (
        InterceptionStarted,
        AttemptStarted,
        AttemptFailed,
        ResponseStarted,
        ModelServed,
        TokensUsed,
        InterceptionEnded,
        ServerChanged,
    )
)

RECORDS: dict[type[Event], str] = {
    InterceptionStarted: "RecordInterception",
    InterceptionEnded: "RecordInterceptionEnded",
    PromptRecorded: "RecordPromptUsage",
    TokensUsed: "RecordTokenUsage",
    ToolCalled: "RecordToolUsage",
    ThoughtRecorded: "RecordModelThought",
}
"""What the record's writes are called."""


@frozen
class Arrived:
    """A request came in: when (nanoseconds of the wall clock), and which trace its client has it in."""

    id: str
    at_ns: int
    parent: dict[str, str]


@frozen
class Written:
    """An event was written to the record, or could not be. Times in nanoseconds of the wall clock."""

    name: str
    id: str
    began_ns: int
    ended_ns: int
    error: str | None


Traceable = Arrived | Written | Envelope


def traceable(envelope: Envelope) -> Envelope | None:
    """What a trace needs of an event; None where it needs nothing."""
    event = envelope.event
    if event.type in TRACED:
        return envelope
    if isinstance(event, ToolCalled) and event.injected:
        return evolve(envelope, event=evolve(event, arguments=_beginning(event.arguments)))
    return None


def written(item: Any, began_ns: int, ended_ns: int, error: str | None) -> Written | None:
    """What a trace tells of something that the record wrote; None where it tells nothing."""
    if not isinstance(item, Envelope) or (name := RECORDS.get(type(item.event))) is None:
        return None
    return Written(name, str(getattr(item.event, "id", "")), began_ns, ended_ns, error)


def _beginning(arguments: Any) -> str:
    text = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
    return text[:INPUT_CHARACTERS]
