"""Recording as part of a running bridge: the recorder on the hub, and the health of keys carried over restarts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from bridge.config.settings import RecordSettings
from bridge.events.hub import Hub
from bridge.events.vocabulary import KeyChanged
from bridge.events.wire import Envelope
from bridge.keys.persistence import Row
from bridge.keys.pool import KeyPool
from bridge.record.recorder import Recorder, Wrote


@asynccontextmanager
async def recording(
    settings: RecordSettings, hub: Hub, pool_of: Callable[[str], KeyPool | None], wrote: Wrote | None = None
) -> AsyncIterator[None]:
    """Records while the block runs; what was published by its end is written before this returns.

    Keys that a former bridge saw cooling or refused are so again when the block begins. With recording off nothing is
    kept of them either. `wrote` is told of what is written, in another thread.
    """
    if settings.path is None:
        yield
        return
    recorder = Recorder(settings, settings.path, hub, wrote)
    async with trio.open_nursery() as nursery:
        saved = await nursery.start(recorder.run)
        for name, rows in saved.items():
            if (pool := pool_of(name)) is not None:
                pool.restore_state(rows, recorder.salt)
        written: dict[str, list[Row]] = {}

        def keep_keys(envelope: Envelope) -> None:
            event = envelope.event
            pool = pool_of(event.provider) if isinstance(event, KeyChanged) and recorder.salt else None
            if pool is not None:
                rows = pool.export_state(recorder.salt)
                if rows != written.get(pool.provider):  # most changes are of gauges, which are not kept
                    written[pool.provider] = rows
                    recorder.save_keys(pool.provider, rows)

        hub.add_sink(recorder.take)
        hub.add_sink(keep_keys)
        try:
            yield
        finally:
            nursery.cancel_scope.cancel()
