"""A configured provider at work: its keys, its server, and what it does by itself while it is served."""

from __future__ import annotations

import re
from contextlib import AbstractAsyncContextManager
from math import inf

import trio

from bridge.apis.protocol import Api
from bridge.config.settings import ProviderSettings
from bridge.events.hub import Hub, utc_now
from bridge.keys.key import Key
from bridge.keys.pool import KeyPool
from bridge.observe.logs import logger
from bridge.providers.attempt import Call, Dumping, Response, Upstream
from bridge.providers.circuit_breaker import Circuits
from bridge.providers.faults import UpstreamError

log = logger("keys")

CHECK_S = 30.0
"""How long a key's check may take."""

SWEEP_S = 30.0
"""How often idle connections are looked through for those that nobody should use any more."""


class Provider:
    """One upstream with its key pool. It is served while `run` runs."""

    def __init__(self, name: str, settings: ProviderSettings, hub: Hub, dumps: Dumping | None = None) -> None:
        self.name = name
        self.settings = settings
        self.kind = settings.kind
        self._routes = _compiled(settings)
        self.pool = KeyPool(
            name,
            settings.keys,
            publish=hub.publish,
            clock=trio.current_time,
            wall=utc_now,
            strategy=settings.strategy,
        )
        self.circuits = Circuits(
            name,
            self.kind.circuit_failures,
            settings.circuit_breaker,
            publish=hub.publish,
            clock=trio.current_time,
        )
        self.upstream = Upstream(settings.base_url, connect_timeout=settings.connect_timeout)
        self._dumps = dumps
        self._served = trio.CancelScope()
        self._key_is_valid = trio.Event()
        self.pool.on_valid = self._wake_waiting

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
        self.pool.replace(settings.keys, settings.strategy)
        self.settings = settings
        self._routes = _compiled(settings)
        return sorted(before - {key.hint for key in self.pool.keys})

    def find(self, path: str) -> tuple[str, Api] | None:
        """The listed path that a path below its name stands for, and the API behind it; None where there is none."""
        return self.kind.find(path, self._routes)

    def attempt(self, interception_id: str, call: Call) -> AbstractAsyncContextManager[Response]:
        """An attempt at a request of an interception, dumped where that is asked for; see `Upstream.attempt`."""
        if self._dumps is None:
            return self.upstream.attempt(call)
        return self._dumps.attempt(interception_id, self.upstream, call, self.settings.extra_headers)

    async def wait_for_key(self, until: float) -> None:
        """Waits until that time (Trio's), or until a key becomes valid before it."""
        with trio.move_on_at(until):
            await self._key_is_valid.wait()

    def _wake_waiting(self) -> None:
        self._key_is_valid.set()
        self._key_is_valid = trio.Event()

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
