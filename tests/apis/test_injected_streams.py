"""Streams with injected calls: what of them the client sees, however the bytes are split and whoever wrote them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.apis.chat_completions import injected_stream as chat_injected
from bridge.apis.injection import BESIDE_OWN, CUT_SHORT, LAST_ROUND, TOO_LARGE, InjectedTool, Turn
from bridge.apis.messages import injected_stream as messages_injected
from bridge.apis.responses import injected_stream
from bridge.apis.rounds import Injection
from bridge.apis.sse_events import HeldTooMuch
from bridge.limits import HELD, LIMITS, Limits
from bridge.providers.kinds import KINDS
from tests.apis import chat_streams, messages_streams
from tests.apis.chat_streams import DONE, call_piece, delta, piece
from tests.apis.responses_streams import Stream
from tests.apis.wire import named, split
from tests.support.rounds import EVENTS, Answer, Calls, Says, Thinks
from tests.support.scripted_tools import text_result, tool

APIS = {api.name: api for kind in KINDS.values() for api in kind.intercepted.values()}
TOOLS: Sequence[InjectedTool] = [tool("add"), tool("fail")]
REQUEST = b'{"messages":[],"input":"x","stream":true,"stream_options":{"include_usage":true}}'
ADD = Calls("bmcp_calc_add", '{"a": 1, "b": "\u00e9\U0001f600"}')
OWN = Calls("own", "{}", "call_2")
ANSWERS = {
    "text": Answer([Says("There is \u00e9\U0001f600.")]),
    "call": Answer([ADD]),
    "text, call": Answer([Thinks("I look."), Says("Look."), ADD]),
    "two calls": Answer([ADD, Calls("bmcp_calc_fail", "", "call_3")]),
    "call, text": Answer([ADD, Says("Looked.")]),
    "own beside": Answer([Says("a"), ADD, OWN, Says("b")]),
    "own before": Answer([OWN, ADD]),
    "own alone": Answer([OWN]),
    "cut": Answer([Says("a"), ADD], cut=True),
}


def injected(api: str, request: bytes = REQUEST) -> Injection:
    injection = APIS[api].inject(request, TOOLS)
    assert injection is not None
    return injection


def taken(injection: Injection, pieces: Sequence[bytes], *, last: bool = False) -> tuple[bytes, Turn]:
    """One round; goes on to the next where its calls are to be run."""
    answer = injection.stream(last=last)
    shown = b"".join(map(answer.feed, pieces)) + answer.finish()
    answer.close()
    if answer.turn.calls:
        injection.answer(answer.turn, [(call, text_result("1")) for call in answer.turn.calls])
    return shown, answer.turn


def whole(api: str, name: str) -> bytes:
    return b"".join(EVENTS[api](ANSWERS[name]))


@pytest.mark.parametrize("api", APIS)
@given(
    rounds=st.lists(st.sampled_from(sorted(ANSWERS)), min_size=1, max_size=3),
    end=st.sampled_from([b"\n", b"\r\n"]),
    last=st.booleans(),
    data=st.data(),
)
def test_any_split_shows_the_same(api: str, rounds: list[str], end: bytes, last: bool, data: st.DataObject) -> None:
    once, in_pieces = injected(api), injected(api)
    for name in rounds:
        stream = whole(api, name).replace(b"\n", end)
        shown = taken(once, [stream], last=last)
        assert taken(in_pieces, data.draw(split(stream)), last=last) == shown
    assert in_pieces.request == once.request
    assert HELD.used == 0


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("name", ["text", "own alone"])
def test_an_answer_without_injected_calls_passes_untouched(name: str, api: str, end: bytes) -> None:
    stream = (b": hello\n\nid: 7\n" + whole(api, name) + b": bye\n\n").replace(b"\n", end)
    assert taken(injected(api), [stream])[0] == stream


@pytest.mark.parametrize("api", APIS)
@given(st.lists(st.sampled_from([b"data: ", b'{"type":', b'"error"', b"{}", b"[1]", b"\n\n", b"\r", b"x"])), st.data())
def test_what_is_no_answer_passes_in_its_order(api: str, parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    shown, turn = taken(injected(api), data.draw(split(stream)))
    assert turn.calls == ()
    if api == "responses":  # which gives nothing out before it knows what becomes of it
        rest = iter(stream)
        assert all(byte in rest for byte in shown)
    else:
        assert shown == stream


@pytest.mark.parametrize("api", APIS)
def test_what_is_found_in_an_answer(api: str) -> None:
    found = {name: taken(injected(api), [whole(api, name)])[1] for name in ANSWERS}
    calls = {
        name: [(call.call_id, call.tool.name, call.arguments) for call in turn.calls]
        for name, turn in found.items()
        if turn.calls
    }
    add = ("call_1", "add", ADD.arguments)
    assert calls == {
        "call": [add],
        "text, call": [add],
        "call, text": [add],
        "two calls": [add, ("call_3", "fail", "{}" if api == "messages" else "")],
    }
    assert {name: turn.not_run for name, turn in found.items() if turn.not_run} == {
        "own beside": BESIDE_OWN,
        "own before": BESIDE_OWN,
        "cut": CUT_SHORT,
    }
    assert taken(injected(api), [whole(api, "call")], last=True)[1].not_run == LAST_ROUND


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("name", ANSWERS)
def test_no_byte_of_an_injected_call_is_shown(name: str, api: str) -> None:
    for last in (False, True):
        shown, _ = taken(injected(api), [whole(api, name)], last=last)
        assert b"bmcp_" not in shown
        assert b"call_1" not in shown


@pytest.mark.parametrize("api", ["messages", "chat_completions"])
def test_text_is_shown_as_it_comes(api: str) -> None:
    answer = injected(api).stream(last=False)
    text_shown = [event for event in EVENTS[api](ANSWERS["text, call"]) if answer.feed(event) == event]
    assert any(b"Look." in event for event in text_shown)
    answer.close()


# Messages


def values_in(shown: bytes) -> list[Any]:
    lines = [line.removeprefix(b"data: ") for line in shown.split(b"\n") if line.startswith(b"data: ")]
    return [orjson.loads(line) for line in lines if line != b"[DONE]"]


def test_messages_shows_one_message_over_all_rounds() -> None:
    injection = injected("messages")
    shown = taken(injection, [whole("messages", "text, call")])[0] + taken(injection, [whole("messages", "text")])[0]
    events = values_in(shown)
    kinds = [event["type"] for event in events]
    assert [kinds.count(kind) for kind in ("message_start", "message_delta", "message_stop")] == [1, 1, 1]
    assert [event["index"] for event in events if event["type"] == "content_block_start"] == [0, 1, 2]
    assert {event["index"] for event in events if "index" in event} == {0, 1, 2}
    (end,) = [event for event in events if event["type"] == "message_delta"]
    assert (end["delta"]["stop_reason"], end["usage"]["output_tokens"]) == ("end_turn", 178)


def test_messages_content_is_put_together_for_the_next_request() -> None:
    citation = {"type": "char_location", "n": 1}
    events = [
        messages_streams.start(),
        *messages_streams.thinking(0, "I think."),
        *messages_streams.block(1, {"type": "redacted_thinking", "data": "x"}),
        *messages_streams.block(2, {"type": "text", "text": ""}),
        *messages_streams.block(
            3, {"type": "text", "text": "A", "more": 1}, *[{"type": "citations_delta", "citation": citation}] * 2
        ),
        *messages_streams.block(4, {"type": "compaction"}, {"type": "compaction_delta", "content": "c"}),
        *messages_streams.tool(5, "srv_1", "web_search", '{"q', '": 1.5}', kind="server_tool_use"),
        *messages_streams.block(6, {"type": "tool_use", "id": "call_1", "name": "bmcp_calc_add", "input": {"a": 1}}),
        *messages_streams.end("tool_use"),
    ]
    _, turn = taken(injected("messages"), events)
    assert orjson.loads(turn.content) == [
        {"type": "thinking", "thinking": "I think.", "signature": messages_streams.SIGNATURE},
        {"type": "redacted_thinking", "data": "x"},
        {"type": "text", "text": "A", "more": 1, "citations": [citation] * 2},
        {"content": "c", "type": "compaction"},
        {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"q": 1.5}},
        {"type": "tool_use", "id": "call_1", "name": "bmcp_calc_add", "input": {"a": 1}},
    ]
    assert b'{"q": 1.5}' in turn.content
    assert turn.calls[0].arguments == '{"a":1}'


def test_a_character_cut_in_two_is_whole_in_the_next_request() -> None:
    halves = [b'"\\ud83d"', b'"\\ude00"']
    template = named("content_block_delta", index=0, delta={"type": "text_delta", "text": "@"})
    events = [
        messages_streams.start(),
        named("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        *[template.replace(b'"@"', half) for half in halves],
        named("content_block_stop", index=0),
        *messages_streams.tool(1, "call_1", "bmcp_calc_add", "{}"),
        *messages_streams.end("tool_use"),
    ]
    shown, turn = taken(injected("messages"), events)
    assert orjson.loads(turn.content)[0]["text"] == "\U0001f600"
    assert all(half in shown for half in halves)


def test_an_error_in_a_messages_stream_is_shown() -> None:
    error = named("error", error={"type": "overloaded_error", "message": "busy"})
    answer = injected("messages").stream(last=False)
    assert answer.feed(messages_streams.start() + error) == messages_streams.start() + error
    assert (answer.complete, answer.finish(), answer.turn) == (True, b"", Turn())


# Chat Completions


CALL_PIECE = call_piece(0, "{}", "call_1", "bmcp_calc_add")


def one_call(**more: Any) -> bytes:
    return piece(delta(tool_calls=[CALL_PIECE]), **more)


def finish(**more: Any) -> bytes:
    return piece(delta(finish="tool_calls"), **more)


CHAT_ROUNDS: dict[str, list[bytes]] = {
    "no index": [
        piece(delta(tool_calls=[{"id": "call_1", "function": {"name": "bmcp_calc_add", "arguments": ""}}])),
        piece(delta(tool_calls=[{"function": {"arguments": "{}"}}])),
        finish(),
        DONE,
    ],
    "all in one chunk": [
        piece(
            delta(role="assistant", finish="tool_calls", tool_calls=[call_piece(0, "{}", "call_1", "bmcp_calc_add")])
        ),
        DONE,
    ],
    "finish says stop": [one_call(), piece(delta(finish="stop")), DONE],
    "no end mark": [one_call(), finish()],
    "nothing but the end mark": [one_call(), DONE],
    "usage everywhere": [
        one_call(usage=chat_streams.USAGE),
        piece(delta(finish="tool_calls"), usage=chat_streams.USAGE),
        DONE,
    ],
    "the name again": [one_call(), one_call(), finish(), DONE],
}


@pytest.mark.parametrize("name", CHAT_ROUNDS)
def test_chat_calls_are_found_however_a_server_writes_them(name: str) -> None:
    opening = piece(delta(role="assistant", content=""))
    injection = injected("chat_completions")
    shown, turn = taken(injection, [opening, *CHAT_ROUNDS[name]])
    arguments = "{}{}" if name == "the name again" else "{}"
    assert [(call.call_id, call.tool.name, call.arguments) for call in turn.calls] == [("call_1", "add", arguments)]
    assert values_in(shown)[0] == values_in(opening)[0]
    for value in values_in(shown)[1:]:
        assert value["choices"][0] == delta(role="assistant")
    message = orjson.loads(turn.content)
    assert message["tool_calls"][0]["function"] == {"name": "bmcp_calc_add", "arguments": arguments}


def test_chat_shows_one_completion_over_all_rounds() -> None:
    injection = injected("chat_completions")
    first = taken(injection, [whole("chat_completions", "text, call")])[0]
    second = taken(injection, [whole("chat_completions", "text").replace(b"answer_1", b"answer_2")])[0]
    chunks = values_in(first + second)
    assert {value["id"] for value in chunks} == {"answer_1"}
    choices = [value["choices"][0] for value in chunks if value["choices"]]
    assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == ["stop"]
    assert len([choice for choice in choices if "role" in choice["delta"]]) == 1
    assert [value["usage"]["completion_tokens"] for value in chunks if value.get("usage")] == [20]
    assert (first.count(DONE), second.count(DONE)) == (0, 1)


def test_chat_usage_is_not_shown_to_a_client_that_did_not_ask() -> None:
    injection = injected("chat_completions", b'{"messages":[],"stream":true}')
    assert orjson.loads(injection.request)["stream_options"] == {"include_usage": True}
    taken(injection, [whole("chat_completions", "call")])
    shown, _ = taken(injection, [whole("chat_completions", "text")])
    assert b"completion_tokens" not in shown
    assert shown.endswith(DONE)


def test_the_clients_own_chat_call_is_counted_as_if_it_were_alone() -> None:
    shown, _ = taken(injected("chat_completions"), [whole("chat_completions", "own beside")])
    pieces = [
        call
        for value in values_in(shown)
        for choice in value["choices"]
        for call in choice["delta"].get("tool_calls", [])
    ]
    assert {call["index"] for call in pieces} == {0}
    assert pieces[0]["function"]["name"] == "own"
    assert b'"finish_reason":"tool_calls"' in shown


def test_chat_keeps_what_it_does_not_know_for_the_next_request() -> None:
    more = {"extra_content": {"google": {"thought_signature": "s"}}}
    events = [
        piece(delta(role="assistant", content=None, reasoning_content="I ")),
        piece(delta(reasoning_content="think.", reasoning_details=[{"a": 1}])),
        piece(delta(reasoning_details=[{"a": 2}], content=[{"type": "thinking", "thinking": []}])),
        piece(delta(content="Look.")),
        piece(delta(tool_calls=[{**call_piece(0, "{}", "call_1", "bmcp_calc_add"), **more}])),
        piece(delta(tool_calls=[{"index": 1, "function": {}}])),
        finish(),
        DONE,
    ]
    _, turn = taken(injected("chat_completions"), events)
    call = {"id": "call_1", "type": "function", **more, "function": {"name": "bmcp_calc_add", "arguments": "{}"}}
    assert orjson.loads(turn.content) == {
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "Look."}],
        "reasoning_details": [{"a": 1}, {"a": 2}],
        "reasoning_content": "I think.",
        "tool_calls": [call],
    }


# Responses


def test_responses_shows_the_last_round_as_it_came_but_for_the_usage() -> None:
    injection = injected("responses")
    assert taken(injection, [whole("responses", "text, call")])[0] == b""
    shown, _ = taken(injection, [whole("responses", "text")])
    stream = whole("responses", "text")
    before, after = values_in(stream), values_in(shown)
    assert after[:-1] == before[:-1]
    assert (
        after[-1]["response"].pop("usage")["output_tokens"] == 2 * before[-1]["response"].pop("usage")["output_tokens"]
    )
    assert after[-1] == before[-1]


@pytest.mark.parametrize("name", ["own beside", "own before", "cut"])
def test_responses_items_are_counted_as_if_there_were_no_injected_call(name: str) -> None:
    events = values_in(taken(injected("responses"), [whole("responses", name)])[0])
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    added = [event["output_index"] for event in events if event["type"] == "response.output_item.added"]
    assert added == list(range(len(events[-1]["response"]["output"])))
    done = [event["item"]["id"] for event in events if event["type"] == "response.output_item.done"]
    assert done == [item["id"] for item in events[-1]["response"]["output"]]


def test_responses_is_live_from_a_call_of_the_client_on() -> None:
    answer = injected("responses").stream(last=False)
    shown = [bool(answer.feed(event)) for event in EVENTS["responses"](ANSWERS["own before"])]
    assert shown[:3] == [False, False, True]
    answer.close()


def test_responses_whose_end_does_not_repeat_the_items() -> None:
    stream = Stream()
    stream.function_call("fc_1", "call_1", "bmcp_calc_add", "{}")
    stream.output = []
    stream.end()
    shown, turn = taken(injected("responses"), stream.events)
    assert (shown, turn.calls[0].call_id) == (b"", "call_1")
    assert orjson.loads(turn.content)[0]["id"] == "fc_1"


@pytest.mark.parametrize("status", ["failed", "incomplete"])
def test_a_response_that_failed_is_shown_without_its_calls(status: str) -> None:
    stream = Stream()
    stream.message("msg_1", "Hello.")
    stream.function_call("fc_1", "call_1", "bmcp_calc_add", "{}")
    stream.end(status)
    shown, turn = taken(injected("responses"), stream.events)
    assert turn.not_run == CUT_SHORT
    assert [item["id"] for item in values_in(shown)[-1]["response"]["output"]] == ["msg_1"]


def test_an_error_releases_what_is_held() -> None:
    stream = Stream()
    stream.message("msg_1", "Hello.")
    stream.event("error", message="no", code="server_error")
    answer = injected("responses").stream(last=False)
    assert answer.feed(stream.bytes) == stream.bytes
    assert (answer.complete, answer.next_number) == (True, len(stream.events))


@pytest.mark.parametrize("api", APIS)
def test_what_is_held_has_a_bound_and_is_given_back(api: str) -> None:
    text = "x" * 256 * 1024
    many = {
        "messages": named("content_block_delta", index=0, delta={"type": "text_delta", "text": text}),
        "chat_completions": piece(delta(content=text)),
        "responses": named("response.output_text.delta", output_index=0, delta=text),
    }
    answer = injected(api).stream(last=False)
    for event in EVENTS[api](Answer([Says("a"), ADD]))[:-3]:  # in which the call has begun
        answer.feed(event)
    fed = 0
    with pytest.raises(HeldTooMuch):  # noqa: PT012 - which of them is too much is for the bound to say
        while fed <= LIMITS.tool_round_bytes:
            answer.feed(many[api])
            fed += len(text)
    answer.close()
    assert HELD.used == 0


@pytest.mark.parametrize("repeats", [True, False])
def test_a_response_that_is_too_large_to_be_held_goes_out_and_is_the_last(
    repeats: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(injected_stream, "LIMITS", Limits(tool_round_bytes=2000))
    stream = Stream()
    stream.message("msg_1", " ".join(["word"] * 50))
    stream.function_call("fc_1", "call_1", "bmcp_calc_add", "{}")
    stream.message("msg_2", "Done.")
    if not repeats:
        stream.output = []
    stream.end()
    answer = injected("responses").stream(last=False)
    shown = [answer.feed(event) for event in stream.events]
    answer.finish()
    answer.close()
    assert (shown[0], any(shown[: len(shown) // 2])) == (b"", True)
    assert (answer.turn.calls, answer.turn.not_run, answer.complete) == ((), TOO_LARGE, True)
    events = values_in(b"".join(shown))
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    seen = [event["item"]["id"] for event in events if event["type"] == "response.output_item.done"]
    assert seen == ["msg_1", "msg_2"]
    assert [item["id"] for item in events[-1]["response"]["output"]] == (seen if repeats else [])
    assert HELD.used == 0


def test_a_response_without_calls_that_finds_no_room_passes_untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(injected_stream, "LIMITS", Limits(tool_round_bytes=500))
    stream = whole("responses", "text")
    shown, turn = taken(injected("responses"), [stream])
    assert (shown, turn) == (stream, Turn())


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("api", APIS)
def test_an_answer_that_finds_no_room_goes_on_and_is_the_last(
    api: str, last: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (messages_injected, chat_injected, injected_stream):
        monkeypatch.setattr(module, "LIMITS", Limits(tool_round_bytes=2000))
    answer, silent = Answer([Says("word " * 500), ADD]), Answer([Says("word " * 500)])
    shown, turn = taken(injected(api), EVENTS[api](answer), last=last)
    assert (turn.calls, turn.not_run) == ((), TOO_LARGE)
    assert b"bmcp_" not in shown
    assert HELD.used == 0
    if api != "responses":  # whose events name and count more
        assert shown == b"".join(EVENTS[api](silent))
    assert taken(injected(api), EVENTS[api](silent))[0] == b"".join(EVENTS[api](silent))
