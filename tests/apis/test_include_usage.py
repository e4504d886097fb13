"""Asking for a stream's usage on the client's behalf, and hiding the answer to it."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.apis.chat_completions.include_usage import UsageChunkFilter, add_include_usage
from bridge.limits import LIMITS
from bridge.providers.kinds import KINDS
from tests.apis.chat_streams import DONE, USAGE, delta, piece, plain
from tests.apis.wire import bytewise, chunk, split

# The request


@pytest.mark.parametrize(
    ("body", "edited"),
    [
        (b'{"stream":true}', b'{"stream_options":{"include_usage":true},"stream":true}'),
        (
            b' {\n  "stream": true,\n  "model": "m"}\n',
            b' {"stream_options":{"include_usage":true},\n  "stream": true,\n  "model": "m"}\n',
        ),
        (
            b'{"a": {"stream_options": 1}, "stream_options" : null , "stream": true}',
            b'{"a": {"stream_options": 1}, "stream_options" : {"include_usage":true} , "stream": true}',
        ),
        (b'{"stream_options": {}, "stream": true}', b'{"stream_options": {"include_usage":true}, "stream": true}'),
        (
            b'{"stream": true, "n": 1.50, "stream_options": {"x": 1, "include_usage": false}, "\xc3\xa9": 1}',
            b'{"stream": true, "n": 1.50, "stream_options": {"x":1,"include_usage":true}, "\xc3\xa9": 1}',
        ),
        (
            b'{"\xe6\xbc\xa2": "\xc3\xa9 \\ud83d", "stream": true, "stream_options": {}}',
            b'{"\xe6\xbc\xa2": "\xc3\xa9 \\ud83d", "stream": true, "stream_options": {"include_usage":true}}',
        ),
        (
            b'{"stream_options": {"include_usage": true}, "stream": true, "stream_options": {}}',
            b'{"stream_options": {"include_usage": true}, "stream": true, "stream_options": {"include_usage":true}}',
        ),
        (b'\xef\xbb\xbf{"stream":true}', b'\xef\xbb\xbf{"stream_options":{"include_usage":true},"stream":true}'),
    ],
)
def test_the_option_is_added_and_nothing_else_changes(body: bytes, edited: bytes) -> None:
    assert add_include_usage(body) == edited
    assert add_include_usage(edited) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"{",
        b'{"stream": false}',
        b'{"stream": "true"}',
        b'{"stream": true, "stream_options": {"include_usage": true}}',
        b'{"stream": true, "stream_options": "odd"}',
        b'{"stream": true, "n": ' + b"1" * 5000 + b', "stream_options": {}}',
    ],
)
def test_where_nothing_is_to_be_done(body: bytes) -> None:
    assert add_include_usage(body) is None


def test_deep_nesting_is_left_alone_or_kept() -> None:
    """From Python 3.12 on its own parser goes deeper, and finds the place."""
    before = b'{"stream": true, "n": ' + b"[" * 1000 + b"]" * 1000 + b', "stream_options": '
    assert add_include_usage(before + b"{}}") in {None, before + b'{"include_usage":true}}'}


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**60), 2**60), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=10,
)


@given(
    st.dictionaries(st.text(), values, max_size=4),
    st.one_of(st.none(), st.dictionaries(st.text(), values, max_size=2)),
    st.sampled_from([None, 2]),
    st.booleans(),
)
def test_any_request_stays_the_same_but_for_the_option(
    request: dict[str, Any], options: dict[str, Any] | None, indent: int | None, ascii_only: bool
) -> None:
    whole = {**request, "stream": True, **({} if options is None else {"stream_options": options}), "last": 1}
    body = json.dumps(whole, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "replace")
    edited = add_include_usage(body)
    before, after = json.loads(body), json.loads(edited or body)
    assert after.pop("stream_options") == {**before.pop("stream_options", {}), "include_usage": True}
    assert after == before


# The stream

USAGE_CHUNK = piece(usage=USAGE)


def visible(pieces: list[bytes]) -> bytes:
    sieve = UsageChunkFilter()
    return b"".join(sieve.feed(data) for data in pieces) + sieve.finish()


OTHERS = {
    "choices and usage": piece(delta(content="x"), usage=USAGE),
    "no choices, no usage": piece(usage=None),
    "only prompt filters": chunk(id="", choices=[], prompt_filter_results=[]),
    "text about usage": piece(delta(content='"choices":[],"usage":{}')),
    "comment": b": keep-alive\n\n",
    "not json": b'data: {"choices":[],"usage":{}\n\n',
    "error": b'data: {"error":{"message":"x"},"usage":{}}\n\n',
    "named": b'event: x\nid: 7\ndata: {"choices":[{"delta":{}}],"usage":{}}\n\n',
}
REMOVED = {
    "as it is": USAGE_CHUNK,
    "spaced": b'data: {"usage" : {"prompt_tokens": 1}, "choices" : [ ]}\n\n',
    "two lines": b'data: {"choices":[],\ndata: "usage":{}}\n\n',
    "named": b'event: message\ndata: {"choices":[],"usage":{}}\n\n',
}


def line_ends(whole: bytes, end: bytes) -> bytes:
    return whole.replace(b"\n", end)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("name", REMOVED)
def test_the_usage_chunk_is_taken_out(name: str, end: bytes) -> None:
    before, after = (line_ends(part, end) for part in (b"".join(plain(usage=False)[:-1]), DONE))
    usage = line_ends(REMOVED[name], end)
    assert visible([before + usage + after]) == before + after
    assert visible([before, usage, after]) == before + after
    # Byte by byte an LF may be seen too late to be known as the end of the CRLF before it; it is one more blank line.
    spare = b"\n" if end == b"\r\n" else b""
    assert visible(bytewise(before + usage + after)) == before + spare + after


@pytest.mark.parametrize("name", OTHERS)
def test_every_other_event_passes_untouched(name: str) -> None:
    for end in (b"\n", b"\r\n", b"\r"):
        whole = line_ends(piece(delta(content="x")) + OTHERS[name] + DONE, end)
        assert visible([whole]) == whole
        assert visible(bytewise(whole)) == whole


@given(st.data())
def test_any_split_shows_the_same(data: st.DataObject) -> None:
    events = data.draw(st.lists(st.sampled_from([*OTHERS.values(), *REMOVED.values(), *plain()]), max_size=8))
    whole = b"".join(events)
    kept = b"".join(event for event in events if event not in REMOVED.values() and event != USAGE_CHUNK)
    assert visible(data.draw(split(whole))) == kept


@given(
    st.lists(
        st.sampled_from([b"\r", b"\n", b"data: ", b'{"choices":[],"usage":{}}', b'"delta":', b"x"]), max_size=30
    ).map(b"".join),
    st.data(),
)
def test_what_passes_is_upstream_s_in_order(whole: bytes, data: st.DataObject) -> None:
    rest = whole
    for byte in visible(data.draw(split(whole))):
        at = rest.find(bytes([byte]))
        assert at >= 0
        rest = rest[at + 1 :]


@given(st.binary(max_size=200), st.data())
def test_random_bytes_pass_untouched(whole: bytes, data: st.DataObject) -> None:
    assert visible(data.draw(split(whole))) == whole


def test_nothing_waits_but_an_event_that_may_be_the_one() -> None:
    sieve = UsageChunkFilter()
    for event in plain():
        assert sieve.feed(event) == (b"" if event == USAGE_CHUNK else event)

    large = piece(delta(content="x" * 1000))
    mark = large.index(b'"delta":') + len(b'"delta":')
    assert sieve.feed(large[: mark - 1]) == b""
    assert sieve.feed(large[mark - 1 : mark + 10]) == large[: mark + 10]
    assert sieve.feed(large[mark + 10 : -1]) == large[mark + 10 : -1]
    assert sieve.feed(large[-1:] + USAGE_CHUNK[:-1]) == large[-1:]
    assert sieve.feed(USAGE_CHUNK[-1:] + DONE) == DONE


def test_no_more_than_64_kib_are_held() -> None:
    sieve = UsageChunkFilter()
    whole = b'data: {"choices":[],"usage":{"x":"' + b"x" * 200_000 + b'"}}\n\n'
    passed = b""
    for at in range(0, len(whole), 1000):
        passed += sieve.feed(whole[at : at + 1000])
        assert len(whole[: at + 1000]) - len(passed) <= 66_000
    assert passed == whole
    assert sieve.feed(USAGE_CHUNK) == b""


def test_the_end_shows_what_was_held() -> None:
    sieve = UsageChunkFilter()
    assert sieve.feed(b"data: {") == b""
    assert sieve.finish() == b"data: {"
    assert sieve.finish() == b""


def test_small_chunks_of_a_held_event_cost_no_more_than_their_bytes() -> None:
    event = b"data: {" + b"x" * 60_000
    sieve = UsageChunkFilter()
    for byte in bytewise(event):
        assert sieve.feed(byte) == b""
    assert sieve.finish() == event


def test_the_json_is_what_the_bridge_means() -> None:
    edited = add_include_usage(orjson.dumps({"model": "m", "stream": True}))
    assert edited is not None
    assert json.loads(edited) == {"model": "m", "stream": True, "stream_options": {"include_usage": True}}


def test_only_a_chat_stream_is_adapted() -> None:
    asking = b'{"stream":true}'
    for api in [api for kind in KINDS.values() for api in kind.intercepted.values()]:
        name = api.name
        assert api.adapt(b"{}") == (b"{}", None)
        body, sieve = api.adapt(asking)
        if name == "chat_completions":
            assert body == add_include_usage(asking)
            assert sieve is not None
            assert sieve.feed(USAGE_CHUNK + DONE) + sieve.finish() == DONE
        else:
            assert (body, sieve) == (asking, None)


def test_nothing_is_added_to_what_takes_too_long_to_read() -> None:
    texts = ",".join(['"' + "x" * 60_000 + '"'] * (LIMITS.shortened_request_bytes // 60_000 + 1))
    assert add_include_usage(f'{{"stream":true,"model":"m","messages":[{texts}]}}'.encode()) is None
