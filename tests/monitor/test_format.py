"""Formatting: short, aligned, harmless."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from bridge.events.entries import Tokens
from monitor.lines import format as fmt

ANY_TEXT = st.text(st.characters())  # lone surrogates included
NASTY = st.text(st.sampled_from("a\t\n\r\x00\x07\x1b\x7f\x9b\u202e\u2066\u200b\u200d\ufeff\ud83d\u061c[]=é日👩"))


@given(ANY_TEXT | NASTY)
def test_neutralised_text_holds_nothing_a_terminal_obeys(text: str) -> None:
    safe = fmt.neutralise(text)
    for character in safe:
        assert character in "\n\t" or unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"}
        assert unicodedata.bidirectional(character) not in {
            "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI",
        }  # fmt: skip
        assert character not in "\u200b\u200e\u200f\ufeff"
    safe.encode()


@given(ANY_TEXT | NASTY)
def test_neutralising_twice_changes_nothing(text: str) -> None:
    once = fmt.neutralise(text)
    assert fmt.neutralise(once) == once


@given(ANY_TEXT | NASTY)
def test_harmless_characters_stay_in_their_order(text: str) -> None:
    kept = [character for character in text if fmt.neutralise(character) == character]
    remaining = iter(fmt.neutralise(text))
    assert all(character in remaining for character in kept)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "␛[31mred"),
        ("\x1b]52;c;aGk=\x07", "␛]52;c;aGk=␇"),
        ("a\r\nb\tc", "a␍\nb\tc"),
        ("\x00\x7f\x9b", "␀␡<U+009B>"),
        ("abc\u202egnp.exe", "abc<U+202E>gnp.exe"),
        ("\u2066x\u2069\u200b\ufeff", "<U+2066>x<U+2069><U+200B><U+FEFF>"),
        ("cut \ud83d here", "cut <U+D83D> here"),
        ("👩\u200d👩\u200d👧 नमस्\u200cते", "👩\u200d👩\u200d👧 नमस्\u200cते"),
        ("[bold]x[/b] [@click=app.quit]y[/]", "[bold]x[/b] [@click=app.quit]y[/]"),
    ],
)
def test_harmful_characters_become_symbols(text: str, shown: str) -> None:
    assert fmt.neutralise(text) == shown


@pytest.mark.parametrize("line", ["x" * 1_000_000, "\x9b" * 5_000, "日" * 5_000])
def test_a_line_is_cut(line: str) -> None:
    first, second = fmt.neutralise(f"{line}\nshort").split("\n")
    assert len(first) == fmt.LINE_LIMIT
    assert first.endswith("…")
    assert second == "short"


@given(ANY_TEXT | NASTY)
def test_one_line_is_one_line(text: str) -> None:
    assert not set("\n\t\r") & set(fmt.one_line(text))


@given(ANY_TEXT.map(fmt.one_line), st.integers(0, 30), st.booleans())
def test_fitted_text_has_exactly_its_cells(text: str, width: int, right: bool) -> None:
    assert cell_len(fmt.fit(text, width, right=right)) == width


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (None, fmt.UNKNOWN), (-3, "0ms"), (0, "0ms"), (850.4, "850ms"), (999.6, "1.0s"), (1_234, "1.2s"), (9_960, "9s"),
        (48_000, "48s"), (187_000, "3m07s"), (7_500_000, "2h05m"), (273_600_000, "3d04h"),
    ],
)  # fmt: skip
def test_durations(milliseconds: float | None, shown: str) -> None:
    assert fmt.duration(milliseconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (None, fmt.UNKNOWN), (0, "0"), (999, "999"), (1_000, "1.0k"), (12_345, "12.3k"), (99_950, "100k"),
        (123_456, "123k"), (999_499, "999k"), (999_500, "1.0M"), (1_234_567, "1.2M"), (45_000_000_000, "45.0G"),
    ],
)  # fmt: skip
def test_tokens(count: int | None, shown: str) -> None:
    assert fmt.tokens(count) == shown


@given(st.integers(0, 10**14))
def test_token_counts_fit_their_column(count: int) -> None:
    assert len(fmt.tokens(count)) <= 5


@given(st.floats(0, 3.1e10))
def test_durations_fit_their_column(milliseconds: float) -> None:
    assert len(fmt.duration(milliseconds)) <= 6


@pytest.mark.parametrize(
    ("dollars", "shown"),
    [(None, fmt.UNKNOWN), (0, "$0.00"), (0.00042, "$0.0004"), (0.123, "$0.12"), (12.5, "$12.50"), (1234.5, "$1,234")],
)
def test_cost(dollars: float | None, shown: str) -> None:
    assert fmt.cost(dollars) == shown


@pytest.mark.parametrize(
    ("tokens", "shown"),
    [
        (None, fmt.UNKNOWN),
        (Tokens(unpriced=1), fmt.UNKNOWN),
        (Tokens(cost_usd=0.00042), "$0.0004"),
        (Tokens(cost_usd=0.00042, partial=True), "~$0.000"),
        (Tokens(cost_usd=12.5, partial=True), "~$12.50"),
        (Tokens(cost_usd=123.45, unpriced=2), "≥$123.5"),
        (Tokens(cost_usd=1.5, unpriced=1, partial=True), "≥$1.50"),
    ],
)
def test_a_cost_that_is_not_exact_says_so(tokens: Tokens | None, shown: str) -> None:
    assert fmt.spent(tokens) == shown


@given(st.floats(0, 90_000), st.booleans(), st.booleans())
def test_costs_fit_their_column(dollars: float, some_unknown: bool, some_estimated: bool) -> None:
    assert len(fmt.spent(Tokens(cost_usd=dollars, unpriced=int(some_unknown), partial=some_estimated))) <= 7


@pytest.mark.parametrize(("seconds", "shown"), [(-1, "0s"), (59, "59s"), (60, "1m"), (7_300, "2h"), (90_000, "1d")])
def test_age(seconds: float, shown: str) -> None:
    assert fmt.age(seconds) == shown


@pytest.mark.parametrize(("octets", "shown"), [(12, "12 B"), (2_312, "2.3 kB"), (5_600_000, "5.6 MB"), (3e9, "3.0 GB")])
def test_size(octets: int, shown: str) -> None:
    assert fmt.size(octets) == shown


@given(st.floats(-1, 2), st.integers(0, 40))
def test_a_bar_keeps_its_width(share: float, width: int) -> None:
    full, empty = fmt.bar(share, width)
    assert len(full) + len(empty) == width
    assert bool(full) == (share > 0 and width > 0)


@given(st.text(st.sampled_from("ab1日é👩\u200d☺\ufe0f🇩🇪\u0301\u20e3🏽"), max_size=60), st.integers(2, 12))
@example("\u200d\u200d111", 2)
def test_what_is_cut_is_never_wider_than_it_may_be(text: str, width: int) -> None:
    parts = list(fmt.chop(text, width))
    assert "".join(parts) == text
    assert all(cell_len(part) <= width for part in parts)
