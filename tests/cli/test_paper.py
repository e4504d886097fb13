"""What the short commands print: tables that fit, and nothing on a terminal that it can't show."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.cli.paper import Paper, PrintedCell, PrintedColumn, PrintedName, cells, cut, folded, plain, table
from bridge.cli.summary import summary
from bridge.cli.tables import ago, totals_table
from bridge.events.picture import Picture
from bridge.events.values import Credential, KeyState, Outcome
from bridge.events.vocabulary import InterceptionEnded, InterceptionStarted, KeyChanged, TokensUsed
from tests.support.flood import BEGAN

COLUMNS = (
    PrintedColumn("NAME", least=6),
    PrintedColumn("COUNT", right=True),
    PrintedColumn("MORE", goes=1),
    PrintedColumn("LEAST", goes=2),
)
ROWS = [("a long name of a thing", "1,234", "something", "x"), ("日本語の名前", "5", "y", "zz")]
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def test_without_an_end_a_table_is_whole() -> None:
    assert list(table(COLUMNS, ROWS, Paper())) == [
        "NAME                    COUNT  MORE       LEAST",
        "a long name of a thing  1,234  something  x",
        "日本語の名前                5  y          zz",
    ]


def test_where_there_is_less_room_a_text_gives_way_as_far_as_it_may_and_then_columns_go() -> None:
    assert list(table(COLUMNS, ROWS, Paper(width=40))) == [
        "NAME             COUNT  MORE       LEAST",
        "a long name of…  1,234  something  x",
        "日本語の名前         5  y          zz",
    ]
    assert list(table(COLUMNS, ROWS, Paper(width=20)))[:2] == ["NAME           COUNT", "a long name…   1,234"]


def test_a_name_that_is_cut_keeps_its_end() -> None:
    names: list[PrintedCell] = [PrintedName("Claude Code", " 12"), PrintedName("Codex", " · 3x7f"), "Claude Code"]
    rows = [(name, str(number)) for number, name in enumerate(names, 1)]
    columns = (PrintedColumn("SESSION", least=6), PrintedColumn("COUNT", right=True))
    assert list(table(columns, rows, Paper(width=20)))[1] == "Claude Co… 12      1"
    assert list(table(columns, rows, Paper(width=17))) == [
        "SESSION     COUNT",
        "Claude… 12      1",
        "Co… · 3x7f      2",
        "Claude Co…      3",
    ]
    assert cut("Claude Code 12", 4, " 12") == "Cla…"  # of which nothing but its end would be left


def test_a_line_that_is_too_long_goes_on_below() -> None:
    text = "12:00:00  thought  the table is read whole, 日本語の名前 and so on"
    assert list(folded(text, 30, 10)) == [
        "12:00:00  thought  the table",
        "          is read whole,",
        "          日本語の名前 and so",
        "          on",
    ]
    assert list(folded(text, None, 10)) == [text]
    path = "/a/path/that/is/longer/than/a/line"
    assert list(folded(f"see {path} or ask", 20, 2, whole_words=True)) == ["see", f"  {path}", "  or ask"]
    assert list(folded("x" * 50, 20, 10)) == ["x" * 20, " " * 10 + "x" * 10, " " * 10 + "x" * 10, " " * 10 + "x" * 10]


@given(st.text("ab 日e\u0301", max_size=200), st.integers(20, 90))
def test_nothing_is_lost_where_a_line_is_folded(text: str, width: int) -> None:
    lines = list(folded(text, width, 8))
    assert all(cells(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@given(st.lists(st.tuples(*[st.text("ab 日e\u0301", max_size=30)] * 4), max_size=4), st.integers(20, 90))
def test_no_line_is_wider_than_the_terminal(rows: list[tuple[str, ...]], width: int) -> None:
    columns = (
        PrintedColumn("A", least=2),
        PrintedColumn("B", least=2, goes=1),
        PrintedColumn("C", goes=2),
        PrintedColumn("D", goes=3),
    )
    assert all(cells(line) <= width for line in table(columns, rows, Paper(width=width)))


def test_colours_are_for_terminals_that_have_them_and_take_no_room() -> None:
    rows: list[tuple[PrintedCell, ...]] = [(("bad", "red"), "1"), ("fine", "22")]
    columns = (PrintedColumn("STATE"), PrintedColumn("N", right=True))
    bare = list(table(columns, rows, Paper(width=80)))
    coloured = list(table(columns, rows, Paper(width=80, colours=True)))
    assert coloured != bare
    assert [COLOUR.sub("", line) for line in coloured] == bare


def test_text_is_cut_in_cells() -> None:
    assert cut("日本語", 5) == "日本…"
    assert cut("abc", 3) == "abc"
    assert cells("e\u0301") == 1


def test_our_signs_have_words_in_ascii() -> None:
    assert plain("≥$1.00 → cut… 日") == ">=$1.00 -> cut... ?"


@pytest.mark.parametrize(
    ("stamp", "shown"),
    [
        ("2026-03-06T08:59:48.000Z", "12s ago"),
        ("2026-03-06T08:30:00.000Z", "30m ago"),
        ("2026-03-05T14:00:00.000Z", "19h ago"),
        ("2026-03-06T09:00:05.000Z", "0s ago"),
    ],
)
def test_people_read_how_long_ago_it_was(stamp: str, shown: str) -> None:
    assert ago(stamp, BEGAN) == shown


def test_what_is_long_ago_has_a_date() -> None:
    assert re.fullmatch(r"0[45] Mar \d\d:00", ago("2026-03-04T23:00:00.000Z", BEGAN))


def sums(name: str, cost: float | None, *, unpriced: int = 0) -> dict[str, object]:
    counts = {"interceptions": 2, "failed": 1, "input": 1_000, "cache_read_input": 0, "cache_write_input": 0}
    return {"name": name, **counts, "output": 5, "cost_usd": cost, "unpriced": unpriced, "partial": False}


def test_sums_have_a_total_that_says_what_is_not_known() -> None:
    *_, last = totals_table("model", [sums("a", 0.5), sums("b", None, unpriced=1)], Paper())
    assert last.split() == ["total", "4", "2", "2,000", "0", "0", "10", "≥$0.5000"]
    assert len(list(totals_table("model", [sums("a", 0.5)], Paper()))) == 2  # one is its own total


def test_a_demo_is_summed_up_in_a_line() -> None:
    picture = Picture()
    assert summary(picture) == ""
    picture.apply(KeyChanged("openai", "sk-...1", KeyState.PERMANENT), BEGAN)
    for name in "ab":
        started = InterceptionStarted(
            name, "openai", "responses", "POST", "/", Credential("centralized"), "m", True, "c"
        )
        picture.apply(started, BEGAN)
    picture.apply(TokensUsed("a", "r", 1, 2, cost_usd=0.125), BEGAN)
    picture.apply(InterceptionEnded("a", Outcome.FAILED, None, None, 1, 1.0), BEGAN)
    assert summary(picture) == "2 requests, 1 key died, 1 failed on purpose, $0.12"
