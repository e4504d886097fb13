"""`clearspan simulate`: the simulated provider alone, on a port of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from bridge.app import protocol_error
from bridge.cli.serve import announce, until_it_ends
from bridge.config.settings import Settings
from bridge.errors import ConfigurationError
from bridge.http.engine import App
from bridge.http.listener import Listener, open_listeners
from bridge.observe import logs
from bridge.process.receiver import receiver
from bridge.process.signals import HANDLED
from bridge.simulator.provider import SimulatedProvider
from bridge.simulator.scenario.file import ScenarioError, load_scenario


def simulate(settings: Settings, scenario: Path | None, *, seed: int, speed: float) -> int:
    """The simulated provider alone, until it is interrupted."""
    logs.configure(settings.log.level, settings.log.format)
    try:
        played = load_scenario(scenario) if scenario else None
    except ScenarioError as error:
        raise ConfigurationError(str(error).splitlines()) from None

    async def run() -> int:
        provider = SimulatedProvider(played, seed=seed, speed=speed)
        with receiver(*HANDLED) as signals:
            async with simulated_provider(provider, settings.server.host, settings.server.port) as url:
                announce(url)
                await anext(signals)
        return 0

    return until_it_ends(run)


@asynccontextmanager
async def simulated_provider(provider: App, host: str, port: int) -> AsyncIterator[str]:
    """Serves a simulated provider while the block runs; gives its URL."""
    sockets = await open_listeners(host, port)
    listener = Listener(provider, sockets, protocol_error)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listener.run)
        yield "http://{}:{}".format(*sockets[0].socket.getsockname()[:2])
        nursery.cancel_scope.cancel()
