"""The list of tools that a session keeps."""

from __future__ import annotations

import pytest

from bridge.apis.injection import InjectedTool
from bridge.limits import Limits
from bridge.tools import frozen_lists
from bridge.tools.frozen_lists import KEPT_S, Catalogue, FrozenLists


class Clock:
    """Time that stands still until it is told."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Clock:
    return Clock()


@pytest.fixture
def lists(time: Clock) -> FrozenLists:
    return FrozenLists(time)


def tools(*ids: str) -> tuple[InjectedTool, ...]:
    return tuple(InjectedTool(id_, id_, "s", "stdio:s", "", {}) for id_ in ids)


def take(lists: FrozenLists, session_id: str | None, client: str, current: Catalogue) -> Catalogue:
    """A request that gets what it is offered, if there is anything."""
    offered = lists.offer(session_id, client, current)
    if offered:
        lists.keep(session_id, client, offered)
    return offered


FIRST, LATER = tools("a"), tools("a", "b")


def test_a_session_keeps_what_it_got_first(lists: FrozenLists) -> None:
    assert take(lists, "s", "c", FIRST) is FIRST
    assert take(lists, "s", "c", LATER) is FIRST
    assert take(lists, "s", "another client", ()) is FIRST
    assert take(lists, "t", "c", LATER) is LATER


def test_without_a_session_the_client_keeps_it(lists: FrozenLists) -> None:
    assert take(lists, None, "c", FIRST) is FIRST
    assert take(lists, None, "c", LATER) is FIRST
    assert take(lists, "c", "c", LATER) is LATER  # a session of the same name is another
    assert take(lists, None, "d", LATER) is LATER


def test_an_empty_list_is_not_kept(lists: FrozenLists) -> None:
    assert take(lists, "s", "c", ()) == ()
    assert take(lists, "s", "c", FIRST) is FIRST


def test_what_was_only_offered_is_not_kept(lists: FrozenLists) -> None:
    assert lists.offer("s", "c", FIRST) is FIRST
    assert lists.offer("s", "c", LATER) is LATER
    lists.keep("s", "c", LATER)
    lists.keep("s", "c", FIRST)  # which another request was offered before
    assert lists.offer("s", "c", FIRST) is LATER


def test_it_lasts_an_hour_from_the_last_use(lists: FrozenLists, time: Clock) -> None:
    take(lists, "s", "c", FIRST)
    for _ in range(3):
        time.now += KEPT_S - 1
        assert take(lists, "s", "c", LATER) is FIRST
    time.now += KEPT_S
    assert take(lists, "s", "c", LATER) is LATER


def test_those_used_longest_ago_go_first(lists: FrozenLists, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen_lists, "LIMITS", Limits(tool_lists=2))
    take(lists, "s", "c", FIRST)
    take(lists, "t", "c", FIRST)
    take(lists, "s", "c", LATER)
    take(lists, "u", "c", FIRST)
    assert take(lists, "s", "c", LATER) is FIRST
    assert take(lists, "t", "c", LATER) is LATER


def test_lists_that_are_over_are_let_go(lists: FrozenLists, time: Clock) -> None:
    for number in range(50):
        take(lists, f"s{number}", "c", FIRST)
    time.now += KEPT_S
    take(lists, "new", "c", FIRST)
    assert len(lists._kept) == 1
