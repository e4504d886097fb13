"""Text made harmless for a terminal: in five ways, none of which lets a control character through."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.terminal_text import escaped, in_json, printable, symbols, visible

HOSTILE = "a\x1b[2J\t\r\n\x9b\u202eb\ud800"


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (symbols(HOSTILE), "a␛[2J\t␍\n<U+009B><U+202E>b<U+D800>"),
        (visible(HOSTILE), "a�[2J   �<U+202E>b�"),
        (visible(HOSTILE, keep="\n"), "a�[2J  \n�<U+202E>b�"),
        (escaped(HOSTILE), "a\\x1b[2J\\t\\r\\n\\x9b\\u202eb\\ud800"),
        (in_json('"a\x7f\x9b\u202e\U000e0041é"\n'), '"a\\u007f\\u009b\\u202e\\udb40\\udc41é"\n'),
        (printable(HOSTILE), "a[2Jb"),
    ],
)
def test_what_takes_the_place_of_a_control_character(shown: str, expected: str) -> None:
    assert shown == expected


@given(st.lists(st.text()))
def test_json_stays_the_same_json(texts: list[str]) -> None:
    shown = in_json(orjson.dumps(texts).decode())
    assert shown.isprintable()
    assert orjson.loads(shown) == texts


@given(st.text(st.characters(exclude_categories=())))
def test_nothing_is_left_that_a_terminal_acts_on(text: str) -> None:
    assert visible(text).isprintable()
    assert escaped(text).isprintable()
    assert printable(text).isprintable()
    for character in visible(text, keep="\n"):
        assert character == "\n" or character.isprintable()
    for character in symbols(text):
        assert character in "\t\n" or ord(character) >= 0x20
        assert not 0x7F <= ord(character) < 0xA0
