"""Finds a text in prompts, thoughts and tool calls. There is no index of what is in them: each is read.

A few threads share the work, each part of a table read with a connection of its own: SQLite reads and compares outside
of Python's lock, so a record of a million interceptions takes half as long on two cores.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import orjson

from bridge.record.database import open_for_reading

TEXT = "text LIKE :text_piece AND text LIKE :text ESCAPE '\\'"

TEXTS = {
    "prompts": TEXT,
    "thoughts": TEXT,
    "tool_calls": """
        (arguments LIKE :json_piece AND arguments LIKE :json ESCAPE '\\' OR tool LIKE :text ESCAPE '\\')
    """,
}
"""Where a text is searched, with the condition on a row."""

COMMONEST = ' etaoinsrhldcumf",.:_-/()=pgwybvkxjqz'
"""What stands most often in what people and programs write, the commonest first."""

PIECE, LONGEST = 4, 64
"""Characters that a piece has at least, if the text has, since shorter ones are found too often; and at most."""

PARTS = 4
"""Of each table, alike in rows. The tables are not alike: with one for each thread, most would wait for the largest."""

THREADS = 4

COMMON = 20_000
"""A text found so often is everywhere: then it is quicker to look at each interception, newest first, until enough are
found."""

SOME = 100
"""Ids that are fetched at once."""

LOOK_EVERY = 20_000
"""Of SQLite's steps, of which a row takes about ten: whether another thread has found that the text is everywhere."""


def patterns(text: str) -> dict[str, str]:
    """The values of the conditions: the text as it is, and as it stands in JSON; a piece of each."""
    in_json = orjson.dumps(text).decode()[1:-1]
    return {
        "text": f"%{escaped(text)}%",
        "json": f"%{escaped(in_json)}%",
        "text_piece": f"%{_piece(text)}%",
        "json_piece": f"%{_piece(in_json)}%",
    }


def _piece(text: str) -> str:
    """The piece of the text of which it is clear soonest that it is not there: SQLite looks closer wherever its first
    character is, so that is to be a rare one. It holds nothing that needs an escape, which makes each look dearer."""
    plain = [each for each in re.split(r"[%_\\]", text.partition("\0")[0]) if each]  # SQLite ends a pattern at a NUL
    pieces = (part[at : at + LONGEST] for part in plain for at in range(max(1, len(part) - PIECE + 1)))
    return max(pieces, key=lambda piece: (len(piece) >= PIECE, _rarity(piece[0])), default="")


def _rarity(character: str) -> int:
    """How rarely it stands somewhere; -1 for what is not in ASCII, for which SQLite looks in a much slower way."""
    if not character.isascii():
        return -1
    place = COMMONEST.find(character.lower())
    return len(COMMONEST) if place < 0 else place


def escaped(text: str) -> str:
    """The text with what LIKE takes for a pattern taken as it is."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def found(database: sqlite3.Connection, values: Mapping[str, str]) -> set[str] | None:
    """The ids of the interceptions with that text; None where there are very many."""
    file = Path(database.execute("PRAGMA database_list").fetchone()["file"])
    search = _Search(file, values)
    parts = [(table, rows) for table in TEXTS for rows in _parts(database, table) if rows]
    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        for _ in pool.map(search.look_through, parts):  # which raises what a thread raised
            pass
    return None if search.everywhere else set(search.ids)


def _parts(database: sqlite3.Connection, table: str) -> list[range]:
    """The table's row numbers in parts. In two selects: one for both ends would read the whole table."""
    ends = f"SELECT (SELECT min(rowid) FROM {table}), (SELECT max(rowid) FROM {table})"  # noqa: S608  # our own names
    first, last = database.execute(ends).fetchone()
    if first is None:
        return []
    rows = range(first, last + 1)
    return [rows[len(rows) * part // PARTS : len(rows) * (part + 1) // PARTS] for part in range(PARTS)]


class _Search:
    """One search of a record, from several threads."""

    def __init__(self, file: Path, values: Mapping[str, str]) -> None:
        self.ids: list[str] = []
        self._file = file
        self._values = values

    @property
    def everywhere(self) -> bool:
        """Whether there is no end to what is found."""
        return len(self.ids) >= COMMON

    def look_through(self, part: tuple[str, range]) -> None:
        """Searches some rows of a table, unless the text is everywhere, which another thread may have found."""
        if self.everywhere:
            return
        table, rows = part
        sql = f"""
            SELECT interception_id FROM {table} WHERE rowid >= :first AND rowid < :end AND {TEXTS[table]}
        """  # noqa: S608  # our own names
        with closing(open_for_reading(self._file)) as database:
            database.set_progress_handler(lambda: self.everywhere, LOOK_EVERY)
            try:
                cursor = database.execute(sql, {**self._values, "first": rows.start, "end": rows.stop})
                while not self.everywhere and (some := cursor.fetchmany(SOME)):
                    self.ids += [row[0] for row in some]
            except sqlite3.OperationalError:
                if not self.everywhere:  # else it was interrupted
                    raise
