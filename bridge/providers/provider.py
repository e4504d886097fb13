"""A configured provider at work: its keys, its server, and what it does by itself while it is served."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from math import inf

import trio

from bridge.apis.protocol import Api
from bridge.config.settings import ProviderSettings
from bridge.events.hub import Hub, utc_now
from bridge.events.values import Lane
from bridge.keys.key import Key
from bridge.keys.lanes import LanesFull
from bridge.keys.pool import KeyPool
from bridge.keys.walk import SHORTEST_WAIT_S, Walk
from bridge.observe.logs import Redactor, logger
from bridge.providers.attempt import Call, Dumping, Response, Upstream
from bridge.providers.circuit_breaker import Circuits
from bridge.providers.faults import UpstreamError
from bridge.providers.procession import Procession

log = logger("keys")

Tell = Callable[[float, Lane, int], None]
"""Says that a request waits: until when a key may serve again, in which lane, in which place of it."""

CHECK_S = 30.0
"""How long a key's check may take."""

SWEEP_S = 30.0
"""How often idle connections are looked through for those that nobody should use any more."""


class Provider:
    """One upstream with its key pool. It is served while `run` runs."""

    def __init__(
        self,
        name: str,
        settings: ProviderSettings,
        hub: Hub,
        dumps: Dumping | None = None,
        wall: Callable[[], datetime] = utc_now,
    ) -> None:
        self.name = name
        self.settings = settings
        self.kind = settings.kind
        self._routes = _compiled(settings)
        self.pool = KeyPool(
            name,
            settings.keys,
            publish=hub.publish,
            clock=trio.current_time,
            wall=wall,
            strategy=settings.strategy,
            groups=settings.groups,
            affinity=settings.affinity,
        )
        self.circuits = Circuits(
            name,
            self.kind.circuit_failures,
            settings.circuit_breaker,
            publish=hub.publish,
            clock=trio.current_time,
        )
        self.upstream = Upstream(settings.base_url, connect_timeout=settings.connect_timeout)
        self._procession = Procession()
        self._dumps = dumps
        self._served = trio.CancelScope()

    async def run(self) -> None:
        """Ends cooldowns in time, checks refused keys, closes idle connections; until cancelled or retired.

        Requests under way end by themselves: their connections are theirs.
        """
        try:
            with self._served:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._run_key_checks, nursery)
                    nursery.start_soon(self._sweep_idle_connections)
        finally:
            with trio.CancelScope(shield=True):  # which waits for no peer
                await self.upstream.aclose()

    def retire(self) -> None:
        """It is served no longer: `run` ends, and requests under way tell nothing more of its keys and circuits."""
        self.pool.replace(())
        self.circuits.close_all()
        self._served.cancel()

    def can_reconfigure_to(self, settings: ProviderSettings) -> bool:
        """Whether these settings are for the same server, so that keys keep their health and connections their use."""
        same = ("type", "base_url", "connect_timeout", "circuit_breaker")
        return all(getattr(self.settings, name) == getattr(settings, name) for name in same)

    def reconfigure(self, settings: ProviderSettings) -> list[str]:
        """Takes over changed settings; returns the hints of the keys that are gone."""
        before = {key.hint for key in self.pool.keys}
        self.pool.replace(settings.keys, settings.strategy, groups=settings.groups, affinity=settings.affinity)
        self.settings = settings
        self._routes = _compiled(settings)
        return sorted(before - {key.hint for key in self.pool.keys})

    def find(self, path: str) -> tuple[str, Api] | None:
        """The listed path that a path below its name stands for, and the API behind it; None where there is none."""
        return self.kind.find(path, self._routes)

    @property
    def is_dumped(self) -> bool:
        """Whether attempts are dumped: then an interception must be known before its first."""
        return self._dumps is not None

    def attempt(self, interception_id: str, call: Call, secrets: Redactor) -> AbstractAsyncContextManager[Response]:
        """An attempt at a request of an interception, dumped where that is asked for, and masked by `secrets`; see
        `UpstreamAttempt`."""
        if self._dumps is None:
            return self.upstream.attempt(call)
        return self._dumps.attempt(interception_id, self.upstream, call, self.settings.extra_headers, secrets)

    async def key_in_turn(self, walk: Walk, deadline: float, tell: Tell) -> Key | None:
        """Waits for the walk's turn, and takes its next key; None where no key can be had for it until then (Trio's
        time). `tell` is called with each wait, before it."""
        while (until := self._can_wait_until(walk, deadline)) is not None:
            follower = self._procession.follower()
            try:
                ticket = self.pool.turns.join(walk.asker, deadline, follower.wake, again=walk.waited)
            except LanesFull:
                return None
            try:
                if not ticket.granted:
                    tell(until, ticket.lane, self.pool.turns.lanes.place(ticket))
                if walk.failures and until <= trio.current_time() + SHORTEST_WAIT_S:
                    await trio.sleep_until(until)  # it was refused just now
                with trio.move_on_at(deadline):
                    await follower.wait()
                if not ticket.granted:
                    return None
                walk.resume()
                key = walk.next()
                if key is not None:
                    return key
            finally:
                follower.leave()
                self.pool.turns.leave(ticket)
            if (until := self._can_wait_until(walk, deadline)) is not None:
                await trio.sleep_until(until)  # there is room on keys that had refused this one alone
        return None

    def _can_wait_until(self, walk: Walk, deadline: float) -> float | None:
        until = self.pool.exhaustion(walk).wait_until
        return until if until is not None and until <= deadline else None

    async def _run_key_checks(self, nursery: trio.Nursery) -> None:
        """Deadlines are the pool's; this only wakes it up in time, and asks the provider where a check is due."""
        while True:
            changed = trio.Event()
            self.pool.on_reschedule = changed.set
            self.pool.expire()
            for key in self.pool.due_checks():
                nursery.start_soon(self._check, key)
            deadline = self.pool.next_deadline()
            with trio.move_on_at(inf if deadline is None else deadline):
                await changed.wait()

    async def _check(self, key: Key) -> None:
        """Asks for what costs nothing, and tells the pool what the status was (docs/behaviour.md, Key pool)."""
        call = Call(
            method="GET",
            target=self.kind.target(self.kind.check_path),
            headers=[
                (b"Accept-Encoding", b"identity"),
                *self.kind.check_headers,
                self.kind.credential(key.secret),
            ],
            body=b"",
            head_timeout=CHECK_S,
            idle_timeout=CHECK_S,
        )
        status: int | None = None
        try:
            async with self.upstream.attempt(call) as response:
                status = response.status
        except UpstreamError as error:
            log.info("a key could not be checked", provider=self.name, key=key.hint, error=str(error))
        finally:
            self.pool.checked(key, status)

    async def _sweep_idle_connections(self) -> None:
        while True:
            await trio.sleep(SWEEP_S)
            await self.upstream.close_expired()


def _compiled(settings: ProviderSettings) -> list[re.Pattern[str]]:
    return [re.compile(route) for route in settings.routes]
