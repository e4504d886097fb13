"""Messages as Anthropic says them: every event and body is what the `anthropic` package's types expect."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from anthropic.types import Message, MessageTokensCount, RawMessageStreamEvent
from pydantic import TypeAdapter

from bridge.simulator.answers import Commentary, HiddenThought, ScriptedAnswer, ScriptedThought, Text, ToolCall
from bridge.simulator.provider import SimulatedProvider
from bridge.simulator.routes import IncomingRequest
from bridge.simulator.scenario.file import everyday, parse_scenario
from tests.simulator.serving import body_of, events_of, header_of, provider, request

ANSWERS = everyday().answers
WHOLE = [name for name, answer in ANSWERS.items() if not (answer.mishap.failed or answer.mishap.error)]
PATH = "/v1/messages"
EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def stream(name: str, **fields: Any) -> list[dict[str, Any]]:
    events = events_of(body_of(provider().plan(request(name, path=PATH, stream=True, **fields), 0.0)))
    assert [event for event, _ in events] == [data["type"] for _, data in events]
    return [data for _, data in events]


def blocking(name: str, **fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(body_of(provider().plan(request(name, path=PATH, **fields), 0.0)))
    return body


def assembled(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The message that a client puts together from its events."""
    message: dict[str, Any] = {}
    for event in events:
        match event:
            case {"type": "message_start"}:
                message = {**event["message"], "content": []}
            case {"type": "content_block_start"}:
                message["content"].append({**event["content_block"], "json": ""})
            case {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": piece}}:
                message["content"][event["index"]]["json"] += piece
            case {"type": "content_block_delta", "delta": {"type": kind, **rest}}:
                assert kind in ("text_delta", "thinking_delta", "signature_delta")
                for key, piece in rest.items():
                    message["content"][event["index"]][key] += piece
            case {"type": "message_delta"}:
                message |= event["delta"]
                message["usage"] = {**message["usage"], **event["usage"]}
    for block in message["content"]:
        if text := block.pop("json"):
            block["input"] = orjson.loads(text)
    return message


@pytest.mark.parametrize("name", WHOLE)
def test_every_event_has_its_type_and_place(name: str) -> None:
    events = stream(name)
    for event in events:
        if event["type"] != "ping":
            assert EVENT.validate_python(event).type == event["type"]
    kinds = [event["type"] for event in events]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert kinds.count("ping") == 1
    starts = [event["index"] for event in events if event["type"] == "content_block_start"]
    stops = [event["index"] for event in events if event["type"] == "content_block_stop"]
    assert starts == stops == list(range(len(starts)))


@pytest.mark.parametrize("name", [name for name in WHOLE if ANSWERS[name].mishap.incomplete is None])
def test_the_blocking_body_is_what_the_stream_adds_up_to(name: str) -> None:
    body = blocking(name)
    Message.model_validate(body)
    assert assembled(stream(name)) == body


def _expected(answer: ScriptedAnswer) -> list[tuple[Any, ...]]:
    said: list[tuple[Any, ...]] = []
    for part in answer.parts:
        match part:
            case ScriptedThought(text):
                said.append(("thinking", text))
            case HiddenThought(_, omitted):
                said.append(("thinking", "") if omitted else ("redacted_thinking",))
            case Commentary(text) | Text(text):
                said.append(("text", text))
            case ToolCall(tool, arguments):
                said.append(("tool_use", tool, {"input": arguments} if isinstance(arguments, str) else arguments))
    return said


def _seen(block: dict[str, Any]) -> tuple[Any, ...]:
    match block["type"]:
        case "redacted_thinking":
            assert block["data"]
            return ("redacted_thinking",)
        case "thinking":
            assert block["signature"]
            return "thinking", block["thinking"]
        case "tool_use":
            return "tool_use", block["name"], block["input"]
        case kind:
            return kind, block["text"]


@pytest.mark.parametrize("name", [name for name in WHOLE if ANSWERS[name].mishap.incomplete is None])
def test_the_content_is_the_scenarios_answer(name: str) -> None:
    assert [_seen(block) for block in blocking(name)["content"]] == _expected(ANSWERS[name])


def test_ids_look_like_anthropics() -> None:
    body = blocking("parallel_calls")
    assert body["id"].startswith("msg_01")
    assert all(block["id"].startswith("toolu_01") for block in body["content"] if block["type"] == "tool_use")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("plain", "end_turn"), ("parallel_calls", "tool_use"), ("incomplete", "max_tokens")],
)
def test_why_it_stops(name: str, reason: str) -> None:
    assert blocking(name)["stop_reason"] == reason
    assert stream(name)[-2]["delta"]["stop_reason"] == reason


