"""A little more in a request, and every other byte as it was."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.apis.messages.api import Messages
from bridge.apis.responses.api import Responses
from bridge.apis.splice import with_member
from bridge.limits import LIMITS

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(st.text(max_size=6), JSON, max_size=4),
    st.dictionaries(st.text(max_size=6), JSON, max_size=3),
    st.booleans(),
)
def test_one_member_more_and_nothing_else(around: dict[str, object], inner: dict[str, object], indented: bool) -> None:
    inner.pop("a", None)
    around["here"] = inner
    body = orjson.dumps(around, option=orjson.OPT_INDENT_2 if indented else 0)
    got = with_member(body, "here", b'"a":1')
    assert got is not None
    assert orjson.loads(got) == {**around, "here": {"a": 1, **inner}}
    put_in = b'"a":1' + b"," * bool(inner)
    assert got.replace(put_in, b"", 1) == body or got.count(put_in) > 1


@pytest.mark.parametrize("body", [b"{}", b'{"here":null}', b'{"here":[1]}', b'{"here":"{}"}', b'{"other":{"here":{}}}'])
def test_where_there_is_no_such_object_nothing_is_done(body: bytes) -> None:
    assert with_member(body, "here", b'"a":1') is None


def test_of_several_the_last_counts_as_for_whoever_parses_it() -> None:
    assert with_member(b'{"here":{},"here":{ }}', "here", b'"a":1') == b'{"here":{},"here":{"a":1 }}'


def test_what_takes_too_long_to_search_is_left_alone() -> None:
    assert with_member(b'{"here":{},"x":"%b"}' % (b"x" * LIMITS.whole_request_bytes), "here", b'"a":1') is None


@pytest.mark.parametrize(
    ("body", "revealing"),
    [
        (b'{"thinking":{"type":"adaptive"}}', b'{"thinking":{"display":"summarized","type":"adaptive"}}'),
        (
            b'{"thinking": {"type": "enabled", "budget_tokens": 1024}}',
            b'{"thinking": {"display":"summarized","type": "enabled", "budget_tokens": 1024}}',
        ),
        (b'{"thinking":{"type":"disabled"}}', None),
        (b'{"thinking":{"type":"enabled","display":"omitted"}}', None),
        (b'{"thinking":null}', None),
        (b'{"messages":[{"content":"\\"thinking\\":{}"}]}', None),
        (b'not json with "thinking" in it', None),
    ],
)
def test_messages_are_asked_for_summaries_where_they_say_nothing(body: bytes, revealing: bytes | None) -> None:
    assert Messages().reveal_thoughts(body) == revealing


@pytest.mark.parametrize(
    ("body", "revealing"),
    [
        (b'{"reasoning":{"effort":"high"}}', b'{"reasoning":{"summary":"auto","effort":"high"}}'),
        (b'{"reasoning":{}}', b'{"reasoning":{"summary":"auto"}}'),
        (b'{"reasoning":{"summary":null}}', None),
        (b'{"reasoning":{"generate_summary":"concise"}}', None),
        (b'{"reasoning":null}', None),
        (b'{"input":[{"type":"reasoning","summary":[]}]}', None),
    ],
)
def test_responses_are_asked_for_summaries_where_they_say_nothing(body: bytes, revealing: bytes | None) -> None:
    assert Responses().reveal_thoughts(body) == revealing
