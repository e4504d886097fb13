"""The condition by which a text is found, against the plain one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.record import text_search
from bridge.record.database import open_for_reading
from tests.support.generated_record import make_record

words = st.text(st.sampled_from('nNuz%_\\"é漢 07'), max_size=12)


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("number 077777", "077777"),
        ("nowhere in it", "where in it"),
        ("why", "why"),  # it is short
        ("quiz", "quiz"),
        ("100%", "100"),
        ("a_b", "b"),
        ("%_", ""),
        ("漢字 zero", "zero"),
        ("", ""),
    ],
)
def test_the_piece_that_is_looked_for_first_begins_with_a_rare_character(text: str, piece: str) -> None:
    assert text_search.patterns(text)["text_piece"] == f"%{piece}%"


def test_a_long_text_costs_little() -> None:
    assert len(text_search.patterns("a" * 1_000_000)["text_piece"]) < 100


@given(words, words, words)
def test_what_is_found_in_arguments_is_what_the_whole_text_finds(before: str, text: str, after: str) -> None:
    patterns = text_search.patterns(text)
    plain = r"arguments LIKE :json ESCAPE '\' OR tool LIKE :text ESCAPE '\'"
    quick = text_search.TEXTS["tool_calls"]
    asked = f"WITH t(arguments, tool) AS (SELECT :arguments, :tool) SELECT {quick}, {plain} FROM t"  # noqa: S608  # our own
    database = sqlite3.connect(":memory:")
    for body, tool in ((before + text + after, "t"), (before, before + text + after), (before + after, "t")):
        row = {**patterns, "arguments": orjson.dumps({"a": body}).decode(), "tool": tool}
        found, expected = database.execute(asked, row).fetchone()
        assert found == expected
        assert found or text not in body
    database.close()


def test_every_row_is_looked_at(tmp_path: Path) -> None:
    """Whatever the parts are: the first row, the last, and one that is alone."""
    file = tmp_path / "clearspan.db"
    make_record(file, 100)
    with closing(sqlite3.connect(file)) as database:
        for table in text_search.TEXTS:
            column = "arguments" if table == "tool_calls" else "text"
            database.execute(f"DELETE FROM {table} WHERE rowid < (SELECT max(rowid) FROM {table}) - 8")  # noqa: S608  # our own
            rows = [row[0] for row in database.execute(f"SELECT rowid FROM {table}")]  # noqa: S608  # our own
            for row in rows:
                database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (f"{table} {row}.", row))  # noqa: S608  # our own
            database.commit()
            with closing(open_for_reading(file)) as reading:
                for row in rows:
                    assert len(text_search.found(reading, text_search.patterns(f"{table} {row}.")) or ()) == 1


@given(words, words, words)
def test_what_is_found_is_what_the_whole_text_finds(before: str, text: str, after: str) -> None:
    patterns = text_search.patterns(text)
    database = sqlite3.connect(":memory:")
    for body in (before + text + after, before + text.swapcase() + after, before + after, text[1:], text[:-1]):
        asked = f"WITH t(text) AS (SELECT :body) SELECT {text_search.TEXT}, text LIKE :text ESCAPE '\\' FROM t"  # noqa: S608  # our own
        quick, plain = database.execute(asked, {**patterns, "body": body}).fetchone()
        assert quick == plain
    database.close()
