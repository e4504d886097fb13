"""Which headers cross, in each direction. `end_to_end/test_relay.py` shows the same on the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.http.fields import RawHeaders
from bridge.interception.headers import headers_down, headers_upstream

IDENTITY = (b"Accept-Encoding", b"identity")

KEPT_BACK = [
    # hop by hop
    *("Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection"),
    *("TE", "Trailer", "Transfer-Encoding", "Upgrade"),
    # transport
    *("Host", "Content-Length", "Accept-Encoding", "Expect"),
    # credentials
    *("Authorization", "X-Api-Key", "Cookie"),
    # the bridge's own, and who forwarded
    *("X-Clearspan-Interception", "X-Clearspan-", "Forwarded", "X-Forwarded-For", "X-Forwarded-Anything", "X-Real-IP"),
    # what the bridge says of who is asking
    *("X-AI-Bridge-Actor-ID", "X-AI-Bridge-Actor-Metadata-Username"),
]
CROSSES = [
    *("User-Agent", "Accept", "Content-Type", "Content-Encoding", "OpenAI-Beta", "OpenAI-Organization", "originator"),
    *("session-id", "x-codex-turn-metadata", "anthropic-version", "anthropic-beta", "x-claude-code-agent-id"),
    *("X-Stainless-Lang", "X-Request-Id", "X-Real", "X-Api-Key-Id", "Cookie2", "Idempotency-Key", "traceparent"),
]


@pytest.mark.parametrize("name", KEPT_BACK)
def test_what_is_not_upstreams_business_is_kept_back(name: str) -> None:
    for form in (name, name.lower(), name.upper()):
        assert headers_upstream([(form.encode(), b"1")]) == [IDENTITY]


@pytest.mark.parametrize("name", CROSSES)
def test_all_else_goes_upstream_as_it_came(name: str) -> None:
    header = (name.encode(), b"\xe9 , 1")
    assert headers_upstream([header]) == [header, IDENTITY]


def test_what_connection_names_is_kept_back() -> None:
    client = [(b"Connection", b"close, X-One"), (b"connection", b" x-two ,,"), (b"X-ONE", b"1"), (b"X-Two", b"2")]
    assert headers_upstream([*client, (b"X-Three", b"3")]) == [(b"X-Three", b"3"), IDENTITY]
    assert headers_down([*client, (b"X-Three", b"3")]) == [(b"X-Three", b"3")]


def test_order_and_repetition_are_kept() -> None:
    client = [(b"B", b"1"), (b"A", b"2"), (b"b", b"3"), (b"A", b"2")]
    assert headers_upstream(client) == [*client, IDENTITY]
    assert headers_down(client) == client


def test_a_configured_header_replaces_the_clients() -> None:
    client = [(b"x-team", b"red"), (b"X-TEAM", b"green"), (b"x-other", b"1")]
    assert headers_upstream(client, [("X-Team", "bl\xe4u")]) == [(b"x-other", b"1"), IDENTITY, (b"X-Team", b"bl\xe4u")]


def test_of_an_answer_all_but_hop_by_hop_comes_down() -> None:
    answer: RawHeaders = [
        (b"Content-Length", b"5"),
        (b"Content-Encoding", b"gzip"),
        (b"Set-Cookie", b"a=1"),
        (b"Retry-After", b"7"),
        (b"x-request-id", b"req_1"),
        (b"request-id", b"req_2"),
        (b"x-should-retry", b"false"),
        (b"anthropic-ratelimit-unified-status", b"allowed"),
        (b"openai-processing-ms", b"12"),
        (b"Server", b"x"),
        (b"Date", b"x"),
    ]
    hop = [(b"Keep-Alive", b"timeout=5"), (b"Trailer", b"x"), (b"Upgrade", b"h2"), (b"Proxy-Authenticate", b"Basic")]
    assert headers_down([*answer, *hop]) == answer


def test_a_length_that_did_not_frame_the_body_is_left_out() -> None:
    both = [(b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"5")]
    assert headers_down(both) == []
    assert headers_down(both[1:]) == both[1:]


TOKENS = st.sampled_from([name.encode() for name in (*KEPT_BACK, *CROSSES)]) | st.binary(min_size=1, max_size=8)


@given(st.lists(st.tuples(TOKENS, st.binary(max_size=12))))
def test_nothing_is_made_up_or_changed(headers: RawHeaders) -> None:
    *up, last = headers_upstream(headers)
    assert last == IDENTITY
    for crossed in (up, headers_down(headers)):
        rest = iter(headers)
        assert all(header in rest for header in crossed)  # a subsequence
    assert not {name.lower() for name, _ in up} & {name.lower().encode() for name in KEPT_BACK}
