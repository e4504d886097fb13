"""Reads the record: lists of past interceptions, and one in full. Plain SQL, read-only, no bridge needed."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from typing import Any

import orjson

from bridge.config.units import parse_duration
from bridge.events.times import format_time
from bridge.record import text_search
from bridge.record.database import RecordError
from bridge.record.sums import UNCOUNTED
from bridge.value_classes import frozen

Fields = dict[str, Any]

PARTS = {
    "attempts": ("attempts", "attempt"),
    "prompts": ("prompts", "rowid"),
    "thoughts": ("thoughts", '"index"'),
    "tools": ("tool_calls", "rowid"),
    "results": ("tool_results", "rowid"),
    "notes": ("notes", "rowid"),
    "moves": ("key_moves", "rowid"),
    "tokens": ("token_usages", "rowid"),
}
"""The parts of an interception, as a snapshot calls them, with their tables and order."""

BEGINNING = """
    SELECT * FROM interceptions WHERE (id >= :name AND id < :name || :last) OR (id >= :lower AND id < :lower || :last)
    LIMIT 2
"""
"""Found by the order of ids, not by LIKE, which reads them all. Ours are in lower case."""

LAST_CHARACTER = "\U0010ffff"

RESULT_OF = """
    SELECT r.* FROM tool_results AS r JOIN interceptions AS i ON i.id = r.interception_id
    WHERE r.tool_call_id = :tool_call_id AND i.session_id IS :session_id AND i.started_at >= :started_at
    ORDER BY i.started_at, r.rowid LIMIT 1
"""
"""What a call's tool answered: the next request of the same session that brings it."""


@frozen
class Filter:
    """Which interceptions to list, newest first. None means all; `since` is an aware time, `text` any part of a prompt,
    a thought or a tool call; `before` is the whole id of the interception that those to list began before."""

    since: datetime | None = None
    model: str | None = None
    client: str | None = None
    session: str | None = None
    provider: str | None = None
    outcome: str | None = None
    text: str | None = None
    before: str | None = None
    limit: int = 50


SHOWN = 8
"""Characters of an id in lists."""


def interceptions(database: sqlite3.Connection, wanted: Filter) -> list[Fields]:
    """Past interceptions, newest first: their own columns, the first prompt, and their tokens."""
    where, values = _conditions(database, wanted)
    rows = database.execute(
        f"""
        SELECT i.*, (SELECT text FROM prompts WHERE interception_id = i.id LIMIT 1) AS prompt,
               (SELECT sum(input) FROM token_usages WHERE interception_id = i.id) AS input,
               (SELECT sum(output) FROM token_usages WHERE interception_id = i.id) AS output,
               (SELECT sum(cache_read_input) FROM token_usages WHERE interception_id = i.id) AS cache_read_input,
               (SELECT sum(cache_write_input) FROM token_usages WHERE interception_id = i.id) AS cache_write_input,
               (SELECT sum(cost_usd) FROM token_usages WHERE interception_id = i.id) AS cost_usd,
               (SELECT count(*) - count(t.cost_usd) + ({UNCOUNTED}) FROM token_usages AS t
                WHERE t.interception_id = i.id) AS unpriced,
               (SELECT max(partial) FROM token_usages WHERE interception_id = i.id) AS partial
        FROM (
            SELECT rowid AS place, * FROM interceptions {where} ORDER BY started_at DESC, rowid DESC LIMIT :limit
        ) AS i
        ORDER BY i.started_at DESC, i.place DESC
        """,  # noqa: S608  # the conditions are our own text, values go in as parameters
        values,
    )
    return [_interception(row) for row in rows]


def story(database: sqlite3.Connection, name: str) -> Fields:
    """One interception with its attempts, prompts, thoughts, tools and tokens; `name` is its id or the beginning of it.

    Raises RecordError where that names none, or several.
    """
    if not name:
        raise RecordError("an interception's id is needed, or its first characters; 'clearspan history' lists them")
    found = database.execute(BEGINNING, {"name": name, "lower": name.lower(), "last": LAST_CHARACTER}).fetchall()
    if len(found) > 1:
        ids = [row["id"] for row in found]
        alike = next((at for at, pair in enumerate(zip(*ids, strict=False)) if len(set(pair)) > 1), 0)
        telling = max(SHOWN, alike + 4)
        such = " and ".join(id_[:telling] for id_ in ids)
        raise RecordError(f"{name}: several interceptions have an id that begins so, such as {such}")
    if not found:
        raise RecordError(f"{name}: no interception has an id that is or begins so; 'clearspan history' lists them")
    interception = _interception(found[0])
    for name_in_story, (table, order) in PARTS.items():
        sql = f"SELECT * FROM {table} WHERE interception_id = ? ORDER BY {order}"  # noqa: S608  # our own names
        rows = database.execute(sql, (interception["id"],))
        interception[name_in_story] = [_part(row) for row in rows]
    for tool in interception["tools"]:
        tool["result"] = _result_of(database, tool, interception)
    return interception


