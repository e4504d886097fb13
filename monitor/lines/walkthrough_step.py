"""What a step of the walkthrough is: where it happens, what it says, and which event tells of it."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from monitor.lines.span import Tone
from monitor.lines.walkthrough_reasons import Kind


class Place(StrEnum):
    """Where in the bridge, or beside it, a step happens."""

    CLIENT = "client"
    GUARD = "guard"
    POOL = "pool"
    ATTEMPT = "attempt"
    UPSTREAM = "upstream"
    TOOLS = "tools"
    RELAY = "relay"
    READER = "reader"
    EVENTS = "events"


@frozen
class WalkthroughStep:
    """One step. `key` names it within its request, `kind` says what it is an example of (`REASONS`); `event` is what a
    subscriber hears of it, `number` which attempt, thought or tool that is about; `quote` is text from outside, raw.
    `attempt` and `hint` say which try of which key is under way."""

    key: str
    place: Place
    kind: Kind
    text: str
    event: str = ""
    quote: str = ""
    tone: Tone = "live"
    attempt: int = 0
    hint: str = ""
    number: int | None = None
    quiz: bool = False
    """It is a question to the person, or the answer to it, and nothing that happened."""

    @property
    def failed(self) -> bool:
        """Whether an attempt failed here."""
        return self.event == "attempt.failed"
