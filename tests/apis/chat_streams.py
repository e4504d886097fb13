"""Answers of Chat Completions as OpenAI and compatible servers stream them."""

from __future__ import annotations

from typing import Any

from tests.apis.responses_streams import words
from tests.apis.wire import chunk

RESPONSE_ID = "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG"
USAGE = {
    "prompt_tokens": 19,
    "completion_tokens": 10,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 1},
    "completion_tokens_details": {
        "reasoning_tokens": 5,
        "audio_tokens": 2,
        "accepted_prediction_tokens": 3,
        "rejected_prediction_tokens": 6,
    },
}
DONE = b"data: [DONE]\n\n"


def piece(*choices: dict[str, Any], **more: Any) -> bytes:
    """One chunk."""
    data = {"id": RESPONSE_ID, "object": "chat.completion.chunk", "created": 1741570283, "model": "gpt-5.4"}
    return chunk(**data, choices=list(choices), **more)


def delta(index: int = 0, finish: str | None = None, **message: Any) -> dict[str, Any]:
    """A choice's part of a chunk."""
    return {"index": index, "delta": message, "logprobs": None, "finish_reason": finish}


def call_piece(index: int, arguments: str, call_id: str | None = None, name: str | None = None) -> dict[str, Any]:
    """A piece of a tool call; only the first has an id and a name."""
    begins = {"id": call_id, "type": "function"} if call_id else {}
    return {"index": index, **begins, "function": {**({"name": name} if name else {}), "arguments": arguments}}


def plain(*, usage: bool = True) -> list[bytes]:
    """Text, and at the end the usage chunk if it was asked for."""
    nothing = {"usage": None} if usage else {}
    events = [piece(delta(role="assistant", content="", refusal=None), **nothing)]
    events += [piece(delta(content=word), **nothing) for word in words("There are two files: é漢😀.")]
    events.append(piece(delta(finish="stop"), **nothing))
    return [*events, *([piece(usage=USAGE)] if usage else []), DONE]


def rich() -> list[bytes]:
    """Thoughts, text and two tool calls whose pieces alternate."""
    return [
        piece(delta(role="assistant", content=None, reasoning_content="")),
        *[piece(delta(reasoning_content=word)) for word in words("I look at the files.")],
        *[piece(delta(content=word)) for word in words("Let me look.")],
        piece(delta(tool_calls=[call_piece(0, "", "call_1", "exec_command")])),
        piece(delta(tool_calls=[call_piece(0, '{"cmd": ["ls"')])),
        piece(delta(tool_calls=[call_piece(1, "not ", "call_2", "read"), call_piece(0, ', "-l"]}')])),
        piece(delta(tool_calls=[call_piece(1, "json")])),
        piece(delta(finish="tool_calls")),
        piece(usage=USAGE),
        DONE,
    ]