def _result_of(database: sqlite3.Connection, tool: Fields, interception: Fields) -> Fields | None:
    """What came back for a call, and with which interception; None where that is not known."""
    if tool["tool_call_id"] is None:
        return None
    call = {**tool, "arguments": None, **{name: interception[name] for name in ("session_id", "started_at")}}
    row = database.execute(RESULT_OF, call).fetchone()
    return None if row is None else {"interception_id": row["interception_id"], **_part(row)}


def since_when(text: str, now: datetime) -> datetime:
    """The moment that `90m`, `7d`, `2026-11-24` or an RFC 3339 time means. Raises ValueError with how to write one."""
    try:
        return now - timedelta(seconds=parse_duration(text))
    except OverflowError:
        raise ValueError(f"{text!r} is before all history; leave it out to see all") from None
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f'{text!r} is no time; write it like "90m", "7d", "2026-11-24" or "2026-11-24T10:00Z"'
        ) from None
    return moment if moment.tzinfo else moment.astimezone()


def _conditions(database: sqlite3.Connection, wanted: Filter) -> tuple[str, Fields]:
    conditions: list[str] = []
    values: Fields = {"limit": wanted.limit}
    for name in ("model", "client", "provider", "outcome"):
        value = getattr(wanted, name)
        if value is not None:
            conditions.append(f"{name} = :{name} COLLATE NOCASE")
            values[name] = value
    if wanted.session is not None:
        conditions.append("session_id = :session")
        values["session"] = wanted.session
    if wanted.since is not None:
        conditions.append("started_at >= :since")
        values["since"] = format_time(wanted.since)
    if wanted.before is not None:
        conditions.append("(started_at, rowid) < (SELECT started_at, rowid FROM interceptions WHERE id = :before)")
        values["before"] = wanted.before
    if wanted.text is not None:
        values |= text_search.patterns(wanted.text)
        conditions.append(_text_condition(database, values))
    return ("WHERE " + " AND ".join(conditions) if conditions else ""), values


def _text_condition(database: sqlite3.Connection, values: Fields) -> str:
    """That a text stands in an interception, `values` holding its patterns; they may get another value."""
    found = text_search.found(database, values)
    if found is not None:
        values["found"] = orjson.dumps(sorted(found)).decode()
        return "id IN (SELECT value FROM json_each(:found))"
    here = (
        f"EXISTS (SELECT 1 FROM {table} WHERE interception_id = interceptions.id AND {has})"  # noqa: S608  # our own text
        for table, has in text_search.TEXTS.items()
    )
    return f"({' OR '.join(here)})"


def _interception(row: sqlite3.Row) -> Fields:
    fields = dict(row)
    del fields["run"]
    fields.pop("place", None)
    fields["streaming"] = bool(fields["streaming"])
    fields["credential"] = {"kind": fields.pop("credential_kind"), "hint": fields.pop("credential_hint")}
    if fields["previous_tool_ms"] is not None:
        fields["previous_tool_ms"] = orjson.loads(fields["previous_tool_ms"])
    fields["added"] = orjson.loads(fields["added"] or "[]")
    for name in ("request_equal", "answer_equal"):
        fields[name] = None if fields[name] is None else bool(fields[name])
    if "partial" in fields:  # in a list, where it is of the sums
        fields["partial"] = bool(fields["partial"])
    return fields


def _part(row: sqlite3.Row) -> Fields:
    fields = dict(row)
    del fields["interception_id"]
    for name in ("arguments", "extra"):
        if fields.get(name) is not None:
            fields[name] = orjson.loads(fields[name])
    for name in ("injected", "partial", "is_error"):
        if name in fields:
            fields[name] = bool(fields[name])
    return fields
