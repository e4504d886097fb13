"""What is read from Chat Completions: requests, streams and bodies."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from bridge.apis.chat_completions.api import ChatCompletions
from bridge.apis.protocol import Api, Opening, RequestFacts, StreamFailure, UnreadableRequest
from bridge.errors import ErrorKind
from bridge.events.values import ErrorType, FailureReason, ThoughtSource
from bridge.events.vocabulary import (
    AnswerDelta,
    Event,
    PromptRecorded,
    ThoughtDelta,
    ThoughtRecorded,
    TokensUsed,
    ToolCalled,
)
from tests.apis.chat_streams import DONE, RESPONSE_ID, USAGE, call_piece, delta, piece, plain, rich
from tests.apis.wire import ID, chunk, merged, of, read, read_body

API: Api = ChatCompletions()
THINKING = ThoughtSource.THINKING
PROMPT = PromptRecorded(ID, RESPONSE_ID, "list files")
TOKENS = TokensUsed(
    ID,
    RESPONSE_ID,
    15,
    10,
    4,
    0,
    {
        "prompt_audio": 1,
        "completion_reasoning": 5,
        "completion_audio": 2,
        "completion_accepted_prediction": 3,
        "completion_rejected_prediction": 6,
    },
    model="gpt-5.4",
)
CALLS = [
    ToolCalled(ID, RESPONSE_ID, "call_1", "exec_command", {"cmd": ["ls", "-l"]}),
    ToolCalled(ID, RESPONSE_ID, "call_2", "read", "not json"),
]
RICH: list[Event] = [PROMPT, ThoughtRecorded(ID, RESPONSE_ID, 0, THINKING, "I look at the files."), *CALLS, TOKENS]
RICH_TEXTS = {0: "I look at the files.", None: "Let me look."}


def facts(**request: Any) -> RequestFacts:
    return API.read_request("", orjson.dumps(request))


def test_a_request() -> None:
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]
    assert facts(model="gpt-5", stream=True, messages=messages, prompt_cache_key="s") == RequestFacts(
        model="gpt-5", streaming=True, prompt="hi", session_hint="s"
    )


@pytest.mark.parametrize(
    ("last", "prompt", "call_id"),
    [
        ({"role": "user", "content": "hi"}, "hi", None),
        (
            {
                "role": "user",
                "content": [{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}],
            },
            "a\nb",
            None,
        ),
        ({"role": "user", "content": ""}, None, None),
        ({"role": "user", "content": [{"type": "image_url"}]}, None, None),
        ({"role": "tool", "tool_call_id": "call_1", "content": "x"}, None, "call_1"),
        ({"role": "assistant", "content": "hi"}, None, None),
        ({"role": "user"}, None, None),
        ("odd", None, None),
        (None, None, None),
    ],
)
def test_the_prompt_is_what_the_user_said_last(last: Any, prompt: str | None, call_id: str | None) -> None:
    read = facts(messages=[{"role": "user", "content": "first"}, last])
    assert (read.prompt, read.correlating_tool_call_id) == (prompt, call_id)


@pytest.mark.parametrize("messages", [None, [], "hi", {}, 7])
def test_odd_messages_are_forgiven(messages: Any) -> None:
    assert facts(messages=messages) == RequestFacts()


def test_what_is_no_json_object_is_refused() -> None:
    with pytest.raises(UnreadableRequest):
        API.read_request("", b"[]")


@pytest.mark.parametrize("listening", [True, False])
def test_a_plain_answer(listening: bool) -> None:
    events, reader = read(API, plain(), listening=listening)
    assert merged(events) == ([PROMPT, TOKENS], {None: "There are two files: é漢😀."})
    assert len(of(events, AnswerDelta)) == (5 if listening else 1)
    assert (reader.complete, reader.failure, reader.token_seen, reader.dropped) == (True, None, True, 0)
    assert reader.events_read == len(plain())


@pytest.mark.parametrize("listening", [True, False])
def test_thoughts_text_and_tool_calls(listening: bool) -> None:
    events, _ = read(API, rich(), listening=listening)
    others, texts = merged(events)
    assert others == RICH
    assert texts == (RICH_TEXTS if listening else {None: "Let me look."})


def test_deltas_of_one_feed_are_one_event() -> None:
    events, _ = read(API, [b"".join(rich())])
    assert len(of(events, ThoughtDelta)) == 1
    assert len(of(events, AnswerDelta)) == 1
    assert merged(events) == (RICH, RICH_TEXTS)


def test_a_thought_is_recorded_as_soon_as_something_follows() -> None:
    reader = API.stream_reader(ID, RequestFacts(), lambda _type: False)
    assert reader.feed(piece(delta(reasoning="Hm"))) == []
    assert reader.feed(piece(delta(reasoning="m."))) == []
    assert reader.feed(piece(delta(content="Yes."))) == [ThoughtRecorded(ID, RESPONSE_ID, 0, THINKING, "Hmm.")]
    assert reader.feed(piece(delta(reasoning="But"))) == []
    assert reader.feed(piece(delta(finish="stop"))) == [ThoughtRecorded(ID, RESPONSE_ID, 1, THINKING, "But")]


def test_both_names_of_a_thought_are_one_thought() -> None:
    events, _ = read(API, [piece(delta(reasoning="Hm", reasoning_content="Hm")), DONE], facts=RequestFacts())
    assert of(events, ThoughtRecorded) == [ThoughtRecorded(ID, RESPONSE_ID, 0, THINKING, "Hm")]


def test_several_choices() -> None:
    stream = [
        piece(delta(0, content="a"), delta(1, content="x")),
        piece(delta(1, tool_calls=[call_piece(0, "{}", "call_b", "g")])),
        piece(delta(0, tool_calls=[call_piece(0, "{}", "call_a", "f")])),
        piece(delta(0, content="b")),
        piece(delta(1, finish="tool_calls")),
        piece(delta(0, finish="tool_calls")),
        DONE,
    ]
    events, _ = read(API, stream, facts=RequestFacts())
    assert merged(events)[1] == {None: "ab"}, "the answer is the first choice"
    assert [(call.tool_call_id, call.tool) for call in of(events, ToolCalled)] == [("call_b", "g"), ("call_a", "f")]


@pytest.mark.parametrize(
    "pieces",
    [
        [call_piece(0, "{}", "call_1", "f"), call_piece(0, "{}", "call_2", "g")],  # one index for all
        [{**call_piece(0, "{}", "call_1", "f"), "index": None}, {**call_piece(0, "{}", "call_2", "g"), "index": None}],
        [call_piece(0, "{", "call_1", "f"), call_piece(0, "}", "call_1", "f"), call_piece(1, "{}", "call_2", "g")],
        [call_piece(3, "{}", "call_1", "f"), call_piece(1, "{}", "call_2", "g"), "odd", {"index": 3}],
        [
            {"id": "call_1", "function": {"name": "f", "arguments": "{"}},
            {"function": {"arguments": "}"}},
            {"id": "call_2", "function": {"name": "g", "arguments": {}}},
        ],
    ],
)
def test_servers_that_number_calls_in_their_own_way(pieces: list[Any]) -> None:
    stream = [piece(delta(tool_calls=[call])) for call in pieces]
    for events in (stream, [b"".join(stream)]):
        told, _ = read(API, [*events, piece(delta(finish="tool_calls"))], facts=RequestFacts())
        assert of(told, ToolCalled) == [
            ToolCalled(ID, RESPONSE_ID, "call_1", "f", {}),
            ToolCalled(ID, RESPONSE_ID, "call_2", "g", {}),
        ]


def test_calls_without_a_finish_reason_are_told_at_the_end_mark() -> None:
    events, _ = read(API, [piece(delta(tool_calls=[call_piece(0, "{}", "c", "f")])), DONE], facts=RequestFacts())
    assert of(events, ToolCalled) == [ToolCalled(ID, RESPONSE_ID, "c", "f", {})]


def test_a_custom_tool_call_keeps_its_input_as_text() -> None:
    call = {"id": "call_1", "type": "custom", "custom": {"name": "patch", "input": '{"not": "parsed"}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    body = {"id": RESPONSE_ID, "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    events, _ = read_body(API, body, facts=RequestFacts())
    assert events == [ToolCalled(ID, RESPONSE_ID, "call_1", "patch", '{"not": "parsed"}')]


def test_a_broken_stream_tells_what_came_but_no_half_call() -> None:
    stream = [*rich()[:-4], b"data: {"]
    events, reader = read(API, stream)
    assert merged(events) == (RICH[:2], RICH_TEXTS)
    assert (reader.complete, reader.dropped) == (False, 0)
    events, _ = read(API, rich()[:3], listening=False)
    assert events == [PROMPT, ThoughtRecorded(ID, RESPONSE_ID, 0, THINKING, "I look ")]


def test_the_end_mark_may_lack_its_blank_line() -> None:
    for mark in (b"data: [DONE]", b"data: [DONE]\n", b"data:[DONE]\n\n", b"data: [DONE] \r\n\r\n"):
        events, reader = read(API, [*plain()[:-1], mark])
        assert merged(events)[0] == [PROMPT, TOKENS]
        assert reader.complete


def test_usage_is_cumulative_and_the_last_counts() -> None:
    stream = [
        piece(delta(content="a"), usage={"prompt_tokens": 5, "completion_tokens": 1}),
        piece(delta(content="b"), usage={"prompt_tokens": 5, "completion_tokens": 2}),
        piece(delta(finish="stop"), usage=None),
    ]
    for end in ([DONE], []):
        [spent] = of(read(API, [*stream, *end])[0], TokensUsed)
        assert (spent.input, spent.output, spent.cache_read_input) == (5, 2, 0)
        assert set(spent.extra.values()) == {0}


def test_an_azure_opening_without_an_id() -> None:
    opening = chunk(id="", choices=[], prompt_filter_results=[{"prompt_index": 0}])
    assert merged(read(API, [opening, *plain()])[0])[0] == [PROMPT, TOKENS]


def test_a_refusal_is_an_answer() -> None:
    assert merged(read(API, [piece(delta(refusal="I can't.")), DONE])[0])[1] == {None: "I can't."}


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (
            {"message": "Rate limit", "type": "tokens", "code": "rate_limit_exceeded"},
            StreamFailure("Rate limit", FailureReason.RATE_LIMITED),
        ),
        (
            {"message": "Provider returned error", "code": 429},
            StreamFailure("Provider returned error", FailureReason.RATE_LIMITED),
        ),
        ({"message": "x", "code": 502}, StreamFailure("x")),
        ("plain words", StreamFailure("plain words")),
    ],
)
def test_an_error_chunk(error: Any, failure: StreamFailure) -> None:
    event = chunk(id=RESPONSE_ID, error=error, choices=[delta(finish="error", content="")])
    events, reader = read(API, [*plain()[:3], event])
    assert merged(events) == ([PROMPT], {None: "There are "})
    assert reader.failure == failure
    assert not reader.complete
    expected = failure if failure.reason else Opening.RELEASE
    assert API.opening(b"", event[6:-2]) == expected


def test_the_opening_holds_nothing_back() -> None:
    for event in rich():
        assert API.opening(b"", event[6:-2]) is Opening.RELEASE


def test_a_body() -> None:
    calls = [
        {
            "id": "call_1",
            "type": "function",
            "function": {"name": "exec_command", "arguments": '{"cmd": ["ls", "-l"]}'},
        },
        {"id": "call_2", "type": "function", "function": {"name": "read", "arguments": "not json"}},
    ]
    message = {
        "role": "assistant",
        "content": "Let me look.",
        "reasoning_content": "I look at the files.",
        "tool_calls": calls,
        "refusal": None,
    }
    body = {
        "id": RESPONSE_ID,
        "model": "gpt-5.4",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        "usage": USAGE,
    }
    events, reader = read_body(API, body)
    assert merged(events) == (RICH, RICH_TEXTS)
    assert (reader.complete, reader.failure, reader.token_seen) == (True, None, True)


def test_a_body_that_is_an_error() -> None:
    error = {"message": "No.", "type": "insufficient_quota", "code": "insufficient_quota"}
    events, reader = read_body(API, {"error": error}, facts=RequestFacts())
    assert events == []
    assert reader.failure == StreamFailure("No.", FailureReason.QUOTA_EXHAUSTED)
    assert not reader.complete


def test_what_cannot_be_parsed_is_counted() -> None:
    events, reader = read(API, [b"data: {broken\n\n", b"data: []\n\n", b"data:\n\n", *plain()])
    assert merged(events)[0] == [PROMPT, TOKENS]
    assert reader.dropped == 2


def test_errors_are_openai_s() -> None:
    assert json.loads(API.error_body(ErrorKind.BAD_GATEWAY, "no"))["error"]["code"] == "server_error"
    assert API.stream_error("no", 7).startswith(b'data: {"error":{')
    _, reader = read(API, [API.stream_error("upstream broke off")])
    assert reader.failure == StreamFailure("upstream broke off", None, ErrorType.SERVER_ERROR)
