"""A key is never shown, whatever is done to its Secret."""

from __future__ import annotations

import copy
import logging
import pickle
import traceback

import attrs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.keys.secret import Secret, hint

CANARY = "sk-canary-0123456789abcdef-WXYZ"

key_text = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=80)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("abcdefghijklmnopqrst", "abcd...qrst"),
        ("abcdefghijklmnopqrstu", "abcd...rstu"),
        ("abcdefghijklmnopqrs", "ab...rs"),
        ("abcdefghij", "ab...ij"),
        ("abcdefghi", "a...i"),
        ("abcde", "a...e"),
        ("abcd", "..."),
        ("a", "..."),
        ("", "..."),
    ],
)
def test_hint_shows_the_ends_by_length(value: str, shown: str) -> None:
    assert hint(value) == shown


@given(key_text)
def test_hint_hides_more_than_half(value: str) -> None:
    shown = hint(value).replace("...", "", 1) if len(value) >= 5 else ""
    assert len(shown) * 2 <= len(value)


def test_nothing_shows_the_value() -> None:
    secret = Secret(CANARY)

    @attrs.frozen
    class Holder:
        key: Secret

    shown = [
        repr(secret),
        str(secret),
        f"{secret} {secret!r} {secret:>40}",
        "{} %s".format(secret) % secret,  # noqa: UP032  the old ways of formatting are the point
        repr([secret]),
        repr(Holder(secret)),
        repr(attrs.asdict(Holder(secret))),
        logging.LogRecord("x", 10, "f", 1, "key %s %r", (secret, secret), None).getMessage(),
    ]
    assert all(CANARY not in text for text in shown)
    assert repr(secret) == "Secret(sk-c...WXYZ)"
    assert str(secret) == secret.hint == "sk-c...WXYZ"
    assert not hasattr(secret, "__dict__")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_is_refused(protocol: int) -> None:
    with pytest.raises(TypeError, match="pickled") as caught:
        pickle.dumps(Secret(CANARY), protocol)
    assert CANARY not in str(caught.value)


def test_json_does_not_take_it() -> None:
    with pytest.raises(TypeError) as caught:
        orjson.dumps({"key": Secret(CANARY)})
    assert CANARY not in str(caught.value)


def test_copies_are_the_same_secret() -> None:
    secret = Secret(CANARY)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


def test_reveal_gives_the_value() -> None:
    assert Secret(CANARY).reveal() == CANARY


def test_equality_is_by_value() -> None:
    assert Secret(CANARY) == Secret(CANARY)
    assert hash(Secret(CANARY)) == hash(Secret(CANARY))
    assert Secret(CANARY) != Secret(CANARY + "x")
    assert Secret(CANARY) != CANARY


def test_it_cannot_be_changed() -> None:
    secret = Secret(CANARY)
    with pytest.raises(AttributeError, match="can't be changed"):
        secret.hint = "x"
    with pytest.raises(AttributeError, match="can't be changed"):
        del secret.hint
    assert secret.hint == "sk-c...WXYZ"


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("", "the key is empty"),
        ("QQQQQ\n", "the key has whitespace at position 6 of 6"),
        (" QQQQQ", "the key has whitespace at position 1 of 6"),
        ("QQ\tQQQ", "the key has whitespace at position 3 of 6"),
        ("QQ\x00QQQ", "the key has a control character at position 3 of 6"),
        ("QQ\x7fQQQ", "the key has a control character at position 3 of 6"),
        ("QQ\x1bQQQ", "the key has a control character at position 3 of 6"),
        ("QQQé", "the key has a non-ASCII character at position 4 of 4"),
        ("QQQ\u00a0", "the key has a non-ASCII character at position 4 of 4"),
        ("QQQ\udc80", "the key has a non-ASCII character at position 4 of 4"),
        ("\ufeffQQQ", "the key has a non-ASCII character at position 1 of 4"),
    ],
)
def test_an_unusable_key_is_refused_without_being_shown(value: str, fault: str) -> None:
    with pytest.raises(ValueError, match="the key") as caught:
        Secret(value)
    assert str(caught.value) == fault
    assert "QQ" not in "".join(traceback.format_exception_only(caught.value))


@given(key_text)
def test_every_printable_ascii_key_is_taken(value: str) -> None:
    secret = Secret(value)
    assert secret.reveal() == value
    assert secret.hint == hint(value)


@given(st.text(max_size=30))
def test_exactly_the_header_safe_values_are_taken(value: str) -> None:
    good = bool(value) and all("\x21" <= character <= "\x7e" for character in value)
    if good:
        Secret(value)
    else:
        with pytest.raises(ValueError, match="the key"):
            Secret(value)
