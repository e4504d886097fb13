"""From start to end: what an interception tells the hub, how it is cancelled, and what it comes to.

Whoever wants to stop an interception (the client left, the owner said so, the bridge stops) cancels the same scope. The
first reason given is the one recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import trio

from bridge.apis.conversation import BroughtResult
from bridge.apis.usage import Usage
from bridge.events.hub import Hub, utc_now
from bridge.events.values import ErrorType, FailureReason, Lane, Outcome
from bridge.events.vocabulary import (
    AttemptFailed,
    AttemptStarted,
    ContextChanged,
    Event,
    InterceptionEnded,
    InterceptionHeard,
    InterceptionSilent,
    InterceptionStarted,
    InterceptionWaiting,
    ResponseStarted,
    ToolResultBrought,
)
from bridge.http.exchange import Exchange
from bridge.http.passage import Passage
from bridge.interception.silence import Lull, Pulse
from bridge.interception.telling import Pricing, Telling
from bridge.observe.logs import Redactor
from bridge.value_classes import define, frozen

ERROR_TYPES = {
    **dict.fromkeys((400, 404, 405, 409, 413, 415, 422), ErrorType.BAD_REQUEST),
    **dict.fromkeys((401, 403), ErrorType.UNAUTHORIZED),
    **dict.fromkeys((402, 429), ErrorType.RATE_LIMITED),
    **dict.fromkeys((503, 529), ErrorType.OVERLOADED),
    **dict.fromkeys((408, 504), ErrorType.TIMEOUT),
}
"""By the status that the client got; any other from 500 on is the server's error."""


class CancelReason(StrEnum):
    """Why an interception was stopped, as clients and the record are told."""

    CLIENT_LEFT = "the client left"
    STOPPING = "the bridge is stopping"
    BY_OWNER = "cancelled by the bridge's owner"


@frozen
class Ending:
    """What an interception comes to, unless it is cancelled before its end."""

    outcome: Outcome
    error: str | None = None
    final: bool = False
    """The response has told its own end (`[DONE]`, an error), and all of it went to the client. Many clients leave
    then, without waiting for the end of the body: that cancels nothing."""
    error_type: ErrorType | None = None
    """What kind of failure it was, where the status that the client got does not say."""


FAILED_INSIDE = Ending(Outcome.FAILED, "the bridge failed", error_type=ErrorType.SERVER_ERROR)


class Cancellation:
    """The one way to stop an interception: run it inside `scope`."""

    def __init__(self, exchange: Exchange) -> None:
        self.scope = trio.CancelScope()
        self.reason: CancelReason | None = None
        self._exchange = exchange

    def cancel(self, reason: CancelReason) -> None:
        """Stops it. Does nothing once the response is complete: then there is nothing to stop."""
        if self.reason is None and not self._exchange.finished:
            self.reason = reason
            self.scope.cancel()

    def settle(self, ending: Ending) -> Ending:
        """How the interception ended: as it says itself, or cancelled before that."""
        if self.reason is None or ending.final or ending.outcome is Outcome.COMPLETED:
            return ending
        return Ending(Outcome.CANCELLED, self.reason)


def error_type(ending: Ending, status: int | None) -> ErrorType | None:
    """In a word what kind of failure that ending is, `status` being what the client got (docs/behaviour.md, Failure
    types)."""
    if ending.outcome is Outcome.COMPLETED:
        return None
    if ending.outcome is Outcome.CANCELLED:
        return ErrorType.CANCELLED
    return ending.error_type or ERROR_TYPES.get(status or 0) or _unlisted(status or 0)


def _unlisted(status: int) -> ErrorType:
    return ErrorType.SERVER_ERROR if status >= 500 else ErrorType.UNKNOWN


@define
class Sending:
    """The `Departure` of a request: what goes out of its body, and from when on upstream could answer."""

    passage: Passage
    pulse: Pulse
    streamed: bool
    """The body comes from the client while it goes out."""

    def begins(self) -> None:
        """From its first byte."""
        self.passage.begin()
        self.progresses()

    def progresses(self) -> None:
        """Some of it was taken. Of a streamed one the client has to say the next, and not upstream."""
        if self.streamed:
            self.pulse.at_ease()
        else:
            self.pulse.asked()

    def went(self, part: bytes) -> None:
        """These bytes of the body went to the connection."""
        self.passage.went(part)

    def is_out(self) -> None:
        """All of it did."""
        self.passage.handed_on = True
        self.pulse.asked()


