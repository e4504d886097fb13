"""Splicing JSON: what is asked for changes, and every other byte stays."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.apis.raw_json import array, elements, members, value_of, with_elements, with_member, without_member

ODD = b'\xef\xbb\xbf {\n "n" : 1.50e+3,"a\\u0062": [ {"]":"}\\""} , [] ],\t"n":-0, "\xe6\xbc\xa2": "\\ud83d\\\\" }\n'

values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(), inner, max_size=4)),
    max_leaves=15,
)
objects = st.dictionaries(st.text(), values, max_size=5)


def written(value: Any, indent: int | None, ascii_only: bool) -> bytes:
    return json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "replace")


@given(objects, st.sampled_from([None, 2]), st.booleans())
def test_members_and_elements_are_found(value: dict[str, Any], indent: int | None, ascii_only: bool) -> None:
    text = written(value, indent, ascii_only)
    known = json.loads(text)
    found = {member.name: json.loads(text[member.start : member.end]) for member in members(text)}
    assert found == known
    listed = written(list(known.values()), indent, ascii_only)
    assert [json.loads(element) for element in elements(listed)] == list(known.values())


@given(objects, st.text(), values, st.sampled_from([None, 2]), st.booleans())
def test_a_member_is_put_in_and_taken_out(
    value: dict[str, Any], name: str, new: Any, indent: int | None, ascii_only: bool
) -> None:
    text = written(value, indent, ascii_only)
    name = json.loads(written(name, None, True))
    known, new_text = json.loads(text), written(new, None, True)
    changed = with_member(text, name, new_text)
    assert json.loads(changed) == {**known, name: json.loads(new_text)}
    assert json.loads(without_member(changed, name)) == {key: kept for key, kept in known.items() if key != name}
    if name not in known:
        assert without_member(text, name) == text


@given(st.lists(values, max_size=4), st.lists(values, max_size=3), st.lists(values, max_size=3))
def test_elements_are_put_before_and_behind(own: list[Any], first: list[Any], last: list[Any]) -> None:
    edited = with_elements(
        written(own, 2, True),
        first=[written(value, None, True) for value in first],
        last=[written(value, None, True) for value in last],
    )
    assert json.loads(edited) == json.loads(written([*first, *own, *last], None, True))


def test_everything_else_stays_as_it_was() -> None:
    assert with_member(ODD, "ab", b"7") == ODD.replace(b'[ {"]":"}\\""} , [] ]', b"7")
    assert with_member(ODD, "new", b"7") == ODD.replace(b"{\n", b'{"new":7,\n', 1)
    assert value_of(ODD, "漢") == b'"\\ud83d\\\\"'
    assert value_of(ODD, "none") is None


def test_of_several_members_of_a_name_the_last_counts() -> None:
    assert value_of(ODD, "n") == b"-0"
    assert with_member(ODD, "n", b"7") == ODD.replace(b"-0", b"7")
    assert without_member(b'{"a":1,"b":2, "a":3}', "a") == b'{"b":2}'
    assert without_member(b'{"a":1, "a":3 }', "a") == b"{ }"


def test_arrays_of_nothing() -> None:
    assert with_elements(b"[ ]", last=[b"1"]) == b"[1]"
    assert with_elements(b"[ 1 ]", first=[b"0"]) == b"[0, 1 ]"
    assert with_elements(b"[ ]") == b"[ ]"
    assert (array([]), array([b"1", b"2"])) == (b"[]", b"[1,2]")
    assert with_member(b"{ }", "a", b"1") == b'{"a":1 }'


@pytest.mark.parametrize(
    "text", [b"", b"7", b"[", b"[1", b'{"a', b'{"a"', b'{"a":', b'{"a":}', b'{"a":1', b'{"a":[1}', b"{1:2}", b'{"a":["']
)
def test_what_is_no_json_is_told(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"where|without|breaks"):
        (elements if text.startswith(b"[") else members)(text)


def test_a_long_value_takes_no_longer_than_its_bytes() -> None:
    text = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b',"b":"' + b'\\"' * 1_000_000 + b'","c":1}'
    assert value_of(text, "c") == b"1"
