"""What is read from Anthropic Messages: requests, streams and bodies."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from bridge.apis.messages.api import Messages
from bridge.apis.protocol import Api, Opening, RequestFacts, StreamFailure, UnreadableRequest
from bridge.errors import ErrorKind
from bridge.events.values import ErrorType, FailureReason, ThoughtSource, WithheldReason
from bridge.events.vocabulary import (
    AnswerDelta,
    Event,
    PromptRecorded,
    ThoughtDelta,
    ThoughtRecorded,
    ThoughtWithheld,
    TokensUsed,
    ToolCalled,
)
from tests.apis.messages_streams import (
    END_USAGE,
    RESPONSE_ID,
    SIGNATURE,
    START_USAGE,
    block,
    end,
    plain,
    rich,
    start,
    text,
    thinking,
    tool,
)
from tests.apis.wire import ID, merged, named, of, read, read_body

API: Api = Messages()
THINKING = ThoughtSource.THINKING
PROMPT = PromptRecorded(ID, RESPONSE_ID, "list files")
EXTRA = {
    "web_search_requests": 2,
    "web_fetch_requests": 0,
    "cache_ephemeral_5m_input": 150,
    "cache_ephemeral_1h_input": 50,
    "thinking": 0,
}
TOKENS = TokensUsed(ID, RESPONSE_ID, 25, 89, 1000, 200, EXTRA, model="m")
RICH: list[Event] = [
    PROMPT,
    ThoughtRecorded(ID, RESPONSE_ID, 0, THINKING, "Let me look at the files."),
    ThoughtWithheld(ID, RESPONSE_ID, 1, WithheldReason.REDACTED, 19),
    ThoughtWithheld(ID, RESPONSE_ID, 2, WithheldReason.OMITTED, len(SIGNATURE)),
    ToolCalled(ID, RESPONSE_ID, "toolu_1", "exec_command", {"cmd": ["ls", "-l"]}),
    ToolCalled(ID, RESPONSE_ID, "srvtoolu_1", "web_search", {"query": "trio"}),
    ToolCalled(ID, RESPONSE_ID, "toolu_2", "now", {}),
    ToolCalled(ID, RESPONSE_ID, "toolu_3", "broken", '{"a": '),
    TOKENS,
]
RICH_TEXTS = {0: "Let me look at the files.", None: "I will look.Done."}


def facts(**request: Any) -> RequestFacts:
    return API.read_request("", orjson.dumps(request))


def said(content: Any) -> RequestFacts:
    return facts(messages=[{"role": "user", "content": "first"}, {"role": "user", "content": content}])


def test_a_request() -> None:
    messages = [{"role": "user", "content": "hi"}]
    assert facts(model="claude", stream=True, messages=messages, max_tokens=1) == RequestFacts(
        model="claude", streaming=True, prompt="hi"
    )


REMINDER = {"type": "text", "text": "\n<system-reminder>\nplan mode\n</system-reminder>"}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "x"}


@pytest.mark.parametrize(
    ("content", "prompt", "call_id"),
    [
        ("hi", "hi", None),
        ("", None, None),
        ([{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}, "odd"], "a\nb", None),
        ([REMINDER, {"type": "text", "text": "hi"}, REMINDER], "hi", None),
        ([REMINDER], None, None),
        (REMINDER["text"], None, None),
        ([RESULT, {**RESULT, "tool_use_id": "toolu_2"}], None, "toolu_2"),
        ([RESULT, {"type": "text", "text": "hi"}], None, "toolu_1"),
        ([{"type": "tool_result"}], None, None),
        (None, None, None),
        (7, None, None),
    ],
)
def test_the_prompt_is_what_the_user_said_last(content: Any, prompt: str | None, call_id: str | None) -> None:
    read = said(content)
    assert (read.prompt, read.correlating_tool_call_id) == (prompt, call_id)


@pytest.mark.parametrize("behind", [1, 2])
@pytest.mark.parametrize(
    ("message", "prompt", "call_id"),
    [
        ({"role": "user", "content": "hi"}, "hi", None),
        ({"role": "user", "content": [RESULT]}, None, "toolu_1"),
        ({"role": "assistant", "content": "hi"}, None, None),
        ("odd", None, None),
    ],
)
def test_what_the_system_says_behind_it_hides_no_prompt(
    message: Any, prompt: str | None, call_id: str | None, behind: int
) -> None:
    read = facts(messages=[message, *[{"role": "system", "content": "Available agents: x"}] * behind])
    assert (read.prompt, read.correlating_tool_call_id) == (prompt, call_id)


def test_what_the_assistant_said_is_no_prompt() -> None:
    assert facts(messages=[{"role": "assistant", "content": "{"}]) == RequestFacts()


@pytest.mark.parametrize(
    ("metadata", "session"),
    [
        ({"user_id": "user_0a1b_account__session_7d4c6a1e-1111"}, "7d4c6a1e-1111"),
        ({"user_id": '{"device_id":"d","account_uuid":"","session_id":"7d4c6a1e-2222"}'}, "7d4c6a1e-2222"),
        ({"user_id": '{"session_id":7}'}, None),
        ({"user_id": "somebody"}, None),
        ({"user_id": "x_session_"}, None),
        ({"user_id": 7}, None),
        ({}, None),
        ("odd", None),
        (None, None),
    ],
)
def test_the_session_is_in_the_user_id(metadata: Any, session: str | None) -> None:
    assert facts(metadata=metadata).user_session == session


def test_what_is_no_json_object_is_refused() -> None:
    with pytest.raises(UnreadableRequest):
        API.read_request("", b'"hi"')


@pytest.mark.parametrize("listening", [True, False])
def test_a_plain_answer(listening: bool) -> None:
    events, reader = read(API, plain(), listening=listening)
    assert merged(events) == ([PROMPT, TOKENS], {None: "There are two files here: é漢😀."})
    assert len(of(events, AnswerDelta)) == (6 if listening else 1)
    assert (reader.complete, reader.failure, reader.token_seen, reader.dropped) == (True, None, True, 0)


@pytest.mark.parametrize("listening", [True, False])
def test_all_that_an_answer_can_hold(listening: bool) -> None:
    events, _ = read(API, rich(), listening=listening)
    others, texts = merged(events)
    assert others == RICH
    assert texts == (RICH_TEXTS if listening else {None: RICH_TEXTS[None]})


def test_without_event_names() -> None:
    unnamed = [event.partition(b"\n")[2] for event in rich()]
    assert merged(read(API, unnamed)[0]) == (RICH, RICH_TEXTS)


def test_blocks_are_told_when_they_stop() -> None:
    reader = API.stream_reader(ID, RequestFacts(), lambda _type: False)
    for event in [start(), *thinking(0, "Hm"), *tool(1, "toolu_1", "f", "{}"), *text(2, "x")]:
        told = reader.feed(event)
        stops = b"content_block_stop" in event and b'"index":2' not in event
        assert bool(told) == stops


def test_thinking_is_live() -> None:
    events, _ = read(API, thinking(0, "one two"), facts=RequestFacts())
    assert events == [
        ThoughtDelta(ID, 0, THINKING, "one "),
        ThoughtDelta(ID, 0, THINKING, "two"),
        ThoughtRecorded(ID, None, 0, THINKING, "one two"),
    ]


def test_thinking_that_starts_with_text_or_is_nothing_at_all() -> None:
    stream = [
        *block(
            0, {"type": "thinking", "thinking": "Al", "signature": ""}, {"type": "thinking_delta", "thinking": "so"}
        ),
        *block(1, {"type": "thinking", "thinking": "", "signature": ""}),
        *block(2, {"type": "thinking", "thinking": "", "signature": SIGNATURE}),
        *block(3, {"type": "text", "text": "He"}, {"type": "text_delta", "text": "llo"}),
    ]
    events, _ = read(API, stream, facts=RequestFacts())
    assert merged(events) == (
        [
            ThoughtRecorded(ID, None, 0, THINKING, "Also"),
            ThoughtWithheld(ID, None, 1, WithheldReason.OMITTED, len(SIGNATURE)),
        ],
        {0: "Also", None: "Hello"},
    )


def test_blocks_that_never_stop_are_told_at_the_end() -> None:
    stream = [event for event in rich() if b"content_block_stop" not in event]
    events, _ = read(API, stream)
    withheld = [(event.index, event.reason) for event in of(events, ThoughtWithheld)]
    assert withheld == [(1, WithheldReason.REDACTED), (2, WithheldReason.OMITTED)]
    assert [call.tool_call_id for call in of(events, ToolCalled)] == ["toolu_1", "srvtoolu_1", "toolu_2", "toolu_3"]
    assert events[-1] == TOKENS


def test_a_broken_stream_tells_what_came_but_no_half_call() -> None:
    stream = [
        start(),
        *thinking(0, "Let me see")[:2],
        *tool(1, "toolu_1", "f", '{"a"')[:2],
        *text(2, "I")[:2],
        b"event: content_bl",
    ]
    events, reader = read(API, stream, listening=False)
    spent = TokensUsed(ID, RESPONSE_ID, 25, 1, 1000, 200, {**EXTRA, "web_search_requests": 0}, model="m", partial=True)
    assert events == [PROMPT, AnswerDelta(ID, "I"), spent, ThoughtRecorded(ID, RESPONSE_ID, 0, THINKING, "Let ")]
    assert (reader.complete, reader.dropped, reader.between_events) == (False, 0, False)


def test_usage_replaces_what_was_said_before() -> None:
    later = named(
        "message_delta", delta={}, usage={"input_tokens": 30, "output_tokens": 50, "cache_read_input_tokens": 0}
    )
    [spent] = of(read(API, [start(), later, *end()])[0], TokensUsed)
    assert (spent.input, spent.output, spent.cache_read_input, spent.cache_write_input) == (30, 89, 0, 200)


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, StreamFailure("Overloaded", FailureReason.OVERLOADED)),
        ({"type": "rate_limit_error", "message": "Slow"}, StreamFailure("Slow", FailureReason.RATE_LIMITED)),
        (
            {
                "type": "rate_limit_error",
                "message": "Spent",
                "details": {"error_code": "enforced_spend_limit_reached"},
            },
            StreamFailure("Spent", FailureReason.QUOTA_EXHAUSTED),
        ),
        ({"type": "billing_error", "message": "Pay"}, StreamFailure("Pay", FailureReason.QUOTA_EXHAUSTED)),
        ({"type": "api_error", "message": "Internal"}, StreamFailure("Internal", None, ErrorType.SERVER_ERROR)),
        ({"type": "api_error"}, StreamFailure("api_error", None, ErrorType.SERVER_ERROR)),
        (None, StreamFailure("upstream reported an error")),
    ],
)
def test_an_error_event(error: Any, failure: StreamFailure) -> None:
    event = named("error", error=error)
    _, reader = read(API, [start(), event])
    assert reader.failure == failure
    assert not reader.complete
    data = event.split(b"data: ")[1].strip()
    assert API.opening(b"error", data) == (failure if failure.reason else Opening.RELEASE)


def test_only_the_opening_is_held_back() -> None:
    judged = [API.opening(*event[7:-2].split(b"\ndata: ")) for event in rich()]
    assert judged == [Opening.HOLD] * 2 + [Opening.RELEASE] * (len(rich()) - 2)
    assert API.opening(b"", b'{"type": "ping"}') is Opening.HOLD
    assert API.opening(b"error", b"broken") is Opening.RELEASE


def body() -> dict[str, Any]:
    return {
        "id": RESPONSE_ID,
        "type": "message",
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Let me look at the files.", "signature": SIGNATURE},
            {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3pzix"},
            {"type": "thinking", "thinking": "", "signature": SIGNATURE},
            {"type": "text", "text": "I will look."},
            {"type": "tool_use", "id": "toolu_1", "name": "exec_command", "input": {"cmd": ["ls", "-l"]}},
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "trio"}},
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
            {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}},
            {"type": "tool_use", "id": "toolu_3", "name": "broken", "input": '{"a": '},
            {"type": "text", "text": "Done."},
            "odd",
        ],
        "stop_reason": "tool_use",
        "usage": {**START_USAGE, **{name: value for name, value in END_USAGE.items() if value}},
    }


def test_a_body() -> None:
    events, reader = read_body(API, body())
    assert merged(events) == (RICH, RICH_TEXTS)
    assert (reader.complete, reader.failure, reader.token_seen, reader.dropped) == (True, None, True, 0)


def test_a_body_that_is_an_error() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    events, reader = read_body(API, error, facts=RequestFacts())
    assert events == []
    assert reader.failure == StreamFailure("Overloaded", FailureReason.OVERLOADED)
    assert not reader.complete


def test_what_cannot_be_parsed_is_counted() -> None:
    broken = b"event: content_block_stop\ndata: {broken\n\n"
    unknown = b"event: new_thing\ndata: {broken\n\n"
    events, reader = read(API, [broken, unknown, *plain()])
    assert merged(events)[0] == [PROMPT, TOKENS]
    assert reader.dropped == 1


def test_errors_and_pings_are_anthropic_s() -> None:
    assert json.loads(API.error_body(ErrorKind.UNAUTHORIZED, "no"))["error"]["type"] == "authentication_error"
    assert API.stream_error("no", 7).startswith(b"event: error\ndata: {")
    _, reader = read(API, [API.keep_alive, API.stream_error("upstream broke off")])
    assert reader.failure == StreamFailure("upstream broke off", None, ErrorType.SERVER_ERROR)


def test_a_text_that_is_kept_back_is_estimated_live() -> None:
    thinking = [
        {"type": "thinking_delta", "thinking": "", "estimated_tokens": 50},
        {"type": "thinking_delta", "thinking": "", "estimated_tokens": None},
        {"type": "thinking_delta", "thinking": "", "estimated_tokens": 100},
        {"type": "signature_delta", "signature": "abcd"},
    ]
    stream = [
        start(),
        named("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""}),
        *(named("content_block_delta", index=0, delta=delta) for delta in thinking),
        named("content_block_stop", index=0),
        *end(),
    ]
    events, _ = read(API, stream)
    assert of(events, ThoughtDelta) == [ThoughtDelta(ID, 0, THINKING, "", 50), ThoughtDelta(ID, 0, THINKING, "", 150)]
    assert of(events, ThoughtWithheld) == [ThoughtWithheld(ID, RESPONSE_ID, 0, WithheldReason.OMITTED, 4, 150)]
    assert of(events, ThoughtRecorded) == []
