"""Responses as OpenAI says them: every event and body is what the `openai` package's types and readers expect."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import orjson
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from bridge.simulator.answers import Commentary, HiddenThought, ScriptedAnswer, ScriptedThought, Text, ToolCall
from bridge.simulator.scenario.file import everyday
from tests.simulator.serving import body_of, events_of, provider, request

ANSWERS = everyday().answers
WHOLE = [name for name, answer in ANSWERS.items() if not (answer.mishap.failed or answer.mishap.error)]
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def stream(name: str, **fields: Any) -> list[dict[str, Any]]:
    events = events_of(body_of(provider().plan(request(name, stream=True, **fields), 0.0)))
    assert [event for event, _ in events] == [data["type"] for _, data in events]
    return [data for _, data in events]


def blocking(name: str, **fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(body_of(provider().plan(request(name, **fields), 0.0)))
    return body


@pytest.mark.parametrize("name", ANSWERS)
def test_every_event_has_its_type_and_number(name: str) -> None:
    events = stream(name)
    for event in events:
        assert EVENT.validate_python(event).type == event["type"]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]


@pytest.mark.parametrize("name", WHOLE)
def test_the_blocking_body_is_the_last_events_response(name: str) -> None:
    body = blocking(name)
    Response.model_validate(body)
    assert body == stream(name)[-1]["response"]


@pytest.mark.parametrize("name", WHOLE)
def test_deltas_add_up_to_what_is_done(name: str) -> None:
    events = stream(name)
    for event in events:
        kind, _, suffix = event["type"].rpartition(".")
        if suffix != "done" or kind.endswith(("item", "part")):
            continue
        place = [event.get(key) for key in ("item_id", "summary_index", "content_index")]
        deltas = [
            other["delta"]
            for other in events
            if other["type"] == f"{kind}.delta"
            and [other.get(key) for key in ("item_id", "summary_index", "content_index")] == place
        ]
        whole = next(event[key] for key in ("text", "arguments", "input") if key in event)
        assert len(deltas) > 0
        assert "".join(deltas) == whole


@pytest.mark.parametrize("name", WHOLE)
def test_items_are_added_and_done_in_order_and_end_in_the_output(name: str) -> None:
    events = stream(name)
    added = [event for event in events if event["type"] == "response.output_item.added"]
    done = [event for event in events if event["type"] == "response.output_item.done"]
    assert [event["output_index"] for event in added] == list(range(len(added)))
    assert [event["item"]["id"] for event in added] == [event["item"]["id"] for event in done]
    assert [event["item"] for event in done] == events[-1]["response"]["output"]


def _expected(answer: ScriptedAnswer) -> list[tuple[str, Any]]:
    groups = groupby(answer.parts, key=lambda part: "thoughts" if isinstance(part, ScriptedThought) else id(part))
    said: list[tuple[str, Any]] = []
    for _, group in groups:
        parts = list(group)
        match parts[0]:
            case ScriptedThought():
                said.append(("reasoning", [part.text for part in parts if isinstance(part, ScriptedThought)]))
            case HiddenThought():
                said.append(("reasoning", []))
            case Commentary(text):
                said.append(("message commentary", text))
            case Text(text):
                said.append(("message final_answer", text))
            case ToolCall(tool, str() as free):
                said.append((f"custom_tool_call {tool}", free))
            case ToolCall(tool, arguments):
                said.append((f"function_call {tool}", arguments))
    return said


def _seen(item: dict[str, Any]) -> tuple[str, Any]:
    match item["type"]:
        case "reasoning":
            return "reasoning", [part["text"] for part in item["summary"]]
        case "message":
            return f"message {item['phase']}", item["content"][0]["text"]
        case "custom_tool_call":
            return f"custom_tool_call {item['name']}", item["input"]
        case kind:
            return f"{kind} {item['name']}", orjson.loads(item["arguments"])


@pytest.mark.parametrize("name", [name for name in WHOLE if ANSWERS[name].mishap.incomplete is None])
def test_the_output_is_the_scenarios_answer(name: str) -> None:
    body = blocking(name)
    assert body["status"] == "completed"
    assert [_seen(item) for item in body["output"]] == _expected(ANSWERS[name])


def test_ids_look_like_openais() -> None:
    body = blocking("commentary")
    assert body["id"].startswith("resp_")
    assert [item["id"].partition("_")[0] for item in body["output"]] == ["rs", "msg", "fc"]
    assert body["output"][2]["call_id"].startswith("call_")
    assert blocking("custom_tool_call")["output"][1]["id"].startswith("ctc_")


def test_usage_adds_up() -> None:
    usage = blocking("reasoning")["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert 0 < usage["output_tokens_details"]["reasoning_tokens"] < usage["output_tokens"]


def test_a_long_conversation_is_mostly_read_from_the_cache() -> None:
    said = [
        {"role": "user", "content": "x" * 8000},
        {"role": "assistant", "content": "y"},
        {"role": "user", "content": "z"},
    ]
    usage = blocking("plain", input=said)["usage"]
    cached = usage["input_tokens_details"]["cached_tokens"]
    assert 1024 < cached < usage["input_tokens"]
    assert cached % 128 == 0


def test_incomplete_stops_short_and_says_why() -> None:
    last = stream("incomplete")[-1]
    assert last["type"] == "response.incomplete"
    response = last["response"]
    assert response["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    text = response["output"][-1]["content"][0]["text"]
    whole = ANSWERS["incomplete"].parts[-1]
    assert isinstance(whole, Text)
    assert whole.text.startswith(text)
    assert text != whole.text
    assert response["output"][-1]["status"] == "incomplete"


def test_failed_ends_with_the_failed_response() -> None:
    last = stream("failed")[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["status"] == "failed"
    assert last["response"]["error"]["code"] == "server_error"
    body = blocking("failed")
    assert body["status"] == "failed"
    Response.model_validate(body)


def test_an_error_ends_the_stream_and_refuses_a_blocking_request() -> None:
    last = stream("error")[-1]
    assert last["type"] == "error"
    assert (last["code"], last["param"]) == ("server_error", None)
    reply = provider().plan(request("error"), 0.0)
    assert reply.status == 500
    assert orjson.loads(body_of(reply))["error"]["message"] == last["message"]


def test_an_error_can_be_the_first_thing_after_the_opening() -> None:
    assert [event["type"] for event in stream("limited_in_stream")] == [
        "response.created",
        "response.in_progress",
        "error",
    ]
    assert provider().plan(request("limited_in_stream"), 0.0).status == 429


def test_reasoning_is_sealed_where_the_client_asks_for_it() -> None:
    assert "encrypted_content" not in blocking("reasoning")["output"][0]
    asked = blocking("reasoning", include=["reasoning.encrypted_content"])
    assert asked["output"][0]["encrypted_content"]
    assert blocking("encrypted_reasoning")["output"][0]["encrypted_content"]


def test_what_was_asked_is_echoed() -> None:
    tools = [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}]
    asked = {
        "instructions": "Be brief.",
        "tools": tools,
        "parallel_tool_calls": False,
        "reasoning": {"effort": "high"},
        "store": False,
        "metadata": {"a": "b"},
        "prompt_cache_key": "session",
    }
    body = blocking("plain", **asked)
    assert {name: body[name] for name in asked} == {**asked, "reasoning": {"effort": "high", "summary": None}}
    Response.model_validate(body)
