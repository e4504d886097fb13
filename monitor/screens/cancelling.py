"""Cancelling a request: the question before it, the command, and what came of it, told once that is known."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, Protocol

from bridge.events.entries import Interception
from bridge.events.wire import Command
from monitor.lines import format as fmt
from monitor.lines import messages
from monitor.lines.span import Tone
from monitor.lines.verdict import verdict
from monitor.screens.confirm import ConfirmScreen
from monitor.sources.bridge_socket import Source
from monitor.state.cancels import Cancels
from monitor.state.phase import running_ms
from monitor.state.state import MonitorState


class CancellingApp(Protocol):
    """What it needs of the app."""

    state: MonitorState
    source: Source
    clock: Callable[[], datetime]

    def show_message(self, text: str, tone: Tone) -> None:
        """Tells something for a few seconds."""

    def ask(self, question: ConfirmScreen, answered: Callable[[bool | None], None]) -> None:
        """Asks a person."""

    def start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Has something done beside all else."""


class Cancelling:
    """What a person cancels in a dashboard."""

    def __init__(self, app: CancellingApp) -> None:
        self._app = app
        self._cancels = Cancels()

    def cancel(self, request: Interception, *, asks: bool) -> None:
        """Cancels a request, if it still runs, and if a person who is asked is sure."""
        called, now = self._called(request), self._app.clock()
        if not request.live:
            self._app.show_message(f"{called} has ended already", "muted")
            return
        if not asks:
            self._send(request)
            return
        pace = self._app.state.paces.get(request.id)
        out = f", ~{fmt.tokens(int(pace.tokens))} tokens out" if pace is not None else ""
        stands, time = verdict(request, now), fmt.clock(running_ms(request, now) / 1000)
        self._app.ask(
            ConfirmScreen(f"Cancel {called}?", f"{stands.word} {time}{out}"),
            lambda sure: self._send(request) if sure else None,
        )

    def tell(self) -> None:
        """Says what came of those that were sent, as far as it is known by now."""
        for settled in self._cancels.settle(self._app.state.request, self._app.clock()):
            self._app.show_message(*messages.settled(settled))

    def _send(self, request: Interception) -> None:
        self._cancels.send(request.id, self._called(request), self._app.clock())
        self._app.start(self._command(request), "cancel")

    async def _command(self, request: Interception) -> None:
        reply = await self._app.source.send(Command(0, "cancel", id=request.id))
        if not reply.ok:
            self._cancels.withdraw(request.id)
            self._app.show_message(f"could not cancel: {reply.error}", "bad")
        elif self._cancels.waits_for(request.id):
            self._app.show_message(f"cancelling {self._called(request)} …", "muted")

    def _called(self, request: Interception) -> str:
        """A request by its session and its id: Codex 2, 853af7ce."""
        name, id_ = self._app.state.roster.name(request.id), fmt.one_line(request.id)[:8]
        client = fmt.one_line(request.started.client)
        return f"{messages.called(self._app.state, request.id) if name else client}, {id_}"
