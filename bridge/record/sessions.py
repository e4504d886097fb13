"""Sessions and their agents, read from the record: what each has used, its last key, and its last words."""

from __future__ import annotations

import sqlite3
from typing import Any

from bridge.events.values import BESIDE_CLASSES
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

_BESIDE = ", ".join(f"'{name}'" for name in sorted(BESIDE_CLASSES))

CONTEXT = f"""
    SELECT t.input + t.cache_read_input + t.cache_write_input AS used, t.context_window AS window
    FROM interceptions AS i JOIN token_usages AS t ON t.interception_id = i.id
    WHERE {_OF_SESSION} AND lower(trim(coalesce(i.request_class, ''))) NOT IN ({_BESIDE})
    ORDER BY i.agent_id IS NULL DESC, i.started_at DESC, t.rowid DESC LIMIT 1
"""  # noqa: S608  # the same

LAST_KEY = f"""
    SELECT i.provider, a.key FROM interceptions AS i JOIN attempts AS a ON a.interception_id = i.id WHERE {_OF_SESSION}
    ORDER BY i.started_at DESC, i.rowid DESC, a.attempt DESC LIMIT 1
"""  # noqa: S608  # the same


LATEST = """
    SELECT session_id FROM interceptions WHERE session_id IS NOT NULL AND started_at >= :since
    GROUP BY session_id ORDER BY max(started_at) DESC LIMIT :limit
"""

AGENTS = """
    SELECT agent_id, max(parent_agent_id) AS parent_agent_id, max(agent_type) AS agent_type, max(client) AS client,
           count(*) AS requests, coalesce(sum(outcome = 'failed'), 0) AS failed,
           min(started_at) AS started_at, max(started_at) AS last_at
    FROM interceptions WHERE session_id = :session GROUP BY agent_id
"""

_OF_AGENT = "i.session_id = :session AND i.agent_id IS :agent"

AGENT_USED = f"""
    SELECT coalesce(sum(t.input), 0) AS input, coalesce(sum(t.output), 0) AS output,
           coalesce(sum(t.cache_read_input), 0) AS cache_read_input,
           coalesce(sum(t.cache_write_input), 0) AS cache_write_input,
           sum(t.cost_usd) AS cost_usd, count(t.input) - count(t.cost_usd) AS unpriced,
           coalesce(max(t.partial), 0) AS partial
    FROM interceptions AS i JOIN token_usages AS t ON t.interception_id = i.id WHERE {_OF_AGENT}
"""  # noqa: S608  # our own text

_NEWEST = f"WHERE {_OF_AGENT} ORDER BY i.started_at DESC, i.rowid DESC"

LAST_OUTCOME = f"SELECT i.outcome FROM interceptions AS i {_NEWEST} LIMIT 1"  # noqa: S608  # the same

AGENT_KEY = f"""
    SELECT a.key FROM interceptions AS i JOIN attempts AS a ON a.interception_id = i.id
    {_NEWEST}, a.attempt DESC LIMIT 1
"""  # noqa: S608  # the same

LAST_WORDS = " UNION ALL ".join(
    f"""SELECT * FROM (SELECT p.at, {text} AS text FROM interceptions AS i JOIN {table} AS p ON p.interception_id = i.id
    {_NEWEST}, p.rowid DESC LIMIT 1)"""  # noqa: S608  # the same
    for table, text in (("prompts", "p.text"), ("thoughts", "p.text"), ("tool_calls", "p.tool || ' ' || p.arguments"))
)
"""The newest prompt, thought and tool call; a text is NULL where it was not to be kept."""


def latest(database: sqlite3.Connection, since: str, limit: int) -> dict[str, list[Fields]]:
    """The sessions that asked last, newest first, each with its agents and what they used."""
    found = database.execute(LATEST, {"since": since, "limit": limit}).fetchall()
    return {row["session_id"]: _agents(database, row["session_id"]) for row in found}


def _agents(database: sqlite3.Connection, session: str) -> list[Fields]:
    agents = []
    for row in database.execute(AGENTS, {"session": session}).fetchall():
        of_agent = {"session": session, "agent": row["agent_id"]}
        used = dict(database.execute(AGENT_USED, of_agent).fetchone())
        cost, unpriced, partial = (used.pop(name) for name in ("cost_usd", "unpriced", "partial"))
        words = [each for each in database.execute(LAST_WORDS, of_agent) if each["text"]]
        key, outcome = (database.execute(sql, of_agent).fetchone() for sql in (AGENT_KEY, LAST_OUTCOME))
        agents.append(
            {
                **dict(row),
                "outcome": outcome["outcome"],
                "tokens": used,
                "cost_usd": cost,
                "unpriced": unpriced,
                "partial": bool(partial),
                "key": key["key"] if key else None,
                "last_words": max(words, key=lambda each: each["at"])["text"] if words else None,
            }
        )
    return agents


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
