"""What providers send today, field by field: each is in an event, in the record and, where it counts, in the sums.

A real bridge stands before a provider that answers as the APIs' references and their compatible servers have it, once
as a stream and once in one body.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
from attrs import Factory, frozen

from bridge.config.settings import ProviderSettings, RecordSettings
from bridge.keys.secret import Secret
from bridge.record.database import open_for_reading
from bridge.record.history import story
from bridge.record.sums import totals
from tests.support.world import KEYS, STREAM, Asked, Hang, Reply, World, ask, provider, running

Fields = dict[str, Any]
JSON = [("content-type", "application/json")]
SUMS = ("input", "output", "cache_read_input", "cache_write_input")


@frozen
class Field:
    """What a provider's answer holds, and what it is in `tokens.used`, in `served`, or as the text of a note."""

    api: str
    name: str
    answer: Fields
    """Beside what every answer has."""
    used: Fields = Factory(dict)
    extra: Fields = Factory(dict)
    served: Fields = Factory(dict)
    noted: tuple[str, str] | None = None
    called: tuple[str, Any] | None = None
    thought: str | None = None


def responses(name: str, answer: Fields, **told: Any) -> Field:
    return Field("responses", name, answer, **told)


def chat(name: str, answer: Fields, **told: Any) -> Field:
    return Field("chat_completions", name, answer, **told)


def messages(name: str, answer: Fields, **told: Any) -> Field:
    return Field("messages", name, answer, **told)


def usage(**counts: Any) -> Fields:
    return {"usage": counts}


ITERATIONS = [
    {"type": "compaction", "input_tokens": 900, "output_tokens": 300, "cache_read_input_tokens": 5},
    {
        "type": "message",
        "model": "claude-b",
        "input_tokens": 100,
        "output_tokens": 20,
        "cache_creation_input_tokens": 7,
    },
]
FALLBACK = {
    "type": "fallback",
    "from": {"model": "claude-a"},
    "to": {"model": "claude-b"},
    "trigger": {"type": "refusal", "category": "cyber"},
}
REFUSED = {"type": "refusal", "category": "cyber", "fallback_credit_token": "redeemable"}
EDIT = {"type": "clear_tool_uses_20250919", "cleared_input_tokens": 5000, "cleared_tool_uses": 8}
MISS = {"type": "tools_changed", "cache_missed_input_tokens": 9}
DROPPED = {"type": "thinking_dropped", "path": "messages.1.content.0", "reason": "prefix_binding_mismatch"}

