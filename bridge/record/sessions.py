"""Sessions and their agents, read from the record: what each has used, its last key, and its last words."""

from __future__ import annotations

import sqlite3
from typing import Any

from bridge.record.sums import LAST_TIME

Fields = dict[str, Any]

_OF_SESSION = "i.session_id = :session AND i.started_at < :before"

COUNTED = f"""
    SELECT count(*) AS interceptions, coalesce(sum(outcome = 'failed'), 0) AS failed
    FROM interceptions AS i WHERE {_OF_SESSION}
"""  # noqa: S608  # our own text

USED = f"""
    SELECT coalesce(sum(t.input), 0) AS input, coalesce(sum(t.output), 0) AS output,
           coalesce(sum(t.cache_read_input), 0) AS cache_read_input,
           coalesce(sum(t.cache_write_input), 0) AS cache_write_input,
           sum(t.cost_usd) AS cost_usd, count(t.input) - count(t.cost_usd) AS unpriced,
           coalesce(max(t.partial), 0) AS partial
    FROM interceptions AS i JOIN token_usages AS t ON t.interception_id = i.id WHERE {_OF_SESSION}
"""  # noqa: S608  # the same

CONTEXT = f"""
    SELECT t.input + t.cache_read_input + t.cache_write_input AS used, t.context_window AS window
    FROM interceptions AS i JOIN token_usages AS t ON t.interception_id = i.id WHERE {_OF_SESSION}
    ORDER BY i.agent_id IS NULL DESC, i.started_at DESC, t.rowid DESC LIMIT 1
"""  # noqa: S608  # the same

LAST_KEY = f"""
    SELECT i.provider, a.key FROM interceptions AS i JOIN attempts AS a ON a.interception_id = i.id WHERE {_OF_SESSION}
    ORDER BY i.started_at DESC, i.rowid DESC, a.attempt DESC LIMIT 1
"""  # noqa: S608  # the same


def used_before(database: sqlite3.Connection, session: str, before: str | None) -> Fields:
    """What a session used in interceptions that began before that time, or ever: `interceptions`, `failed`, tokens and
    cost as `bridge.record.sums` has them; `context` (`used`, `window`) and `key` (`provider`, `key`), or None."""
    values = {"session": session, "before": before or LAST_TIME}
    context, key = (database.execute(sql, values).fetchone() for sql in (CONTEXT, LAST_KEY))
    return {
        **dict(database.execute(COUNTED, values).fetchone()),
        **dict(database.execute(USED, values).fetchone()),
        "context": None if context is None else dict(context),
        "key": None if key is None else dict(key),
    }
