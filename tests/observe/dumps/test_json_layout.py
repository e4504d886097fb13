"""JSON laid out: the same value, the same tokens, and nothing that takes too much."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.observe.dumps.json_layout import DEEPEST, TOKEN, laid_out

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def nothing() -> None:
    """Nobody else wants the interpreter."""


def tokens(data: bytes) -> list[bytes]:
    return [found[found.lastindex or 0] for found in TOKEN.finditer(data)]


@given(VALUES, st.booleans(), st.sampled_from([None, 0, 3, "\t"]))
def test_it_is_the_standard_librarys_layout_whatever_blanks_there_were(
    value: object, ascii_only: bool, indent: int | str | None
) -> None:
    written = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert laid_out(written.encode("utf-8", "surrogatepass"), nothing) == (
        json.dumps(value, ensure_ascii=ascii_only, indent=2) + "\n"
    ).encode("utf-8", "surrogatepass")


@given(st.binary(max_size=40) | st.text('[]{},:"\\u 01.eE-+ntf', max_size=30).map(str.encode))
def test_what_is_no_json_is_none(data: bytes) -> None:
    try:
        json.loads(data.decode("utf-8", "surrogateescape"))
    except ValueError:
        strict = False
    else:
        strict = True
    found = laid_out(data, nothing)
    if strict:
        assert found is not None
    if found is not None:
        assert tokens(found) == tokens(data)


@pytest.mark.parametrize("text", ["1.0e3", "1E+400", "-0", "1234567890123456789012", "0.10", '"\\u00e9\\/"', "NaN"])
def test_numbers_and_texts_stay_as_they_were_written(text: str) -> None:
    assert laid_out(b'{"a":%b,"a":[%b]}' % (text.encode(), text.encode()), nothing) == (
        f'{{\n  "a": {text},\n  "a": [\n    {text}\n  ]\n}}\n'.encode()
    )


def test_what_would_be_mostly_blanks_is_left_as_it_is() -> None:
    assert laid_out(b"[" * DEEPEST + b"1,2" + b"]" * DEEPEST, nothing) is None
    assert laid_out(b"[" * 5000 + b"]" * 5000, nothing) is None
    assert laid_out(b"[" * 100 + b"1," * 100_000 + b"1" + b"]" * 100, nothing) is None


def test_others_get_a_turn_in_between() -> None:
    turns: list[int] = []
    laid_out(json.dumps(list(range(10_000))).encode(), lambda: turns.append(1))
    assert len(turns) == 20
