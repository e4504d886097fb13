"""Answers of Anthropic Messages as the API streams them."""

from __future__ import annotations

from typing import Any

from tests.apis.responses_streams import words
from tests.apis.wire import named

RESPONSE_ID = "msg_01XFDUDYJgAACzvnptvVoYEL"
SIGNATURE = "EqQBCgIYAhIM1gbcDa9GJwZA2b3h"
START_USAGE = {
    "input_tokens": 25,
    "cache_creation_input_tokens": 200,
    "cache_read_input_tokens": 1000,
    "cache_creation": {"ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 50},
    "output_tokens": 1,
    "service_tier": "standard",
}
END_USAGE = {"output_tokens": 89, "input_tokens": None, "server_tool_use": {"web_search_requests": 2}}


def start(**more: Any) -> bytes:
    """The opening."""
    message = {"id": RESPONSE_ID, "type": "message", "role": "assistant", "content": [], "usage": START_USAGE, **more}
    return named("message_start", message=message)


def block(index: int, content: dict[str, Any], *deltas: dict[str, Any]) -> list[bytes]:
    """A content block from start to stop."""
    return [
        named("content_block_start", index=index, content_block=content),
        *[named("content_block_delta", index=index, delta=delta) for delta in deltas],
        named("content_block_stop", index=index),
    ]


def text(index: int, whole: str) -> list[bytes]:
    """A block of text."""
    return block(index, {"type": "text", "text": ""}, *[{"type": "text_delta", "text": word} for word in words(whole)])


def thinking(index: int, whole: str) -> list[bytes]:
    """A block of thinking, empty where the provider omits it."""
    deltas = [{"type": "thinking_delta", "thinking": word} for word in words(whole)]
    deltas.append({"type": "signature_delta", "signature": SIGNATURE})
    return block(index, {"type": "thinking", "thinking": "", "signature": ""}, *deltas)


def tool(index: int, call_id: str, name: str, *pieces: str, kind: str = "tool_use") -> list[bytes]:
    """A tool call."""
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return block(index, {"type": kind, "id": call_id, "name": name, "input": {}}, *deltas)


def end(stop_reason: str = "end_turn") -> list[bytes]:
    """The closing."""
    delta = {"stop_reason": stop_reason, "stop_sequence": None}
    return [named("message_delta", delta=delta, usage=END_USAGE), named("message_stop")]


def plain() -> list[bytes]:
    """Text alone."""
    return [start(), named("ping"), *text(0, "There are two files here: é漢😀."), *end()]


def rich() -> list[bytes]:
    """Everything an agent's turn can hold."""
    return [
        start(),
        named("ping"),
        *thinking(0, "Let me look at the files."),
        *block(1, {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3pzix"}),
        *thinking(2, ""),
        *text(3, "I will look."),
        *tool(4, "toolu_1", "exec_command", "", '{"cmd": ["l', 's", "-l"]}'),
        *tool(5, "srvtoolu_1", "web_search", '{"query": "trio"}', kind="server_tool_use"),
        *block(6, {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}),
        *tool(7, "toolu_2", "now"),
        *tool(8, "toolu_3", "broken", '{"a": '),
        *text(9, "Done."),
        *end("tool_use"),
    ]
