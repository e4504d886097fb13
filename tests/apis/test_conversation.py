"""What a request brings of a conversation: new tool results, and what changed since the one before."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.apis.chat_completions.api import ChatCompletions
from bridge.apis.conversation import BroughtResult, Conversation, Fingerprints, change
from bridge.apis.messages.api import Messages
from bridge.apis.protocol import Api
from bridge.apis.responses.api import Responses
from bridge.limits import LIMITS

RESPONSES, CHAT, MESSAGES = Responses(), ChatCompletions(), Messages()

Fields = dict[str, Any]


def results(api: Api, **request: Any) -> list[tuple[str | None, int, bool, str]]:
    """What a request brings: each call's id, bytes, whether it is an error, and text."""
    found = read(api, **request).results
    return [(result.tool_call_id, result.bytes, result.is_error, result.text) for result in found]


def read(api: Api, **request: Any) -> Conversation:
    """The conversation in a request."""
    conversation = api.read_request("", orjson.dumps(request)).conversation
    assert conversation is not None
    return conversation


def prints(api: Api, **request: Any) -> Fingerprints:
    """The fingerprints of a request."""
    return read(api, **request).fingerprints()


def changed(api: Api, before: Fields, now: Fields) -> tuple[int, int, int, bool, bool]:
    """What is told of the second of two requests."""
    told = change("id", prints(api, **before), prints(api, **now))
    return told.messages, told.added, told.removed, told.system_changed, told.tools_changed


def block(tool_use_id: str, content: Any, **more: Any) -> Fields:
    """A tool's result in Anthropic's form."""
    return {"type": "tool_result", "tool_use_id": tool_use_id, "content": content, **more}


def test_messages_bring_what_came_after_the_models_last_turn() -> None:
    assert results(
        MESSAGES,
        messages=[
            {"role": "user", "content": [block("toolu_1", "old")]},
            {"role": "assistant", "content": []},
            {"role": "user", "content": [block("toolu_2", "größer"), {"type": "text", "text": "go on"}]},
            {"role": "user", "content": [block("toolu_3", [{"type": "text", "text": "a"}, {"type": "image"}, "b"])]},
            {"role": "user", "content": [block("toolu_4", "no such file", is_error=True), block("toolu_5", None)]},
        ],
    ) == [
        ("toolu_2", 8, False, "größer"),
        ("toolu_3", 3, False, "a\nb"),
        ("toolu_4", 12, True, "no such file"),
        ("toolu_5", 0, False, ""),
    ]


def test_responses_bring_every_kind_of_output() -> None:
    shell = [{"stdout": "out", "stderr": "", "outcome": {}}, {"stdout": "", "stderr": "err"}]
    assert results(
        RESPONSES,
        input=[
            {"type": "function_call_output", "call_id": "call_0", "output": "old"},
            {"type": "reasoning", "encrypted_content": "x"},
            {"type": "function_call", "call_id": "call_1"},
            {"type": "custom_tool_call", "call_id": "call_2"},
            {"type": "function_call_output", "call_id": "call_1", "output": [{"type": "input_text", "text": "one"}]},
            {"type": "custom_tool_call_output", "call_id": "call_2", "output": "two"},
            {"type": "shell_call_output", "call_id": "call_3", "output": shell},
            {"type": "apply_patch_call_output", "call_id": "call_4", "status": "failed", "output": "no"},
            {"type": "computer_call_output", "call_id": "call_5", "output": {"type": "computer_screenshot"}},
            {"role": "user", "content": "go on"},
        ],
    ) == [
        ("call_1", 3, False, "one"),
        ("call_2", 3, False, "two"),
        ("call_3", 7, False, "out\nerr"),
        ("call_4", 2, True, "no"),
        ("call_5", 0, False, ""),
    ]


def test_a_chat_brings_the_messages_of_tools() -> None:
    assert results(
        CHAT,
        messages=[
            {"role": "tool", "tool_call_id": "call_0", "content": "old"},
            {"role": "assistant", "tool_calls": []},
            {"role": "tool", "tool_call_id": "call_1", "content": "one"},
            {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "two"}]},
        ],
    ) == [("call_1", 3, False, "one"), ("call_2", 3, False, "two")]


def test_a_prompt_brings_none() -> None:
    assert results(MESSAGES, messages=[{"role": "user", "content": "hi"}]) == []
    assert results(RESPONSES, input="hi") == []
    assert results(CHAT, messages=[{"role": "user", "content": "hi"}]) == []


def test_of_a_long_result_the_beginning_is_kept_and_all_bytes_are_counted() -> None:
    [result] = read(RESPONSES, input=[{"type": "function_call_output", "call_id": "c", "output": "ä" * 50_000}]).results
    assert result == BroughtResult("c", 100_000, is_error=False, text="ä" * LIMITS.result_bytes)


def test_of_many_results_the_last_are_told() -> None:
    outputs = [{"type": "x_output", "call_id": str(number)} for number in range(LIMITS.tool_results + 5)]
    told = results(RESPONSES, input=outputs)
    assert (len(told), told[0][0]) == (LIMITS.tool_results, "5")


ODD: list[Any] = [None, "text", 7, [], {}, [None], [[]], [{"role": []}], [{"role": {}, "type": [], "content": {}}]]


@pytest.mark.parametrize("api", [RESPONSES, CHAT, MESSAGES])
@pytest.mark.parametrize("odd", ODD)
def test_odd_shapes_fail_nothing(api: Api, odd: Any) -> None:
    request = {"messages": odd, "input": odd, "system": odd, "instructions": odd, "tools": odd}
    assert results(api, **request) == []
    told = change("id", prints(api, **request), prints(api, **request))
    assert (told.added, told.removed, told.system_changed, told.tools_changed) == (0, 0, False, False)


