"""Walks a provider's keys until one serves (docs/behaviour.md, Key pool).

The client has seen nothing while this goes on, and a failed attempt's connection is closed before the next begins. A
provider may also answer 200 and say only then, in the first event that matters, that the key is limited or the model
overloaded: as long as nothing but the opening of a stream has come, another key can still serve as if nothing had been.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from types import TracebackType

import trio
from attrs import evolve, field

from bridge.apis.protocol import Api, StreamFailure
from bridge.apis.provider_errors import ProviderError
from bridge.apis.usage import Usage
from bridge.errors import NO_RETRY, ErrorKind, Refused
from bridge.events.hub import utc_now
from bridge.events.values import FailureReason, KeyCause, KeyState, Lane
from bridge.interception import first_look
from bridge.interception.caller import Caller
from bridge.interception.lifecycle import Reporter
from bridge.keys.affinity import Asker
from bridge.keys.key import Key
from bridge.keys.pool import KeyPool
from bridge.keys.verdict import Failure, judge, judge_stream_failure
from bridge.keys.walk import SHORTEST_WAIT_S, Exhausted, Walk
from bridge.providers.attempt import Call, Response
from bridge.providers.circuit_breaker import Permit
from bridge.providers.faults import UpstreamBusy, UpstreamError, UpstreamTimeout
from bridge.providers.provider import Provider
from bridge.value_classes import define, frozen

KEY_ERRORS = frozenset({401, 402, 403, 429})
"""The statuses that speak of the key whatever their body says; the client does not get them while others are left."""
CAUSE_CHARACTERS = 300
"""Of a provider's words on what put a key into its state."""
SERVER_ERRORS = frozenset({500, 502, 503, 504})
"""Told as failed attempts though they go to the client: not the key's fault, and maybe not for another to mend."""


class NoKeyLeft(Refused):
    """Every key of the pool is out."""

    def __init__(self, exhausted: Exhausted, *, hopeless: bool) -> None:
        if exhausted.retry_after_s is None:  # waiting does not help
            super().__init__(ErrorKind.BAD_GATEWAY, exhausted.message, [NO_RETRY] if hopeless else [])
        else:
            wait = str(exhausted.retry_after_s).encode()
            super().__init__(ErrorKind.RATE_LIMITED, exhausted.message, [(b"retry-after", wait)])


@frozen
class Verdict:
    """What a response says against its key, and in which words of the provider's."""

    failure: Failure
    text: str


@frozen
class Served:
    """The response that goes to the client, and the key it came with: none of the pool's where the caller brought one.

    `response` is to be received to its end before the block that gave it is left.
    """

    response: Response
    walk: Walk | None = None
    key: Key | None = None

    def failed_late(self, failure: StreamFailure | None) -> None:
        """A stream that had begun told of a limit: too late for this request, but the next ones need not meet it.

        What reads like that in any other body was judged before, or is no word on the key.
        """
        if failure is None or self.walk is None or self.key is None or not _is_good_stream(self.response):
            return
        judged = judge_stream_failure(failure.reason, failure.message)
        if judged is not None:
            self.walk.fail(self.key, judged, self.response.headers)

    def answered(self, pool: KeyPool, usage: Sequence[Usage], name: str | None) -> None:
        """The answer was read: `usage` is what it used, `name` what later requests may refer to it by."""
        if self.walk is None or self.key is None:
            return
        tokens = sum(part.input + part.output + part.cache_read_input + part.cache_write_input for part in usage)
        read = sum(part.cache_read_input for part in usage)
        held = read + sum(part.cache_write_input for part in usage)
        pool.answered(self.walk, self.key, tokens, (read, held) if usage else None, name)


