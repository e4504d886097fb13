"""Recording as part of a running bridge: the recorder on the hub, and the health of keys carried over restarts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import trio

from bridge.config.settings import RecordSettings
from bridge.events.hub import Hub
from bridge.events.vocabulary import InterceptionEnded, KeyChanged
from bridge.events.wire import Envelope
from bridge.keys.persistence import Row
from bridge.keys.pool import KeyPool
from bridge.record.recorder import Recorder, Wrote


@asynccontextmanager
async def recording(
    settings: RecordSettings, hub: Hub, pools: Callable[[], Mapping[str, KeyPool]], wrote: Wrote | None = None
) -> AsyncIterator[None]:
    """Records while the block runs; what was published by its end is written before this returns.

    Keys that a former bridge saw cooling or refused are so again when the block begins, and with which of them it
    served whom is known. With recording off nothing is kept of that either. `wrote` is told of what is written, in
    another thread.
    """
    if settings.path is None:
        yield
        return
    recorder = Recorder(settings, settings.path, hub, wrote)
    async with trio.open_nursery() as nursery:
        saved = await nursery.start(recorder.run)
        for name, pool in pools().items():
            pool.restore_state(saved.get(name, ()), recorder.salt)
            pool.residence.restore(recorder.saved_homes.get(name, ()), recorder.salt)
        written: dict[str, list[Row]] = {}

        def keep_keys(envelope: Envelope) -> None:
            event = envelope.event
            pool = pools().get(event.provider) if isinstance(event, KeyChanged) and recorder.salt else None
            if pool is not None:
                rows = pool.export_state(recorder.salt)
                if rows != written.get(pool.provider):  # most changes are of gauges, which are not kept
                    written[pool.provider] = rows
                    recorder.save_keys(pool.provider, rows)

        def keep_homes(envelope: Envelope) -> None:
            if not isinstance(envelope.event, InterceptionEnded) or not recorder.salt:
                return
            for name, pool in pools().items():
                if unsaved := pool.residence.take_unsaved(recorder.salt):
                    recorder.save_homes(name, unsaved)

        hub.add_sink(recorder.take)
        hub.add_sink(keep_keys)
        hub.add_sink(keep_homes)
        try:
            yield
        finally:
            nursery.cancel_scope.cancel()
