"""The selection holds on to its request."""

from __future__ import annotations

from datetime import UTC, datetime

from bridge.events.entries import Interception
from bridge.events.picture import Picture
from monitor.state.request_list import Selection
from tests.support.play import started


def requests(*ids: str) -> list[Interception]:
    picture = Picture()
    for id_ in ids:
        picture.apply(started(id_), datetime(2026, 1, 1, tzinfo=UTC))
    return [picture.interceptions[id_] for id_ in ids]


def test_it_begins_with_the_newest() -> None:
    selection = Selection()
    selection.settle(requests("b", "a"), "b")
    assert (selection.id, selection.index) == ("b", 0)


def test_following_jumps_to_what_is_new_and_only_then() -> None:
    selection = Selection()
    selection.settle(requests("a"), "a")
    selection.settle(requests("b", "a"), "b")
    assert selection.id == "b"
    selection.settle(requests("a", "b"), "b")  # b has ended: its row moved
    assert (selection.id, selection.index) == ("b", 1)


def test_moving_by_hand_stays_there() -> None:
    selection = Selection()
    rows = requests("c", "b", "a")
    selection.settle(rows, "c")
    selection.move(rows, 1)
    assert (selection.id, selection.follow) == ("b", False)
    selection.settle(requests("d", "c", "b", "a"), "d")
    assert (selection.id, selection.index) == ("b", 2)
    selection.move(requests("d", "c", "b", "a"), 99)
    assert selection.id == "a"
    selection.go(requests("d", "c", "b", "a"), -5)
    assert selection.id == "d"


def test_a_request_that_is_gone_leaves_the_selection_where_it_stood() -> None:
    selection = Selection(id="b", index=1, follow=False)
    selection.settle(requests("c", "a"), "c")
    assert (selection.id, selection.index) == ("a", 1)


def test_an_empty_list_forgets_nothing() -> None:
    selection = Selection(id="b", index=1, follow=False)
    selection.settle([], None)
    selection.go([], 3)
    selection.settle(requests("c", "b"), "c")
    assert selection.id == "b"