@define
class Failover:
    """One request's way through a provider's keys, and the response that it leads to. `call` has no credential yet.

    Entering the block gives the response that goes to the client: the first from a key that serves. It raises
    NoKeyLeft, or UpstreamError where there was no response at all. Leaving ends the attempt that it came from.
    """

    provider: Provider
    api: Api
    call: Call
    caller: Caller
    reporter: Reporter
    permit: Permit
    asker: Asker
    streaming: bool = False
    """The request asks for a stream."""

    began: float | None = None
    """Trio's time from which `wait_for_key` counts; the interception's beginning where there is none."""

    _walk: Walk | None = field(default=None, init=False)
    _attempt: AbstractAsyncContextManager[Response] | None = field(default=None, init=False)
    """The one that is under way: there is never a second."""

    async def __aenter__(self) -> Served:
        try:
            served = await self._serve()
        except BaseException as error:
            await self._end(type(error), error, error.__traceback__)
            raise
        del self.call  # it is not sent again: its body may be long, and the response take hours
        return served

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end(kind, error, trace)

    async def _end(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        attempt, self._attempt = self._attempt, None
        try:
            if attempt is not None:
                await attempt.__aexit__(kind, error, trace)
        finally:
            if self._walk is not None:
                self._walk.close()

    async def _serve(self) -> Served:
        if self.caller.own:
            return Served(await self._begin_attempt(self.caller.own, self.caller.credential.hint or ""))
        self._walk = walk = self.provider.pool.walk(self.asker)
        key = self._next(walk)
        last: Response | None = None
        while True:
            if key is None:
                later = await self._key_later(walk, last)
                if isinstance(later, Response):
                    return Served(later)
                key = later
            received = await self._begin_attempt((self.provider.kind.credential(key.secret),), key.hint)
            deadline = trio.current_time() + first_look.ERROR_BODY_S
            response, verdict = await self._judge(key, received, deadline)
            if verdict is None:
                self._note_served(walk, key, response)
                return Served(response, walk, key)
            self._failed(walk, key, response, verdict)
            if self._is_last_word(walk):
                return Served(response)
            if _is_good_stream(response):
                key = walk.next()
                if key is None:
                    return Served(response)  # nobody can do better: as it came
                await self._end_attempt()
            else:
                last = await first_look.read_whole(response, deadline)
                await self._end_attempt()
                key = self._next(walk)

    async def _begin_attempt(self, credentials: tuple[tuple[bytes, bytes], ...], hint: str) -> Response:
        self.reporter.attempt_started(hint)
        call = evolve(self.call, headers=[*self.call.headers, *credentials])
        attempt = self.provider.attempt(self.reporter.id, call, self.reporter.secrets)
        try:
            response = await attempt.__aenter__()
        except UpstreamError as error:
            self._note_no_response(hint, error)
            raise
        self._attempt = attempt
        self.reporter.head_came()
        self.permit.note(response.status)
        asked = self.streaming and self.api.understood and response.status == 200
        return await first_look.recognise_stream(response) if asked and not response.is_stream else response

    async def _end_attempt(self) -> None:
        """Ends an attempt that failed: its connection is closed before the next one begins."""
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            await attempt.__aexit__(None, None, None)

    def _note_no_response(self, hint: str, error: UpstreamError) -> None:
        if not isinstance(error, UpstreamBusy):  # our own congestion says nothing of the provider
            self.permit.note(None)
        late = isinstance(error, UpstreamTimeout | UpstreamBusy)
        self.reporter.attempt_failed(hint, None, FailureReason.TIMEOUT if late else FailureReason.CONNECT_ERROR)

    def _next(self, walk: Walk) -> Key | None:
        """The key to try now; None where there is none, or where others wait for it before this request."""
        patience = self.provider.settings.wait_for_key
        may_wait = patience and trio.current_time() + SHORTEST_WAIT_S <= self.reporter.began + patience
        return None if may_wait and self.provider.pool.turns.crowded() else walk.next()

    def _is_last_word(self, walk: Walk) -> bool:
        """Whether a failure goes to the client as it comes: the request can't be sent again, or not to anybody else."""
        if not isinstance(self.call.body, bytes):  # gone with the first attempt
            return True
        return self._has_one_key and not self._may_wait(self.provider.pool.exhaustion(walk))

    def _relays_last(self, exhausted: Exhausted) -> bool:
        """Whether the provider's own last answer says more than the bridge could: where the keys are well, or where
        there is but one, whose provider's wording, limits and `x-should-retry` matter to agents."""
        return exhausted.kind == "relay" or (self._has_one_key and not self._may_wait(exhausted))

    @property
    def _has_one_key(self) -> bool:
        return len(self.provider.pool.keys) == 1

    async def _judge(self, key: Key, response: Response, deadline: float) -> tuple[Response, Verdict | None]:
        """The response, and what its error, or the opening of its stream, says against the key."""
        if _is_good_stream(response) and self.api.understood:
            response, told = await first_look.look_at_opening(response, self.api)
            failure = None if told is None else judge_stream_failure(told.reason, told.message)
            return response, None if failure is None or told is None else Verdict(failure, told.message)
        if response.status < 400:
            return response, None
        body = b""
        if response.status in KEY_ERRORS:
            response, body = await first_look.look_at_error(response, deadline, lambda: self._rest(key, response))
        elif response.status < 500:
            response, body = await first_look.look_at_error(response, trio.current_time() + first_look.HOLD_S)
        failure = judge(response.status, response.headers, body, utc_now())
        return response, None if failure is None else Verdict(failure, ProviderError.from_body(body).message)

    def _rest(self, key: Key, response: Response) -> None:
        """No other request is to meet what a head says of the key while the body is still to come.

        What the head leaves open (no `Retry-After`, a key refused) is for the whole verdict to say, which may ask for
        more, and never for less, than the rest until then. A 403 is more likely the request's fault.
        """
        failure = judge(response.status, response.headers, b"", utc_now())
        if failure is None or failure.recheck:
            return
        if failure.source != "header":
            failure = Failure(failure.reason, first_look.ERROR_BODY_S, "default")
        failure = evolve(failure, scope="key")  # whose limit it is, the body may say
        cause = KeyCause(self.reporter.id, response.status, None)
        self.provider.pool.fail(key, failure, response.headers, cause)

    def _note_served(self, walk: Walk, key: Key, response: Response) -> None:
        if response.status < 300:
            self.provider.pool.succeed(key, response.headers, walk)
        else:
            self.provider.pool.observe_limits(key, response.headers, walk)
        if response.status in SERVER_ERRORS:
            self.reporter.attempt_failed(key.hint, response.status, FailureReason.SERVER_ERROR)

    def _failed(self, walk: Walk, key: Key, response: Response, verdict: Verdict) -> None:
        clean = self.reporter.secrets.redact(verdict.text)
        text = clean[:CAUSE_CHARACTERS]  # in this order: half a secret is not known as one
        cause = KeyCause(self.reporter.id, response.status, text or None)
        cooldown_s = walk.fail(key, verdict.failure, response.headers, cause)
        self.reporter.attempt_failed(key.hint, response.status, verdict.failure.reason, cooldown_s, cause.text)

    def _may_wait(self, exhausted: Exhausted) -> bool:
        until, longest = exhausted.wait_until, self.provider.settings.wait_for_key
        began = self.reporter.began if self.began is None else self.began
        return until is not None and bool(longest) and until <= began + longest

    async def _key_later(self, walk: Walk, last: Response | None) -> Key | Response:
        """The key that can be had, where that may be waited for; the `last` response where that is to be relayed.

        Raises NoKeyLeft.
        """
        pool = self.provider.pool
        exhausted = pool.exhaustion(walk)
        if last is not None and self._relays_last(exhausted):
            return last
        if self._may_wait(exhausted):
            deadline = self.reporter.began + self.provider.settings.wait_for_key
            key = await self.provider.key_in_turn(walk, deadline, self._tell_waiting)
            if key is not None:
                return key
            if last is not None and self._has_one_key:
                return last
            exhausted = pool.exhaustion(walk)
        raise NoKeyLeft(exhausted, hopeless=not any(key.state is KeyState.VALID for key in pool.keys))

    def _tell_waiting(self, until: float, lane: Lane, place: int) -> None:
        self.reporter.waiting(utc_now() + timedelta(seconds=until - trio.current_time()), lane, place)


def _is_good_stream(response: Response) -> bool:
    return response.status == 200 and response.is_stream
