"""A monitor that comes to a bridge: its own source, state and reader of the record, without a screen."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from bridge.events.wire import Command, Reply, Snapshot
from monitor.sources.bridge_socket import BridgeSource
from monitor.sources.day_reader import DayReader
from monitor.state.state import Incoming, MonitorState

WAIT_S = 30.0


def attached(socket: Path) -> MonitorState:
    """What a monitor knows that has come to the bridge on that socket, once it has read the last day."""
    return asyncio.run(_attached(socket))


async def _attached(socket: Path) -> MonitorState:
    state, source, has_snapshot = MonitorState(), BridgeSource(socket), asyncio.Event()

    def now() -> datetime:
        return datetime.now(UTC)

    def deliver(incoming: Incoming) -> None:
        state.apply(incoming, now())
        if isinstance(incoming, Snapshot):
            has_snapshot.set()

    async def ask(about: str, command: Command) -> Reply:
        state.past.expect(about)
        return await source.send(command)

    watching = asyncio.create_task(source.run(deliver))
    try:
        async with asyncio.timeout(WAIT_S):
            await has_snapshot.wait()
            await DayReader(ask).catch_up(state, now)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return state
