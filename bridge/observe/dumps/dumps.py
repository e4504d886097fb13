"""Dumps as requests meet them: a copy of what goes over the wire, and nothing that waits.

Each try of a request passes through `attempt`, which hands references to its bytes to a thread (`writer`). What the
files are called it knows from `interception.started`, as one more listener of the hub.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from functools import partial

import trio
from attrs import evolve

from bridge.config.settings import RecordSettings
from bridge.events.vocabulary import InterceptionEnded, InterceptionStarted
from bridge.events.wire import Envelope
from bridge.http.fields import RawHeaders
from bridge.observe.dumps.names import DumpName, dump_name
from bridge.observe.dumps.queue import Step
from bridge.observe.dumps.sheet import Sheet, Subject
from bridge.observe.dumps.writer import DumpWriter
from bridge.observe.logs import Redactor, logger
from bridge.providers.attempt import Call, Response, Upstream
from bridge.providers.faults import UpstreamError
from bridge.value_classes import define

log = logger("dumps")

OVERHEAD = 500
"""Bytes that a step takes beside those that it holds, roughly."""
WARN_EVERY_S = 60.0
CANCELLED = "cancelled before an answer came"


@define
class Known:
    """An interception under way: what its files are called, and how many attempts it has made."""

    name: DumpName
    attempts: int = 0


class Dumps:
    """The dumps of one bridge."""

    def __init__(self, settings: RecordSettings) -> None:
        assert settings.dump_dir is not None  # noqa: S101  # nobody makes it otherwise
        self._root = settings.dump_dir.absolute()
        self._most = settings.dump_max_bytes
        self._writer = DumpWriter(self._root, settings.dump_keep, self._most)
        self._known: dict[str, Known] = {}
        self._refused = 0
        self._warned_at = -WARN_EVERY_S

    @property
    def written(self) -> int:
        """Attempts that were dumped."""
        return self._writer.written

    @property
    def failed(self) -> int:
        """Attempts that could not be dumped: the disk did not take them, or not fast enough."""
        return self._writer.failed + self._refused

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Writes while the block runs, and what is left at its end."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._writer.run)
            try:
                yield
            finally:
                nursery.cancel_scope.cancel()

    def take(self, envelope: Envelope) -> None:
        """Notes which interceptions are under way."""
        match envelope.event:
            case InterceptionStarted() as started:
                names = {name: getattr(started, name) for name in ("id", "provider", "api", "model", "path")}
                self._known[started.id] = Known(dump_name(self._root, **names, at=envelope.at))
            case InterceptionEnded(id=name):
                self._known.pop(name, None)

    @asynccontextmanager
    async def attempt(
        self, interception_id: str, upstream: Upstream, call: Call, added: Collection[str], secrets: Redactor
    ) -> AsyncIterator[Response]:
        """An attempt of `upstream`, dumped. The values of the `added` headers are secrets, besides those that `secrets`
        masks."""
        known = self._known.get(interception_id)
        if known is None:
            async with upstream.attempt(call) as response:
                yield response
            return
        known.attempts += 1
        subject = Subject(
            self._root,
            self._most,
            known.name,
            known.attempts,
            call.method,
            upstream.target(call),
            [(b"Host", upstream.netloc), *call.headers],
            frozenset(name.lower().encode("latin-1") for name in added),
            secrets.frozen(),
        )
        copy = Copy(self, self._writer, Sheet(subject, self._writer.wrote))
        error = CANCELLED
        try:
            async with upstream.attempt(copy.of_request(call)) as response:
                copy.answer(response.status, response.headers)
                yield response.copied(copy.answer_part)
        except UpstreamError as failure:
            error = str(failure)
            raise
        finally:
            copy.end(error)

    def refuse(self) -> None:
        """There was no room for an attempt."""
        self._refused += 1
        now = time.monotonic()
        if now - self._warned_at >= WARN_EVERY_S:
            self._warned_at = now
            log.warning("a dump is left out: they come faster than they can be written", left_out=self._refused)


class Copy:
    """The copy of one attempt on its way to the thread. No method of it waits or raises."""

    def __init__(self, dumps: Dumps, writer: DumpWriter, sheet: Sheet) -> None:
        self._dumps = dumps
        self._writer = writer
        self._sheet = sheet
        self._refused = False

    def of_request(self, call: Call) -> Call:
        """The call as it is to be made."""
        if isinstance(call.body, bytes):
            self._put(partial(self._sheet.request, call.body), len(call.body))
            return call
        self._put(partial(self._sheet.request, None), 0)
        return evolve(call, body=CopiedParts(call.body, self.request_part))

    def answer(self, status: int, headers: RawHeaders) -> None:
        """The head of the answer came."""
        self._put(partial(self._sheet.answer, status, headers), 0)

    def answer_part(self, data: bytes) -> None:
        """More of its body came."""
        self._put(partial(self._sheet.answer_part, data), len(data))

    def end(self, error: str) -> None:
        """It is over; `error` says why there was no answer, where there was none."""
        last = self._sheet.close if self._refused else partial(self._writer.finish, self._sheet, error)
        self._writer.queue.put_last(last)

    def request_part(self, data: bytes) -> None:
        """More of a request goes out whose body comes in parts."""
        self._put(partial(self._sheet.request_part, data), len(data))

    def _put(self, step: Step, size: int) -> None:
        if self._refused:
            return
        self._refused = not self._writer.queue.put(partial(self._writer.take_step, self._sheet, step), size + OVERHEAD)
        if self._refused:
            self._dumps.refuse()


class CopiedParts:
    """A body in parts, each of which is also given to somebody else."""

    def __init__(self, parts: AsyncIterator[bytes], to: Callable[[bytes], None]) -> None:
        self._parts = parts
        self._to = to

    def __aiter__(self) -> CopiedParts:
        return self

    async def __anext__(self) -> bytes:
        part = await anext(self._parts)
        self._to(part)
        return part
