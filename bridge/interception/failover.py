"""Walks a provider's keys until one serves (`behaviour.md` section 2, points 2 to 5).

The client has seen nothing while this goes on, and a failed attempt's connection is closed before the next begins.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import trio
from attrs import define, evolve

from bridge.access import Caller
from bridge.apis.passthrough import PASSTHROUGH
from bridge.apis.protocol import Api, ErrorKind
from bridge.errors import ClearspanError
from bridge.events.hub import utc_now
from bridge.events.vocabulary import FailureReason
from bridge.interception.lifecycle import Progress
from bridge.interception.opening import look_at_opening
from bridge.keys.key import Key
from bridge.keys.verdict import Failure, judge, judge_stream_failure
from bridge.keys.walk import Exhausted, Walk
from bridge.providers.circuit_breaker import Permit
from bridge.providers.connections import Answer, Call, UpstreamBusy, UpstreamError, UpstreamTimeout
from bridge.providers.provider import Provider

ERROR_BODY = 1024 * 1024
"""How much of an error's body is read, and relayed where no key is left."""
ERROR_BODY_S = 5.0
SERVER_ERRORS = frozenset({500, 502, 503, 504})
"""Told as failed attempts though they go to the client: not the key's fault, and maybe not for another to mend."""


class NoKeyLeft(ClearspanError):
    """Every key of the pool is out. `retry_after` is whole seconds, or None where waiting does not help."""

    def __init__(self, exhausted: Exhausted) -> None:
        super().__init__(exhausted.message)
        self.retry_after = exhausted.retry_after_s
        self.kind = ErrorKind.BAD_GATEWAY if exhausted.retry_after_s is None else ErrorKind.RATE_LIMITED


@define
class Failover:
    """One request's way through a provider's keys. `call` has no credential yet."""

    provider: Provider
    api: Api
    call: Call
    caller: Caller
    progress: Progress
    permit: Permit

    @asynccontextmanager
    async def answer(self) -> AsyncIterator[Answer]:
        """The answer that goes to the client: the first from a key that serves.

        Raises NoKeyLeft, or UpstreamError where there was no answer at all.
        """
        if self.caller.own is not None:
            async with self._attempt(self.caller.own, self.caller.credential.hint or "") as answer:
                yield answer
            return
        walk = self.provider.pool.walk()
        key = walk.next()
        last: Answer | None = None
        while True:
            if key is None:
                exhausted = self.provider.pool.exhaustion(walk)
                if exhausted.kind == "relay" and last is not None:
                    yield last
                    return
                await self._wait(exhausted)
                walk.resume()
                key = walk.next()
                continue
            async with self._attempt(self.provider.credential(key.secret), key.hint) as answer:
                failure = judge(answer.status, answer.headers, b"", utc_now())
                if failure is None:
                    served, failure = await self._begins_well(answer)
                    if failure is None:
                        self._note_good(key, served)
                        try:
                            yield served
                        finally:
                            self._note_late_failure(walk, key)
                        return
                    self._failed(walk, key, served, failure)
                    key = walk.next()
                    if key is None:
                        yield served  # nobody can do better: as it came
                        return
                    continue
                body, complete = await _error_body(answer)
            last = Answer.read_before(answer.status, answer.headers, body, complete=complete)
            # The body only tells more of the reason.
            self._failed(walk, key, answer, judge(answer.status, answer.headers, body, utc_now()) or failure)
            if not isinstance(self.call.body, bytes):  # gone with the first attempt
                yield last
                return
            key = walk.next()

    @asynccontextmanager
    async def _attempt(self, credential: tuple[bytes, bytes], hint: str) -> AsyncIterator[Answer]:
        self.progress.attempt(hint)
        begun = False
        call = evolve(self.call, headers=[*self.call.headers, credential])
        try:
            async with self.provider.upstream.attempt(call) as answer:
                begun = True
                self.permit.note(answer.status)
                yield answer
        except UpstreamError as error:
            if not begun:
                if not isinstance(error, UpstreamBusy):  # our own congestion says nothing of the provider
                    self.permit.note(None)
                late = isinstance(error, UpstreamTimeout | UpstreamBusy)
                reason = FailureReason.TIMEOUT if late else FailureReason.CONNECT_ERROR
                self.progress.attempt_failed(hint, None, reason)
            raise

    async def _begins_well(self, answer: Answer) -> tuple[Answer, Failure | None]:
        """The answer, and what the opening of its stream says against the key."""
        if answer.status != 200 or not answer.is_stream or self.api.name == PASSTHROUGH:
            return answer, None
        answer, trouble = await look_at_opening(answer, self.api)
        return answer, None if trouble is None else judge_stream_failure(trouble.reason, trouble.message)

    def _note_good(self, key: Key, answer: Answer) -> None:
        if answer.status < 300:
            self.provider.pool.succeed(key, answer.headers)
        else:
            self.provider.pool.observe_limits(key, answer.headers)
        if answer.status in SERVER_ERRORS:
            self.progress.attempt_failed(key.hint, answer.status, FailureReason.SERVER_ERROR)

    def _failed(self, walk: Walk, key: Key, answer: Answer, failure: Failure) -> None:
        cooldown_s = walk.fail(key, failure, answer.headers)
        self.progress.attempt_failed(key.hint, answer.status, failure.reason, cooldown_s)

    def _note_late_failure(self, walk: Walk, key: Key) -> None:
        """A stream that had begun told of a limit: too late for this request, but the next ones need not meet it."""
        said = self.progress.stream_failure
        if said is not None and (failure := judge_stream_failure(said.reason, said.message)) is not None:
            walk.fail(key, failure)

    async def _wait(self, exhausted: Exhausted) -> None:
        """Waits until a key may serve again, where that is allowed to take so long. Raises NoKeyLeft otherwise."""
        until = exhausted.wait_until
        longest = self.provider.settings.wait_for_key
        if until is None or not longest or until > self.progress.began + longest:
            raise NoKeyLeft(exhausted)
        self.progress.waiting(utc_now() + timedelta(seconds=until - trio.current_time()))
        await self.provider.wait_for_key(self.provider.pool.turn(until))


async def _error_body(answer: Answer) -> tuple[bytes, bool]:
    """What comes of an error's body in good time, and whether that is all of it."""
    body = bytearray()
    with trio.move_on_after(ERROR_BODY_S), contextlib.suppress(UpstreamError):
        while len(body) < ERROR_BODY:
            chunk = await answer.receive()
            if not chunk:
                return bytes(body), True
            body += chunk
    return bytes(body), False
