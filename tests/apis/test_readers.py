"""Properties of every API's readers: the split never matters, and nothing that upstream sends makes them raise."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.apis.chat_completions.api import ChatCompletions
from bridge.apis.messages.api import Messages
from bridge.apis.protocol import Api, Opening, RequestFacts, StreamFailure, UnreadableRequest
from bridge.apis.readers import AnswerReader
from bridge.apis.responses.accumulator import ResponsesAccumulator
from bridge.apis.responses.api import Responses
from bridge.apis.transcript import Transcript
from bridge.events.vocabulary import AnswerDelta, Event, ThoughtDelta, ThoughtRecorded, ThoughtWithheld, ToolCalled
from bridge.events.wire import Envelope, encode
from tests.apis import chat_streams, messages_streams, responses_streams
from tests.apis.wire import FACTS, ID, bytewise, merged, of, read, read_body, split, without_served

RESPONSES, CHAT, MESSAGES = Responses(), ChatCompletions(), Messages()
STREAMS: dict[str, tuple[Api, bytes]] = {
    "responses": (RESPONSES, responses_streams.rich().bytes),
    "responses_unnamed": (RESPONSES, responses_streams.unnamed(responses_streams.rich().bytes)),
    "responses_crlf": (RESPONSES, responses_streams.rich().bytes.replace(b"\n", b"\r\n")),
    "chat": (CHAT, b"".join(chat_streams.rich())),
    "messages": (MESSAGES, b"".join(messages_streams.rich())),
    "messages_cr": (MESSAGES, b"".join(messages_streams.rich()).replace(b"\n", b"\r")),
}
streams = st.sampled_from(list(STREAMS))
apis = st.sampled_from([RESPONSES, CHAT, MESSAGES])

# Members that the APIs' events have, with values and in places that they do not.
NAMES = (  # noqa: SIM905 - a list of words reads better so
    "type response item delta id item_id output_index summary_index content_index phase output summary content text "
    "refusal usage error code message arguments call_id name input role encrypted_content input_tokens choices index "
    "input_tokens_details tool_calls function reasoning_content reasoning finish_reason content_block thinking data "
    "signature partial_json details error_code cache_creation server_tool_use output_tokens prompt_tokens"
).split()
KINDS = (  # noqa: SIM905 - as above
    "response.created response.output_item.added response.output_item.done response.completed response.failed error "
    "response.output_text.delta response.reasoning_summary_text.delta ping reasoning message function_call mcp_call "
    "message_start message_delta message_stop content_block_start content_block_delta content_block_stop thinking "
    "thinking_delta input_json_delta redacted_thinking tool_use text text_delta commentary assistant rs_1"
).split()
values = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.sampled_from(KINDS)),
        st.sampled_from(["", "\ud83d", '{"a": [1]}', "[" * 300 + "]" * 300]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=5)),
    max_leaves=20,
)


@st.composite
def odd_event(draw: st.DrawFn) -> bytes:
    """An event that is one of the APIs' by its name only."""
    kind = draw(st.sampled_from(KINDS))
    data = json.dumps({"type": kind, **draw(st.dictionaries(st.sampled_from(NAMES), values, max_size=6))})
    return (f"event: {kind}\n" * draw(st.booleans()) + f"data: {data}\n\n").encode()


