"""Walks a provider's keys until one serves (docs/behaviour.md, Key pool).

The client has seen nothing while this goes on, and a failed attempt's connection is closed before the next begins. A
provider may also answer 200 and say only then, in the first event that matters, that the key is limited or the model
overloaded: as long as nothing but the opening of a stream has come, another key can still serve as if nothing had been.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import trio
from attrs import define, evolve, frozen

from bridge.apis.protocol import Api, Opening, StreamFailure
from bridge.apis.sse import SseParser
from bridge.errors import ErrorKind, Refused
from bridge.events.hub import utc_now
from bridge.events.vocabulary import FailureReason
from bridge.interception.caller import Caller
from bridge.interception.lifecycle import Reporter
from bridge.keys.key import Key
from bridge.keys.verdict import Failure, judge, judge_stream_failure
from bridge.keys.walk import Exhausted, Walk
from bridge.providers.attempt import Call, Response, UpstreamBusy, UpstreamError, UpstreamTimeout
from bridge.providers.circuit_breaker import Permit
from bridge.providers.provider import Provider

ERROR_BODY = 1024 * 1024
"""How much of an error's body is read, and relayed where no key is left."""
ERROR_BODY_S = 5.0
HOLD_S = 2.0
HOLD_BYTES = 64 * 1024
"""The opening of a stream is held back no longer than this."""
SERVER_ERRORS = frozenset({500, 502, 503, 504})
"""Told as failed attempts though they go to the client: not the key's fault, and maybe not for another to mend."""


class NoKeyLeft(Refused):
    """Every key of the pool is out."""

    def __init__(self, exhausted: Exhausted) -> None:
        if exhausted.retry_after_s is None:  # waiting does not help
            super().__init__(ErrorKind.BAD_GATEWAY, exhausted.message)
        else:
            wait = str(exhausted.retry_after_s).encode()
            super().__init__(ErrorKind.RATE_LIMITED, exhausted.message, [(b"retry-after", wait)])


@frozen
class Served:
    """The response that goes to the client, and the key it came with: none of the pool's where the caller brought one.

    `response` is to be received to its end before the block that gave it is left.
    """

    response: Response
    walk: Walk | None = None
    key: Key | None = None

    def failed_late(self, failure: StreamFailure | None) -> None:
        """A stream that had begun told of a limit: too late for this request, but the next ones need not meet it."""
        if failure is None or self.walk is None or self.key is None:
            return
        verdict = judge_stream_failure(failure.reason, failure.message)
        if verdict is not None:
            self.walk.fail(self.key, verdict)


