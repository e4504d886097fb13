"""Large JSON with long texts: what is left says the same, but for the middle of the texts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bridge.apis import shortening
from bridge.apis.json_text import TooCostly
from bridge.apis.request import request_object
from bridge.apis.shortening import CUT, shortened
from bridge.limits import LIMITS

MIB = 1024 * 1024
LARGE = LIMITS.whole_request_bytes + 1


def is_cut(short: bytes, whole: Any) -> bool:
    """Whether a JSON text says the same as a value, but for texts of which the middle is missing."""
    return _is_cut(json.loads(short, object_pairs_hook=tuple), whole)


def _is_cut(short: Any, whole: Any) -> bool:
    if isinstance(whole, dict):  # in pairs: names that differ in their middle may be alike now
        pairs = zip(short, whole.items(), strict=True)
        return all(_is_cut(name, full) and _is_cut(value, of) for (name, value), (full, of) in pairs)
    if isinstance(whole, list):
        return len(short) == len(whole) and all(_is_cut(a, b) for a, b in zip(short, whole, strict=True))
    if isinstance(whole, str) and short != whole:
        head, mark, tail = short.partition(CUT.decode())
        return bool(mark) and whole.startswith(head) and whole.endswith(tail) and len(head + tail) < len(whole)
    return bool(short == whole)


TEXTS = st.text(st.sampled_from(["a", "b", " ", '"', "\\", "\n", "é", "😀", "[", "{", ",", ":"])).flatmap(
    lambda text: st.integers(1, 60).map(lambda times: (text + "plain words and more") * times)
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, st.booleans(), st.integers(13, 200))
def test_only_the_middle_of_texts_is_missing(value: Any, ascii_only: bool, piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shortening, "LIMITS", evolve(LIMITS, whole_request_bytes=0))
        patch.setattr(shortening, "_PIECE", piece)
        short = shortened(json.dumps(value, ensure_ascii=ascii_only).encode())
    assert is_cut(short, value)


def test_what_is_not_large_is_left_alone() -> None:
    body = b'"' + b"x" * (LARGE - 3) + b'"'
    assert shortened(body) is body


@pytest.mark.parametrize("text", ["why is it slow on mondays? ", "漢", "😀", 'x = "a\\\\b"\n\t', "é漢😀 and on "])
def test_a_large_text_is_cut_to_little(text: str) -> None:
    whole = {"model": "m", "input": text * (LARGE // len(text)), "stream": True}
    for ascii_only in (True, False):
        short = shortened(json.dumps(whole, ensure_ascii=ascii_only).encode())
        assert len(short) < MIB
        assert is_cut(short, whole)


def test_facts_of_a_large_request_are_read() -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64," + "A" * LARGE}
    text = {"type": "input_text", "text": "what is this?"}
    request = {"input": [{"role": "user", "content": [image, text]}], "model": "m"}
    read = request_object(json.dumps(request).encode())
    assert (read["model"], read["input"][0]["content"][1]) == ("m", text)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"' + b"\\\\" * LARGE + b'"}',
        b"[" + b",".join([b'"' + b"x" * 60_000 + b'"'] * (LIMITS.shortened_request_bytes // 60_000 + 1)) + b"]",
    ],
)
def test_what_can_not_be_cut_is_not_read(body: bytes) -> None:
    with pytest.raises(TooCostly):
        shortened(body)