@pytest.fixture(autouse=True)
def _nothing_contained(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Readers contain their own faults; here there may be none to contain."""
    yield
    if not caplog.get_records("setup"):
        faults = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
        assert faults == []


def check(events: list[Event]) -> None:
    """What holds for the events of any answer: they can be sent, and each thought has one number."""
    for event in events:
        encode(Envelope(1, datetime.now(UTC), event))
    ended = [event.index for event in events if isinstance(event, ThoughtRecorded | ThoughtWithheld)]
    assert len(ended) == len(set(ended))
    growing = {event.index for event in of(events, ThoughtDelta)}
    assert sorted(growing | set(ended)) == list(range(len(growing | set(ended))))
    assert all(event.text for event in of(events, AnswerDelta))
    assert all(event.text for event in of(events, ThoughtDelta))


@given(streams, st.booleans(), st.data())
def test_any_split_gives_the_same_events(sample: str, listening: bool, data: st.DataObject) -> None:
    api, whole = STREAMS[sample]
    events, _ = read(api, data.draw(split(whole)), listening=listening)
    check(events)
    assert merged(events) == merged(read(api, [whole], listening=listening)[0])


@pytest.mark.parametrize("sample", STREAMS)
@pytest.mark.parametrize("listening", [True, False])
def test_byte_by_byte(sample: str, listening: bool) -> None:
    api, whole = STREAMS[sample]
    events, reader = read(api, bytewise(whole), listening=listening)
    assert merged(events) == merged(read(api, [whole], listening=listening)[0])
    assert reader.complete
    assert reader.dropped == 0


@pytest.mark.parametrize("sample", STREAMS)
def test_broken_off_anywhere(sample: str) -> None:
    api, whole = STREAMS[sample]
    _, texts = merged(read(api, [whole])[0])
    for end in range(0, len(whole), 29):
        for listening in (True, False):
            events, reader = read(api, [whole[:end]], listening=listening)
            check(events)
            assert reader.dropped == 0
            assert texts[None].startswith(merged(events)[1].get(None, ""))


@given(streams, st.lists(st.booleans(), min_size=1, max_size=30), st.data())
def test_listeners_that_come_and_go_change_nothing_but_deltas(
    sample: str, moods: list[bool], data: st.DataObject
) -> None:
    api, whole = STREAMS[sample]
    asked = 0

    def wants(_event_type: str) -> bool:
        nonlocal asked
        asked += 1
        return moods[asked % len(moods)]

    reader = api.stream_reader(ID, FACTS, wants)
    events = [event for piece in data.draw(split(whole)) for event in reader.feed(piece)] + reader.finish()
    check(events)
    others, texts = merged(without_served(events))
    expected, expected_texts = merged(read(api, [whole])[0])

    def unnumbered(found: list[Event]) -> list[str]:
        return [repr(event) for event in found if not isinstance(event, ThoughtRecorded | ThoughtWithheld)]

    assert unnumbered(others) == unnumbered(expected)
    assert texts[None] == expected_texts[None]
    assert [thought.text for thought in of(others, ThoughtRecorded)] == [
        thought.text for thought in of(expected, ThoughtRecorded)
    ]


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(apis, st.lists(odd_event(), max_size=12), st.booleans(), st.data())
def test_events_with_odd_members_are_harmless(
    api: Api, events: list[bytes], listening: bool, data: st.DataObject
) -> None:
    whole = b"".join(events)
    told, reader = read(api, [whole], listening=listening, facts=RequestFacts())
    check(told)
    assert reader.between_events
    in_pieces, again = read(api, data.draw(split(whole)), listening=listening, facts=RequestFacts())
    assert repr(merged(in_pieces)) == repr(merged(told))  # repr: a NaN is not equal to itself
    assert (again.complete, again.failure, again.token_seen) == (reader.complete, reader.failure, reader.token_seen)
    assert again.dropped == reader.dropped


@given(apis, st.binary(max_size=400), st.data())
def test_random_bytes_are_harmless(api: Api, whole: bytes, data: st.DataObject) -> None:
    check(read(api, data.draw(split(whole)), facts=RequestFacts())[0])
    check(read_body(api, whole, facts=RequestFacts())[0])


@given(streams, st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=3)), max_size=6))
def test_a_damaged_stream_is_harmless(sample: str, damage: list[tuple[int, bytes]]) -> None:
    api, whole = STREAMS[sample]
    for place, junk in damage:
        at = place % len(whole)
        whole = whole[:at] + junk + whole[at + len(junk) // 2 :]
    check(read(api, [whole])[0])
    check(read(api, [whole], listening=False)[0])


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(apis, values)
def test_odd_bodies_and_requests_are_harmless(api: Api, value: object) -> None:
    body = json.dumps(value).encode()
    check(read_body(api, body, facts=RequestFacts())[0])
    if isinstance(value, dict):
        api.read_request("", body)
    else:
        with pytest.raises(UnreadableRequest):
            api.read_request("", body)


@given(apis, st.sampled_from(KINDS), odd_event())
def test_the_opening_is_judged_without_fault(api: Api, name: str, event: bytes) -> None:
    data = event.split(b"data: ")[1].strip()
    for given_name in (b"", name.encode()):
        assert isinstance(api.opening(given_name, data), Opening | StreamFailure)


def test_a_fault_in_reading_is_contained_counted_and_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(ResponsesAccumulator, "event", fail)
    monkeypatch.setattr(ResponsesAccumulator, "body", fail)
    monkeypatch.setattr(Transcript, "end", fail)
    stream = responses_streams.plain()
    events, reader = read(RESPONSES, stream.events)
    assert isinstance(reader, AnswerReader)
    assert events == []
    assert reader.dropped == len(stream.events) + 1
    assert reader.between_events
    assert len(caplog.records) == 2
    events, body_reader = read_body(RESPONSES, b"{}")
    assert events == []
    assert body_reader.dropped == 2
    caplog.clear()


HALVES = (b'"\\ud83d"', b'"\\ude00!"')  # of one character, cut between two deltas
CUT: dict[str, tuple[Api, bytes]] = {
    "responses": (
        RESPONSES,
        b'data: {"type":"response.output_text.delta","item_id":"m","output_index":0,"content_index":0,"delta":%s}\n\n',
    ),
    "chat": (CHAT, b'data: {"id":"c","choices":[{"index":0,"delta":{"content":%s}}]}\n\n'),
    "messages": (
        MESSAGES,
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":%s}}\n\n',
    ),
}


@pytest.mark.parametrize("listening", [True, False])
@pytest.mark.parametrize("name", CUT)
def test_a_character_cut_between_two_deltas_is_whole(name: str, listening: bool) -> None:
    api, delta = CUT[name]
    events, _ = read(api, [delta % half for half in HALVES], listening=listening)
    assert merged(events)[1] == {None: "\U0001f600!"}
    events, _ = read(api, [delta % HALVES[0]], listening=listening)
    assert merged(events)[1] == {None: "\ufffd"}
    events, _ = read(api, [delta % HALVES[0], delta % b'"a"'], listening=listening)
    assert merged(events)[1] == {None: "\ufffda"}


def test_a_character_cut_in_a_thought_and_in_arguments_is_whole() -> None:
    delta = b'data: {"id":"c","choices":[{"index":0,"delta":%s}]}\n\n'
    thought = [delta % (b'{"reasoning_content":%s}' % half) for half in HALVES]
    call = b'{"tool_calls":[{"index":0,"id":"t","function":{"name":"f","arguments":%s}}]}'
    pieces = [delta % (call % half) for half in (b'"{\\"a\\":\\"\\ud83d"', b'"\\ude00\\"}"')]
    events, _ = read(CHAT, [*thought, *pieces, b"data: [DONE]\n\n"])
    assert [event.text for event in of(events, ThoughtRecorded)] == ["\U0001f600!"]
    assert [event.arguments for event in of(events, ToolCalled)] == [{"a": "\U0001f600"}]
