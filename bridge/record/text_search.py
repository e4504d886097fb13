"""Finds a text in prompts, thoughts and tool calls. There is no index of what is in them: each is read.

Every table is read by a thread of its own, with a connection of its own: SQLite reads and compares outside of Python's
lock, so a record of a million interceptions takes half as long on two cores.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import orjson

from bridge.record.database import open_for_reading

TEXTS = {
    "prompts": "text LIKE :text ESCAPE '\\'",
    "thoughts": "text LIKE :text ESCAPE '\\'",
    "tool_calls": "(arguments LIKE :json ESCAPE '\\' OR tool LIKE :text ESCAPE '\\')",
}
"""Where a text is searched, with the condition on a row."""

COMMON = 20_000
"""A text found so often is everywhere: then it is quicker to look at each interception, newest first, until enough are
found."""

LOOK_EVERY = 20_000
"""Of SQLite's steps, of which a row takes about ten: whether another thread has found that the text is everywhere."""


def patterns(text: str) -> dict[str, str]:
    """The values of the conditions: the text as it is, and as it stands in JSON."""
    return {"text": f"%{escaped(text)}%", "json": f"%{escaped(orjson.dumps(text).decode()[1:-1])}%"}


def escaped(text: str) -> str:
    """The text with what LIKE takes for a pattern taken as it is."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def found(database: sqlite3.Connection, values: Mapping[str, str]) -> set[str] | None:
    """The ids of the interceptions with that text; None where there are very many."""
    file = Path(database.execute("PRAGMA database_list").fetchone()["file"])
    everywhere = threading.Event()
    with ThreadPoolExecutor(len(TEXTS)) as pool:
        parts = list(pool.map(partial(_found_in, file, values, everywhere), TEXTS))
    return None if everywhere.is_set() else set().union(*parts)


def _found_in(file: Path, values: Mapping[str, str], everywhere: threading.Event, table: str) -> list[str]:
    sql = f"SELECT interception_id FROM {table} WHERE {TEXTS[table]} LIMIT {COMMON}"  # noqa: S608  # our own names
    with closing(open_for_reading(file)) as database:
        database.set_progress_handler(everywhere.is_set, LOOK_EVERY)
        try:
            ids = [row[0] for row in database.execute(sql, values)]
        except sqlite3.OperationalError:
            if everywhere.is_set():  # it was interrupted
                return []
            raise
    if len(ids) == COMMON:
        everywhere.set()
    return ids
