"""The record as an event log: what a subscriber would have heard of past interceptions, as far as it was kept.

Thoughts come whole, where they were recorded; the pieces in which they streamed, which tier a request asked for, when
the answer told its model, what a request changed of its conversation, and the keys' health are not kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta

from attrs import fields

from bridge.events.entries import TOOL_FIELDS
from bridge.events.values import (
    Asked,
    Credential,
    ErrorType,
    FailureReason,
    MoveCause,
    Outcome,
    ThoughtSource,
    WithheldReason,
)
from bridge.events.vocabulary import (
    AttemptFailed,
    AttemptStarted,
    Event,
    InterceptionEnded,
    InterceptionStarted,
    KeyMoved,
    ModelServed,
    Noted,
    PromptRecorded,
    ResponseStarted,
    ThoughtRecorded,
    ThoughtWithheld,
    TokensUsed,
    ToolCalled,
    ToolResultBrought,
)
from bridge.events.wire import Envelope, encode
from bridge.record.history import Fields, Filter, interceptions, story

Timed = tuple[datetime, Event]

STARTED_FIELDS = tuple(field.name for field in fields(InterceptionStarted) if field.name != "credential")
TOKEN_FIELDS = tuple(field.name for field in fields(TokensUsed) if field.name != "id")
ASKED_COLUMNS = ("model", "asked_service_tier", "asked_speed")
RESULT_FIELDS = tuple(field.name for field in fields(ToolResultBrought) if field.name != "id")
SERVED_COLUMNS = ("served_model", "service_tier", "speed")
ENDED_FIELDS = ("status", "error", "first_byte_ms", "first_token_ms", "request_equal", "answer_equal", "added")


def event_lines(database: sqlite3.Connection, newest: int) -> Iterator[bytes]:
    """The newest interceptions as lines of the event socket, in order of time."""
    stories = [story(database, row["id"]) for row in interceptions(database, Filter(limit=newest))]
    events = [timed for interception in reversed(stories) for timed in events_of(interception)]
    events.sort(key=lambda timed: timed[0])  # stable: what came at the same millisecond stays in its order
    return (encode(Envelope(seq, at, event)) for seq, (at, event) in enumerate(events, 1))


def events_of(interception: Fields) -> Iterator[Timed]:
    """What was told of an interception, given in full, with the times; not in their order."""
    name, began = interception["id"], datetime.fromisoformat(interception["started_at"])
    facts = {field: interception[field] for field in STARTED_FIELDS}
    yield began, InterceptionStarted(**facts, credential=Credential(**interception["credential"]))
    for attempt in interception["attempts"]:
        yield from _attempt(interception, attempt, began)
    yield from _found(name, interception)
    model, tier, speed = (interception[column] for column in SERVED_COLUMNS)
    ended_at = interception["ended_at"]
    if model or tier or speed:
        at = datetime.fromisoformat(ended_at) if ended_at else began
        yield at, ModelServed(name, model, tier, speed, Asked(*(interception[column] for column in ASKED_COLUMNS)))
    if interception["outcome"] is not None:
        ended = datetime.fromisoformat(ended_at)
        facts = {field: interception[field] for field in ENDED_FIELDS}
        took, came, sent = (interception[name] or 0 for name in ("duration_ms", "bytes_in", "bytes_out"))
        yield (
            ended,
            InterceptionEnded(
                name,
                Outcome(interception["outcome"]),
                attempts=len(interception["attempts"]),
                duration_ms=took,
                bytes_in=came,
                bytes_out=sent,
                error_type=ErrorType(interception["error_type"]) if interception["error_type"] else None,
                **facts,
            ),
        )


def _attempt(interception: Fields, attempt: Fields, began: datetime) -> Iterator[Timed]:
    name, number, key = interception["id"], attempt["attempt"], attempt["key"]
    started = datetime.fromisoformat(attempt["started_at"])
    yield started, AttemptStarted(name, number, key)
    if attempt["reason"] is not None:
        failed = datetime.fromisoformat(attempt["ended_at"] or attempt["started_at"])
        reason = FailureReason(attempt["reason"])
        words = (attempt["cooldown_s"], attempt["cause_text"])
        yield failed, AttemptFailed(name, number, key, attempt["status"], reason, *words)
    elif attempt["status"] is not None:
        first_byte = began + timedelta(milliseconds=interception["first_byte_ms"] or 0.0)
        answered = max(started, first_byte)
        yield answered, ResponseStarted(name, number, attempt["status"], interception["upstream_request_id"])


def _found(name: str, interception: Fields) -> Iterator[Timed]:
    for result in interception["results"]:
        yield _at(result), ToolResultBrought(name, **{field: result[field] for field in RESULT_FIELDS})
    for prompt in interception["prompts"]:
        if prompt["text"] is not None:
            yield _at(prompt), PromptRecorded(name, prompt["response_id"], prompt["text"])
    for thought in interception["thoughts"]:
        response, index = thought["response_id"], thought["index"]
        if thought["text"] is not None:
            source = ThoughtSource(thought["source"])
            yield _at(thought), ThoughtRecorded(name, response, index, source, thought["text"])
        elif thought["reason"] is not None:
            reason = WithheldReason(thought["reason"])
            yield (
                _at(thought),
                ThoughtWithheld(name, response, index, reason, thought["bytes"] or 0, thought["estimated_tokens"]),
            )
    for tool in interception["tools"]:
        yield _at(tool), ToolCalled(name, **{field: tool[field] for field in TOOL_FIELDS})
    for note in interception["notes"]:
        yield _at(note), Noted(name, note["kind"], note["text"])
    yield from (_moved(name, move) for move in interception["moves"])
    for used in interception["tokens"]:
        yield _at(used), TokensUsed(name, **{field: used[field] for field in TOKEN_FIELDS})


def _moved(name: str, move: Fields) -> Timed:
    cause, whose = MoveCause(move["cause"]), (move["session_id"], move["agent_id"])
    return _at(move), KeyMoved(name, *whose, move["from"], move["to"], cause, move["cache_lost"])


def _at(part: Fields) -> datetime:
    return datetime.fromisoformat(part["at"])
