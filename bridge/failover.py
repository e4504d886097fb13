"""Walks a provider's keys until one serves (`behaviour.md` section 2, points 2 to 5).

The client has seen nothing while this goes on, and a failed attempt's connection is closed before the next begins.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import trio
from attrs import evolve

from bridge.apis.api import ErrorKind
from bridge.circuit import Permit
from bridge.errors import ClearspanError
from bridge.events.hub import utc_now
from bridge.events.vocabulary import FailureReason
from bridge.guard import Caller
from bridge.keys.exhaustion import Exhausted
from bridge.keys.verdict import judge
from bridge.progress import Progress
from bridge.provider import Provider
from bridge.upstream import Answer, Call, UpstreamError, UpstreamTimeout

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


@asynccontextmanager
async def answered(
    provider: Provider, call: Call, caller: Caller, progress: Progress, permit: Permit
) -> AsyncIterator[Answer]:
    """The answer that goes to the client: the first from a key that serves. `call` has no credential yet.

    Raises NoKeyLeft, or UpstreamError where there was no answer at all.
    """
    if caller.own is not None:
        async with _attempt(provider, call, caller.own, caller.credential.hint or "", progress, permit) as answer:
            yield answer
        return
    walk = provider.pool.walk()
    last: Answer | None = None
    while True:
        key = walk.next()
        if key is None:
            exhausted = provider.pool.exhaustion(walk)
            if exhausted.kind == "relay" and last is not None:
                yield last
                return
            await _wait(provider, exhausted, progress)
            walk.resume()
            continue
        async with _attempt(provider, call, provider.credential(key.secret), key.hint, progress, permit) as answer:
            if judge(answer.status, answer.headers, b"", utc_now()) is None:
                if answer.status < 300:
                    provider.pool.succeed(key, answer.headers)
                else:
                    provider.pool.observe_limits(key, answer.headers)
                if answer.status in SERVER_ERRORS:
                    progress.attempt_failed(key.hint, answer.status, FailureReason.SERVER_ERROR)
                yield answer
                return
            body = await _error_body(answer)
        last = Answer.whole(answer.status, answer.headers, body)
        failure = judge(answer.status, answer.headers, body, utc_now())
        if failure is not None:  # as it was without the body, which only tells more of the reason
            cooldown_s = walk.fail(key, failure, answer.headers)
            progress.attempt_failed(key.hint, answer.status, failure.reason, cooldown_s)
        if not isinstance(call.body, bytes):  # gone with the first attempt
            yield last
            return


@asynccontextmanager
async def _attempt(
    provider: Provider, call: Call, credential: tuple[bytes, bytes], hint: str, progress: Progress, permit: Permit
) -> AsyncIterator[Answer]:
    progress.attempt(hint)
    begun = False
    try:
        async with provider.upstream.attempt(evolve(call, headers=[*call.headers, credential])) as answer:
            begun = True
            permit.note(answer.status)
            yield answer
    except UpstreamError as error:
        if not begun:
            permit.note(None)
            reason = FailureReason.TIMEOUT if isinstance(error, UpstreamTimeout) else FailureReason.CONNECT_ERROR
            progress.attempt_failed(hint, None, reason)
        raise


async def _error_body(answer: Answer) -> bytes:
    with trio.move_on_after(ERROR_BODY_S):
        return await answer.read(ERROR_BODY)
    return b""


async def _wait(provider: Provider, exhausted: Exhausted, progress: Progress) -> None:
    """Waits until a key may serve again, where that is allowed to take so long. Raises NoKeyLeft otherwise."""
    until = exhausted.wait_until
    longest = provider.settings.wait_for_key
    if until is None or not longest or until > progress.began + longest:
        raise NoKeyLeft(exhausted)
    progress.waiting(utc_now() + timedelta(seconds=until - trio.current_time()))
    await provider.wait_for_key(provider.pool.turn(until))
