"""What each event writes into the record: SQL and parameters, and nothing that touches a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, singledispatch
from typing import Any, ClassVar

import orjson
from attrs import evolve, fields

from bridge.config.settings import RecordSettings
from bridge.events.times import format_time
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
from bridge.events.wire import Envelope
from bridge.record.key_states import KeyStates
from bridge.value_classes import frozen

Statement = tuple[str, tuple[Any, ...]]

Item = Envelope | KeyStates | list[Statement]
"""What can be written: the last are the recorder's own notes."""

START = tuple(
    field.name for field in fields(InterceptionStarted) if field.name not in {"credential", "previous_tool_ms"}
)
"""The fields with a column of their name; the other two are laid out below."""

END = tuple(field.name for field in fields(InterceptionEnded) if field.name != "id")
ENDED = f"UPDATE interceptions SET ended_at = ?, {', '.join(f'{name} = ?' for name in END)} WHERE id = ?"  # noqa: S608  # our own names

SERVED = """
    UPDATE interceptions SET served_model = ?, service_tier = ?, speed = ?, asked_service_tier = ?, asked_speed = ?
    WHERE id = ?
"""

RESULT = tuple(field.name for field in fields(ToolResultBrought) if field.name != "id")

USED = tuple(field.name for field in fields(TokensUsed) if field.name not in {"id", "extra"})

FAILED_ATTEMPT = """
    UPDATE attempts SET ended_at = ?, status = ?, reason = ?, cooldown_s = ?, cause_text = ?
    WHERE interception_id = ? AND attempt = ?
"""

LAST_ATTEMPT = "UPDATE attempts SET ended_at = ? WHERE interception_id = ? AND ended_at IS NULL"
"""The attempt that served, or was under way, is over with its interception."""


def _insert(table: str, **values: Any) -> Statement:
    return _insertion(table, tuple(values)), tuple(values.values())


@cache
def _insertion(table: str, names: tuple[str, ...]) -> str:
    columns = ", ".join(f'"{name}"' for name in names)
    marks = ", ".join("?" * len(names))
    return f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608  # our own names


def kept(envelope: Envelope, settings: RecordSettings) -> Envelope | None:
    """The event without what the owner does not want kept; None where nothing of it is."""
    event = envelope.event
    if event.type not in Statements.TYPES:
        return None
    match event:
        case PromptRecorded():
            return envelope if settings.prompts else None
        case ThoughtRecorded():
            return envelope if settings.thoughts else None
        case ToolCalled() if not settings.tool_arguments:
            return evolve(envelope, event=evolve(event, arguments=None))
        case ToolResultBrought() if not settings.tool_results:
            return evolve(envelope, event=evolve(event, text=""))
        case _:
            return envelope


@frozen
class Statements:
    """Turns what waits into statements."""

    TYPES: ClassVar[frozenset[str]] = frozenset(
        kind.type
        for kind in (
            InterceptionStarted,
            AttemptStarted,
            AttemptFailed,
            ResponseStarted,
            PromptRecorded,
            ThoughtRecorded,
            ThoughtWithheld,
            ToolCalled,
            ToolResultBrought,
            ModelServed,
            Noted,
            TokensUsed,
            KeyMoved,
            InterceptionEnded,
        )
    )
    """The types of event that leave a trace."""

    run: int

    def of(self, item: Item) -> list[Statement]:
        """The statements for one event, or for the states of a provider's keys."""
        match item:
            case Envelope(_, at, event):
                return _of(event, self.run, format_time(at))
            case KeyStates(provider, rows):
                return _key_states(provider, rows)
            case _:
                return item


@singledispatch
def _of(event: Event, _run: int, _at: str) -> list[Statement]:
    raise TypeError(f"{event.type} leaves no trace")


@_of.register
def _(event: InterceptionStarted, run: int, at: str) -> list[Statement]:
    values = {name: _plain(getattr(event, name)) for name in START}
    durations = None if event.previous_tool_ms is None else _json(event.previous_tool_ms)
    return [
        _insert(
            "interceptions",
            **values,
            run=run,
            previous_tool_ms=durations,
            credential_kind=event.credential.kind,
            credential_hint=event.credential.hint,
            started_at=at,
        )
    ]