FIELDS = [
    responses(
        "usage",
        usage(
            input_tokens=100,
            input_tokens_details={"cached_tokens": 30, "cache_write_tokens": 50},
            output_tokens=9,
            output_tokens_details={"reasoning_tokens": 4},
            total_tokens=109,
        ),
        used={"input": 20, "output": 9, "cache_read_input": 30, "cache_write_input": 50},
        extra={"output_reasoning": 4, "total_tokens": 109},
    ),
    responses(
        "model, service_tier",
        {"model": "gpt-5.6-2026-09", "service_tier": "priority"},
        served={"model": "gpt-5.6-2026-09", "service_tier": "priority"},
    ),
    responses("usage.cost", usage(input_tokens=1, output_tokens=1, cost=0.5), used={"input": 1, "output": 1}),
    *(
        responses(f"output: {item['type']}", {"output": [{"id": "i_1", **item}]}, **told)
        for item, told in (
            ({"type": "mcp_call", "name": "roll", "arguments": '{"n":1}'}, {"called": ("roll", {"n": 1})}),
            ({"type": "new_call", "call_id": "c", "to": "Ann"}, {"called": ("new_call", {"to": "Ann"})}),
            (
                {"type": "tool_search_call", "arguments": {"q": 1}},
                {"called": ("tool_search_call", {"arguments": {"q": 1}})},
            ),
            ({"type": "program", "code": "ls"}, {"noted": ("program", "ls")}),
            ({"type": "compaction", "encrypted_content": "gAAA"}, {"noted": ("compaction", "")}),
            ({"type": "mcp_list_tools", "tools": [{"name": "roll"}]}, {"noted": ("mcp_list_tools", "roll")}),
            ({"type": "mcp_approval_request", "name": "roll"}, {"noted": ("mcp_approval_request", "roll")}),
            ({"type": "tool_search_output", "tools": [{"name": "a"}]}, {"noted": ("tool_search_output", "a")}),
            ({"type": "additional_tools", "tools": [{"name": "exec"}]}, {"noted": ("additional_tools", "exec")}),
        )
    ),
    chat(
        "usage",
        usage(
            prompt_tokens=100,
            completion_tokens=9,
            prompt_tokens_details={"cached_tokens": 30, "cache_write_tokens": 50, "audio_tokens": 1},
            completion_tokens_details={
                "reasoning_tokens": 4,
                "audio_tokens": 2,
                "accepted_prediction_tokens": 3,
                "rejected_prediction_tokens": 5,
            },
        ),
        used={"input": 20, "output": 9, "cache_read_input": 30, "cache_write_input": 50},
        extra={
            "prompt_audio": 1,
            "completion_reasoning": 4,
            "completion_audio": 2,
            "completion_accepted_prediction": 3,
            "completion_rejected_prediction": 5,
        },
    ),
    chat(
        "usage, DeepSeek", usage(prompt_tokens=9, prompt_cache_hit_tokens=5), used={"input": 4, "cache_read_input": 5}
    ),
    chat(
        "x_groq.usage",
        {"x_groq": {"id": "req", "usage": {"prompt_tokens": 7, "completion_tokens": 2}}},
        used={"input": 7, "output": 2},
    ),
    chat("usage.cost", usage(prompt_tokens=1, completion_tokens=1, cost=0.5), used={"input": 1, "output": 1}),
    chat(
        "model, service_tier",
        {"model": "gpt-5.6-2026-09", "service_tier": "flex"},
        served={"model": "gpt-5.6-2026-09", "service_tier": "flex"},
    ),
    chat(
        "content: thinking",
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                {"type": "text", "text": "A"},
            ]
        },
        thought="hm",
    ),
    messages(
        "usage",
        usage(
            input_tokens=20,
            output_tokens=9,
            cache_read_input_tokens=30,
            cache_creation_input_tokens=50,
            cache_creation={"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 40},
            server_tool_use={"web_search_requests": 2, "web_fetch_requests": 1},
            output_tokens_details={"thinking_tokens": 4},
        ),
        used={"input": 20, "output": 9, "cache_read_input": 30, "cache_write_input": 50},
        extra={
            "web_search_requests": 2,
            "web_fetch_requests": 1,
            "cache_ephemeral_5m_input": 10,
            "cache_ephemeral_1h_input": 40,
            "thinking": 4,
        },
    ),
    messages(
        "usage.iterations",
        usage(input_tokens=100, output_tokens=20, iterations=ITERATIONS),
        used={"input": 1000, "output": 320, "cache_read_input": 5, "cache_write_input": 7},
    ),
    messages(
        "model, service_tier, speed",
        {"model": "claude-b-2026", **usage(input_tokens=1, service_tier="priority", speed="fast")},
        served={"model": "claude-b-2026", "service_tier": "priority", "speed": "fast"},
    ),
    messages("stop_details", {"stop_details": REFUSED}, noted=("stop_details", "refusal, category cyber")),
    messages(
        "context_management.applied_edits",
        {"context_management": {"applied_edits": [EDIT]}},
        noted=("context_edit", "clear_tool_uses_20250919, cleared_input_tokens 5000, cleared_tool_uses 8"),
    ),
    messages(
        "diagnostics.cache_miss_reason",
        {"diagnostics": {"cache_miss_reason": MISS}},
        noted=("cache_miss", "tools_changed, cache_missed_input_tokens 9"),
    ),
    messages(
        "input_transformations",
        {"input_transformations": [DROPPED]},
        noted=("input_transformation", "thinking_dropped, path messages.1.content.0, reason prefix_binding_mismatch"),
    ),
    messages("safeguard_results", {"safeguard_results": [{"type": "ok"}]}, noted=("safeguard", "ok")),
    messages(
        "content: fallback",
        {"content": [FALLBACK]},
        noted=("fallback", "from claude-a, to claude-b, trigger refusal"),
    ),
    messages(
        "content: compaction", {"content": [{"type": "compaction", "content": "short"}]}, noted=("compaction", "short")
    ),
]


