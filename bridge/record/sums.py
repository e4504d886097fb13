"""Sums of tokens and cost by day, model, client, session or key.

Days that are over are summed once (`bridge.record.upkeep`), and read from there while nothing in them changes. What is
left of a time, such as today, is added up from its interceptions. Either way the numbers are the same.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Any

import orjson

from bridge.events.times import format_time
from bridge.events.values import Asked, served_otherwise

GROUPS = {
    "day": "substr(i.started_at, 1, 10)",
    "model": "i.model",
    "client": "i.client",
    "session": "i.session_id",
    "served": """CASE WHEN coalesce(i.served_model, i.service_tier, i.speed) IS NOT NULL THEN json_array(
        i.model, i.asked_service_tier, i.asked_speed, i.served_model, i.service_tier, i.speed) END""",
    "key": "(SELECT key FROM attempts WHERE interception_id = i.id ORDER BY attempt DESC LIMIT 1)",
}
"""What can be summed by, with its value for an interception `i`; the key is that of its last attempt. What was served
stands beside what was asked for, each with tier and speed."""

TOKENS = ("input", "output", "cache_read_input", "cache_write_input")
COUNTS = ("interceptions", "failed", *TOKENS, "unpriced", "partial")
SUMMED = (*COUNTS, "cost_usd")
"""`cost_usd` is that of the responses whose cost is known, and NULL where none is; `unpriced` counts the others, those
among them whose tokens nobody told, and `partial` those that broke off, which are counted as far as they came."""

UNCOUNTED = """count(t.input) = 0 AND i.outcome IS NOT NULL AND i.api != 'passthrough'
               AND coalesce(i.status BETWEEN 200 AND 299, 0)"""
"""Whether an answer `i` came, or a part of it, and nothing of its tokens `t`: a stream that was cancelled before its
end, say. It is not free, though nobody knows what it cost."""

LAST_TIME = "9999"
"""Later than any time that is written, as text goes."""

_OF_EACH = ", ".join(f"coalesce(sum(t.{name}), 0) AS {name}" for name in TOKENS)
_ALL = ", ".join(f"sum({name}) AS {name}" for name in SUMMED)


def _facts(groups: tuple[str, ...]) -> str:
    """One row for each interception in the spans of time `:spans`, with the values to sum by and what to sum."""
    names = ", ".join(f'{GROUPS[group]} AS "{group}"' for group in groups)
    return f"""
        SELECT {names}, 1 AS interceptions, coalesce(i.outcome = 'failed', 0) AS failed, {_OF_EACH},
               sum(t.cost_usd) AS cost_usd, count(t.input) - count(t.cost_usd) + ({UNCOUNTED}) AS unpriced,
               coalesce(sum(t.partial), 0) AS partial
        FROM json_each(:spans) AS span
        JOIN interceptions AS i
             ON i.started_at >= json_extract(span.value, '$[0]') AND i.started_at < json_extract(span.value, '$[1]')
        LEFT JOIN token_usages AS t ON t.interception_id = i.id
        GROUP BY i.rowid
    """  # noqa: S608  # names from our own tables


def _spans(spans: list[tuple[str, str]]) -> str:
    return orjson.dumps(spans).decode()


def totals(
    database: sqlite3.Connection, group: str, since: datetime | None = None, until: datetime | None = None
) -> list[dict[str, Any]]:
    """Sums of tokens and cost by one of GROUPS; newest, or most costly in tokens, first. All of them, or those `since`
    a time and before another.

    What was served is summed day by day: `name` is the model, `served_otherwise` says whether it is not what was asked.
    """
    database.execute("BEGIN")  # days and sums of one moment
    try:
        begin, end = format_time(since) if since else "", format_time(until) if until else LAST_TIME
        days = [row[0] for row in database.execute("SELECT day FROM summed_days WHERE complete ORDER BY day")]
        whole = [day for day in days if day >= begin and _end(day) <= end]
        daily = group == "served"
        order = "name DESC" if group == "day" else "day DESC, " * daily + "sum(input) + sum(output) DESC, name"
        rows = database.execute(
            f"""
            SELECT {"day, " * daily} name, {_ALL} FROM (
                SELECT day, name, {", ".join(SUMMED)} FROM sums
                WHERE grouping = :group AND day IN (SELECT value FROM json_each(:whole))
                UNION ALL
                SELECT day, "{group}", {", ".join(SUMMED)} FROM ({_facts(tuple({"day": 0, group: 0}))})
            )
            GROUP BY {"day, " * daily} name ORDER BY {order}
            """,  # noqa: S608  # names from our own tables
            {"group": group, "whole": orjson.dumps(whole).decode(), "spans": _spans(_between(whole, begin, end))},
        )
        sums = [{**dict(row), "partial": bool(row["partial"])} for row in rows]
    finally:
        database.execute("COMMIT")
    return [_with_serving(row) for row in sums] if daily else sums


def _with_serving(row: dict[str, Any]) -> dict[str, Any]:
    """A row of what was served, its name taken apart."""
    model, tier, speed, served, served_tier, served_speed = orjson.loads(row["name"]) if row["name"] else [None] * 6
    asked = {"model": model, "service_tier": tier, "speed": speed}
    return {
        **row,
        "name": served,
        "service_tier": served_tier,
        "speed": served_speed,
        "asked": asked,
        "served_otherwise": served_otherwise(Asked(**asked), served, served_tier, served_speed),
    }


def _between(days: list[str], begin: str, last: str) -> list[tuple[str, str]]:
    """The spans of time from `begin` to `last` that these days, which are in order, leave open."""
    spans = []
    for day in days:
        spans.append((begin, day))
        begin = _end(day)
    return [span for span in [*spans, (begin, last)] if span[0] < span[1]]


def _end(day: str) -> str:
    """A text after every time of that day, and before those of the next."""
    return f"{day}U"  # which comes after the T of a time


def sums_of(database: sqlite3.Connection, day: str, hours: range) -> list[tuple[Any, ...]]:
    """Rows for the table `sums` without the day, of what began in some hours of it, for every group."""
    each = " UNION ALL ".join(f"SELECT '{group}', \"{group}\", {_ALL} FROM facts GROUP BY 2" for group in GROUPS)  # noqa: S608  # names from our own tables
    end = _end(day) if hours.stop >= 24 else f"{day}T{hours.stop:02}"
    spans = _spans([(f"{day}T{hours.start:02}" if hours.start else day, end)])
    sql = f"WITH facts AS MATERIALIZED ({_facts(tuple(GROUPS))}) {each}"  # the same
    return [tuple(row) for row in database.execute(sql, {"spans": spans})]