@_of.register
def _(event: AttemptStarted, _run: int, at: str) -> list[Statement]:
    values = {"attempt": event.attempt, "key": event.key, "started_at": at}
    return [_insert("attempts", interception_id=event.id, **values)]


@_of.register
def _(event: AttemptFailed, _run: int, at: str) -> list[Statement]:
    return [
        (
            FAILED_ATTEMPT,
            (at, event.status, event.reason.value, event.cooldown_s, event.cause_text, event.id, event.attempt),
        )
    ]


@_of.register
def _(event: ResponseStarted, _run: int, _at: str) -> list[Statement]:
    attempt = (event.status, event.id, event.attempt)
    return [
        ("UPDATE attempts SET status = ? WHERE interception_id = ? AND attempt = ?", attempt),
        ("UPDATE interceptions SET upstream_request_id = ? WHERE id = ?", (event.upstream_request_id, event.id)),
    ]


@_of.register
def _(event: PromptRecorded, _run: int, at: str) -> list[Statement]:
    values = {"response_id": event.response_id, "text": event.text, "at": at}
    return [_insert("prompts", interception_id=event.id, **values)]


@_of.register
def _(event: ThoughtRecorded, _run: int, at: str) -> list[Statement]:
    values = {"index": event.index, "source": event.source.value, "text": event.text, "at": at}
    return [_insert("thoughts", interception_id=event.id, response_id=event.response_id, **values)]


@_of.register
def _(event: ThoughtWithheld, _run: int, at: str) -> list[Statement]:
    values = {name: _plain(getattr(event, name)) for name in ("index", "reason", "bytes", "estimated_tokens")}
    values["at"] = at
    return [_insert("thoughts", interception_id=event.id, response_id=event.response_id, **values)]


@_of.register
def _(event: ToolCalled, _run: int, at: str) -> list[Statement]:
    return [
        _insert(
            "tool_calls",
            interception_id=event.id,
            response_id=event.response_id,
            tool_call_id=event.tool_call_id,
            tool=event.tool,
            arguments=None if event.arguments is None else _json(event.arguments),
            injected=event.injected,
            server_url=event.server_url,
            error=event.error,
            at=at,
        )
    ]


@_of.register
def _(event: ToolResultBrought, _run: int, at: str) -> list[Statement]:
    values = {name: getattr(event, name) for name in RESULT}
    return [_insert("tool_results", interception_id=event.id, **values, at=at)]


@_of.register
def _(event: ModelServed, _run: int, _at: str) -> list[Statement]:
    asked = event.asked
    served = (event.model, event.service_tier, event.speed, asked.service_tier, asked.speed)
    return [(SERVED, (*served, event.id))]


@_of.register
def _(event: Noted, _run: int, at: str) -> list[Statement]:
    return [_insert("notes", interception_id=event.id, kind=event.kind, text=event.text, at=at)]


@_of.register
def _(event: TokensUsed, _run: int, at: str) -> list[Statement]:
    values = {name: getattr(event, name) for name in USED}
    return [_insert("token_usages", interception_id=event.id, **values, extra=_json(event.extra), at=at)]


@_of.register
def _(event: KeyMoved, _run: int, at: str) -> list[Statement]:
    values: dict[str, Any] = {
        "session_id": event.session_id,
        "agent_id": event.agent_id,
        "from": event.from_,
        "to": event.to,
    }
    values |= {"cause": event.cause.value, "cache_lost": event.cache_lost, "at": at}
    return [_insert("key_moves", interception_id=event.id, **values)]


@_of.register
def _(event: InterceptionEnded, _run: int, at: str) -> list[Statement]:
    values = [_plain(getattr(event, name)) for name in END]
    return [(ENDED, (at, *values, event.id)), (LAST_ATTEMPT, (at, event.id))]


def _key_states(provider: str, rows: Sequence[Mapping[str, Any]]) -> list[Statement]:
    statements: list[Statement] = [("DELETE FROM key_states WHERE provider = ?", (provider,))]
    for row in rows:
        values = (provider, row["fingerprint"], _json(row))
        statements.append(("INSERT INTO key_states (provider, fingerprint, state) VALUES (?, ?, ?)", values))
    return statements


def _plain(value: Any) -> Any:
    """A value as a column takes it: a member of an enumeration as its text, a list as JSON."""
    if isinstance(value, list):
        return _json(value)
    return str(value) if isinstance(value, str) else value


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
