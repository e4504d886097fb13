"""What is read from answers of OpenAI Responses: streams and bodies as the API reference shows them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.apis.protocol import Api, Opening, RequestFacts, StreamFailure
from bridge.apis.responses.api import Responses
from bridge.errors import ErrorKind
from bridge.events.values import ErrorType, FailureReason, ThoughtSource, WithheldReason
from bridge.events.vocabulary import (
    AnswerDelta,
    Event,
    Noted,
    PromptRecorded,
    ThoughtDelta,
    ThoughtRecorded,
    ThoughtWithheld,
    TokensUsed,
    ToolCalled,
)
from tests.apis.responses_streams import RESPONSE_ID, USAGE, Stream, plain, rich, spaced, unnamed
from tests.apis.wire import FACTS, ID, merged, named, of, read, read_body, without_served

API: Api = Responses()
SUMMARY = ThoughtSource.REASONING_SUMMARY
COMMENTARY = ThoughtSource.COMMENTARY
TOKENS = TokensUsed(
    ID, RESPONSE_ID, 25, 1186, 50, 0, {"output_reasoning": 1024, "total_tokens": 1261}, model="gpt-5.3-codex"
)
PROMPT = PromptRecorded(ID, RESPONSE_ID, "list files")
RICH: list[Event] = [
    PROMPT,
    ThoughtRecorded(ID, RESPONSE_ID, 0, SUMMARY, "**Looking** for files"),
    ThoughtRecorded(ID, RESPONSE_ID, 1, SUMMARY, "**Choosing** a tool"),
    ThoughtRecorded(ID, RESPONSE_ID, 2, COMMENTARY, "I will look at the files."),
    ThoughtRecorded(ID, RESPONSE_ID, 3, COMMENTARY, "Then I read one."),
    ThoughtWithheld(ID, RESPONSE_ID, 4, WithheldReason.ENCRYPTED, 32),
    ToolCalled(ID, RESPONSE_ID, "call_1", "exec_command", {"cmd": ["ls", "-l"]}),
    ToolCalled(ID, RESPONSE_ID, "call_2", "read", "not json"),
    ThoughtWithheld(ID, RESPONSE_ID, 5, WithheldReason.NOT_SUMMARIZED, 0),
    TOKENS,
]
RICH_TEXTS = {
    0: "**Looking** for files",
    1: "**Choosing** a tool",
    2: "I will look at the files.",
    3: "Then I read one.",
    None: "Two files.No more.",
}


# Streams


@pytest.mark.parametrize("listening", [True, False])
def test_a_plain_answer(listening: bool) -> None:
    stream = plain()
    events, reader = read(API, stream.events, listening=listening)
    assert merged(events) == ([PROMPT, TOKENS], {None: "There are two files here: é漢😀."})
    assert len(of(events, AnswerDelta)) == (6 if listening else 1)
    assert (reader.complete, reader.failure, reader.token_seen, reader.dropped) == (True, None, True, 0)
    assert reader.events_read == len(stream.events)
    assert reader.between_events


@pytest.mark.parametrize("form", [lambda whole: whole, unnamed, spaced])
def test_all_that_an_answer_can_hold(form: Any) -> None:
    events, _ = read(API, [form(rich().bytes)])
    assert merged(events) == (RICH, RICH_TEXTS)
    assert len(of(events, ThoughtDelta)) == 4, "deltas of one feed are one event"


def test_nobody_listening_gets_no_thought_deltas_but_all_else() -> None:
    events, _ = read(API, rich().events, listening=False)
    assert merged(events) == (RICH, {None: "Two files.No more."})
    assert len(of(events, AnswerDelta)) == 1
    assert events[-1] == TOKENS


def test_items_are_told_when_they_are_done() -> None:
    reader = API.stream_reader(ID, FACTS, lambda _type: True)
    for event in rich().events:
        told = reader.feed(event)
        if b"output_item.done" in event:
            assert len(told) in (0, 1, 2)
            assert bool(told) == (b"msg_2" not in event)


def test_each_delta_comes_before_its_thought_is_recorded() -> None:
    events, _ = read(API, rich().events)
    for index in range(4):
        places = [at for at, event in enumerate(events) if isinstance(event, ThoughtDelta) and event.index == index]
        recorded = next(
            at for at, event in enumerate(events) if isinstance(event, ThoughtRecorded) and event.index == index
        )
        assert places
        assert max(places) < recorded


def test_one_who_comes_to_listen_gets_what_was_so_far() -> None:
    stream = Stream()
    stream.message("msg_1", "one two three four")
    stream.end()
    listening = False
    reader = API.stream_reader(ID, FACTS, lambda _type: listening)
    events: list[Event] = []
    for event in stream.events:
        if b'"two ' in event:
            assert of(events, AnswerDelta) == []
            listening = True
        if b'"four"' in event:
            listening = False
        events += reader.feed(event)
    assert [delta.text for delta in of(events + reader.finish(), AnswerDelta)] == ["one two ", "three ", "four"]


def test_one_who_comes_to_listen_to_a_thought() -> None:
    stream = Stream()
    stream.reasoning("rs_1", "one two three four")
    listening = False
    reader = API.stream_reader(ID, FACTS, lambda _type: listening)
    events: list[Event] = []
    for event in stream.events:
        listening = listening or b'"three ' in event
        events += reader.feed(event)
    assert [delta.text for delta in of(events, ThoughtDelta)] == ["one two three ", "four"]
    assert [thought.text for thought in of(events, ThoughtRecorded)] == ["one two three four"]


def test_only_thoughts_wanted() -> None:
    reader = API.stream_reader(ID, FACTS, lambda kind: kind == "thought.delta")
    events = [event for upstream in rich().events for event in reader.feed(upstream)] + reader.finish()
    assert merged(without_served(events)) == (RICH, RICH_TEXTS)
    assert len(of(events, AnswerDelta)) == 1


@pytest.mark.parametrize("listening", [True, False])
def test_a_phase_known_only_at_the_end_still_makes_a_thought(listening: bool) -> None:
    stream = Stream()
    stream.message("msg_1", "Thinking aloud.", phase="commentary", late_phase=True)
    stream.message("msg_2", "Done.")
    stream.end()
    events, _ = read(API, stream.events, listening=listening)
    assert of(events, ThoughtRecorded) == [ThoughtRecorded(ID, RESPONSE_ID, 0, COMMENTARY, "Thinking aloud.")]
    assert of(events, ThoughtDelta) == []
    if not listening:
        assert merged(events)[1] == {None: "Done."}


def test_reasoning_text_is_thought_too() -> None:
    stream = Stream()
    at = {"item_id": "rs_1", "output_index": 0, "content_index": 0}
    item = {"id": "rs_1", "type": "reasoning", "summary": []}
    stream.added(item)
    stream.event("response.reasoning_text.delta", **at, delta="Let me ")
    stream.event("response.reasoning_text.delta", **at, delta="see.")
    stream.done({**item, "content": [{"type": "reasoning_text", "text": "Let me see."}]})
    events, _ = read(API, stream.events)
    thinking = ThoughtSource.THINKING
    assert events == [
        PROMPT,
        ThoughtDelta(ID, 0, thinking, "Let me "),
        ThoughtDelta(ID, 0, thinking, "see."),
        ThoughtRecorded(ID, RESPONSE_ID, 0, thinking, "Let me see."),
    ]


@pytest.mark.parametrize("listening", [True, False])
def test_a_thought_whose_item_comes_without_text_keeps_that_of_its_deltas(listening: bool) -> None:
    stream = Stream()
    stream.added({"id": "rs_1", "type": "reasoning", "summary": []})
    stream.event("response.reasoning_summary_text.delta", item_id="rs_1", output_index=0, summary_index=0, delta="Hm.")
    stream.done({"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAA"})
    events, _ = read(API, stream.events, listening=listening)
    assert merged(events)[0] == [PROMPT, ThoughtRecorded(ID, RESPONSE_ID, 0, SUMMARY, "Hm.")]


def test_a_refusal_is_an_answer() -> None:
    for listening in (True, False):
        stream = Stream()
        at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        item = {"id": "msg_1", "type": "message", "role": "assistant", "content": []}
        stream.added(item)
        stream.event("response.refusal.delta", **at, delta="I can't ")
        stream.event("response.refusal.delta", **at, delta="do that.")
        stream.done({**item, "content": [{"type": "refusal", "refusal": "I can't do that."}]})
        stream.end()
        assert merged(read(API, stream.events, listening=listening)[0])[1] == {None: "I can't do that."}


def test_the_final_response_tells_what_the_stream_did_not() -> None:
    stream = rich()
    without_items = [event for event in stream.events if b"output_item" not in event and b".delta" not in event]
    events, _ = read(API, without_items)
    assert merged(events) == (RICH, {None: "Two files.No more."})


def test_an_empty_final_output_takes_nothing_back() -> None:
    stream = rich()
    stream.events.pop()
    stream.event("response.completed", response={**stream.response("completed"), "output": [], "usage": None})
    assert merged(read(API, stream.events)[0]) == (RICH[:-1], RICH_TEXTS)


def test_ids_that_change_from_event_to_event_are_matched_by_place() -> None:
    whole = rich().bytes
    for number, item_id in enumerate([b"rs_1", b"msg_1", b"fc_1", b"fc_2", b"msg_2", b"rs_2", b"rs_3"]):
        parts = whole.split(b'"' + item_id + b'"')
        whole = parts[0] + b"".join(b'"id%d_%d"' % (number, at) + part for at, part in enumerate(parts[1:]))
    for listening in (True, False):
        events, _ = read(API, [whole], listening=listening)
        assert merged(events)[0] == RICH


def test_places_that_are_all_zero_lose_nothing() -> None:
    stream = rich()
    events, _ = read(API, [event.replace(b'"output_index":', b'"output_index":0,"was":') for event in stream.events])
    assert merged(events) == (RICH, RICH_TEXTS)


def test_parallel_items_keep_their_deltas_apart() -> None:
    stream = Stream()
    items = [{"id": f"rs_{n}", "type": "reasoning", "summary": []} for n in (0, 1)]
    for n in (0, 1):
        stream.event("response.output_item.added", output_index=n, item=items[n])
    for n, text in [(0, "a1 "), (1, "b1 "), (0, "a2"), (1, "b2")]:
        stream.event(
            "response.reasoning_summary_text.delta", item_id=f"rs_{n}", output_index=n, summary_index=0, delta=text
        )
    for n, text in [(1, "b1 b2"), (0, "a1 a2")]:
        done = {**items[n], "summary": [{"type": "summary_text", "text": text}]}
        stream.event("response.output_item.done", output_index=n, item=done)
    events, _ = read(API, stream.events)
    recorded = [ThoughtRecorded(ID, RESPONSE_ID, n, SUMMARY, text) for n, text in [(1, "b1 b2"), (0, "a1 a2")]]
    assert merged(events) == ([PROMPT, *recorded], {0: "a1 a2", 1: "b1 b2"})


def test_an_incomplete_response_is_complete() -> None:
    stream = Stream()
    stream.reasoning("rs_1", "So far")
    stream.end("incomplete", incomplete_details={"reason": "max_output_tokens"})
    events, reader = read(API, stream.events)
    assert merged(events)[0] == [PROMPT, ThoughtRecorded(ID, RESPONSE_ID, 0, SUMMARY, "So far"), TOKENS]
    assert reader.complete
    assert reader.failure is None


def test_a_failed_response() -> None:
    stream = Stream()
    stream.end("failed", usage=None, error={"code": "rate_limit_exceeded", "message": "Rate limit reached for gpt-5"})
    events, reader = read(API, stream.events)
    assert events == [PROMPT]
    assert reader.complete
    assert reader.failure == StreamFailure("Rate limit reached for gpt-5", FailureReason.RATE_LIMITED)


@pytest.mark.parametrize(
    ("data", "failure"),
    [
        ({"code": "insufficient_quota", "message": "No."}, StreamFailure("No.", FailureReason.QUOTA_EXHAUSTED)),
        (
            {"code": "ERR_SOMETHING", "message": "Something went wrong", "param": None},
            StreamFailure("Something went wrong"),
        ),
        (
            {"error": {"type": "invalid_request_error", "code": "slow_down", "message": "Slow down."}},
            StreamFailure("Slow down.", FailureReason.OVERLOADED),
        ),
        (
            {"code": "server_is_overloaded", "message": None},
            StreamFailure("server_is_overloaded", FailureReason.OVERLOADED),
        ),
        ({}, StreamFailure("upstream reported an error")),
        ({"message": 7, "code": [1]}, StreamFailure("upstream reported an error")),
    ],
)
def test_an_error_event(data: dict[str, Any], failure: StreamFailure) -> None:
    stream = Stream()
    stream.event("error", **data)
    events, reader = read(API, stream.events)
    assert events == [PROMPT]
    assert reader.failure == failure
    assert not reader.complete


def test_a_broken_stream_tells_partial_thoughts_and_the_answer_so_far() -> None:
    for listening in (True, False):
        stream = Stream()
        stream.reasoning("rs_1", "one two three")
        stream.events = [event for event in stream.events if b"item.done" not in event and b".done" not in event]
        at = {"item_id": "msg_1", "output_index": 1, "content_index": 0}
        stream.event("response.output_text.delta", **at, delta="The ans")
        events, reader = read(
            API, [stream.bytes + b'event: response.output_text.delta\ndata: {"type":"resp'], listening=listening
        )
        others, texts = merged(events)
        assert others == [PROMPT, ThoughtRecorded(ID, RESPONSE_ID, 0, SUMMARY, "one two three")]
        assert texts[None] == "The ans"
        assert not reader.complete
        assert not reader.between_events
        assert reader.token_seen


def test_a_thought_before_any_response_id() -> None:
    reader = API.stream_reader(ID, RequestFacts(), lambda _type: False)
    reader.feed(
        named("response.reasoning_summary_text.delta", item_id="r", output_index=0, summary_index=0, delta="Hm")
    )
    assert reader.finish() == [ThoughtRecorded(ID, None, 0, SUMMARY, "Hm")]
    assert reader.finish() == []


def test_a_prompt_without_a_response_id_is_not_recorded(caplog: pytest.LogCaptureFixture) -> None:
    events, _ = read(API, [named("response.output_text.delta", delta="x")])
    assert events == [AnswerDelta(ID, "x")]
    assert [(record.levelname, ID in record.message) for record in caplog.records] == [("WARNING", True)]
    assert "list files" not in caplog.text


def test_no_prompt_no_record(caplog: pytest.LogCaptureFixture) -> None:
    events, _ = read(API, plain().events, facts=RequestFacts())
    assert of(events, PromptRecorded) == []
    read(API, [b""], facts=RequestFacts())
    assert caplog.records == []


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        ({"input_tokens": 10, "output_tokens": 5}, (10, 5, 0, 0, 0)),
        ({}, (0, 0, 0, 0, 0)),
        ({"input_tokens": 3, "input_tokens_details": {"cached_tokens": 9}, "output_tokens": -1}, (0, 0, 9, 0, 0)),
        (
            {"input_tokens": "x", "input_tokens_details": None, "output_tokens": True, "total_tokens": 2**80},
            (0, 0, 0, 0, 0),
        ),
        (
            {
                "input_tokens": 1,
                "output_tokens": 2,
                "output_tokens_details": {"reasoning_tokens": 1},
                "total_tokens": 3,
            },
            (1, 2, 0, 1, 3),
        ),
    ],
)
def test_tokens_with_missing_or_odd_details(usage: dict[str, Any], told: tuple[int, ...]) -> None:
    stream = Stream()
    body = json.dumps(stream.response("completed", usage=usage)).encode()
    stream.events.append(
        b"event: response.completed\ndata: " + b'{"type":"response.completed","response":' + body + b"}\n\n"
    )
    [spent] = of(read(API, stream.events)[0], TokensUsed)
    assert (spent.input, spent.output, spent.cache_read_input) == told[:3]
    assert spent.extra == {"output_reasoning": told[3], "total_tokens": told[4]}


@pytest.mark.parametrize("usage", [None, [], "x"])
def test_no_usage_no_tokens(usage: Any) -> None:
    stream = Stream()
    stream.end(usage=usage)
    assert read(API, stream.events)[0] == [PROMPT]


def test_the_unknown_is_named_where_it_is_an_item_and_else_passed_over() -> None:
    stream = Stream()
    stream.event("response.something_new", payload=[1, 2])
    stream.item(type="telepathy_call", id="tp_1", call_id="call_1", status="completed", to="Ann", result="hm")
    stream.item(type="mcp_list_tools", id="mcpl_1", server_label="dice", tools=[{"name": "roll"}, {"name": "throw"}])
    stream.item(id="no type")
    stream.event("response.output_item.done", output_index=9, item="odd")
    stream.event("response.output_item.added", item=None)
    stream.event("response.output_text.delta", delta=7)
    stream.end()
    events, reader = read(API, stream.events)
    call = ToolCalled(ID, RESPONSE_ID, "call_1", "telepathy_call", {"to": "Ann"})
    assert events == [
        PROMPT,
        call,
        Noted(ID, "mcp_list_tools", "server_label dice, tools roll throw, status completed"),
        TOKENS,
    ]
    assert reader.dropped == 0


def test_what_cannot_be_parsed_is_counted_and_the_rest_is_read() -> None:
    stream = plain()
    broken = [b"event: response.output_item.done\ndata: {broken\n\n", b"event: error\ndata: []\n\n"]
    events, reader = read(API, [*stream.events[:3], *broken, *stream.events[3:]])
    assert merged(events)[0] == [PROMPT, TOKENS]
    assert reader.dropped == 2


def test_an_event_too_large_is_dropped_and_the_thought_comes_from_its_deltas() -> None:
    stream = Stream()
    stream.added({"id": "rs_1", "type": "reasoning", "summary": []})
    stream.event("response.reasoning_summary_text.delta", item_id="rs_1", output_index=0, summary_index=0, delta="Hm")
    stream.done(
        {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "x" * 9 * 1024 * 1024}]}
    )
    events, reader = read(API, stream.events)
    assert of(events, ThoughtRecorded) == [ThoughtRecorded(ID, RESPONSE_ID, 0, SUMMARY, "Hm")]
    assert reader.dropped == 1


def test_a_surrogate_cut_between_two_deltas_is_whole_in_what_is_told() -> None:
    stream = Stream()
    stream.added({"id": "rs_1", "type": "reasoning", "summary": []})
    for half in (rb"\ud83d", rb"\ude00"):
        stream.events.append(
            b'event: response.reasoning_summary_text.delta\ndata: {"item_id":"rs_1","output_index":0,"summary_index":0,'
            b'"delta":"' + half + b'"}\n\n'
        )
    stream.done({"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "😀"}]})
    events, _ = read(API, stream.events)
    assert [delta.text for delta in of(events, ThoughtDelta)] == ["😀"]
    assert [thought.text for thought in of(events, ThoughtRecorded)] == ["😀"]


def test_what_is_kept_unread_is_bounded() -> None:
    stream = Stream()
    piece = "x" * 1000
    for _ in range(1000):
        stream.event("response.output_text.delta", item_id="msg_1", output_index=0, content_index=0, delta=piece)
    reader = API.stream_reader(ID, FACTS, lambda _type: False)
    told = [event for upstream in stream.events for event in reader.feed(upstream)]
    assert 2 <= len(of(told, AnswerDelta)) <= 5
    assert merged(told + reader.finish())[1] == {None: piece * 1000}


def test_a_keep_alive_may_be_put_between_events() -> None:
    reader = API.stream_reader(ID, FACTS, lambda _type: False)
    between = [reader.between_events]
    for event in rich().events:
        for piece in (event[:-1], event[-1:]):
            reader.feed(piece)
            between.append(reader.between_events)
    assert between == [True, *[False, True] * len(rich().events)]
    events, _ = read(API, [piece for event in rich().events for piece in (event, API.keep_alive)])
    assert merged(events) == (RICH, RICH_TEXTS)


# Bodies


def test_a_body() -> None:
    stream = rich()
    events, reader = read_body(API, stream.response("completed", usage=USAGE))
    assert merged(events) == (RICH, {None: "Two files.No more."})
    assert (reader.complete, reader.failure, reader.token_seen, reader.dropped) == (True, None, True, 0)
    assert (reader.between_events, reader.events_read) == (False, 0)


def test_a_body_that_is_an_error() -> None:
    error = {"message": "Quota.", "type": "insufficient_quota", "code": "insufficient_quota"}
    events, reader = read_body(API, {"error": error}, facts=RequestFacts())
    assert events == []
    assert not reader.complete
    assert reader.failure == StreamFailure("Quota.", FailureReason.QUOTA_EXHAUSTED)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"id": 7}', b"{}", b"\xff"])
def test_a_body_that_is_none(body: bytes) -> None:
    events, reader = read_body(API, body, facts=RequestFacts())
    assert events == []
    assert not reader.complete
    assert reader.failure is None


def test_a_body_too_large_is_dropped() -> None:
    reader = API.body_reader(ID, RequestFacts(), lambda _type: True)
    for _ in range(17):
        assert reader.feed(b" " * 1024 * 1024) == []
    assert reader.finish() == []
    assert reader.dropped == 1
    assert not reader.complete


# The opening, and errors


@pytest.mark.parametrize("form", [lambda whole: whole, unnamed, spaced])
def test_only_the_opening_is_held_back(form: Any) -> None:
    def opening(event: bytes) -> Opening | StreamFailure:
        lines = form(event).split(b"\n")
        name = next((line[7:] for line in lines if line.startswith(b"event: ")), b"")
        return API.opening(name, next(line[6:] for line in lines if line.startswith(b"data: ")))

    stream = rich()
    stream.events.insert(2, named("response.queued", response=stream.response("queued")))
    assert [opening(event) for event in stream.events[:3]] == [Opening.HOLD] * 3
    assert {opening(event) for event in stream.events[3:]} == {Opening.RELEASE}
    limited = StreamFailure("Slow.", FailureReason.RATE_LIMITED)
    assert opening(named("error", code="rate_limit_exceeded", message="Slow.")) == limited
    failed = stream.response("failed", error={"code": "rate_limit_exceeded", "message": "Slow."})
    assert opening(named("response.failed", response=failed)) == limited
    assert opening(named("error", code="invalid_prompt", message="No.")) is Opening.RELEASE
    assert API.opening(b"error", b"broken") is Opening.RELEASE
    assert API.opening(b"", b"broken") is Opening.RELEASE


def test_errors_are_openai_s() -> None:
    assert json.loads(API.error_body(ErrorKind.RATE_LIMITED, "no"))["error"]["type"] == "rate_limit_error"
    assert API.stream_error("no", 7).startswith(b"event: error\ndata: {")
    assert b'"sequence_number":7' in API.stream_error("no", 7)
    _, reader = read(API, [API.stream_error("upstream broke off")])
    assert reader.failure == StreamFailure("upstream broke off", None, ErrorType.SERVER_ERROR)
