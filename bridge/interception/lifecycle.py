"""What has become of one interception so far: told to the hub as it happens, and ended exactly once.

Also the one place from which an interception is cancelled, whoever wants it: the client left, the owner said so, the
bridge stops. All of them cancel the same scope; the first reason given is the one recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

import trio
from attrs import evolve

from bridge.apis.protocol import StreamFailure
from bridge.events.hub import Hub
from bridge.events.vocabulary import (
    AttemptFailed,
    AttemptStarted,
    Event,
    FailureReason,
    InterceptionEnded,
    InterceptionStarted,
    InterceptionWaiting,
    Outcome,
    ResponseStarted,
    TokensUsed,
)
from bridge.http.exchange import Exchange

Price = Callable[[TokensUsed], float | None]
"""US dollars, or None where nobody knows."""


def _unknown(_used: TokensUsed) -> float | None:
    return None


class Progress:
    """One interception's way from start to end."""

    def __init__(self, exchange: Exchange, hub: Hub) -> None:
        self.id = exchange.id
        self._exchange = exchange
        self._hub = hub
        self.began = trio.current_time()
        self._first_token_at: float | None = None
        self._ended = False
        self.stream_failure: StreamFailure | None = None
        """The error that upstream sent inside the answer, if any."""
        self.price: Price = _unknown
        """What tokens cost; set once the model is known."""
        self.attempts = 0
        self._key, self._attempt_open = "", False
        self.scope = trio.CancelScope()
        self.cancelled: str | None = None
        self.concluded = False
        """The answer has told its own end (`[DONE]`, an error), and all of it went to the client. Many clients leave
        then, without waiting for the end of the body: that cancels nothing."""
        self.outcome = Outcome.FAILED
        self.error: str | None = "the bridge failed"

    def start(self, event: InterceptionStarted) -> None:
        """The request was understood."""
        self._hub.publish(event)

    def attempt(self, key: str) -> int:
        """A key is tried now. Returns the attempt's number."""
        self.attempts += 1
        self._key, self._attempt_open = key, True
        self._hub.publish(AttemptStarted(self.id, self.attempts, key))
        return self.attempts

    def attempt_failed(
        self, key: str, status: int | None, reason: FailureReason, cooldown_s: float | None = None
    ) -> None:
        """The attempt under way failed."""
        self._attempt_open = False
        self._hub.publish(AttemptFailed(self.id, self.attempts, key, status, reason, cooldown_s))

    def attempt_timed_out(self) -> None:
        """What was under way took too long: an attempt, if there was one."""
        if self._attempt_open:
            self.attempt_failed(self._key, None, FailureReason.TIMEOUT)

    def waiting(self, until: datetime) -> None:
        """All keys rest; one will do in time."""
        self._hub.publish(InterceptionWaiting(self.id, until))

    def response(self, status: int, upstream_request_id: str | None) -> None:
        """An answer goes to the client."""
        self._attempt_open = False
        self._hub.publish(ResponseStarted(self.id, self.attempts, status, upstream_request_id))

    def read(self, events: Iterable[Event], *, token_seen: bool) -> None:
        """The reader understood this much of the answer."""
        if token_seen and self._first_token_at is None:
            self._first_token_at = trio.current_time()
        for event in events:
            priced = evolve(event, cost_usd=self.price(event)) if isinstance(event, TokensUsed) else event
            self._hub.publish(priced)

    def completed(self) -> None:
        """All went well, unless something else is said later."""
        self.outcome, self.error = Outcome.COMPLETED, None

    def failed(self, error: str) -> None:
        """Upstream answered an error or broke off."""
        self.outcome, self.error = Outcome.FAILED, error

    def rejected(self, error: str) -> None:
        """The bridge answered by itself."""
        self.outcome, self.error = Outcome.REJECTED, error

    def cancel(self, reason: str) -> None:
        """Stops it. Does nothing once the answer is complete: then there is nothing to stop."""
        if self.cancelled is None and not self._exchange.finished:
            self.cancelled = reason
            self.scope.cancel()

    def end(self) -> None:
        """Says how it ended. Only the first call counts."""
        if self._ended:
            return
        self._ended = True
        outcome, error = self.outcome, self.error
        if self.cancelled is not None and outcome is not Outcome.COMPLETED and not self.concluded:
            outcome, error = Outcome.CANCELLED, self.cancelled
        self._hub.publish(
            InterceptionEnded(
                id=self.id,
                outcome=outcome,
                status=self._exchange.status,
                error=error,
                attempts=self.attempts,
                duration_ms=self._since_start(trio.current_time()),
                first_byte_ms=self._moment(self._exchange.first_byte_at),
                first_token_ms=self._moment(self._first_token_at),
                bytes_out=self._exchange.bytes_out,
            )
        )

    def _moment(self, time: float | None) -> float | None:
        return None if time is None else self._since_start(time)

    def _since_start(self, time: float) -> float:
        return round((time - self.began) * 1000, 3)
