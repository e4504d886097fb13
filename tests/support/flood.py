"""Any number of events, always the same: eight agents at a time, each request some forty events long."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

from bridge.events.values import Credential, FailureReason, KeyState, Outcome, ThoughtSource
from bridge.events.vocabulary import (
    AnswerDelta,
    AttemptFailed,
    AttemptStarted,
    Event,
    InterceptionEnded,
    InterceptionStarted,
    KeyChanged,
    PromptRecorded,
    ResponseStarted,
    ThoughtDelta,
    ThoughtRecorded,
    TokensUsed,
    ToolCalled,
)
from bridge.events.wire import Envelope

BEGAN = datetime(2026, 3, 6, 9, 0, tzinfo=UTC)
AT_A_TIME = 8
CLIENTS = ("Codex", "Claude Code", "Cursor", "OpenAI SDK")
KEYS = ("sk-p...4tq8", "sk-p...m3Rk", "sk-p...p9Xd")
WORDS = [
    "so ",
    "the ",
    "deadline ",
    "is ",
    "read ",
    "once ",
    "and ",
    "kept ",
    "while ",
    "the ",
    "clock ",
    "goes ",
    "on ",
]


def flood(events: int, rate: float = 2_000.0, began: datetime = BEGAN) -> Iterator[Envelope]:
    """So many events, at so many a second."""
    numbers = count()
    running = [_request(next(numbers), began) for _ in range(AT_A_TIME)]
    for seq in range(1, events + 1):
        turn = seq % AT_A_TIME
        event = next(running[turn], None)
        if event is None:
            running[turn] = _request(next(numbers), began)
            event = next(running[turn])
        yield Envelope(seq, began + timedelta(milliseconds=int(1_000 * seq / rate)), event)


def _request(number: int, began: datetime) -> Iterator[Event]:
    name, response = f"{number:08x}-flood", f"resp_{number}"
    key, other = KEYS[number % 3], KEYS[(number + 1) % 3]
    yield InterceptionStarted(
        name, "openai", "responses", "POST", "/openai/v1/responses", Credential("centralized"), "gpt-5.1-codex", True,
        CLIENTS[number % 4], session_id=f"session-{number % 12}",
    )  # fmt: skip
    yield AttemptStarted(name, 1, key)
    if number % 9 == 0:
        yield AttemptFailed(name, 1, key, 429, FailureReason.RATE_LIMITED, 5.0)
        yield KeyChanged("openai", key, KeyState.TEMPORARY, "rate_limited", began + timedelta(seconds=number), "header")
        yield AttemptStarted(name, 2, other)
    attempt = 2 if number % 9 == 0 else 1
    yield ResponseStarted(name, attempt, 200, f"req_{number}")
    yield PromptRecorded(name, response, f"question {number}: why does it fail?")
    thought = ""
    for word in WORDS:
        thought += word
        yield ThoughtDelta(name, 0, ThoughtSource.REASONING_SUMMARY, word)
    yield ThoughtRecorded(name, response, 0, ThoughtSource.REASONING_SUMMARY, thought)
    yield ToolCalled(name, response, f"call_{number}", "shell", {"command": ["pytest", "-q", str(number)]})
    for word in WORDS:
        yield AnswerDelta(name, word)
    yield TokensUsed(name, response, 1_000 + number % 7, 200 + number % 5, 4_000, cost_usd=0.25)
    outcome = Outcome.FAILED if number % 50 == 49 else Outcome.COMPLETED
    yield InterceptionEnded(name, outcome, 200, None, attempt, 1_234.0, 180.0, 400.0, 9_000)
    if number % 9 == 0:
        yield KeyChanged("openai", key, KeyState.VALID)
