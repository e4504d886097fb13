"""Wrapped text: right at every width, and the same however it grew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from monitor.lines import wrap as wrapping
from monitor.lines.prose import Form
from monitor.lines.span import Line
from monitor.lines.wrap import Flow, wrap

PIECES = ["ab cd", "\n", "\t", "\x1b", "日", "é", "👩\u200d", "-", ".  ", "**", "`", "```", "```diff\n"]
PIECES += ["# ", "- ", "1. ", "> ", "+", "@@", "    "]
TEXT = st.lists(st.sampled_from(PIECES), max_size=60).map("".join) | st.text(max_size=60)
FORM = st.sampled_from(get_args(Form))


@pytest.fixture(autouse=True, scope="module")
def short_pieces() -> Iterator[None]:
    """What a long line is settled by is short, so that short texts meet it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wrapping, "PIECE", 24)
        yield


def text_of(line: Line) -> str:
    return "".join(text for text, _tone in line)


@example("```diff\n", "prose", 3)
@given(TEXT, FORM, st.integers(2, 40))
def test_no_line_is_wider_than_it_may_be(text: str, form: Form, width: int) -> None:
    assert all(cell_len(text_of(line)) <= width for line in Flow(form).lines(text, width))


@given(st.lists(TEXT, max_size=8), FORM, st.integers(2, 40))
def test_growing_text_wraps_as_whole_text_does(parts: list[str], form: Form, width: int) -> None:
    flow, text = Flow(form), ""
    for part in parts:
        text += part
        assert flow.lines(text, width) == Flow(form).lines(text, width)


@given(TEXT, TEXT, FORM, st.integers(2, 40), st.integers(2, 40))
def test_another_text_or_width_starts_afresh(text: str, other: str, form: Form, width: int, other_width: int) -> None:
    flow = Flow(form)
    flow.lines(text, width)
    assert flow.lines(text, other_width) == Flow(form).lines(text, other_width)
    assert flow.lines(other, other_width) == Flow(form).lines(other, other_width)


@given(st.text(st.sampled_from("abc日 "), max_size=100), st.integers(2, 40))
def test_nothing_but_spaces_is_lost(text: str, width: int) -> None:
    assert "".join(wrap(text, width)).replace(" ", "") == text.replace(" ", "")


def test_lines_break_between_words() -> None:
    assert wrap("the quick brown fox", 10) == ["the quick", "brown fox"]
    assert wrap("  indented words", 10) == ["  indented", "words"]
    assert wrap("abcdefghijkl mn", 5) == ["abcde", "fghij", "kl mn"]


@pytest.mark.parametrize("form", get_args(Form))
def test_a_thought_without_newlines_has_no_line_break_that_is_not_needed(form: Form) -> None:
    words = [f"word{number}" for number in range(3_000)]
    lines = [text_of(line) for line in Flow(form).lines(" ".join(words), 80)]
    assert "".join(line.removeprefix("↪ ") for line in lines).replace(" ", "") == "".join(words)
    assert all(len(line) > 80 - len("word1000 ") - 2 for line in lines[:-1])
