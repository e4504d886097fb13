"""Takes known secrets out of an event before anybody hears of it.

Events carry what others wrote: error messages, request ids, user agents, arguments of tools. A provider that quotes the
key it was given must not make the bridge tell it. The client gets upstream's words untouched all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve, fields

from bridge.events.vocabulary import EVENT_TYPES, Event

Redact = Callable[[str], str]

_NAMES: dict[type[Event], tuple[str, ...]] = {
    kind: tuple(field.name for field in fields(kind) if field.name != "id") for kind in EVENT_TYPES.values()
}


def redacted(event: Event, redact: Redact) -> Event:
    """The event with every text in it redacted; itself where nothing was found."""
    changes = {}
    for name in _NAMES[type(event)]:
        value = getattr(event, name)
        if isinstance(value, str | list | dict):
            clean = _clean(value, redact)
            if clean != value:
                changes[name] = clean
    return evolve(event, **changes) if changes else event


def _clean(value: Any, redact: Redact) -> Any:
    match value:
        case str():
            return redact(value) if type(value) is str else value  # not the members of our own enumerations
        case list():
            return [_clean(one, redact) for one in value]
        case dict():
            return {redact(name) if isinstance(name, str) else name: _clean(one, redact) for name, one in value.items()}
        case _:
            return value
