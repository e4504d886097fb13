"""The proof by itself: whatever way bytes are cut, they are the same, and one that changed is found."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.http.passage import Passage

PARTS = st.lists(st.binary(min_size=1, max_size=8), max_size=6)


def cut(body: bytes, places: list[int]) -> list[bytes]:
    """The body in pieces that end at these places."""
    ends = sorted({place % (len(body) + 1) for place in places} | {len(body)})
    starts = [0, *ends[:-1]]
    return [body[start:end] for start, end in zip(starts, ends, strict=True) if start != end]


@given(PARTS, st.lists(st.integers(0, 100), max_size=5), st.randoms(use_true_random=False))
def test_however_both_sides_cut_it_the_same_bytes_are_equal(
    parts: list[bytes], places: list[int], order: object
) -> None:
    passage, waiting = Passage(), cut(b"".join(parts), places)
    for part in parts:
        passage.came(part)
        if waiting and order.random() < 0.5:  # type: ignore[attr-defined]
            passage.went(waiting.pop(0))
    for part in waiting:
        passage.went(part)
    assert passage.equal is (True if parts else None)
    assert passage.bytes_in == len(b"".join(parts))


@given(PARTS.filter(bool), st.lists(st.integers(0, 100), max_size=5), st.integers(0, 1000), st.integers(1, 255))
def test_one_byte_that_changed_is_found(parts: list[bytes], places: list[int], place: int, change: int) -> None:
    passage, changed = Passage(), bytearray(b"".join(parts))
    changed[place % len(changed)] ^= change
    for part in parts:
        passage.came(part)
    for part in cut(bytes(changed), places):
        passage.went(part)
    assert passage.equal is False


@given(PARTS.filter(bool), st.integers(0, 5))
def test_one_part_that_changed_among_those_that_did_not_is_found(parts: list[bytes], place: int) -> None:
    passage = Passage()
    for number, part in enumerate(parts):
        passage.came(part)
        passage.went(bytes([part[0] ^ 1]) + part[1:] if number == place % len(parts) else part)
    assert passage.equal is False


def test_what_came_and_never_went_is_found() -> None:
    passage = Passage()
    for part in (b"first", b"second"):
        passage.came(part)
    passage.went(b"first")
    assert passage.equal is False


def test_a_body_put_together_is_the_same_and_another_is_not() -> None:
    for sent, equal in ((b"".join([b"ab", b"cd"]), True), (b"abce", False)):
        passage = Passage()
        passage.came(b"ab")
        passage.came(b"cd")
        whole = b"abcd"
        passage.came_whole(whole)
        passage.begin()
        passage.went(whole if equal else sent)
        assert passage.equal is equal


def test_a_body_sent_a_second_time_counts_as_it_was_sent_then() -> None:
    passage = Passage()
    passage.came(b"whole")
    passage.came_whole(b"whole")
    for sent, equal in ((b"wh", False), (b"whole", True), (b"Whole", False), (b"who" + b"le"[:2], True)):
        passage.begin()
        passage.went(sent)
        assert passage.equal is equal
