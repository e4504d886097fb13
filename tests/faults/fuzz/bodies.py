"""JSON bodies of all three APIs in good HTTP: right shapes with wrong values, bombs of structure, odd numbers."""

from __future__ import annotations

from random import Random
from typing import Any

import orjson

from bridge.apis.chat_completions.include_usage import add_include_usage
from tests.faults.fuzz.arena import Arena, Target, request
from tests.faults.fuzz.inputs import Input, cut
from tests.faults.fuzz.mutation import ODD, mutated
from tests.faults.fuzz.sending import until_closed

ANSWERS = {b"200", b"400", b"413", b"501"}
"""Whatever the body is."""

RESPONSES: dict[str, Any] = {
    "model": "gpt-5.4",
    "instructions": "You are an agent.",
    "input": [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Why is it slow?"}]},
        {"type": "function_call", "call_id": "call_1", "name": "read", "arguments": '{"path":"a"}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "nothing"},
    ],
    "tools": [{"type": "function", "name": "read", "parameters": {"type": "object", "properties": {}}}],
    "reasoning": {"effort": "high", "summary": "auto"},
    "stream": False,
    "background": False,
    "prompt_cache_key": "session-1",
}
CHAT: dict[str, Any] = {
    "model": "gpt-5.4",
    "messages": [
        {"role": "system", "content": "You are an agent."},
        {"role": "user", "content": [{"type": "text", "text": "Why is it slow?"}]},
        {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "read"}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "nothing"},
    ],
    "stream": True,
    "stream_options": {"include_usage": False},
    "prompt_cache_key": "session-1",
}
MESSAGES: dict[str, Any] = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 1000,
    "system": [{"type": "text", "text": "You are an agent.", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "<system-reminder>x</system-reminder>"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "read", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "nothing"}]},
    ],
    "metadata": {"user_id": '{"device_id":"d","session_id":"s-1"}'},
    "stream": False,
    "thinking": {"type": "enabled", "budget_tokens": 1024},
}
SHAPES = {"/openai/v1/responses": RESPONSES, "/openai/v1/chat/completions": CHAT, "/anthropic/v1/messages": MESSAGES}

LEAVES = [
    b"null", b"true", b"false", b"0", b"-0", b"-1", b"1e999", b"-1e-999", b"9" * 30, b"9" * 5000, b"0." + b"1" * 500,
    b"18446744073709551616", b"1E400", b"NaN", b"Infinity", b"-Infinity", b"01", b"+1", b"1.", b".5", b"0x1", b"[]",
    b"{}",
    b'""', b'"\\ud83d"', b'"\\ude00\\ud83d"', b'"\\u0000"', b'"\\ud800\\udc00"', b'"\\uFFFF"', b'"\x00"', b'"\\x"',
    b'"\xff"', b'"\xed\xa0\x80"', b'"\\u202e\\u2028"', b'{"a":1,"a":2}', b'{"":null}',
    b'{"\\ud83d":1}', b'[[[[[[{}]]]]]]',
    b'"' + b"x" * 70_000 + b'"', b'"' + "é漢😀".encode() * 3000 + b'"',
    b'"\\u001b]52;c;AAAA\\u0007"', b'"[/b][link=x]"',
]  # fmt: skip
FOUND_BY = [b"model", b"input", b"messages", b"role", b"content", b"type", b"text", b"stream", b"background", b"name"]


def make(chance: Random) -> Input:
    """An input."""
    path = chance.choice(list(SHAPES))
    pick = chance.random()
    if pick < 0.6:
        body = _written(SHAPES[path], chance, chance.choice([0.01, 0.05, 0.2]))
    elif pick < 0.8:
        body = mutated(orjson.dumps(SHAPES[path]), chance, LEAVES)
    elif pick < 0.9:
        body = orjson.dumps({**SHAPES[path], "extra": 0}).replace(b'"extra":0', b'"extra":' + _bomb(chance))
    else:
        body = chance.choice([_bomb(chance), chance.choice(LEAVES), chance.randbytes(chance.randrange(200))])
    return Input("json", cut(body, chance), "wait", {"path": path})


def _written(value: Any, chance: Random, often: float) -> bytes:
    """The value as JSON, now and then with another in its place, members twice, spaces where they may be."""
    if chance.random() < often:
        return chance.choice(LEAVES)
    space = chance.choice([b"", b"", b"", b" ", b"\r\n\t "])
    match value:
        case dict():
            members = [(orjson.dumps(name), _written(inner, chance, often)) for name, inner in value.items()]
            if members and chance.random() < often:
                members.append((chance.choice(members)[0], chance.choice(LEAVES)))
            if chance.random() < often:
                members.append((b'"%s"' % chance.choice(FOUND_BY), chance.choice(LEAVES)))
            if chance.random() < often:
                chance.shuffle(members)
            said = (space + b",").join(name + space + b":" + space + inner for name, inner in members)
            return b"{" + space + said + b"}"
        case list():
            items = [_written(inner, chance, often) for inner in value]
            return b"[" + (b"," + space).join(items * chance.choice([1, 1, 1, 1, 20])) + b"]"
        case _:
            return orjson.dumps(value)


def _bomb(chance: Random) -> bytes:
    """Much structure in few bytes."""
    deep = chance.choice([65, 1000, 1023, 1024, 1025, 20_000, 100_000])
    wide = chance.choice([100, 10_000, 50_000])
    return chance.choice(
        [
            b"[" * deep + b"]" * deep,
            b"[" * deep,
            b'{"a":' * deep + b"1" + b"}" * deep,
            b'[{"a":' * deep,
            b"[" + b"[]," * wide + b"[]]",
            b"[" + b"{}," * wide + b"0]",
            b"[" + b"1," * wide + b"1]",
            b"{" + b'"a":0,' * wide + b'"a":1}',
            b'"' + b"\\u0041" * wide + b'"',
            b" " * wide + b"{}" + b" " * wide,
            chance.choice(ODD) * wide,
        ]
    )


async def _throw(arena: Arena, _number: int, thrown: Input) -> None:
    body, path = thrown.whole, thrown.facts["path"].encode()
    for sent in (body, add_include_usage(body) if path.endswith(b"completions") else None):
        if sent is not None:
            arena.allowed[b"POST", path[path.index(b"/", 1) :], sent] += 1
    came = await until_closed(arena.bridge.port, request(path, body))
    if came is None:
        arena.wrong.append("a client was left waiting")
        return
    statuses = arena.count(came)
    if not statuses or not {statuses[0]} <= ANSWERS:
        arena.wrong.append(f"a body was answered {came[:300]!r}")


JSON = Target("json", 15, make, _throw, calm="wait")
