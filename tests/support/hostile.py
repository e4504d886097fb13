"""Text that would do harm on a terminal, in every field that the bridge can send."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from attrs import evolve, fields

from bridge.events.vocabulary import CircuitChanged, Event, InterceptionWaiting, RecordFailed
from tests.support.play import START, ended, keys, spent, story

HOSTILE = (
    "\x1b[31mred\x1b[0m \x1b]52;c;aGFjaw==\x07 \x1b]0;title\x1b\\ \x9b6n \x00\x08\x7f "
    "[bold]b[/b] [/] [@click=app.quit]x[/] [link=http://x]y[/link] "
    "\u202egnp.exe \u2066i\u2069 \u200b\ufeff \ud83d \r\n\ttail "
)


def poisoned(event: Event, poison: str) -> Event:
    """The event with every free text in it replaced; identities and terms of the protocol stay."""
    changes: dict[str, Any] = {}
    for field in fields(type(event)):
        value = getattr(event, field.name)
        if type(value) is str and field.name not in {"id", "kind", "api", "state", "source"}:
            changes[field.name] = poison
        elif field.name == "arguments":
            changes[field.name] = {poison: poison, "deep": [{poison: [poison]}]}
        elif field.name in {"session_id", "error", "reason", "model", "agent_id", "initiator"} and value is None:
            changes[field.name] = poison
    return evolve(event, **changes)


def everything(poison: str) -> list[Event]:
    waiting = InterceptionWaiting("b", datetime(2026, 1, 2, 3, 5, tzinfo=START.tzinfo))
    events = [*keys(), *story("a"), spent("a"), ended("a"), *story("b"), waiting, RecordFailed("e", 1)]
    events.append(CircuitChanged("p", "/e", "m", "open"))
    return [poisoned(event, poison) for event in events]
