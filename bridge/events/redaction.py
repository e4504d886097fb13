"""Takes known secrets out of events before anybody hears of them: sinks, subscribers, and the picture in snapshots.

Events carry what others wrote: error messages, request ids, user agents, arguments of tools. A provider that quotes the
key it was given must not make the bridge tell it. The client gets upstream's words untouched all the same.

A secret may also come in pieces, a few characters a delta. So what ends a delta and could begin a secret is held back
until the next one shows whether it does: nowhere, not even where deltas are put together, does a secret stand whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, Protocol

from attrs import evolve, fields

from bridge.events.size import clip, utf8_size
from bridge.events.values import Asked, KeyCause
from bridge.events.vocabulary import (
    EVENT_TYPES,
    AnswerDelta,
    Event,
    InterceptionEnded,
    Noted,
    ThoughtDelta,
    ThoughtRecorded,
    ToolResultBrought,
)
from bridge.limits import LIMITS
from bridge.value_classes import reading

Delta = ThoughtDelta | AnswerDelta

NOTE_CHARACTERS = 300
"""Of the text of a `noted`. It is cut here, once it is clean: half a secret is not known as one."""

_NAMES: dict[type[Event], tuple[str, ...]] = {
    kind: tuple(field.name for field in fields(kind) if field.name != "id") for kind in EVENT_TYPES.values()
}
_VALUES = {kind: reading(names) for kind, names in _NAMES.items()}

_WITH_TEXTS = (list, dict, KeyCause, Asked)
"""What a field may hold that has texts in it. `list | dict` would be made anew for each field of each event."""


class Secrets(Protocol):
    """Who knows the secrets, of all or of one caller too; see `bridge.observe.logs.Redactor`."""

    def redact(self, text: str) -> str:
        """The text with every known secret masked."""

    def beginning(self, text: str) -> int:
        """How many characters at the end of the text may be the beginning of a secret."""


class Redaction:
    """The events of one bridge, made clean."""

    def __init__(self) -> None:
        self._held: dict[str, dict[int | None, Delta]] = {}  # by interception, then by thought; None: the answer

    def clean(self, event: Event, secrets: Secrets) -> Iterator[Event]:
        """What may be told now: mostly the event itself; nothing while a delta is held back. All events of one
        interception are to come with the same `secrets`."""
        match event:
            case ThoughtDelta(text=""):
                pass  # it tells of a thought without a text
            case ThoughtDelta() | AnswerDelta():
                yield from self._delta(event, secrets)
                return
            case ThoughtRecorded():
                self._held.get(event.id, {}).pop(event.index, None)  # told whole now
            case Noted():
                clean = redacted(event, secrets)
                yield evolve(clean, text=clean.text[:NOTE_CHARACTERS]) if isinstance(clean, Noted) else clean
                return
            case ToolResultBrought():
                yield _result(event, secrets)
                return
            case InterceptionEnded():
                yield from self._held.pop(event.id, {}).values()  # it was no secret
        yield redacted(event, secrets)

    def _delta(self, event: Delta, secrets: Secrets) -> Iterator[Event]:
        held = self._held.setdefault(event.id, {})
        place = event.index if isinstance(event, ThoughtDelta) else None
        before = held.pop(place, None)
        text = secrets.redact(event.text if before is None else before.text + event.text)
        kept = secrets.beginning(text)
        if kept:
            held[place] = evolve(event, text=text[-kept:])
        if told := text[: len(text) - kept]:
            yield evolve(event, text=told)


def _result(event: ToolResultBrought, secrets: Secrets) -> Event:
    """A tool's result, of which the end may have been cut within a secret."""
    text = secrets.redact(event.text)
    if event.bytes > utf8_size(event.text):
        text = text[: len(text) - secrets.beginning(text)]
    return redacted(evolve(event, text=clip(text, LIMITS.result_bytes)), secrets)


def redacted(event: Event, secrets: Secrets) -> Event:
    """The event with every text in it redacted; itself where nothing was found."""
    changes: dict[str, Any] = {}
    kind = type(event)
    for name, value in zip(_NAMES[kind], _VALUES[kind](event), strict=True):
        if value.__class__ is str:  # most are, and need no more than this
            if (text := secrets.redact(value)) != value:
                changes[name] = text
        elif value is not None and isinstance(value, _WITH_TEXTS):
            clean = _clean(value, secrets)
            if clean != value:
                changes[name] = clean
    return evolve(event, **changes) if changes else event


def _clean(value: Any, secrets: Secrets) -> Any:
    match value:
        case str():
            return value if isinstance(value, Enum) else secrets.redact(value)  # not the members of our own
        case KeyCause(text=str(text)):
            return evolve(value, text=secrets.redact(text))
        case Asked(model, tier, speed):
            return Asked(_clean(model, secrets), _clean(tier, secrets), _clean(speed, secrets))
        case list():
            return [_clean(item, secrets) for item in value]
        case dict():
            return {_clean(name, secrets): _clean(item, secrets) for name, item in value.items()}
        case _:
            return value
