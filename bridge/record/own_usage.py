"""What a session has used so far, for whoever asks from within it: `GET /clearspan/self` (docs/behaviour.md, HTTP), and
the model itself by the bridge's own tool (docs/behaviour.md, The bridge's own tool).

The picture has the sums of what began while it knew the session, the record has those of what was before: a restart
loses nothing, and what was just told counts at once. Where the record can't be read, the picture has to do.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import trio

from bridge.events.hub import Hub
from bridge.events.sessions import SessionTotals
from bridge.events.times import format_time
from bridge.events.vocabulary import KeyChanged
from bridge.events.wire import unstructure
from bridge.observe.logs import logger, redactor
from bridge.record.database import RecordError, open_for_reading
from bridge.record.sessions import Fields, used_before

log = logger("record")

TOKENS = ("input", "output", "cache_read_input", "cache_write_input")

NOTHING: Fields = {"interceptions": 0, **dict.fromkeys(TOKENS, 0), "cost_usd": None, "unpriced": 0, "partial": 0}

READERS = 2
"""Threads that read the record for this at one time; who comes later waits."""


class OwnUsage:
    """Answers for one bridge. `record` is None where nothing is recorded."""

    def __init__(self, hub: Hub, record: Path | None) -> None:
        self._hub = hub
        self._record = record
        self._turn = trio.CapacityLimiter(READERS)

    async def of(self, session: str | None) -> dict[str, Any]:
        """The page for a session; `found` is false for one that nothing is known of. Where the record can't be read,
        what the picture has must do."""
        try:
            return await self.whole(session)
        except RecordError:
            session = _recorded(session)
            return self._page(session, self._known(session), NOTHING)

    async def whole(self, session: str | None) -> dict[str, Any]:
        """The same for who takes it for all there is. Raises RecordError where the record can't be read."""
        session = _recorded(session)
        before: Fields = NOTHING
        totals = self._known(session)
        if session and self._record is not None:
            since = None if totals is None else format_time(totals.since)
            before = await trio.to_thread.run_sync(
                self._read, self._record, session, since, limiter=self._turn, abandon_on_cancel=True
            )
        return self._page(session, self._known(session) if totals else None, before)

    def _known(self, session: str | None) -> SessionTotals | None:
        return self._hub.picture.sessions.known.get(session or "")

    @staticmethod
    def _read(record: Path, session: str, before: str | None) -> Fields:
        try:
            with closing(open_for_reading(record)) as database:
                return used_before(database, session, before)
        except (RecordError, sqlite3.Error) as error:
            log.warning("what a session used before is not known", reason=str(error))
            raise RecordError(str(error)) from None

    def _page(self, session: str | None, now: SessionTotals | None, before: Fields) -> dict[str, Any]:
        tokens = {name: before[name] + (getattr(now.tokens, name) if now else 0) for name in TOKENS}
        costs = [cost for cost in (before["cost_usd"], now.tokens.cost_usd if now else None) if cost is not None]
        read = tokens["input"] + tokens["cache_read_input"] + tokens["cache_write_input"]
        requests = before["interceptions"] + (now.interceptions if now else 0)
        context = before.get("context") or {"used": None, "window": None}
        key = before.get("key") or {"provider": None, "key": None}
        if now is not None and now.context_used is not None:
            context = {"used": now.context_used, "window": now.tokens.context_window}
        if now is not None and now.key is not None:
            key = {"provider": now.provider, "key": now.key}
        return {
            "session_id": session,
            "found": requests > 0,
            "requests": requests,
            "tokens": tokens,
            "cost_usd": sum(costs) if costs else None,
            "unpriced": before["unpriced"] + (now.tokens.unpriced if now else 0),
            "partial": bool(before["partial"]) or bool(now and now.tokens.partial),
            "cache_share": tokens["cache_read_input"] / read if read else 0.0,
            "context": context,
            "key": self._health(key["key"], self._hub.picture.keys.get((key["provider"], key["key"]))),
        }

    @staticmethod
    def _health(hint: str | None, known: KeyChanged | None) -> dict[str, Any]:
        """A key of the pool with its state and what is left on it; of a caller's own nothing is known."""
        if known is None:
            return {"hint": hint, "state": None, "limits": None}
        return {"hint": hint, "state": known.state.value, "limits": unstructure(known)["limits"]}


def _recorded(session: str | None) -> str | None:
    """Its name as events, and so the record, have it."""
    return redactor.redact(session) if session else session