class Reporter:
    """Tells the hub what becomes of one interception, as it happens."""

    def __init__(self, exchange: Exchange, hub: Hub, pricing: Pricing, secrets: Redactor) -> None:
        self.id = exchange.id
        self.began = trio.current_time()
        self._exchange = exchange
        self.secrets = secrets
        """Masks what is told of it."""
        telling = Telling(hub.publish, pricing, secrets)
        self._telling = telling
        self._publish = telling.tell
        self._attempts = 0
        self._key: str | None = None  # of the attempt under way
        self._first_token_at: float | None = None
        self.pulse = Pulse(self._silent, self._heard)
        self.added: list[str] = []
        """What the bridge puts into the request by itself: `include_usage`, `tools`, `thoughts`."""
        self.answer_changed = False
        """The response is not relayed as it comes, for the sake of what was added."""

    def hold(self) -> None:
        """Bytes are on their way through: what is told meanwhile waits until `release`, or until all is over."""
        self._telling.hold()

    def release(self) -> None:
        """The interception has to wait itself: there is time to tell what was held."""
        self._telling.release()

    def started(self, event: InterceptionStarted) -> None:
        """The request was read."""
        self._publish(event)

    def results(self, results: Iterable[BroughtResult]) -> None:
        """The request brings what these tools answered."""
        for result in results:
            self._publish(ToolResultBrought(self.id, result.tool_call_id, result.bytes, result.is_error, result.text))

    def context_changed(self, event: ContextChanged) -> None:
        """The request was compared with the one before."""
        self._publish(event)

    def attempt_started(self, key: str) -> None:
        """A key is tried now."""
        self._attempts += 1
        self._key = key
        self.pulse.asked()
        self._publish(AttemptStarted(self.id, self._attempts, key))

    def attempt_failed(
        self,
        key: str,
        status: int | None,
        reason: FailureReason,
        cooldown_s: float | None = None,
        cause_text: str | None = None,
    ) -> None:
        """The attempt under way failed; `cause_text` is what the provider said, free of secrets."""
        self._key = None
        self.pulse.at_ease()
        self._publish(AttemptFailed(self.id, self._attempts, key, status, reason, cooldown_s, cause_text))

    def timed_out(self) -> None:
        """What was under way took too long: an attempt, if there was one."""
        if self._key is not None:
            self.attempt_failed(self._key, None, FailureReason.TIMEOUT)

    def head_came(self) -> None:
        """Upstream has answered; what it says is looked at first."""
        self.pulse.at_ease()

    def _silent(self, lull: Lull) -> None:
        self._publish(InterceptionSilent(self.id, lull.kind, _wall_time(lull.since)))

    def _heard(self, lull: Lull) -> None:
        self._publish(InterceptionHeard(self.id, lull.kind, _wall_time(lull.since)))

    def waiting(self, until: datetime, lane: Lane, place: int) -> None:
        """No key is to be had for it just now; one will be in time."""
        self._publish(InterceptionWaiting(self.id, until, lane, place))

    def response_started(self, status: int, upstream_request_id: str | None) -> None:
        """A response goes to the client."""
        self._key = None
        self._publish(ResponseStarted(self.id, self._attempts, status, upstream_request_id))

    def read(self, events: Iterable[Event], usage: Sequence[Usage] = (), *, token_seen: bool) -> None:
        """The reader understood this much of the response; `usage` is what its tokens were used for."""
        if token_seen and self._first_token_at is None:
            self._first_token_at = trio.current_time()
        for event in events:
            self._publish(event, usage)

    def tell(self, event: Event) -> None:
        """Anything else about the interception."""
        self._publish(event)

    def ended(self, ending: Ending) -> None:
        """It is over. Called once."""
        self.release()
        request, response = self._exchange.request_passage, self._exchange.response_passage
        added = list(self.added) if request.handed_on else []
        self._publish(
            InterceptionEnded(
                id=self.id,
                outcome=ending.outcome,
                status=self._exchange.status,
                error=ending.error,
                attempts=self._attempts,
                error_type=error_type(ending, self._exchange.status),
                duration_ms=self._since_start(trio.current_time()),
                first_byte_ms=self._moment(self._exchange.first_byte_at),
                first_token_ms=self._moment(self._first_token_at),
                bytes_in=request.bytes_in,
                bytes_out=self._exchange.bytes_out,
                request_equal=request.equal if request.handed_on and not added else None,
                answer_equal=None if self.answer_changed else response.equal,
                added=added,
            )
        )

    def _moment(self, time: float | None) -> float | None:
        return None if time is None else self._since_start(time)

    def _since_start(self, time: float) -> float:
        return round((time - self.began) * 1000, 3)


def _wall_time(moment: float) -> datetime:
    """What people's clocks said at that time of Trio's."""
    return utc_now() - timedelta(seconds=trio.current_time() - moment)
