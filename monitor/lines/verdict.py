"""Whether a request goes on, in a word: what it does, or who says nothing, and for how long.

The bridge tells a silence when it has lasted for 10 s (`interception.silent`). It is amber from then on, red from a
minute on; from the fourth on it is said when agents give up, as the most common of them do after five. One that goes
on after that is more patient, and nothing is said of it.
"""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from bridge.events.entries import Interception
from bridge.events.values import Outcome, SilenceKind
from monitor.lines import format as fmt
from monitor.lines.span import Span, Tone
from monitor.state.phase import phase_label

RED_S = 60
GIVES_UP_SOON_S, GAVE_UP_S = 240, 300
GIVES_UP = "agent gives up at 5:00"

WORDS = {
    SilenceKind.NO_ANSWER: "no answer",
    SilenceKind.NO_BYTES: "socket silent",
    SilenceKind.PINGS_ONLY: "pings only",
    SilenceKind.CLIENT_NOT_READING: "agent not reading",
}

IN_FEW_CELLS = {
    SilenceKind.NO_ANSWER: "mute",
    SilenceKind.NO_BYTES: "silent",
    SilenceKind.PINGS_ONLY: "pings",
    SilenceKind.CLIENT_NOT_READING: "no read",
}


ENDED: dict[Outcome, Span] = {
    Outcome.FAILED: ("✗", "bad"),
    Outcome.CANCELLED: ("⊘", "muted"),
    Outcome.REJECTED: ("!", "warn"),
}


def mark(request: Interception, now: datetime | None = None) -> Span:
    """One cell that says how a request stands; without a time, every silence is a young one."""
    if request.outcome is None:
        if request.error is not None:
            return "○", "muted"
        if request.silence is not None:
            return "◇", silence_tone(fmt.seconds_between(request.silence.since, now or request.silence.since))
        return ("◌", "warn") if request.waiting_until else ("●", "live")
    if request.outcome is Outcome.COMPLETED:
        return ("✓", "good") if (request.status or 200) < 400 else ("✗", "bad")
    return ENDED[request.outcome]


@frozen
class Standing:
    """`short` has at most 11 cells. `quiet_s` is None while the request goes on."""

    word: str
    short: str
    tone: Tone
    quiet_s: float | None = None

    @property
    def gives_up(self) -> str:
        """What is about to happen if it stays silent; empty while that is far, and where it did not happen."""
        return GIVES_UP if self.quiet_s is not None and GIVES_UP_SOON_S <= self.quiet_s < GAVE_UP_S else ""

    @property
    def whole(self) -> str:
        """The word, for how long, and what comes of it."""
        parts = [self.word if self.quiet_s is None else f"{self.word} {fmt.clock(self.quiet_s)}", self.gives_up]
        return " · ".join(part for part in parts if part)


def verdict(request: Interception, now: datetime) -> Standing:
    """How a request stands."""
    tone = mark(request)[1]
    if request.silence is None or not request.live or request.error is not None:
        word = "waits for key" if request.waiting_until and request.error is None else phase_label(request)
        return Standing(word, "no key" if request.waiting_until else word, "muted" if tone == "good" else tone)
    quiet_s = fmt.seconds_between(request.silence.since, now)
    short = f"{IN_FEW_CELLS[request.silence.kind]} {fmt.age(quiet_s)}"
    return Standing(WORDS[request.silence.kind], short, silence_tone(quiet_s), quiet_s)


def silence_tone(quiet_s: float) -> Tone:
    """Amber, then red."""
    return "bad" if quiet_s >= RED_S else "warn"


def quiet(requests: list[Interception], now: datetime) -> Span | None:
    """How many are silent, by the tone of the worst; None where none is."""
    tones = [
        silence_tone(fmt.seconds_between(request.silence.since, now))
        for request in requests
        if request.live and request.silence is not None
    ]
    return (f"{len(tones)} quiet", "bad" if "bad" in tones else "warn") if tones else None
