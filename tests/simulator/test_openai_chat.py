"""Chat Completions as OpenAI says them: every chunk and body is what the `openai` package's types expect."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from bridge.simulator.answers import Commentary, ScriptedAnswer, ScriptedThought, Text, ToolCall
from bridge.simulator.scenario.file import everyday
from tests.simulator.serving import body_of, events_of, provider, request

ANSWERS = everyday().answers
WHOLE = [name for name, answer in ANSWERS.items() if not (answer.mishap.failed or answer.mishap.error)]
PATH = "/v1/chat/completions"


def stream(name: str, **fields: Any) -> list[dict[str, Any]]:
    body = body_of(provider().plan(request(name, path=PATH, stream=True, **fields), 0.0))
    return [data for _, data in events_of(body)]


def blocking(name: str, **fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(body_of(provider().plan(request(name, path=PATH, **fields), 0.0)))
    return body


def joined(chunks: list[dict[str, Any]], name: str) -> str:
    return "".join(choice["delta"].get(name) or "" for chunk in chunks for choice in chunk["choices"])


def calls_in(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []
    for chunk in chunks:
        for piece in (choice["delta"].get("tool_calls", []) for choice in chunk["choices"]):
            for call in piece:
                if call["index"] == len(calls):
                    calls.append({"id": call["id"], "type": call["type"], "function": dict(call["function"])})
                else:
                    calls[call["index"]]["function"]["arguments"] += call["function"]["arguments"]
    return calls


@pytest.mark.parametrize("name", WHOLE)
def test_every_chunk_has_its_type_and_one_id(name: str) -> None:
    chunks = [ChatCompletionChunk.model_validate(chunk) for chunk in stream(name)]
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason is not None


@pytest.mark.parametrize("name", WHOLE)
def test_the_blocking_body_says_the_same_as_the_stream(name: str) -> None:
    chunks, body = stream(name), blocking(name)
    ChatCompletion.model_validate(body)
    message = body["choices"][0]["message"]
    assert (message["content"] or "") == joined(chunks, "content")
    assert message.get("reasoning_content", "") == joined(chunks, "reasoning_content")
    assert message.get("tool_calls", []) == calls_in(chunks)
    assert body["choices"][0]["finish_reason"] == chunks[-1]["choices"][0]["finish_reason"]
    assert body["id"] == chunks[0]["id"]


def _texts(answer: ScriptedAnswer, *kinds: type) -> str:
    return "\n\n".join(getattr(part, "text", "") for part in answer.parts if isinstance(part, kinds))


@pytest.mark.parametrize("name", [name for name in WHOLE if ANSWERS[name].mishap.incomplete is None])
def test_the_message_is_the_scenarios_answer(name: str) -> None:
    answer, message = ANSWERS[name], blocking(name)["choices"][0]["message"]
    assert (message["content"] or "") == _texts(answer, Text, Commentary)
    assert message.get("reasoning_content", "") == _texts(answer, ScriptedThought)
    calls = [part for part in answer.parts if isinstance(part, ToolCall)]
    seen = [
        (call["function"]["name"], orjson.loads(call["function"]["arguments"]))
        for call in message.get("tool_calls", [])
    ]
    assert seen == [
        (call.tool, {"input": call.arguments} if isinstance(call.arguments, str) else call.arguments) for call in calls
    ]


def test_parallel_calls_have_an_index_each() -> None:
    calls = calls_in(stream("parallel_calls"))
    assert len(calls) == 3
    assert len({call["id"] for call in calls}) == 3


def test_the_usage_comes_last_where_it_is_asked_for() -> None:
    assert all("usage" not in chunk for chunk in stream("plain"))
    chunks = stream("plain", stream_options={"include_usage": True})
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == blocking("plain")["usage"]


def test_the_stream_ends_with_done() -> None:
    body = body_of(provider().plan(request("plain", path=PATH, stream=True), 0.0))
    assert body.endswith(b"\n\ndata: [DONE]\n\n")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("plain", "stop"), ("function_call", "tool_calls"), ("incomplete", "length")],
)
def test_why_it_ends(name: str, reason: str) -> None:
    assert blocking(name)["choices"][0]["finish_reason"] == reason


@pytest.mark.parametrize(("name", "status"), [("error", 500), ("failed", 500), ("limited_in_stream", 429)])
def test_a_failure_is_an_error_chunk_or_an_error(name: str, status: int) -> None:
    failure = ANSWERS[name].mishap.failed or ANSWERS[name].mishap.error
    assert failure is not None
    last = stream(name)[-1]
    assert last["error"]["message"] == failure.message
    reply = provider().plan(request(name, path=PATH), 0.0)
    assert reply.status == status


def test_an_early_error_comes_after_the_role_alone() -> None:
    first, last = stream("limited_in_stream")
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert last["error"]["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize(
    ("fields", "param"), [({"messages": None}, "messages"), ({"model": 1}, "model"), ({"stream_options": 1}, None)]
)
def test_a_wrong_request_is_refused(fields: dict[str, Any], param: str | None) -> None:
    reply = provider().plan(request(path=PATH, **fields), 0.0)
    assert reply.status == 400
    assert orjson.loads(body_of(reply))["error"]["param"] == param or param is None


def test_a_tools_result_is_known() -> None:
    messages = [{"role": "user", "content": "Hi"}, {"role": "tool", "tool_call_id": "call_1", "content": "done"}]
    assert provider().plan(request(path=PATH, messages=messages), 0.0).answer == "after_tools"
