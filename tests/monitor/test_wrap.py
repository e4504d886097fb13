"""Wrapped text: right at every width, and the same however it grew."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from monitor.lines.format import LINE_LIMIT
from monitor.lines.wrap import Flow, wrap

TEXT = st.text(st.sampled_from("ab cd\n\t\x1b日é👩\u200d-.  "), max_size=200) | st.text(max_size=60)


@given(TEXT, st.integers(2, 40))
def test_no_line_is_wider_than_it_may_be(text: str, width: int) -> None:
    assert all(cell_len(line) <= width for line in Flow().lines(text, width))


@given(st.lists(TEXT, max_size=8), st.integers(2, 40))
def test_growing_text_wraps_as_whole_text_does(parts: list[str], width: int) -> None:
    flow, text = Flow(), ""
    for part in parts:
        text += part
        assert flow.lines(text, width) == Flow().lines(text, width)


@given(TEXT, TEXT, st.integers(2, 40), st.integers(2, 40))
def test_another_text_or_width_starts_afresh(text: str, other: str, width: int, other_width: int) -> None:
    flow = Flow()
    flow.lines(text, width)
    assert flow.lines(text, other_width) == Flow().lines(text, other_width)
    assert flow.lines(other, other_width) == Flow().lines(other, other_width)


@given(st.text(st.sampled_from("abc日 "), max_size=100), st.integers(2, 40))
def test_nothing_but_spaces_is_lost(text: str, width: int) -> None:
    assert "".join(wrap(text, width)).replace(" ", "") == text.replace(" ", "")


def test_lines_break_between_words() -> None:
    assert wrap("the quick brown fox", 10) == ["the quick", "brown fox"]
    assert wrap("  indented words", 10) == ["  indented", "words"]
    assert wrap("abcdefghijkl mn", 5) == ["abcde", "fghij", "kl mn"]


def test_a_thought_without_newlines_is_shown_whole() -> None:
    words = [f"word{number}" for number in range(3_000)]
    assert len(" ".join(words)) > 4 * LINE_LIMIT
    assert " ".join(wrap(" ".join(words), 80)).split() == words
