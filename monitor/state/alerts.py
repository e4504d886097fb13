"""What a person who looks elsewhere wants to be told of with the terminal's bell: no key of a provider is left."""

from __future__ import annotations

from datetime import datetime

from attrs import Factory, define

from bridge.events.key_health import PoolHealth, by_provider
from monitor.state.state import MonitorState


@define
class Alerts:
    """Off until somebody asks for it; then each thing is told once, when it begins."""

    wanted: bool = False
    _out: set[str] = Factory(set)

    def switch(self, state: MonitorState, now: datetime) -> None:
        """Turns it on or off. What is so already when it is turned on, is seen already."""
        self.wanted = not self.wanted
        self._out = set(_out(state, now))

    def due(self, state: MonitorState, now: datetime) -> list[str]:
        """The providers that have run out of keys since it was asked last."""
        if not self.wanted:
            return []
        before, self._out = self._out, set(_out(state, now))
        return sorted(self._out - before)


def _out(state: MonitorState, now: datetime) -> list[str]:
    pools = by_provider(state.picture.keys.values())
    return [provider for provider, pool in pools.items() if PoolHealth.of(pool, now).is_out]
