"""The SSE parser against the standard's rules, and against itself for every way of cutting the bytes."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.apis.sse import SseEvent, SseParser
from bridge.limits import LIMITS
from tests.apis.wire import bytewise, split


def parse(*chunks: bytes, limit: int = LIMITS.event_bytes) -> list[SseEvent]:
    parser = SseParser(limit)
    return [event for chunk in chunks for event in parser.feed(chunk)]


def naive(whole: bytes) -> list[SseEvent]:
    """The standard read line by line, from the whole text: slow and plain."""
    events: list[SseEvent] = []
    name = b""
    data: list[bytes] = []
    lines = re.split(rb"\r\n|\n|\r", whole.removeprefix(b"\xef\xbb\xbf"))
    for line in lines[:-1]:
        if not line:
            if data:
                events.append((name, b"\n".join(data)))
            name, data = b"", []
            continue
        field, _, value = line.partition(b":")
        value = value[1:] if value[:1] == b" " else value
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return events


SAMPLES = [
    (b'event: response.created\ndata: {"a":1}\n\n', [(b"response.created", b'{"a":1}')]),
    (b"data: [DONE]\n\n", [(b"", b"[DONE]")]),
    (b"event: a\r\ndata: 1\r\n\r\nevent: b\r\ndata: 2\r\n\r\n", [(b"a", b"1"), (b"b", b"2")]),
    (b"event: a\rdata: 1\r\rdata: 2\r\r", [(b"a", b"1"), (b"", b"2")]),
    (b"event: a\r\ndata: 1\n\rdata: 2\r\n\n", [(b"a", b"1"), (b"", b"2")]),
    (b"data: one\ndata: two\ndata\ndata:three\n\n", [(b"", b"one\ntwo\n\nthree")]),
    (b"\xef\xbb\xbfdata: 1\n\n\xef\xbb\xbfdata: 2\n\n", [(b"", b"1")]),
    (b": keep-alive\n\n:\n: more\ndata: 1\n: inside\n\n", [(b"", b"1")]),
    (b"id: 7\nretry: 100\nevent: a\ndata: 1\nunknown: x\n\n", [(b"a", b"1")]),
    (b"event: only a name\n\ndata: 1\n\n", [(b"", b"1")]),
    (b"event: a\nevent: b\ndata: 1\n\n", [(b"b", b"1")]),
    (b"data: 1\nevent: a\n\n", [(b"a", b"1")]),
    (b"data:  two spaces\n\n", [(b"", b" two spaces")]),
    (b"\n\n\ndata: 1\n\n\n\n\ndata: 2\n\n\n", [(b"", b"1"), (b"", b"2")]),
    ("data: é漢😀\u2028\u0085\x0b\n\n".encode(), [(b"", "é漢😀\u2028\u0085\x0b".encode())]),
    (b"data:\n\n", [(b"", b"")]),
    (b"data: unfinished\n", []),
    (b" data: 1\ndata : 2\n\n", []),
]


@pytest.mark.parametrize(("whole", "expected"), SAMPLES)
def test_reads_what_the_standard_says(whole: bytes, expected: list[SseEvent]) -> None:
    assert naive(whole) == expected
    assert parse(whole) == expected
    assert parse(*bytewise(whole)) == expected


tokens = st.sampled_from(
    [b"\r", b"\n", b"\r\n", b"data", b"event", b":", b": ", b"x", b"\xef", b"\xbb", b"\xbf", b"\xc3"]
)


@given(st.lists(tokens, max_size=40).map(b"".join), st.data())
def test_any_split_gives_the_same_events(whole: bytes, data: st.DataObject) -> None:
    assert parse(*data.draw(split(whole))) == naive(whole)
    assert parse(*bytewise(whole)) == naive(whole)


@given(st.binary(max_size=300), st.data())
def test_random_bytes_are_harmless(whole: bytes, data: st.DataObject) -> None:
    assert parse(*data.draw(split(whole))) == naive(whole)


@given(st.lists(tokens, max_size=30).map(b"".join), st.lists(tokens, max_size=30).map(b"".join), st.data())
def test_between_events_something_may_be_put_in(before: bytes, after: bytes, data: st.DataObject) -> None:
    parser = SseParser()
    for chunk in data.draw(split(before)):
        parser.feed(chunk)
    if parser.between_events and not (not before and after.startswith(b"\xef")):
        inserted = naive(before + b"event: ping\ndata: p\n\n" + after)
        plain = naive(before + after)
        at = len(naive(before))
        assert inserted == [*plain[:at], (b"ping", b"p"), *plain[at:]]


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (b"", True),
        (b"data: 1\n\n", True),
        (b"data: 1\n\n\n", True),
        (b"data: 1\r\n\r\n", True),
        (b"data: 1\r\n\r", False),
        (b"data: 1\r\n", False),
        (b"data: 1\n", False),
        (b"data: 1", False),
        (b": comment\n", False),
        (b"\xef\xbb", False),
        (b"\xef\xbb\xbf", True),
        (b"\n", True),
    ],
)
def test_between_events(before: bytes, expected: bool) -> None:
    for chunks in ([before], bytewise(before)):
        parser = SseParser()
        for chunk in chunks:
            parser.feed(chunk)
        assert parser.between_events is expected


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
@pytest.mark.parametrize(("size", "kept"), [(29, True), (30, True), (31, False), (32, False), (100, False)])
def test_an_event_over_the_limit_is_dropped_alone(end: bytes, size: int, kept: bool) -> None:
    large = b"data: " + b"x" * (size - 6)
    whole = b"data: 1" + end + large + end + b"data: 2" + end
    expected = [(b"", b"1"), *([(b"", large[6:])] if kept else []), (b"", b"2")]
    for chunks in ([whole], bytewise(whole), [whole[:20], whole[20:]]):
        parser = SseParser(limit=30)
        events = [event for chunk in chunks for event in parser.feed(chunk)]
        assert events == expected
        assert parser.dropped == (0 if kept else 1)
        assert parser.events == len(expected)
        assert parser.between_events is (end != b"\r\r")


@given(st.lists(tokens, max_size=60).map(b"".join), st.data())
def test_what_is_dropped_does_not_depend_on_the_split(whole: bytes, data: st.DataObject) -> None:
    at_once, in_pieces = SseParser(limit=8), SseParser(limit=8)
    events = at_once.feed(whole)
    pieces = data.draw(split(whole))
    assert [event for piece in pieces for event in in_pieces.feed(piece)] == events
    assert in_pieces.dropped == at_once.dropped
    assert in_pieces.between_events == at_once.between_events


def test_not_between_events_while_skipping() -> None:
    parser = SseParser(limit=8)
    between = []
    for chunk in (b"data: 123456789", b"0\n", b"\n"):
        parser.feed(chunk)
        between.append(parser.between_events)
    assert between == [False, False, True]
    assert parser.dropped == 1


def test_an_event_of_too_many_lines_is_dropped() -> None:
    parser = SseParser()
    assert parser.feed(b"data\n" * 200_000 + b"\ndata: 1\n\n") == [(b"", b"1")]
    assert parser.dropped == 1


def test_the_end_gives_an_event_that_lacks_its_blank_line() -> None:
    for last in (b"data: [DONE]", b"data: [DONE]\n"):
        parser = SseParser()
        parser.feed(last)
        assert parser.end() == [(b"", b"[DONE]")]
        assert not parser.between_events


def test_the_end_gives_nothing_of_an_event_too_large() -> None:
    parser = SseParser(limit=8)
    parser.feed(b"data: 123456789")
    assert parser.end() == []


def test_a_line_of_16_mib_in_small_chunks_is_linear() -> None:
    parser = SseParser()
    piece = b"x" * 4096
    begin = time.process_time()
    parser.feed(b"data: ")
    for _ in range(4096):
        assert parser.feed(piece) == []
    assert parser.feed(b"\n\ndata: 1\n\n") == [(b"", b"1")]
    assert time.process_time() - begin < 5.0  # quadratic takes minutes of the processor
    assert parser.dropped == 1


def test_an_event_just_under_the_limit_in_small_chunks_is_linear() -> None:
    parser = SseParser()
    pieces = [b"data: " + b"x" * 1018, *[b"x" * 1024] * 8000, b"\n\n"]
    begin = time.process_time()
    events = [event for piece in pieces for event in parser.feed(piece)]
    assert time.process_time() - begin < 5.0
    assert [len(data) for _, data in events] == [1018 + 8000 * 1024]


LARGE = b"x" * 300_000
"""Larger than what is taken apart in one way with all others."""


@pytest.mark.parametrize(
    "block",
    [
        b"event: a\ndata: " + LARGE,
        b"data: " + LARGE,
        b"data: 1\n\nevent: a\ndata: " + LARGE,
        b"event: a\ndata: " + LARGE + b"\n\ndata: 2",
        b"event: a\ndata: " + LARGE + b"\ndata: 2",
        b"event: a\nid: 7\ndata: " + LARGE,
        b"event: \ndata: " + LARGE,
        b"event: a\ndata:" + LARGE,
        b"event: " + LARGE + b"\ndata: 1",
        b"event: " + LARGE,
        b": " + LARGE + b"\ndata: 1",
        b"data" + LARGE,
    ],
    ids=lambda block: block.replace(LARGE, b"LARGE").decode(),
)
@pytest.mark.parametrize("limit", [250_000, 300_010, 400_000])
@pytest.mark.parametrize("more", [b"", b"\n", b"data: next\n\n", b"\n\ndata: next\n\ndata: begun", b"data: begun"])
def test_a_large_event_is_what_it_would_be_at_once(block: bytes, limit: int, more: bytes) -> None:
    at_once, in_pieces = SseParser(limit), SseParser(limit)
    events = at_once.feed(block + b"\n\n" + more)
    begun, ended = block[:-1000], block[-1000:] + b"\n\n" + more
    assert [*in_pieces.feed(begun), *in_pieces.feed(ended)] == events
    assert (in_pieces.dropped, in_pieces.events) == (at_once.dropped, at_once.events)
    assert (in_pieces.coming, in_pieces.between_events) == (at_once.coming, at_once.between_events)
    if not at_once.dropped:
        assert events == naive(block + b"\n\n" + more)
