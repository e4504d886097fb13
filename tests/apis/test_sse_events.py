"""Streams taken apart into events with their bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.apis.sse import SseParser
from bridge.apis.sse_events import EventSplitter, HeldTooMuch, WholeEvent
from bridge.limits import HELD, LIMITS
from tests.apis.wire import bytewise, split

PARTS = (
    *(b"\r", b"\n", b"\r\n", b"data: ", b"data:x", b"event: e", b": comment", b"id: 7", b'{"a":1}', b"\xef\xbb\xbf"),
    *(b"\n\n", b"\r\n\r\n", b"event: a\ndata: b\n\n", b"data: c\n\n"),
)
streams = st.lists(st.sampled_from(PARTS), max_size=30).map(b"".join)


def taken(pieces: list[bytes]) -> list[WholeEvent]:
    splitter = EventSplitter()
    return [event for piece in pieces for event in splitter.feed(piece)] + splitter.end()


@given(streams, st.data())
def test_any_split_gives_the_same_events(whole: bytes, data: st.DataObject) -> None:
    assert taken(data.draw(split(whole))) == taken([whole])


@given(streams)
def test_no_byte_is_lost(whole: bytes) -> None:
    assert b"".join(event.raw for event in taken([whole])) == whole


@given(streams)
def test_names_and_data_are_those_that_the_reader_sees(whole: bytes) -> None:
    parser = SseParser()
    read = parser.feed(whole) + parser.end()
    assert [(event.name, event.data) for event in taken([whole]) if event.data or event.name] == [
        (name, data) for name, data in read if data or name
    ]


def test_an_event_comes_when_it_is_whole() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"event: a\ndata: b\n") == []
    assert splitter.feed(b"\ndata") == [WholeEvent(b"event: a\ndata: b\n\n", b"a", b"b")]


def test_an_event_with_other_data_keeps_its_name() -> None:
    named = WholeEvent(b"event:a\r\ndata:b\r\n\r\n", b"a", b"b")
    assert named.with_data(b"b") is named
    assert named.with_data(b"c").raw == b"event: a\ndata: c\n\n"
    assert WholeEvent(b"data:b\n\n", b"", b"b").with_data(b"c").raw == b"data: c\n\n"


def test_what_is_held_has_a_bound_and_is_given_back() -> None:
    before = HELD.used
    splitter = EventSplitter()
    assert splitter.feed(b"x" * LIMITS.event_bytes) == []
    with pytest.raises(HeldTooMuch):
        splitter.feed(b"x")
    splitter.held.close()
    assert HELD.used == before


def test_small_pieces_of_a_large_event_cost_no_more_than_their_bytes() -> None:
    assert len(taken(bytewise(b"data: " + b"x" * 300_000 + b"\n\n"))) == 1
