"""What the pictures show: a busy bridge, the same each time, and a log of two requests."""

from __future__ import annotations

from datetime import timedelta

from bridge.events.picture import Picture
from bridge.events.values import (
    FailureReason,
    KeyCause,
    KeyState,
    Outcome,
    RateLimit,
    RateLimits,
    ThoughtSource,
    WithheldReason,
)
from bridge.events.vocabulary import (
    AnswerDelta,
    AttemptFailed,
    AttemptStarted,
    CircuitChanged,
    Event,
    KeyChanged,
    PromptRecorded,
    ResponseStarted,
    ThoughtDelta,
    ThoughtRecorded,
    ThoughtWithheld,
    TokensUsed,
    ToolCalled,
)
from bridge.events.wire import Envelope, Snapshot, encode
from monitor.sources.event_log import LogEntry
from tests.support.many_keys import morning
from tests.support.play import HELLO, START, Stage, ended, keys, spent, started, story

CLAUDE = {"client": "Claude Code", "provider": "anthropic", "api": "messages", "model": "claude-opus-4-5"}
CLAUDE_PATH = {"path": "/anthropic/v1/messages", "session_id": "7c9e6679-74", "request_class": "main"}
CLAUDE_KEY = "sk-a...7de0"


def busy(stage: Stage) -> None:
    """Four agents: one thinking, one answering, others done or failed; a key cools."""
    stage.greet()
    stage.tell(*keys())
    stage.tell(*story("1c2d3e4f"), spent("1c2d3e4f"), ended("1c2d3e4f"))
    stage.tell(started("2d3e4f50", **CLAUDE), ended("2d3e4f50", Outcome.FAILED, error="upstream hung up"))
    stage.tell(started("3e4f5061", client="OpenCode"), ended("3e4f5061", Outcome.CANCELLED, status=None))
    stage.clock.forward(8)
    stage.tell(started("4f506172", **CLAUDE), *story("50617283"))
    stage.clock.forward(3)


def two_sessions(stage: Stage) -> None:
    """A Codex session of one request, and a Claude Code session of two: a tool call between them, thinking still."""
    stage.greet()
    stage.tell(*keys())
    stage.tell(*story("1c2d3e4f"))
    stage.clock.forward(12)
    stage.tell(spent("1c2d3e4f"), ended("1c2d3e4f"))
    first, second = "4f506172", "61728394"
    stage.clock.forward(2)
    say(stage, 0.0, started(first, **CLAUDE, **CLAUDE_PATH))
    say(stage, 0.1, AttemptStarted(first, 1, CLAUDE_KEY))
    say(stage, 0.4, AttemptFailed(first, 1, CLAUDE_KEY, 529, FailureReason.OVERLOADED, 12.0))
    say(stage, 0.1, AttemptStarted(first, 2, "sk-a...55aa"))
    say(stage, 0.6, ResponseStarted(first, 2, 200, "req_2"))
    say(stage, 0.0, PromptRecorded(first, "msg_1", "is the migration safe to run on the live table at noon?"))
    thinking = (
        "The migration adds a column with a default. On this version of Postgres that does not rewrite the table, but "
        "the index it builds afterwards is not concurrent, so it takes a lock that blocks writes while it runs."
    )
    say(stage, 0.8, ThoughtDelta(first, 0, ThoughtSource.THINKING, thinking[:80]))
    say(stage, 1.9, ThoughtDelta(first, 0, ThoughtSource.THINKING, thinking[80:]))
    say(stage, 0.1, ThoughtRecorded(first, "msg_1", 0, ThoughtSource.THINKING, thinking))
    say(stage, 0.2, ThoughtWithheld(first, "msg_1", 1, WithheldReason.REDACTED, 1_204))
    arguments = {"command": "psql -c '\\d+ orders'", "description": "Look at the table"}
    say(stage, 0.6, ToolCalled(first, "msg_1", "toolu_01", "Bash", arguments))
    say(stage, 0.1, TokensUsed(first, "msg_1", 1_200, 412, 8_400, 600, {}, 0.0412))
    say(stage, 0.1, ended(first, duration_ms=4_900.0, first_byte_ms=1_200.0, first_token_ms=2_000.0, attempts=2))
    say(stage, 1.3, started(second, **CLAUDE, **CLAUDE_PATH, correlating_tool_call_id="toolu_01",
                            previous_tool_ms={"Bash": 1_240.0}))  # fmt: skip
    say(stage, 0.1, AttemptStarted(second, 1, "sk-a...55aa"))
    say(stage, 0.7, ResponseStarted(second, 1, 200, "req_3"))
    say(stage, 0.0, PromptRecorded(second, "msg_2", "is the migration safe to run on the live table at noon?"))
    more = "The table holds 41 million rows. Building the index would take minutes, so noon is a bad time for it."
    say(stage, 0.5, ThoughtDelta(second, 0, ThoughtSource.THINKING, more))
    say(stage, 1.0, AnswerDelta(second, "Not as it stands. The new column is harmless, but `CREATE INDEX` blocks"))
    stage.clock.forward(0.5)


def say(stage: Stage, seconds: float, event: Event) -> None:
    """An event, so many seconds after the one before."""
    stage.clock.forward(seconds)
    stage.tell(event)


def strained_keys(stage: Stage) -> None:
    """What `two_sessions` shows, with keys that are nearly used up and a circuit that is open."""
    two_sessions(stage)
    reset = stage.clock.now + timedelta(seconds=40)
    limits = RateLimits(RateLimit(500, 37, reset), RateLimit(200_000, 154_000, reset))
    cause = KeyCause("4f506172", 529, "Overloaded: too many requests wait for this model just now.")
    stage.tell(
        KeyChanged("openai", "sk-p...3f2a", KeyState.VALID, limits=limits),
        KeyChanged("anthropic", CLAUDE_KEY, KeyState.TEMPORARY, "overloaded", reset, "header", limits, cause),
        KeyChanged("openai", "sk-p...c0de", KeyState.DISABLED, "by the owner"),
        CircuitChanged("anthropic", "/v1/messages", "claude-opus-4-5", "open"),
    )
    stage.clock.forward(12)


def fifty_keys(stage: Stage) -> None:
    """Fifty keys of eight providers after a morning's work, some in every state."""
    stage.greet()
    for seconds, event in morning():
        stage.clock.now = max(stage.clock.now, START + timedelta(seconds=seconds))
        stage.tell(event)
    stage.clock.forward(20)


def recorded_scene() -> list[LogEntry]:
    opening = [LogEntry(START, HELLO, 0), LogEntry(START, encode(Snapshot.of(Picture(), 0, START)), 0)]
    events = [*keys(), *story("a"), *story("b")]
    times = [START + timedelta(seconds=n) for n in range(1, len(events) + 1)]
    sent = zip(times, events, strict=True)
    return opening + [LogEntry(at, Envelope(n, at, event), n) for n, (at, event) in enumerate(sent, 1)]
