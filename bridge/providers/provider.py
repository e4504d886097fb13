"""A configured provider at work: its keys, its server, and how it wants to be paid."""

from __future__ import annotations

import trio

from bridge.config.settings import ProviderSettings
from bridge.events.hub import Hub, utc_now
from bridge.keys.pool import KeyPool
from bridge.keys.secret import Secret
from bridge.providers.circuit_breaker import Circuits
from bridge.providers.connections import Upstream


class Provider:
    """One upstream with its key pool."""

    def __init__(self, name: str, settings: ProviderSettings, hub: Hub) -> None:
        self.name = name
        self.settings = settings
        self.pool = KeyPool(
            name,
            settings.keys,
            publish=hub.publish,
            clock=trio.current_time,
            wall=utc_now,
            strategy=settings.strategy,
        )
        self.circuits = Circuits(
            name, settings.type, settings.circuit_breaker, publish=hub.publish, clock=trio.current_time
        )
        self.upstream = Upstream(settings.base_url, connect_timeout=settings.connect_timeout)
        self.minding = trio.CancelScope()
        """Ends the task that minds the keys."""
        self._key_is_valid = trio.Event()
        self.pool.on_valid = self._tell_waiting

    def may_become(self, settings: ProviderSettings) -> bool:
        """Whether these settings are for the same server, so that keys keep their health and connections their use."""
        same = ("type", "base_url", "connect_timeout", "circuit_breaker")
        return all(getattr(self.settings, name) == getattr(settings, name) for name in same)

    def reconfigure(self, settings: ProviderSettings) -> list[str]:
        """Takes over changed settings; returns the hints of the keys that are gone."""
        before = {key.hint for key in self.pool.keys}
        self.pool.replace(settings.keys, settings.strategy)
        self.settings = settings
        return sorted(before - {key.hint for key in self.pool.keys})

    def credential(self, key: Secret) -> tuple[bytes, bytes]:
        """The header that carries a key of the pool."""
        if self.settings.type == "anthropic":
            return b"X-Api-Key", key.reveal().encode()
        return b"Authorization", b"Bearer " + key.reveal().encode()

    async def wait_for_key(self, until: float) -> None:
        """Waits until that time (Trio's), or until a key becomes valid before it."""
        with trio.move_on_at(until):
            await self._key_is_valid.wait()

    def _tell_waiting(self) -> None:
        self._key_is_valid.set()
        self._key_is_valid = trio.Event()