def responses_answer(answer: Fields, *, stream: bool) -> bytes:
    whole = {"id": "resp_1", "status": "completed", "output": [], "model": "m", **answer}
    if not stream:
        return orjson.dumps(whole)
    return b"data: " + orjson.dumps({"type": "response.completed", "response": whole}) + b"\n\n"


def chat_answer(answer: Fields, *, stream: bool) -> bytes:
    content = answer.get("content", "Hi")
    rest = {"id": "c_1", **{name: value for name, value in answer.items() if name != "content"}}
    if not stream:
        choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
        return orjson.dumps({**rest, "choices": [choice]})
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": "stop"}
    return b"data: " + orjson.dumps({**rest, "choices": [choice]}) + b"\n\ndata: [DONE]\n\n"


def messages_answer(answer: Fields, *, stream: bool) -> bytes:
    whole = {"id": "msg_1", "type": "message", "model": "m", "content": [], **answer}
    if not stream:
        return orjson.dumps(whole)
    begun = {"type": "message_start", "message": {**whole, "content": []}}
    events: list[Fields] = [begun]
    for index, block in enumerate(whole["content"]):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events.append({"type": "content_block_stop", "index": index})
    events.append({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": whole.get("usage")})
    events.append({"type": "message_stop"})
    return b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in events)


ASKING: dict[str, tuple[str, Fields, Callable[..., bytes]]] = {
    "responses": ("/openai/v1/responses", {"input": "hello"}, responses_answer),
    "chat_completions": ("/openai/v1/chat/completions", {"messages": []}, chat_answer),
    "messages": ("/anthropic/v1/messages", {"messages": []}, messages_answer),
}


def told(here: World, field: Field) -> None:
    """Fails where an event does not have it."""
    if field.used:
        (used,) = here.events("tokens.used")
        assert {name: getattr(used, name) for name in SUMS} == {**dict.fromkeys(SUMS, 0), **field.used}
        assert used.extra.items() >= field.extra.items()
        assert not used.partial
    if field.served:
        (served,) = here.events("served")
        assert {name: getattr(served, name) for name in field.served} == field.served
        assert (served.asked.model, served.asked.service_tier) == ("asked", "auto")
    if field.noted:
        assert [(note.kind, note.text) for note in here.events("noted")] == [field.noted]
    if field.called:
        assert [(call.tool, call.arguments) for call in here.events("tool.called")] == [field.called]
    if field.thought:
        assert [thought.text for thought in here.events("thought.recorded")] == [field.thought]


def kept(path: Path, field: Field) -> None:
    """Fails where the record, or the sums over it, do not have it."""
    with closing(open_for_reading(path)) as database:
        (row,) = totals(database, "model", None)
        name = database.execute("SELECT id FROM interceptions").fetchone()[0]
        found = story(database, name)
    if field.used:
        expected = {**dict.fromkeys(SUMS, 0), **field.used}
        (used,) = found["tokens"]
        assert {name: used[name] for name in SUMS} == expected
        assert {name: row[name] for name in SUMS} == expected
        assert used["extra"].items() >= field.extra.items()
    columns = {"model": "served_model"}
    assert {name: found[columns.get(name, name)] for name in field.served} == field.served
    if field.noted:
        assert [(note["kind"], note["text"]) for note in found["notes"]] == [field.noted]
    if field.called:
        assert [(call["tool"], call["arguments"]) for call in found["tools"]] == [field.called]
    if field.thought:
        assert [thought["text"] for thought in found["thoughts"]] == [field.thought]


def providers(url: str) -> dict[str, ProviderSettings]:
    keys = (Secret(KEYS[0]),)
    return {
        "openai": ProviderSettings(type="openai", base_url=url, keys=keys),
        "anthropic": ProviderSettings(type="anthropic", base_url=url.removesuffix("/v1"), keys=keys),
    }


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "body"])
@pytest.mark.parametrize("field", FIELDS, ids=[f"{field.api}: {field.name}" for field in FIELDS])
async def test_a_field_is_told_and_kept(field: Field, stream: bool, tmp_path: Path) -> None:
    path, asking, answer = ASKING[field.api]

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.whole(200, answer(field.answer, stream=stream), STREAM if stream else JSON)

    record = tmp_path / "record.db"
    async with provider(handle) as url, running(providers(url), record=RecordSettings(path=record)) as here:
        await ask(here.port, {"model": "asked", "service_tier": "auto", "stream": stream, **asking}, path=path)
        ended = await here.event("interception.ended")
        assert (ended.outcome, ended.error, ended.error_type) == ("completed", None, None)
        told(here, field)
    kept(record, field)


