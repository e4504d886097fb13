"""The condition by which a text is found, against the plain one."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.record import text_search

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


@given(words, words, words)
def test_what_is_found_is_what_the_whole_text_finds(before: str, text: str, after: str) -> None:
    patterns = text_search.patterns(text)
    database = sqlite3.connect(":memory:")
    for body in (before + text + after, before + text.swapcase() + after, before + after, text[1:], text[:-1]):
        asked = f"WITH t(text) AS (SELECT :body) SELECT {text_search.TEXT}, text LIKE :text ESCAPE '\\' FROM t"  # noqa: S608  # our own
        quick, plain = database.execute(asked, {**patterns, "body": body}).fetchone()
        assert quick == plain
    database.close()
