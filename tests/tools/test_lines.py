"""Lines that come in pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.tools.lines import BoundedLines, TooLong

BYTES = st.binary(max_size=40) | st.text("ab\n\r", max_size=40).map(str.encode)


@given(st.lists(BYTES, max_size=8))
def test_any_split_gives_the_same_lines(pieces: list[bytes]) -> None:
    lines = BoundedLines(1000)
    found = [line for piece in pieces for line in lines.feed(piece)]
    assert found == [line.removesuffix(b"\r") for line in b"".join(pieces).split(b"\n")[:-1]]


@given(st.lists(BYTES, max_size=8), st.integers(1, 10))
def test_of_a_line_that_is_too_long_only_its_beginning_is_kept(pieces: list[bytes], limit: int) -> None:
    lines = BoundedLines(limit)
    found: list[bytes | TooLong] = []
    for piece in pieces:
        found += lines.feed(piece)
        assert len(lines._coming) <= limit
    *ended, last = b"".join(pieces).split(b"\n")
    told = [TooLong(line[:limit]) if len(line) > limit else line.removesuffix(b"\r") for line in ended]
    assert found == told + [TooLong(last[:limit])] * (len(last) > limit)
