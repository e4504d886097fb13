"""Which requests are listed: the filter, the order, and the selection under both."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from bridge.events.entries import Interception
from bridge.events.picture import Picture
from bridge.events.values import Outcome
from bridge.events.wire import History
from monitor.lines import request_row
from monitor.lines.request_row import title
from monitor.state.request_list import Listing, RequestFilter, text_of, words
from monitor.state.state import MonitorState
from tests.support.folds import after, plain, tell
from tests.support.play import HELLO, START, ended, spent, started, story

STATE = after(
    *story("a"),
    ended("a"),
    started("b", client="Claude Code", model="claude-opus-4-5", provider="anthropic", session_id="s-77"),
    ended("b", Outcome.FAILED, error="upstream hung up", duration_ms=90_000.0),
    started("c", client="OpenCode", session_id=None),
)


def found(query: str) -> str:
    request_filter = RequestFilter()
    request_filter.set_query(query)
    return "".join(sorted(request.id for request in request_filter.keep(STATE.ordered(), START)))


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", "abc"),
        ("CODEX", "ac"),  # the model's name too
        ("client:codex", "a"),
        ("claude", "b"),
        ("model:opus", "b"),
        ("session:s-77", "b"),
        ("state:failed", "b"),
        ("state:live", "c"),
        ("rate_limited", "a"),
        ("key:91bc", "a"),
        ("hung", "b"),
        ("flaky", "a"),  # the prompt
        ("traceback", "a"),  # a thought
        ("pytest", "a"),  # a tool's arguments
        ("monotonic", "a"),  # the answer
        ("client:code !claude", "ac"),
        ("!client:code", ""),
        ("state: !", "abc"),
        ("http://x", ""),
        ("[a-z]+", ""),  # no pattern: the text as it is
    ],
)
def test_words_find_requests(query: str, ids: str) -> None:
    assert found(query) == ids


@given(st.text())
def test_any_text_is_a_query(text: str) -> None:
    request_filter = RequestFilter()
    request_filter.set_query(text)
    first = request_filter.keep(STATE.ordered(), START)
    assert request_filter.keep(STATE.ordered(), START) == first  # remembered findings say the same
    if not words(text):
        assert len(first) == 3


def test_words_in_quotes_belong_together_and_are_all_that_may_stand_in_a_place() -> None:
    state = after(
        started("a", client="Claude Code", model="gpt-5.5"),
        started("b", client="Code by Claude", model="gpt-5.5-mini"),
        started("c", model=None, path="/openai/v1/files"),
    )
    request_filter = RequestFilter()
    for query, found in (
        ('client:"Claude Code"', "a"),
        ('client:"claude co', "a"),
        ("client:claude", "ab"),
        ('"claude code"', "a"),
        ('model:"gpt-5.5"', "a"),
        ("model:gpt-5.5", "ab"),
        ('!model:"gpt-5.5"', "bc"),
        ('model:"/openai/v1/files"', "c"),
        ('"', "abc"),
        ('model:""', "abc"),
    ):
        request_filter.set_query(query)
        ids = "".join(sorted(request.id for request in request_filter.keep(state.ordered(), START)))
        assert ids == found, query


def test_since_keeps_what_began_or_still_ran_in_that_time() -> None:
    picture = Picture()
    for minutes, event in ((0, started("a")), (1, ended("a")), (2, started("b")), (50, started("c")), (51, ended("c"))):
        picture.apply(event, START + timedelta(minutes=minutes))
    state = MonitorState(picture=picture)
    request_filter = RequestFilter()
    for query, found in (("since:1h", "bc"), ("since:61m", "abc"), ("since:1h state:ended", "c"), ("since:5s", "b")):
        request_filter.set_query(query)
        kept = request_filter.keep(state.ordered(), START + timedelta(minutes=62))
        assert "".join(sorted(request.id for request in kept)) == found, query
    request_filter.set_query("since:9999d")
    assert len(request_filter.keep(state.ordered(), START)) == 3
    assert words("since:1h") == []
    assert words("since:1x")[0].text == "since:1x"


def test_an_open_request_is_looked_at_again() -> None:
    state = after(started("a"))
    request_filter = RequestFilter()
    request_filter.set_query("monotonic")
    assert not request_filter.keep(state.ordered(), START)
    state.picture.interceptions["a"].answer = "a monotonic clock"
    assert request_filter.keep(state.ordered(), START)


def test_findings_of_forgotten_requests_are_forgotten() -> None:
    request_filter = RequestFilter()
    request_filter.set_query("codex")
    for number in range(2_000):
        request_filter.keep(after(started(f"r{number}"), ended(f"r{number}")).ordered(), START)
    assert len(request_filter._ended) < 200


def test_the_slowest_come_first_when_asked() -> None:
    listing = Listing(slowest_first=True)
    listing.update(STATE, START + timedelta(seconds=60))
    assert [request.id for request in listing.rows] == ["b", "c", "a"]
    assert title(listing) == "Requests  3 · slowest first · following its agent"
    listing.slowest_first = False
    listing.update(STATE, START)
    assert [request.id for request in listing.rows] == ["c", "b", "a"]


def test_the_selection_stays_through_filter_and_order() -> None:
    listing = Listing()
    listing.update(STATE, START)
    listing.selection.go(listing.rows, 1)
    for slow, query in ((True, ""), (True, "upstream"), (False, ""), (False, "client:code")):
        listing.slowest_first = slow
        listing.filter.set_query(query)
        listing.update(STATE, START)
        assert listing.selected is not None
        assert listing.selected.id == "b"
    listing.filter.set_query("nothing like it")
    listing.update(STATE, START)
    assert not listing.rows
    assert title(listing) == "Requests  0 of 3 · ⏎ searches the record"
    listing.filter.set_query("")
    listing.update(STATE, START)
    assert listing.selected is not None
    assert listing.selected.id == "b"


def test_following_stays_with_an_agent() -> None:
    state = after(started("a"), started("b", session_id="s"))
    listing = Listing()
    listing.update(state, START)
    assert listing.selection.id == "b"
    tell(state, started("c"), ended("b"), started("d", session_id="s", agent_id="x"))
    listing.update(state, START)
    assert listing.selection.id == "b"
    tell(state, started("e", session_id="s"))
    listing.update(state, START)
    assert listing.selection.id == "e"


def test_what_has_ended_folds_by_session() -> None:
    state = after(
        started("a"), ended("a"), started("b"), ended("b"), started("c"), ended("c"), started("d"),
        started("x", session_id="s"), ended("x"), started("y", session_id="s"), ended("y"),
    )  # fmt: skip
    listing = Listing()
    listing.update(state, START)
    listing.selection.go(listing.rows, 3)
    listing.fold(state)
    listing.update(state, START)
    assert [request.id for request in listing.rows] == ["d", "y", "x", "c"]
    assert listing.hidden == {"c": 2}
    assert title(listing) == "Requests  6"
    line = plain(request_row.row(listing.rows[3], state, START, request_row.shown(80), hidden=2))
    assert "Codex 1 ▸2" in line
    listing.fold(state)
    listing.update(state, START)
    assert len(listing.rows) == 6


def test_what_is_not_listed_is_counted() -> None:
    state = after(started("a"), started("b"))
    state.picture.totals.forgotten = 3_710
    listing = Listing()
    listing.update(state, START)
    assert title(listing) == "Requests  2 of 3,712 · rest in the record · following its agent"
    listing.filter.set_query("nothing")
    listing.update(state, START)
    assert title(listing) == "Requests  0 of 2 · ⏎ searches the record · following its agent"


def test_what_was_before_this_bridge_stands_below() -> None:
    state = after(started("a"), started("b"))
    old = [Interception(started(id_), HELLO.started_at - timedelta(hours=1)) for id_ in ("o2", "o1")]
    mine = Interception(started("a"), START)
    state.past.expect(None)
    state.apply(History(0, START, 1, [mine, *old], more=True), START)
    listing = Listing()
    listing.update(state, START)
    assert [request.id for request in listing.rows] == ["b", "a", "o2", "o1"]
    assert listing.before == 2
    assert title(listing) == "Requests  2 · following its agent"
    assert listing.selection.id == "b"
    old[0].prompt = "mend the tests,\n please"
    line = request_row.row(listing.rows[2], state, START, request_row.shown(180), past=True)
    assert "mend the tests, please" in plain(line)
    assert {tone for _text, tone in line[::2]} == {"faint"}


def test_following_takes_the_newest_of_what_matches() -> None:
    listing = Listing()
    listing.filter.set_query("client:claude")
    listing.update(STATE, START)
    assert listing.selected is not None
    assert listing.selected.id == "b"


@pytest.mark.parametrize("width", [43, 56, 58, 77, 117, 157, 197])
def test_a_row_fits_and_always_says_how_long_it_takes(width: int) -> None:
    layout = request_row.shown(width)
    state = after(*story("a"), spent("a"), ended("a"))
    (request,) = state.ordered()
    for line in (request_row.header(layout), request_row.row(request, state, START, layout)):
        assert cell_len(plain(line)) <= width
    assert [column.title for column, _width in layout][-2 if width > 72 else -1] == "time"


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("step 156", "step 156"),
        ('client:codex "step 156" since:1h', "step 156"),
        ("!done Step", "step"),
        ("client:codex !x", ""),
        ("", ""),
    ],
)
def test_the_record_is_searched_for_words_that_may_stand_anywhere(query: str, text: str) -> None:
    assert text_of(query) == text