@define
class Failover:
    """One request's way through a provider's keys. `call` has no credential yet."""

    provider: Provider
    api: Api
    call: Call
    caller: Caller
    reporter: Reporter
    permit: Permit

    @asynccontextmanager
    async def response(self) -> AsyncIterator[Served]:
        """The response that goes to the client: the first from a key that serves.

        Raises NoKeyLeft, or UpstreamError where there was no response at all.
        """
        if self.caller.own:
            async with self._attempt(self.caller.own, self.caller.credential.hint or "") as response:
                yield Served(response)
            return
        walk = self.provider.pool.walk()
        key = walk.next()
        last: Response | None = None
        while True:
            if key is None:
                exhausted = self.provider.pool.exhaustion(walk)
                if exhausted.kind == "relay" and last is not None:
                    yield Served(last)
                    return
                await self._wait(exhausted)
                walk.resume()
                key = walk.next()
                continue
            async with self._attempt((self.provider.kind.credential(key.secret),), key.hint) as response:
                failure = judge(response.status, response.headers, b"", utc_now())
                if failure is None:
                    held, failure = await self._hold_opening(response)
                    if failure is None:
                        self._note_served(key, held)
                        yield Served(held, walk, key)
                        return
                    self._failed(walk, key, held, failure)
                    key = walk.next()
                    if key is None:
                        yield Served(held)  # nobody can do better: as it came
                        return
                    continue
                body, complete = await _error_body(response)
            last = Response.read_before(response.status, response.headers, body, complete=complete)
            # The body only tells more of the reason.
            verdict = judge(response.status, response.headers, body, utc_now()) or failure
            self._failed(walk, key, response, verdict)
            if not isinstance(self.call.body, bytes):  # gone with the first attempt
                yield Served(last)
                return
            key = walk.next()

    @asynccontextmanager
    async def _attempt(self, credentials: tuple[tuple[bytes, bytes], ...], hint: str) -> AsyncIterator[Response]:
        self.reporter.attempt_started(hint)
        begun = False
        call = evolve(self.call, headers=[*self.call.headers, *credentials])
        try:
            async with self.provider.upstream.attempt(call) as response:
                begun = True
                self.permit.note(response.status)
                yield response
        except UpstreamError as error:
            if not begun:
                if not isinstance(error, UpstreamBusy):  # our own congestion says nothing of the provider
                    self.permit.note(None)
                late = isinstance(error, UpstreamTimeout | UpstreamBusy)
                reason = FailureReason.TIMEOUT if late else FailureReason.CONNECT_ERROR
                self.reporter.attempt_failed(hint, None, reason)
            raise

    async def _hold_opening(self, response: Response) -> tuple[Response, Failure | None]:
        """The response, and what the opening of its stream says against the key."""
        if response.status != 200 or not response.is_stream or not self.api.understood:
            return response, None
        response, failure = await look_at_opening(response, self.api)
        return response, None if failure is None else judge_stream_failure(failure.reason, failure.message)

    def _note_served(self, key: Key, response: Response) -> None:
        if response.status < 300:
            self.provider.pool.succeed(key, response.headers)
        else:
            self.provider.pool.observe_limits(key, response.headers)
        if response.status in SERVER_ERRORS:
            self.reporter.attempt_failed(key.hint, response.status, FailureReason.SERVER_ERROR)

    def _failed(self, walk: Walk, key: Key, response: Response, failure: Failure) -> None:
        cooldown_s = walk.fail(key, failure, response.headers)
        self.reporter.attempt_failed(key.hint, response.status, failure.reason, cooldown_s)

    async def _wait(self, exhausted: Exhausted) -> None:
        """Waits until a key may serve again, where that is allowed to take so long. Raises NoKeyLeft otherwise."""
        until = exhausted.wait_until
        longest = self.provider.settings.wait_for_key
        if until is None or not longest or until > self.reporter.began + longest:
            raise NoKeyLeft(exhausted)
        self.reporter.waiting(utc_now() + timedelta(seconds=until - trio.current_time()))
        await self.provider.wait_for_key(self.provider.pool.turn(until))


async def _error_body(response: Response) -> tuple[bytes, bool]:
    """What comes of an error's body in good time, and whether that is all of it."""
    body = bytearray()
    with trio.move_on_after(ERROR_BODY_S), contextlib.suppress(UpstreamError):
        while len(body) < ERROR_BODY:
            chunk = await response.receive()
            if not chunk:
                return bytes(body), True
            body += chunk
    return bytes(body), False


async def look_at_opening(response: Response, api: Api) -> tuple[Response, StreamFailure | None]:
    """Receives the opening of a stream. Returns the response as it was, and the failure it opened with, if it did."""
    parser = SseParser()
    held: list[bytes] = []
    verdict: Opening | StreamFailure = Opening.HOLD
    with trio.move_on_after(HOLD_S):
        while verdict is Opening.HOLD and sum(map(len, held)) < HOLD_BYTES:
            try:
                chunk = await response.receive()
            except UpstreamError:
                break  # it will be met again by whoever relays what came
            if not chunk:
                break
            held.append(chunk)
            verdict = _verdict(parser, chunk, api)
    return response.after(held), verdict if isinstance(verdict, StreamFailure) else None


def _verdict(parser: SseParser, chunk: bytes, api: Api) -> Opening | StreamFailure:
    """What the first of these events says that is more than an opening."""
    for name, data in parser.feed(chunk):
        verdict = api.opening(name, data)
        if verdict is not Opening.HOLD:
            return verdict
    return Opening.HOLD
