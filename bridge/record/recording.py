"""Recording as part of a running bridge: the recorder on the hub, and the health of keys carried over restarts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import trio

from bridge.events.hub import Hub
from bridge.events.vocabulary import KeyChanged
from bridge.events.wire import Envelope
from bridge.keys.pool import KeyPool
from bridge.keys.store import Row
from bridge.record.recorder import Recorder
from bridge.settings import RecordSettings


@asynccontextmanager
async def recording(settings: RecordSettings, hub: Hub, pools: Mapping[str, KeyPool]) -> AsyncIterator[None]:
    """Records while the block runs; what was published by its end is written before this returns.

    Keys that a former bridge saw cooling or refused are so again when the block begins (behaviour 2.7). With recording
    off nothing is kept of them either.
    """
    if settings.path is None:
        yield
        return
    recorder = Recorder(settings, settings.path, hub)
    async with trio.open_nursery() as nursery:
        saved = await nursery.start(recorder.run)
        for name, pool in pools.items():
            pool.restore_state(saved.get(name, []), recorder.salt)
        written: dict[str, list[Row]] = {}

        def keep_keys(envelope: Envelope) -> None:
            event = envelope.event
            if isinstance(event, KeyChanged) and recorder.salt:
                rows = pools[event.provider].export_state(recorder.salt)
                if rows != written.get(event.provider, []):
                    written[event.provider] = rows
                    recorder.save_keys(event.provider, rows)

        hub.add_sink(recorder.take)
        hub.add_sink(keep_keys)
        try:
            yield
        finally:
            nursery.cancel_scope.cancel()