DONE = b"data: [DONE]\n\n"
CHUNK = b'data: {"id":"c_1","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":%s}]}\n\n'


@pytest.mark.parametrize(
    ("headers", "body", "outcome"),
    [
        pytest.param(STREAM, CHUNK % b'"stop"', "completed", id="no [DONE]"),
        pytest.param([], CHUNK % b'"stop"', "completed", id="no label, no [DONE]"),
        pytest.param([("content-type", "text/plain")], CHUNK % b"null" + DONE, "completed", id="mislabelled"),
        pytest.param(STREAM, CHUNK % b"null", "failed", id="no finish_reason"),
        pytest.param([], CHUNK % b"null", "failed", id="no label, no finish_reason"),
        pytest.param(
            [("content-encoding", "br"), *STREAM], b"\x00\x01", "completed", id="an encoding that is not undone"
        ),
    ],
)
async def test_how_a_chat_stream_may_end(headers: list[tuple[str, str]], body: bytes, outcome: str) -> None:
    path, asking, _ = ASKING["chat_completions"]

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.whole(200, body, headers)

    async with provider(handle) as url, running(providers(url)) as here:
        got = await ask(here.port, {"model": "m", "stream": True, **asking}, path=path)
        ended = await here.event("interception.ended")
        assert (got.body, ended.outcome) == (body, outcome)
        assert ended.error_type == (None if outcome == "completed" else "server_error")
        if b"data:" in body:
            assert [delta.text for delta in here.events("answer.delta")] == ["Hi"]


async def test_a_stream_that_breaks_off_tells_what_was_counted_by_then() -> None:
    begun = b'data: {"type":"message_start","message":{"id":"msg_1","model":"m","usage":{"input_tokens":9}}}\n\n'

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.head(200, STREAM)
        await reply.chunk(begun)
        raise Hang

    async with provider(handle) as url, running(providers(url)) as here:
        await ask(here.port, {"model": "m", "stream": True, "messages": []}, path="/anthropic/v1/messages")
        ended = await here.event("interception.ended")
        (used,) = here.events("tokens.used")
        assert (used.input, used.partial) == (9, True)
        assert (ended.outcome, ended.error_type) == ("failed", "server_error")


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (400, "bad_request"),
        (404, "bad_request"),
        (422, "bad_request"),
        (403, "unauthorized"),
        (402, "rate_limited"),
        (429, "rate_limited"),
        (503, "overloaded"),
        (529, "overloaded"),
        (500, "server_error"),
        (408, "timeout"),
        (504, "timeout"),
        (418, "unknown"),
    ],
)
async def test_how_an_interception_failed(status: int, word: str) -> None:
    async def handle(_: Asked, reply: Reply) -> None:
        await reply.whole(status, b'{"error":{"message":"no"}}', JSON)

    async with provider(handle) as url, running(providers(url)) as here:
        await ask(here.port)
        ended = await here.event("interception.ended")
        assert (ended.status, ended.error_type) == (status, word)


async def test_a_note_is_free_of_secrets_and_short() -> None:
    refusal = {"type": "refusal", "explanation": "x" * 275 + KEYS[0] + "y" * 500}

    async def handle(_: Asked, reply: Reply) -> None:
        await reply.whole(200, messages_answer({"stop_details": refusal}, stream=False), JSON)

    async with provider(handle) as url, running(providers(url)) as here:
        await ask(here.port, {"model": "m", "messages": []}, path="/anthropic/v1/messages")
        await here.event("interception.ended")
        (note,) = here.events("noted")
        assert len(note.text) == 300
        assert KEYS[0][:9] not in note.text