def test_usage_is_cumulative_and_leaves_the_cache_out_of_the_input() -> None:
    text = (
        'turns = ["a"]\n[answers.a]\nparts = [{ text = "Hi." }]\n'
        "usage = { input = 1000, cached = 600, cache_write = 300, output = 7 }"
    )
    events = events_of(
        body_of(provider(parse_scenario(text, "test")).plan(request(path=PATH, stream=True), 0.0)),
    )
    start, delta = events[0][1]["message"]["usage"], events[-2][1]["usage"]
    assert (start["input_tokens"], start["output_tokens"]) == (100, 1)
    assert start["cache_creation"] == {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 0}
    assert delta == {
        "input_tokens": 100,
        "cache_read_input_tokens": 600,
        "cache_creation_input_tokens": 300,
        "output_tokens": 7,
    }


@pytest.mark.parametrize(
    ("name", "kind", "status"),
    [
        ("error", "api_error", 500),
        ("failed", "api_error", 500),
        ("overloaded", "overloaded_error", 529),
        ("limited_in_stream", "rate_limit_error", 429),
    ],
)
def test_a_failure_is_an_error_event_or_an_error(name: str, kind: str, status: int) -> None:
    last = stream(name)[-1]
    assert last["type"] == "error"
    assert last["error"]["type"] == kind
    reply = provider().plan(request(name, path=PATH), 0.0)
    assert reply.status == status
    error = orjson.loads(body_of(reply))
    assert error == {"type": "error", "error": last["error"]}


def test_an_early_error_comes_after_the_opening_alone() -> None:
    assert [event["type"] for event in stream("limited_in_stream")] == ["message_start", "error"]


@pytest.mark.parametrize(
    ("fate", "status", "kind", "retry"),
    [
        ("401", 401, "authentication_error", "false"),
        ("403", 403, "permission_error", "false"),
        ("403:model", 403, "permission_error", "false"),
        ("429:7", 429, "rate_limit_error", "true"),
        ("insufficient_quota", 429, "rate_limit_error", "false"),
        ("500", 500, "api_error", "true"),
        ("529:2", 529, "overloaded_error", "true"),
    ],
)
def test_refusals_have_anthropics_shape(fate: str, status: int, kind: str, retry: str) -> None:
    app = _with_fates(fate)
    reply = app.plan(request(path=PATH, key="sk-1"), 0.0)
    assert reply.status == status
    assert header_of(reply, "x-should-retry") == retry
    error = orjson.loads(body_of(reply))
    assert (error["type"], error["error"]["type"]) == ("error", kind)
    assert ("details" in error["error"]) == (fate == "insufficient_quota")


def _with_fates(*fates: str) -> SimulatedProvider:
    text = f'turns = ["a"]\n[[keys]]\nkey = "sk-1"\nfates = {list(fates)}\n[answers.a]\nparts = [{{ text = "Hi." }}]'
    return provider(parse_scenario(text, "test"))


def test_the_rate_limits_are_told() -> None:
    reply = provider().plan(request(path=PATH), 0.0)
    assert (header_of(reply, "request-id") or "").startswith("req_011")
    for name in ("requests", "tokens", "input-tokens", "output-tokens"):
        limit, remaining = (
            int(header_of(reply, f"anthropic-ratelimit-{name}-{what}") or "") for what in ("limit", "remaining")
        )
        assert 0 < remaining < limit
        assert header_of(reply, f"anthropic-ratelimit-{name}-reset") == "2026-09-21T14:13:21Z"


@pytest.mark.parametrize("missing", ["model", "messages", "max_tokens"])
def test_a_wrong_request_is_refused(missing: str) -> None:
    whole = orjson.loads(request(path=PATH).body)
    del whole[missing]
    reply = provider().plan(IncomingRequest("POST", PATH, {"x-api-key": "sk-1"}, orjson.dumps(whole)), 0.0)
    assert reply.status == 400
    error = orjson.loads(body_of(reply))["error"]
    assert error == {"type": "invalid_request_error", "message": f"{missing}: Field required"}


def test_tokens_are_counted() -> None:
    reply = provider().plan(
        request(path="/v1/messages/count_tokens", messages=[{"role": "user", "content": "x" * 400}]), 0.0
    )
    assert MessageTokensCount.model_validate_json(body_of(reply)).input_tokens > 100
    assert _with_fates("401").plan(request(path="/v1/messages/count_tokens", key="sk-1"), 0.0).status == 401


def test_models_and_lost_ways_are_told_in_the_askers_shape() -> None:
    theirs = {"x-api-key": "sk-1", "anthropic-version": "2023-06-01"}
    listed = orjson.loads(body_of(provider().plan(IncomingRequest("GET", "/v1/models", theirs), 0.0)))
    assert listed["data"][0]["type"] == "model"
    lost = orjson.loads(body_of(provider().plan(IncomingRequest("GET", "/v1/nothing", theirs), 0.0)))
    assert lost["error"]["type"] == "not_found_error"


def test_a_tools_result_is_known() -> None:
    content = [{"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "done"}]}]
    reply = provider().plan(request(path=PATH, messages=[{"role": "user", "content": content}]), 0.0)
    assert reply.answer == "after_tools"
