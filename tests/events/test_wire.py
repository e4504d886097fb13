"""Events as lines: the fields that docs/events.md lists, and nothing lost or made up on the way."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import attrs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ClearspanError
from bridge.events.times import format_time
from bridge.events.values import Credential, Outcome
from bridge.events.values import FailureReason as Failed
from bridge.events.values import KeyState as State
from bridge.events.values import ThoughtSource as Source
from bridge.events.values import WithheldReason as Withheld
from bridge.events.vocabulary import EVENT_TYPES, Event, InterceptionStarted
from bridge.events.wire import (
    PROTOCOL,
    Command,
    Envelope,
    Hello,
    Reply,
    WireError,
    decode,
    decode_command,
    encode,
    unstructure,
)
from tests.support.event_samples import ANY_EVENT, START, TEXTS, TIMES, values

PAGE = (Path(__file__).parents[2] / "docs/events.md").read_text(encoding="utf-8")


def documented() -> dict[str, set[str]]:
    """The fields that docs/events.md (Event types) lists for each type, in the first column of its table."""
    sections = re.findall(r"^### `([a-z.]+)`$(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
    return {kind: named(re.findall(r"^\| (`.+?) \|", text, re.MULTILINE)) for kind, text in sections}


def named(cells: list[str]) -> set[str]:
    """The names in code type in these cells."""
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


DOCUMENTED = documented()


def fields(message: bytes) -> dict[str, Any]:
    parsed: dict[str, Any] = orjson.loads(message)
    return parsed


@given(ANY_EVENT, TIMES)
def test_every_event_has_the_documented_fields_and_comes_back_as_it_was(event: Event, at: datetime) -> None:
    line = encode(Envelope(7, at, event))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    told = fields(line)
    assert list(told)[:3] == ["type", "seq", "at"]
    assert set(told) == {"type", "seq", "at", *DOCUMENTED[event.type]}
    assert (told["type"], told["seq"], told["at"]) == (event.type, 7, format_time(at))
    assert decode(line) == Envelope(7, at, event)


def test_the_vocabulary_is_the_documented_one() -> None:
    assert EVENT_TYPES.keys() == DOCUMENTED.keys()
    assert set(Outcome) == {"completed", "failed", "cancelled", "rejected"}
    reasons = "rate_limited quota_exhausted unauthorized forbidden overloaded server_error connect_error timeout"
    assert set(Failed) == set(reasons.split())
    assert set(State) == {"valid", "temporary", "permanent", "disabled"}
    assert set(Source) == {"reasoning_summary", "commentary", "thinking"}
    assert set(Withheld) == {"omitted", "redacted", "encrypted", "not_summarized"}


def test_nested_fields_are_objects() -> None:
    started = fields(
        encode(
            Envelope(1, START, InterceptionStarted("i", "p", "responses", "POST", "/", Credential("byok", "sk...1")))
        )
    )
    assert started["credential"] == {"kind": "byok", "hint": "sk...1"}
    assert started["model"] is None
    changed = decode(
        b'{"type":"key.changed","seq":1,"at":"2026-03-01T00:00:00.000Z","provider":"p","key":"k","state":"temporary",'
        b'"limits":{"requests":{"limit":9,"remaining":1,"reset_at":"2026-03-01T00:00:07.500Z"},"tokens":{}}}'
    )
    assert isinstance(changed, Envelope)
    limits = unstructure(changed.event)["limits"]
    assert limits["requests"] == {"limit": 9, "remaining": 1, "reset_at": "2026-03-01T00:00:07.500Z"}
    assert limits["tokens"] == {"limit": None, "remaining": None, "reset_at": None}


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        (datetime(2026, 3, 1, 1, 2, 3, 4_999, tzinfo=UTC), "2026-03-01T01:02:03.004Z"),
        (datetime(2026, 3, 1, 1, 2, 3, 999_999, tzinfo=UTC), "2026-03-01T01:02:03.999Z"),
        (datetime(2026, 3, 1, tzinfo=timezone(timedelta(hours=2))), "2026-02-28T22:00:00.000Z"),
    ],
)
def test_times_are_utc_with_milliseconds(at: datetime, shown: str) -> None:
    assert format_time(at) == shown


def test_hello_says_who_speaks() -> None:
    hello = Hello(PROTOCOL, "0.1.0", 42, "http://127.0.0.1:8484", START, seq=7, at=START)
    assert fields(encode(hello)) == {
        "type": "hello",
        "protocol": 1,
        "version": "0.1.0",
        "pid": 42,
        "url": "http://127.0.0.1:8484",
        "started_at": "2026-03-01T00:00:00.000Z",
        "seq": 7,
        "at": "2026-03-01T00:00:00.000Z",
    }
    assert decode(encode(hello)) == hello


def test_a_type_or_field_of_a_later_version_does_no_harm() -> None:
    assert decode(b'{"type":"weather.changed","seq":1}') is None
    line = b'{"type":"bridge.stopping","seq":3,"at":"2026-03-01T00:00:00.000Z","reason":"SIGTERM","new":[1]}'
    told = decode(line)
    assert isinstance(told, Envelope)
    assert (told.seq, told.event.type) == (3, "bridge.stopping")


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"\n", b"not json", b"[]", b"5", b"null", b'"hello"', b"{}", b"\xff", b'{"type":5}', b'{"type":null}'),
        *(b'{"type":"hello"}', b'{"type":"snapshot"}', b'{"type":"snapshot","seq":1,"at":"x"}', b'{"type":"reply"}'),
        b'{"type":"bridge.stopping"}',
        b'{"type":"bridge.stopping","reason":"x"}',
        b'{"type":"bridge.stopping","reason":"x","seq":1,"at":"yesterday"}',
        b'{"type":"bridge.stopping","reason":"x","seq":"a","at":"2026-03-01T00:00:00.000Z"}',
        b'{"type":"attempt.started","seq":1,"at":"2026-03-01T00:00:00.000Z"}',
        b'{"type":"key.changed","seq":1,"at":"2026-03-01T00:00:00.000Z","provider":"p","key":"k","state":"tired"}',
        b"[" * 100_000,
    ],
)
def test_a_line_that_is_no_message_is_an_error_with_words(line: bytes) -> None:
    with pytest.raises(WireError, match=r"\w+ \w+") as caught:
        decode(line)
    assert isinstance(caught.value, ClearspanError)


@given(st.binary(max_size=80) | st.dictionaries(TEXTS, TEXTS | st.integers(0, 9)).map(orjson.dumps))
def test_any_line_is_a_message_or_an_error(line: bytes) -> None:
    try:
        decode(line)
    except WireError as error:
        assert str(error)  # noqa: PT017  # both ways out are right


@given(st.builds(Command, st.integers(0, 2**53), TEXTS, TEXTS, TEXTS, TEXTS, st.none() | st.lists(TEXTS)))
def test_commands_come_back_as_they_were(command: Command) -> None:
    assert decode_command(encode(command)) == command


def test_a_command_says_no_more_than_it_means() -> None:
    assert encode(Command(1, "snapshot")) == b'{"n":1,"command":"snapshot"}\n'


def test_the_start_of_an_interception_in_an_older_log_has_no_query() -> None:
    line = (
        b'{"type":"interception.started","seq":1,"at":"2026-11-29T01:08:22.164Z","id":"i","provider":"p",'
        b'"api":"messages","method":"GET","path":"/","credential":{"kind":"byok","hint":null}}'
    )
    message = decode(line)
    assert isinstance(message, Envelope)
    assert isinstance(message.event, InterceptionStarted)
    assert message.event.query is None


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"x", "not JSON"),
        (b"[]", "a message is a JSON object"),
        (b"{}", "'n' must be a whole number"),
        (b'{"n":true,"command":"x"}', "'n' must be a whole number"),
        (b'{"n":1.5,"command":"x"}', "'n' must be a whole number"),
        (b'{"n":1}', "'command' must be a string"),
        (b'{"n":1,"command":"cancel","id":7}', "'id' must be a string"),
        (b'{"n":1,"command":"key.reset","provider":"p","key":["k"]}', "'key' must be a string"),
        (b'{"n":1,"command":"filter","types":"all"}', "'types' must be a list of strings"),
        (b'{"n":1,"command":"filter","types":[1]}', "'types' must be a list of strings"),
    ],
)
def test_what_a_bad_command_is_told_by(line: bytes, told: str) -> None:
    with pytest.raises(WireError, match=told):
        decode_command(line)


@given(values(Reply))
def test_replies_come_back_as_they_were(reply: Reply) -> None:
    assert fields(encode(reply)).keys() == {"type", *attrs.fields_dict(Reply)}
    assert decode(encode(reply)) == reply