def test_what_nests_too_deep_to_be_written_fails_nothing() -> None:
    deep = orjson.loads("[" * 500 + "]" * 500)
    with pytest.raises(orjson.JSONEncodeError):
        orjson.dumps(deep)
    body = b'{"messages":[{"role":"user","content":%s}]}' % (b"[" * 500 + b"]" * 500)
    conversation = MESSAGES.read_request("", body).conversation
    assert conversation is not None
    assert len(conversation.fingerprints().messages) == 1


def test_what_is_kept_of_a_request_that_was_read_holds_none_of_it() -> None:
    kept = read(MESSAGES, messages=[{"role": "user", "content": [block("toolu_1", "x")]}], system="s", tools=["t"])
    moved = kept.moved()
    assert kept.messages == [] == list(kept.results)
    assert (kept.system, kept.tools) == (None, None)
    assert (len(moved.messages), len(moved.results), moved.system, moved.tools) == (1, 1, "s", ["t"])


USER, MODEL, TOOL = ({"role": role, "content": f"by {role}"} for role in ("user", "assistant", "tool"))
SYSTEM: Fields = {"role": "system", "content": "be brief"}


def test_the_usual_turn_adds_messages() -> None:
    assert changed(MESSAGES, {"messages": [USER]}, {"messages": [USER, MODEL, TOOL]}) == (3, 2, 0, False, False)
    assert changed(CHAT, {"messages": [SYSTEM, USER]}, {"messages": [SYSTEM, USER, MODEL]}) == (3, 1, 0, False, False)
    assert changed(RESPONSES, {"input": "hi"}, {"input": "hi"}) == (1, 0, 0, False, False)


def test_a_compaction_takes_messages_away() -> None:
    summary = {"role": "user", "content": "so far: ..."}
    assert changed(MESSAGES, {"messages": [USER, MODEL, TOOL]}, {"messages": [summary]}) == (1, 1, 3, False, False)


@pytest.mark.parametrize(
    ("api", "before", "now"),
    [
        (MESSAGES, {"system": "It is Monday."}, {"system": "It is Sunday."}),
        (MESSAGES, {"system": [{"type": "text", "text": "a"}]}, {"system": [{"type": "text", "text": "b"}]}),
        (RESPONSES, {"instructions": "a"}, {"instructions": None}),
        (RESPONSES, {"input": [{"role": "developer", "content": "a"}]}, {"input": [USER]}),
        (CHAT, {"messages": [SYSTEM, USER]}, {"messages": [{**SYSTEM, "content": "be long"}, USER]}),
    ],
)
def test_another_system_prompt_is_told(api: Api, before: Fields, now: Fields) -> None:
    assert changed(api, before, now)[3]
    assert not changed(api, now, now)[3]


@pytest.mark.parametrize("api", [RESPONSES, CHAT, MESSAGES])
def test_other_tools_are_told(api: Api) -> None:
    assert changed(api, {"tools": [{"name": "a"}]}, {"tools": [{"name": "a"}, {"name": "b"}]})[4]


def test_instructions_that_come_later_are_messages_like_others() -> None:
    assert changed(CHAT, {"messages": [USER]}, {"messages": [USER, SYSTEM]}) == (2, 1, 0, False, False)


def test_what_continues_a_kept_response_replaces_nothing() -> None:
    before = {"input": [SYSTEM, USER], "instructions": "a"}
    now = {"input": [TOOL], "instructions": "a", "previous_response_id": "resp_1"}
    assert changed(RESPONSES, before, now) == (1, 1, 0, False, False)


def test_a_mark_for_the_cache_that_moves_changes_nothing() -> None:
    marked = {"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}
    before = {"system": [marked], "messages": [{"role": "user", "content": [marked]}]}
    now: Fields = {
        "system": [{"type": "text", "text": "hi"}],
        "messages": [{"role": "user", "content": "hi"}, {"role": "user", "content": [marked, marked]}],
    }
    assert changed(MESSAGES, before, now) == (2, 1, 0, False, False)


def test_the_line_on_claude_codes_bill_is_no_system_prompt() -> None:
    def system(bill: str) -> list[Fields]:
        return [{"type": "text", "text": f"x-anthropic-billing-header: {bill}"}, {"type": "text", "text": "You are"}]

    assert changed(MESSAGES, {"system": system("cch=1")}, {"system": system("cch=2")}) == (0, 0, 0, False, False)


def test_fingerprints_change_nothing_in_the_request() -> None:
    marked = {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {}}]}
    conversation = read(MESSAGES, messages=[marked])
    before = deepcopy(conversation.messages)
    conversation.fingerprints()
    assert conversation.messages == before


TEXTS = st.sampled_from(["a", "b", "c", "a longer one"])
TURNS = st.lists(st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": TEXTS}), max_size=8)
REQUESTS = st.fixed_dictionaries({"messages": TURNS, "system": st.none() | TEXTS, "tools": st.lists(TEXTS, max_size=2)})


@given(before=REQUESTS, now=REQUESTS, kept=st.booleans())
def test_a_change_is_what_comparing_whole_messages_gives(before: Fields, now: Fields, kept: bool) -> None:
    if kept:
        now = {**now, "messages": before["messages"] + now["messages"]}
    old, new = (Counter(orjson.dumps(message) for message in request["messages"]) for request in (before, now))
    assert changed(MESSAGES, before, now) == (
        len(now["messages"]),
        sum((new - old).values()),
        sum((old - new).values()),
        before["system"] != now["system"],
        before["tools"] != now["tools"],
    )
