"""Bridge events for tests, made with one frozen clock, and a source that the test itself plays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from textual.pilot import Pilot
from textual.widget import Widget

from bridge.events.picture import Picture
from bridge.events.values import (
    Credential,
    FailureReason,
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
    Event,
    InterceptionEnded,
    InterceptionStarted,
    KeyChanged,
    PromptRecorded,
    ResponseStarted,
    ThoughtDelta,
    ThoughtRecorded,
    ThoughtWithheld,
    TokensUsed,
    ToolCalled,
)
from bridge.events.wire import Command, Envelope, Hello, History, Reply, Snapshot
from monitor.app import MonitorApp
from monitor.sources.bridge_socket import Deliver
from monitor.state.recorded_day import PAGE
from monitor.state.state import Incoming

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HELLO = Hello(1, "0.1.0", 4242, "http://127.0.0.1:8484", START)
PLACE = "/run/user/1000/clearspan/events.sock"


BEFORE_THIS_BRIDGE = Command(0, "history", limit=20)


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Stage:
    """Plays a bridge: numbers events, keeps the picture, answers commands. It is the app's source."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.picture = Picture()
        self.seq = 0
        self.commands: list[Command] = []
        self.reply = Reply(0, ok=True)
        self.history: History | None = None
        """What the record would answer."""
        self.days: list[History] = []
        """What the record would answer when it is asked for the last day, page by page; without any it refuses."""
        self.app = MonitorApp(self, PLACE, clock=self.clock)

    async def run(self, deliver: Deliver) -> None:
        """Waits: the test delivers, by way of the app."""
        assert deliver == self.app.receive
        await asyncio.Event().wait()

    async def send(self, command: Command) -> Reply:
        """Notes the command and gives the answer that the test has prepared."""
        if command.command == "history" and command.session is None and command.text is None and command.limit == PAGE:
            if not self.days:
                return Reply(0, ok=False, error="recording is off, so there is no history")
            self.app.receive(self.days.pop(0))
            return self.reply
        if command != BEFORE_THIS_BRIDGE:  # what the app asks for by itself
            self.commands.append(command)
        if command.command == "history" and self.history is not None:
            self.app.receive(self.history)
        return self.reply

    def tell(self, *events: Event) -> None:
        """Events, as the bridge would number them."""
        for event in events:
            self.seq += 1
            self.picture.apply(event, self.clock.now)
            self.app.receive(Envelope(self.seq, self.clock.now, event))

    def deliver(self, *incoming: Incoming) -> None:
        """Anything else that a source delivers."""
        for message in incoming:
            self.app.receive(message)

    def greet(self) -> None:
        """The two lines that begin every connection."""
        self.deliver(HELLO, Snapshot(self.seq, self.clock.now, [], [], Picture().totals))

    @asynccontextmanager
    async def shown(self, width: int, height: int) -> AsyncIterator[Pilot[None]]:
        """The app on a terminal of that size."""
        async with self.app.run_test(size=(width, height)) as pilot:
            await pilot.pause()
            yield pilot

    async def paint(self, pilot: Pilot[None]) -> str:
        """Draws a frame; what is on the terminal then."""
        self.app.paint()
        await pilot.pause()
        return screen_text(self.app)

    async def until(self, pilot: Pilot[None], text: str) -> str:
        """Draws frames until one shows that text."""
        async with asyncio.timeout(20):
            while text not in (screen := await self.paint(pilot)):  # noqa: ASYNC110  a screen has no event
                await asyncio.sleep(0.01)
        return screen


def screen_text(app: MonitorApp) -> str:
    """All cells of the screen as text, a line a row."""
    update = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in update)


def widget_text(widget: Widget) -> str:
    """The cells of one widget."""
    lines = [widget.render_line(y) for y in range(widget.size.height)]
    return "\n".join(strip.text.rstrip() for strip in lines)


def started(id: str, **fields: Any) -> InterceptionStarted:  # noqa: A002  the event's own word
    facts: dict[str, Any] = {
        "provider": "openai",
        "api": "responses",
        "method": "POST",
        "path": "/openai/v1/responses",
        "credential": Credential("centralized"),
        "model": "gpt-5.1-codex",
        "streaming": True,
        "client": "Codex",
        "session_id": "019a4c1e-7d",
    }
    return InterceptionStarted(id=id, **{**facts, **fields})


def ended(id: str, outcome: Outcome = Outcome.COMPLETED, **fields: Any) -> InterceptionEnded:  # noqa: A002
    facts: dict[str, Any] = {
        "status": 200,
        "error": None,
        "attempts": 1,
        "duration_ms": 12_345.0,
        "first_byte_ms": 180.0,
        "first_token_ms": 850.0,
        "bytes_out": 48_211,
    }
    return InterceptionEnded(id=id, outcome=outcome, **{**facts, **fields})


SUMMARY = (
    "**Inspecting the failing test**\n\nThe traceback points at the retry loop, so I want to see how the deadline is "
    "computed before I change anything."
)


def keys() -> list[Event]:
    """Two pools: one healthy, one with a key in each kind of trouble."""
    left = RateLimits(RateLimit(500, 412), RateLimit(200_000, 154_000))
    return [
        KeyChanged("openai", "sk-p...3f2a", KeyState.VALID, limits=left),
        KeyChanged("openai", "sk-p...91bc", KeyState.VALID),
        KeyChanged(
            "anthropic", "sk-a...7de0", KeyState.TEMPORARY, "rate_limited", START + timedelta(seconds=20), "header"
        ),
        KeyChanged("anthropic", "sk-a...55aa", KeyState.PERMANENT, "unauthorized"),
    ]


def story(id: str) -> list[Event]:  # noqa: A002
    """A request that fails over once, thinks in every way there is, calls a tool and begins its answer."""
    return [
        started(id),
        AttemptStarted(id, 1, "sk-p...3f2a"),
        AttemptFailed(id, 1, "sk-p...3f2a", 429, FailureReason.RATE_LIMITED, 7.0),
        AttemptStarted(id, 2, "sk-p...91bc"),
        ResponseStarted(id, 2, 200, "req_1"),
        PromptRecorded(id, "resp_1", "fix the flaky cooldown test and say why it was flaky"),
        ThoughtDelta(id, 0, ThoughtSource.REASONING_SUMMARY, SUMMARY[:40]),
        ThoughtRecorded(id, "resp_1", 0, ThoughtSource.REASONING_SUMMARY, SUMMARY),
        ThoughtWithheld(id, "resp_1", 1, WithheldReason.ENCRYPTED, 2_312),
        ThoughtDelta(id, 2, ThoughtSource.COMMENTARY, "Running the key tests first."),
        ToolCalled(id, "resp_1", "call_9f", "shell", {"command": ["bash", "-lc", "pytest -q"], "timeout_ms": 60_000}),
        AnswerDelta(id, "I moved the deadline to the monotonic clock.\n"),
    ]


def spent(id: str) -> TokensUsed:  # noqa: A002
    return TokensUsed(id, "resp_1", 2_100, 640, 10_240, 0, {"reasoning": 256}, 0.0312)
