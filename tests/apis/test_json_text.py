"""JSON from outside: whatever is read can be written again, and nothing but ValueError is raised."""

from __future__ import annotations

import gc
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.apis.json_text import (
    TOO_DEEP,
    TOO_MANY_MARKS,
    Shape,
    TooCostly,
    loads,
    loads_object,
    marks,
    shape,
    well_formed,
)
from bridge.limits import LIMITS


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"a": [1, 2.5, null, true, "\xc3\xa9"]}', {"a": [1, 2.5, None, True, "é"]}),
        (rb'"\ud83d"', "\ufffd"),
        (rb'"\ud83d\ude00 \ude00"', "😀 \ufffd"),
        (rb'{"\ud83d": ["\ude00x"]}', {"\ufffd": ["\ufffdx"]}),
        (rb'{"\ud83d": ' + b"9" * 18 + b"}", {"\ufffd": int("9" * 18)}),
        (rb'{"\ud83d": 123456789012345678901234567890}', {"\ufffd": 123456789012345678901234567890.0}),
        (b"123456789012345678901234567890", 123456789012345678901234567890.0),
        (b'"\xff"', "\ufffd"),
        (b"\xef\xbb\xbf{}", {}),
    ],
)
def test_loads(raw: bytes, value: Any) -> None:
    assert loads(raw) == value


def test_not_a_number_becomes_null_when_written() -> None:
    assert orjson.dumps(loads(b'{"a": NaN, "b": -Infinity}')) == b'{"a":null,"b":null}'


@pytest.mark.parametrize(
    "raw",
    [b"", b" ", b"{", b"{} x", b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b"[\xff" * 10_000, b"\x00", b"'a'"],
)
def test_what_is_no_json_raises_value_error(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        loads(raw)


def test_a_number_of_a_million_digits_is_harmless() -> None:
    number = b"1" * 1_000_000
    assert orjson.dumps(loads(number)) == b"null"
    assert orjson.dumps(loads(rb'["\ud83d", ' + number + b"]")) == '["\ufffd",null]'.encode()


@given(st.one_of(st.binary(max_size=200), st.text(alphabet='{}[]",:\\ud83d0e19.-ntNa ', max_size=60).map(str.encode)))
def test_whatever_is_read_can_be_written(raw: bytes) -> None:
    try:
        value = loads(raw)
    except ValueError:
        return
    assert orjson.dumps(value)


def test_loads_object() -> None:
    assert loads_object(b'{"a":1}') == {"a": 1}
    assert loads_object(b"[1]") is None
    assert loads_object(b"nope") is None


def test_well_formed() -> None:
    assert well_formed("plain") == "plain"
    assert well_formed("é 😀") == "é 😀"
    assert well_formed("a\ud83d") == "a\ufffd"


def test_shape() -> None:
    def nested(depth: int) -> Any:
        value: Any = "x"
        for level in range(depth):
            value = [value] if level % 2 else {"k": value, "other": 1}
        return value

    assert shape("x", depth=0) is Shape.USUAL
    assert shape(nested(64)) is Shape.USUAL
    assert shape(nested(65)) is Shape.DEEP
    assert shape(nested(100_000)) is Shape.DEEP
    assert shape([0] * LIMITS.argument_values) is Shape.USUAL
    assert shape({"a": [0] * LIMITS.argument_values}) is Shape.WIDE


@pytest.mark.parametrize("raw", [b"[" * 10_000 + b"]" * 10_000, b'{"a":' * 10_000 + b"1" + b"}" * 10_000])
def test_what_is_nested_too_deeply_is_too_costly(raw: bytes) -> None:
    with pytest.raises(TooCostly, match=TOO_DEEP):
        loads(raw)


def test_what_has_too_many_marks_is_not_even_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = b"[" + b"1," * 10 + b"1]"
    assert marks(raw) == 12
    assert loads(raw, 12) == [1] * 11
    monkeypatch.setattr(orjson, "loads", lambda _: pytest.fail("it was parsed"))
    with pytest.raises(TooCostly, match=TOO_MANY_MARKS):
        loads(raw, 11)


def test_the_lenient_way_is_short() -> None:
    assert loads(b"[NaN," + b"1," * 1000 + b"1]")
    with pytest.raises(TooCostly, match="too large to look closer"):
        loads(b"[NaN," + b"1," * LIMITS.lenient_marks + b"1]")
    with pytest.raises(TooCostly, match="too large to look closer"):
        loads(b'"' + b"x" * LIMITS.lenient_bytes + b'\\ud83d"')


def test_the_garbage_collector_is_as_it_was() -> None:
    raw = b"[" + b"[]," * 100_000 + b"1]"
    assert len(loads(raw, len(raw))) == 100_001
    assert gc.isenabled()
    gc.disable()
    try:
        loads(raw, len(raw))
        assert not gc.isenabled()
    finally:
        gc.enable()
