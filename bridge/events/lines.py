"""What happens as lines for people: one for each thing, such as a thought, an answer, a call, with who asked.

An answer comes in pieces, and its line when it is whole: when something else follows in the same response. What a
person wants to see piece by piece is as it comes.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from attrs import Factory

from bridge.events.callers import Callers
from bridge.events.describe import block, describe, line
from bridge.events.entries import Interception
from bridge.events.vocabulary import (
    AnswerDelta,
    Event,
    InterceptionEnded,
    ThoughtDelta,
    ThoughtRecorded,
    ThoughtWithheld,
    TokensUsed,
    ToolCalled,
)
from bridge.events.wire import Envelope, Message, Snapshot
from bridge.terminal_text import TEXT_WIDTH, visible_start
from bridge.value_classes import define

ANSWER = "answer"
"""Stands where an event's type does."""

FOLLOWS_ANSWER = (ThoughtDelta, ThoughtRecorded, ThoughtWithheld, ToolCalled, TokensUsed, InterceptionEnded)
"""What follows an answer that is whole, or all that came of it."""


@define
class _Answer:
    """The beginning of what came so far, and how many characters that was."""

    text: str = ""
    characters: int = 0

    def add(self, text: str) -> None:
        self.characters += len(text)
        self.text += text[: TEXT_WIDTH + 1 - len(self.text)]


@define
class EventLines:
    """Makes lines of what a bridge says, one message after the other; `deltas` gives each piece a line of its own."""

    deltas: bool = False
    _callers: Callers = Factory(Callers)
    _answers: dict[str, _Answer] = Factory(dict)
    """Of requests that run, as far as they have no line yet."""

    def begin(self, interceptions: Iterable[Interception]) -> None:
        """A snapshot's requests: what is known before anything happens."""
        known = list(interceptions)
        self._callers.begin(known)
        self._answers.clear()
        for interception in known:
            if interception.live and interception.answer:
                self._answers.setdefault(interception.id, _Answer()).add(interception.answer)

    def of(self, message: Message | None) -> list[str]:
        """The lines that a message leads to."""
        match message:
            case Snapshot():
                self.begin(message.interceptions)
            case Envelope():
                caller = self._callers.take(message.event)
                return self._of(message, caller.name if caller else "")
        return []

    def _of(self, envelope: Envelope, caller: str) -> list[str]:
        event = envelope.event
        if self.deltas:
            return [describe(envelope, caller)]
        if isinstance(event, AnswerDelta):
            self._answers.setdefault(event.id, _Answer()).add(event.text)
            return []
        before = self._answer(event, envelope.at, caller) if isinstance(event, FOLLOWS_ANSWER) else []
        return before if isinstance(event, ThoughtDelta) else [*before, describe(envelope, caller)]

    def _answer(self, event: Event, at: datetime, caller: str) -> list[str]:
        request = getattr(event, "id", "")
        answer = self._answers.pop(request, None)
        if answer is None:
            return []
        who = f"{visible_start(caller)}: " if caller else ""
        return [line(at, request, ANSWER, who + block(answer.text, answer.characters))]
