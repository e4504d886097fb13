"""Tools of the bridge's own in Chat Completions: the request with them, its answers in one body, the next request.

An answer goes on with injected `tool_calls` in its first choice. The next request repeats the message as it came and
brings one `tool` message for each call. Streams are in `injected_stream`. Shapes follow OpenAI's API reference, "Chat
Completions", and what compatible servers add to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from bridge.apis.chat_completions.include_usage import add_include_usage
from bridge.apis.chat_completions.injected_stream import CUT_REASONS, SeenCompletion, StreamedCompletion
from bridge.apis.injection import (
    LAST_ROUND,
    NOTHING,
    Answered,
    Decision,
    InjectedCall,
    InjectedTool,
    ToolResult,
    Turn,
    decide,
    forces_ours,
    json_text,
    without_namesakes,
)
from bridge.apis.json_text import TooCostly, loads_object, well_formed
from bridge.apis.raw_json import ObjectText, array, elements, value_of, with_elements, with_member, without_member
from bridge.apis.request import joined_texts, request_object, string
from bridge.apis.rounds import Injection, SoFar
from bridge.limits import Share


def inject(body: bytes, tools: Sequence[InjectedTool]) -> Injection | None:
    """The request with these tools; None where it gets none (docs/behaviour.md, Injected tools)."""
    try:
        request = request_object(body)
    except TooCostly:
        return None
    own, count = request.get("tools", []), request.get("n")
    if not isinstance(own, list) or not isinstance(request.get("messages"), list):
        return None
    several = isinstance(count, int) and count > 1
    if several or request.get("functions") is not None or request.get("tool_choice") == "none":
        return None
    given = without_namesakes(tools, own)
    if not given:
        return None
    text = ObjectText(body)
    text.put("tools", with_elements(text.get("tools") or b"[]", last=map(_offer, given.values())))
    text.put("parallel_tool_calls", b"false")
    body = text.text()
    asking = add_include_usage(body)
    unforced = b'"auto"' if forces_ours(request.get("tool_choice"), given) else None
    return Injection(asking or body, given, ChatDialect(given, usage_wanted=asking is None), unforced)


class ChatDialect:
    """The `Dialect` of Chat Completions. `usage_wanted`: the client itself asked a stream for its usage."""

    end_mark = b"data: [DONE]\n\n"

    def __init__(self, tools: Mapping[str, InjectedTool], *, usage_wanted: bool) -> None:
        self._tools = tools
        self._seen = SeenCompletion(usage_wanted)

    def stream(self, so_far: SoFar, held: Share, *, last: bool) -> StreamedCompletion:
        """For an answer that is a stream."""
        return StreamedCompletion(self._tools, so_far, held, self._seen, last=last)

    def go_on(self, request: ObjectText, turn: Turn, results: Answered) -> None:
        """Puts the message and the results behind the messages there are."""
        told = [
            orjson.dumps({"role": "tool", "tool_call_id": call.call_id, "content": _told(result)})
            for call, result in results
        ]
        request.put("messages", with_elements(request.get("messages") or b"[]", last=(turn.content, *told)))

    def whole(self, body: bytes, so_far: SoFar, *, last: bool) -> tuple[bytes, Turn]:
        """Of an answer in one body what the client gets, and what it asks for."""
        completion = loads_object(body) or {}
        choice = _first(completion.get("choices"))
        message = choice.get("message")
        raw = _first_message(body) if isinstance(message, dict) else None
        if raw is None or not isinstance(message, dict):
            return body, NOTHING
        listed = message.get("tool_calls")
        pieces = elements(value_of(raw, "tool_calls") or b"[]") if isinstance(listed, list) else []
        calls = [_call(piece, self._tools) for piece in pieces]
        injected = tuple(call for call in calls if call is not None)
        own = any(call is None and loads_object(piece) for call, piece in zip(calls, pieces, strict=True))
        becomes = decide(asked=choice.get("finish_reason") not in CUT_REASONS, own=own, last=last)
        if injected and becomes.run:
            kept = array(piece for piece, call in zip(pieces, calls, strict=True) if call is not None)
            content = with_member(raw, "tool_calls", kept)
            return b"", Turn(injected, "", content, _text(raw, message), completion.get("usage"))
        others = [piece for piece, call in zip(pieces, calls, strict=True) if call is None] if injected else None
        shown = _shown(body, raw, others, becomes, so_far)
        return so_far.with_usage(shown, completion.get("usage")), Turn(not_run=becomes.not_run)


def _shown(body: bytes, raw: bytes, calls: list[bytes] | None, becomes: Decision, so_far: SoFar) -> bytes:
    """The last body, with the text of earlier rounds, and `calls` in the place of its own."""
    message = _with_texts(raw, so_far.texts)
    if calls is not None:
        message = without_member(message, "tool_calls")
        message = with_member(message, "tool_calls", array(calls)) if calls else message
    if message == raw:
        return body
    choices = elements(value_of(body, "choices") or b"[]")
    choice = with_member(choices[0], "message", message)
    if calls is not None and becomes.not_run == LAST_ROUND:
        choice = with_member(choice, "finish_reason", b'"stop"')
    return with_member(body, "choices", array((choice, *choices[1:])))


def _offer(tool: InjectedTool) -> bytes:
    function = {"name": tool.id, "description": tool.description, "strict": False, "parameters": tool.input_schema}
    return orjson.dumps({"type": "function", "function": function})


def _told(result: ToolResult) -> str:
    if result.result is None:
        return orjson.dumps({"error": True, "message": well_formed(result.error or "")}).decode()
    return json_text(result.result)


def _first(choices: object) -> dict[str, Any]:
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else {}


def _first_message(body: bytes) -> bytes | None:
    return value_of(elements(value_of(body, "choices") or b"[]")[0], "message")


def _call(piece: bytes, tools: Mapping[str, InjectedTool]) -> InjectedCall | None:
    """The call of an injected tool; None where it is another's."""
    call = loads_object(piece) or {}
    function = call.get("function")
    tool = tools.get(string(function.get("name")) or "") if isinstance(function, dict) else None
    if tool is None or not isinstance(function, dict):
        return None
    return InjectedCall(string(call.get("id")) or "", tool, string(function.get("arguments")) or "")


def _text(raw: bytes, message: dict[str, Any]) -> tuple[bytes, ...]:
    """A message's text, as the JSON of a string."""
    if isinstance(message.get("content"), str):
        text = value_of(raw, "content")
        return () if text is None or text == b'""' else (text,)
    text_parts = joined_texts(message.get("content"), "text")
    return () if text_parts is None else (orjson.dumps(text_parts),)


def _with_texts(message: bytes, texts: tuple[bytes, ...]) -> bytes:
    """The message with these texts before its own; JSON of strings can be joined as it is."""
    if not texts:
        return message
    content = value_of(message, "content") or b"null"
    if content.startswith(b"["):
        part = b'{"type":"text","text":' + _joined(texts) + b"}"
        return with_member(message, "content", with_elements(content, first=(part,)))
    return with_member(message, "content", _joined((*texts, content) if content.startswith(b'"') else texts))


def _joined(texts: tuple[bytes, ...]) -> bytes:
    return b'"' + b"".join(text[1:-1] for text in texts) + b'"'
