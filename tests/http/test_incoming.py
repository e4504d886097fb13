"""What a client sends, cut into requests: the same however it arrives, and no matter what it is."""

from __future__ import annotations

import random
from collections.abc import Iterable

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.http.grammar import ProtocolFault
from bridge.http.incoming import RequestStream
from tests.http.requests import BODY, CHUNK, CHUNKED, GOOD, LAST, LENGTH, POST, VERDICTS, cut, get, mutated, to

PORT = 54321
PIPELINE = to(PORT, get(b"") + POST + LENGTH + b"\r\n" + BODY + b"\r\n" + CHUNKED + CHUNK + CHUNK + LAST + get(b""))
ALL = {name: to(PORT, verdict.said) for name, verdict in VERDICTS.items()}
SHORT = {name: said for name, said in ALL.items() if len(said) < 2000}


def judge(pieces: Iterable[bytes]) -> tuple[list[tuple[bytes, bytes]], int | None]:
    """The requests, as (head, body), that come out of these bytes, and the status at which they end."""
    incoming, engine = RequestStream(), h11.Connection(h11.SERVER)
    requests: list[tuple[bytes, bytes]] = []
    head, body = b"", b""
    try:
        for piece in pieces:
            incoming.feed(piece)
            while part := incoming.take():
                if not head:
                    head = part
                    engine = h11.Connection(h11.SERVER)
                engine.receive_data(part)
                while isinstance(event := engine.next_event(), h11.Request | h11.Data):
                    body += event.data if isinstance(event, h11.Data) else b""
                if incoming.ended:
                    requests.append((head, body))
                    head, body = b"", b""
                    incoming.begin()
    except ProtocolFault as fault:
        return requests, fault.status
    return requests, None


@pytest.mark.parametrize("name", VERDICTS)
def test_however_it_arrives_it_is_judged_the_same(name: str) -> None:
    said = ALL[name]
    whole = judge([said])
    for longest in (1, 2, 3, 1000):
        assert judge(cut(said, longest)) == whole


@given(st.sampled_from(sorted(SHORT)), st.lists(st.integers(0, 2000)))
def test_wherever_it_is_cut_it_is_judged_the_same(name: str, places: list[int]) -> None:
    said = SHORT[name] + to(PORT, get(b""))
    ends = sorted({place for place in places if 0 < place < len(said)} | {len(said)})
    pieces = [said[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
    assert judge(pieces) == judge([said])


@given(st.lists(st.integers(0, len(PIPELINE))))
def test_requests_in_a_row_come_out_one_by_one(places: list[int]) -> None:
    ends = sorted({*places, len(PIPELINE)})
    requests, status = judge(PIPELINE[begin:end] for begin, end in zip([0, *ends], ends, strict=False))
    assert [body for _, body in requests] == [b"", BODY, BODY * 2, b""]
    assert status is None


@settings(max_examples=500)
@given(st.sampled_from(GOOD), st.randoms(use_true_random=False))
def test_nothing_but_a_verdict_comes_of_a_broken_request(good: bytes, draw: random.Random) -> None:
    said = mutated(to(PORT, good), draw) + to(PORT, get(b""))
    assert judge(cut(said, 1)) == judge([said])


def test_chunks_of_one_byte_are_cheap() -> None:
    """They come out together, so that neither h11 nor the app sees each."""
    incoming = RequestStream()
    head = to(PORT, CHUNKED)
    incoming.feed(head + b"1\r\nx\r\n" * 10_000 + LAST)
    parts = []
    while part := incoming.take():
        parts.append(part)
    assert parts == [head, b"2710\r\n" + b"x" * 10_000 + b"\r\n" + LAST]
