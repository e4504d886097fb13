"""Requests with injected tools: what is spliced in, where nothing is, and what the next request is made of."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.apis.injection import InjectedCall, InjectedTool, ToolResult, Turn
from bridge.apis.messages.results import result_block
from bridge.apis.rounds import Injection
from bridge.providers.kinds import KINDS
from tests.support.scripted_tools import SCHEMA, text_result, tool

APIS = {api.name: api for kind in KINDS.values() for api in kind.intercepted.values()}
ODD_SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False, "$defs": {"x": {"const": 1.50}}}
TOOLS = [tool("add"), InjectedTool("bmcp_docs_find", "find", "docs", "stdio:docs", "", ODD_SCHEMA)]

OFFERED: dict[str, list[dict[str, Any]]] = {
    "messages": [
        {"type": "custom", "name": "bmcp_calc_add", "description": "Does add.", "input_schema": SCHEMA},
        {"type": "custom", "name": "bmcp_docs_find", "description": "", "input_schema": ODD_SCHEMA},
    ],
    "responses": [
        {
            "type": "function",
            "name": "bmcp_calc_add",
            "description": "Does add.",
            "strict": False,
            "parameters": SCHEMA,
        },
        {"type": "function", "name": "bmcp_docs_find", "description": "", "strict": False, "parameters": ODD_SCHEMA},
    ],
    "chat_completions": [
        {
            "type": "function",
            "function": {"name": "bmcp_calc_add", "description": "Does add.", "strict": False, "parameters": SCHEMA},
        },
        {
            "type": "function",
            "function": {"name": "bmcp_docs_find", "description": "", "strict": False, "parameters": ODD_SCHEMA},
        },
    ],
}
SPLICED = {api: orjson.dumps(tools)[1:-1] for api, tools in OFFERED.items()}
"""The tools as they stand in a list with others."""

ALONE = b'"tool_choice":{"type":"auto","disable_parallel_tool_use":true},'
SINGLE = b'"parallel_tool_calls":false,'


def injected(api: str, body: bytes) -> Injection:
    injection = APIS[api].inject(body, TOOLS)
    assert injection is not None
    return injection


@pytest.mark.parametrize(
    ("api", "body", "edited"),
    [
        (
            "messages",
            b' {"model":"m" , "messages":[], "n": 1.50}\n',
            b" {" + ALONE + b'"tools":[@],"model":"m" , "messages":[], "n": 1.50}\n',
        ),
        (
            "messages",
            b'{"messages":[],"tools": [ {"name":"own","cache_control":{"type":"ephemeral"}} ]}',
            b"{" + ALONE + b'"messages":[],"tools": [@, {"name":"own","cache_control":{"type":"ephemeral"}} ]}',
        ),
        (
            "messages",
            b'{"messages":[],"tool_choice":{"type":"any"},"tools":[]}',
            b'{"messages":[],"tool_choice":{"disable_parallel_tool_use":true,"type":"any"},"tools":[@]}',
        ),
        (
            "messages",
            b'{"messages":[],"tool_choice":{"type":"tool","name":"own","disable_parallel_tool_use":false}}',
            b'{"tools":[@],"messages":[],"tool_choice":{"type":"tool","name":"own","disable_parallel_tool_use":true}}',
        ),
        (
            "responses",
            b'{"input":"x","tools":[{"type":"web_search"} ],"parallel_tool_calls":true,"\\u00e9":1E2}',
            b'{"input":"x","tools":[{"type":"web_search"} ,@],"parallel_tool_calls":false,"\\u00e9":1E2}',
        ),
        ("responses", b'{"input":"x"}', b"{" + SINGLE + b'"tools":[@],"input":"x"}'),
        (
            "chat_completions",
            b'{"messages":[],"tools":[],"n":1}',
            b"{" + SINGLE + b'"messages":[],"tools":[@],"n":1}',
        ),
        (
            "chat_completions",
            b'{"messages":[],"stream":true}',
            b'{"stream_options":{"include_usage":true},' + SINGLE + b'"tools":[@],"messages":[],"stream":true}',
        ),
    ],
)
def test_only_what_is_spliced_in_differs(api: str, body: bytes, edited: bytes) -> None:
    assert injected(api, body).request == edited.replace(b"@", SPLICED[api])


@pytest.mark.parametrize(
    ("api", "body"),
    [
        ("messages", {"messages": [], "tool_choice": {"type": "none"}}),
        ("messages", {"messages": [], "tools": {"name": "x"}}),
        ("messages", {"messages": [], "tools": None}),
        ("messages", {"messages": [], "model": "claude-Haiku-4-5"}),
        ("messages", {"messages": "odd"}),
        ("responses", {"input": "x", "tool_choice": "none"}),
        ("responses", {"input": "x", "tools": "all"}),
        ("chat_completions", {"messages": [], "tool_choice": "none"}),
        ("chat_completions", {"messages": [], "tools": 7}),
        ("chat_completions", {"messages": [], "n": 2}),
        ("chat_completions", {"messages": [], "functions": []}),
        ("chat_completions", {"messages": 7}),
    ],
)
def test_where_nothing_is_injected(api: str, body: dict[str, Any]) -> None:
    assert APIS[api].inject(orjson.dumps(body), TOOLS) is None


def test_what_is_too_costly_to_read_gets_no_tools() -> None:
    body = b'{"messages":[],"input":"x","deep":' + b"[" * 2000 + b"]" * 2000 + b"}"
    assert [api.inject(body, TOOLS) for api in APIS.values()] == [None] * len(APIS)


@pytest.mark.parametrize("api", OFFERED)
def test_a_tool_of_the_client_is_the_one_that_is_meant(api: str) -> None:
    own = OFFERED[api][0]
    body = {"messages": [], "input": "x", "tools": [own, {"name": ["odd"]}, 7]}
    assert list(injected(api, orjson.dumps(body)).tools) == ["bmcp_docs_find"]
    assert APIS[api].inject(orjson.dumps({**body, "tools": OFFERED[api]}), TOOLS) is None


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**60), 2**60), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=10,
)


@given(
    st.sampled_from(sorted(OFFERED)),
    st.dictionaries(st.text(), values, max_size=4),
    st.lists(st.dictionaries(st.text(), values, max_size=2), max_size=2),
    st.sampled_from([None, 2]),
    st.booleans(),
)
def test_any_request_stays_the_same_but_for_the_tools(
    api: str, request: dict[str, Any], own: list[Any], indent: int | None, ascii_only: bool
) -> None:
    body = json.dumps({**request, "messages": [], "tools": own}, indent=indent, ensure_ascii=ascii_only)
    injection = APIS[api].inject(body.encode("utf-8", "replace"), TOOLS)
    before, after = json.loads(body.encode("utf-8", "replace")), json.loads(injection.request if injection else body)
    listed = after.pop("tools")
    kept = before.pop("tools")
    if injection is not None:
        assert listed == ([*OFFERED[api], *kept] if api == "messages" else [*kept, *OFFERED[api]])
    for added in ("tool_choice", "parallel_tool_calls"):
        if added not in before:
            after.pop(added, None)
    assert after == before


# The next request

CALL = InjectedCall("call_1", TOOLS[0], '{"a": 1}')
ANSWERED = [(CALL, text_result("3.5", isError=False))]


def test_the_next_messages_request_repeats_the_answer_and_brings_the_results() -> None:
    injection = injected("messages", b'{"messages":[ {"role":"user","content":"add \\u00e9"} ],"n":1.50}')
    before = injection.request
    injection.answer(Turn((CALL,), content=b'[{"type":"text","n":2.50}]'), ANSWERED)
    results = orjson.dumps([result_block(*ANSWERED[0])])
    said = b',{"role":"assistant","content":[{"type":"text","n":2.50}]},{"role":"user","content":' + results + b"}]"
    assert injection.request == before.replace(b" ],", b" " + said + b",")


def test_the_next_chat_request_repeats_the_answer_and_brings_the_results() -> None:
    injection = injected("chat_completions", b'{"messages":[{"role":"user","content":"add"}]}')
    before = injection.request
    message = b'{"role":"assistant","extra":1.50}'
    failed = (InjectedCall("call_2", TOOLS[0], ""), ToolResult(error="gone"))
    injection.answer(Turn((CALL,), content=message), [*ANSWERED, failed])
    wire = orjson.dumps({"content": [{"type": "text", "text": "3.5"}], "isError": False}).decode()
    told = [
        {"role": "tool", "tool_call_id": "call_1", "content": wire},
        {"role": "tool", "tool_call_id": "call_2", "content": '{"error":true,"message":"gone"}'},
    ]
    added = b"".join(b"," + part for part in (message, *map(orjson.dumps, told)))
    assert injection.request == before.replace(b'"add"}]', b'"add"}' + added + b"]")


ITEMS = b'[{"type":"reasoning","n":1.50},{"type":"function_call"}]'
OUTPUT = {
    "type": "function_call_output",
    "call_id": "call_1",
    "output": '{"content":[{"type":"text","text":"3.5"}],"isError":false}',
}


@pytest.mark.parametrize(
    ("given_fields", "next_fields"),
    [
        ({"input": "add"}, {"input": [{"role": "user", "content": "add"}, ..., OUTPUT]}),
        ({"input": [{"x": 1}]}, {"input": [{"x": 1}, ..., OUTPUT]}),
        ({}, {"input": [..., OUTPUT]}),
        ({"input": "add", "conversation": "conv_1"}, {"input": [OUTPUT], "conversation": "conv_1"}),
        ({"input": "add", "previous_response_id": "resp_0"}, {"input": [OUTPUT], "previous_response_id": "resp_1"}),
        (
            {"input": "add", "previous_response_id": "resp_0", "store": False},
            {
                "input": [{"role": "user", "content": "add"}, ..., OUTPUT],
                "previous_response_id": "resp_0",
                "store": False,
            },
        ),
    ],
)
def test_the_next_responses_request_brings_what_is_not_stored(
    given_fields: dict[str, Any], next_fields: dict[str, Any]
) -> None:
    injection = injected("responses", orjson.dumps(given_fields))
    injection.answer(Turn((CALL,), content=ITEMS, response_id="resp_1"), ANSWERED)
    items = [item for part in next_fields["input"] for item in (orjson.loads(ITEMS) if part is ... else [part])]
    found = orjson.loads(injection.request)
    assert {name: value for name, value in found.items() if name not in {"tools", "parallel_tool_calls"}} == {
        **next_fields,
        "input": items,
    }
    if len(items) > 2:
        assert ITEMS[1:-1] in injection.request


def test_a_failed_call_is_an_invocation_error() -> None:
    injection = injected("responses", b'{"input":"add"}')
    injection.answer(Turn((CALL,), content=b"[]"), [(CALL, ToolResult(error='no "such" tool'))])
    assert orjson.loads(injection.request)["input"][-1]["output"] == 'invocation error: "no \\"such\\" tool"'


@pytest.mark.parametrize(
    ("result", "content", "is_error"),
    [
        (text_result("x"), [{"type": "text", "text": "x"}], False),
        (text_result("half \ud83d"), [{"type": "text", "text": "half \ufffd"}], False),
        (text_result("no", isError=True), [{"type": "text", "text": "no"}], True),
        (text_result(""), [{"type": "text", "text": "the tool returned nothing"}], False),
        (ToolResult({}), [{"type": "text", "text": "the tool returned nothing"}], False),
        (ToolResult({"content": [], "structuredContent": {"a": 1}}), [{"type": "text", "text": '{"a":1}'}], False),
        (
            ToolResult({"content": [{"type": "image", "data": "AAAA", "mimeType": "image/png"}]}),
            [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}],
            False,
        ),
        (
            ToolResult({"content": [{"type": "image", "data": "AAAA", "mimeType": "image/tiff"}]}),
            [{"type": "text", "text": "a result of type image (image/tiff) can't be shown"}],
            False,
        ),
        (
            ToolResult(
                {"content": [{"type": "resource", "resource": {"uri": "file:///a", "mimeType": "text/x", "text": "t"}}]}
            ),
            [{"type": "text", "text": "resource file:///a (text/x):\nt"}],
            False,
        ),
        (
            ToolResult({"content": [{"type": "audio"}, 7]}),
            [
                {"type": "text", "text": "a result of type audio (of unknown type) can't be shown"},
                {"type": "text", "text": "a result without a type can't be shown"},
            ],
            False,
        ),
        (ToolResult(error="gone"), [{"type": "text", "text": 'invocation error: "gone"'}], True),
    ],
)
def test_results_become_blocks(result: ToolResult, content: list[Any], is_error: bool) -> None:
    block = result_block(CALL, result)
    assert block == {"type": "tool_result", "tool_use_id": "call_1", "is_error": is_error, "content": content}
    assert orjson.dumps(block)


@pytest.mark.parametrize("api", OFFERED)
def test_a_result_with_odd_values_can_be_told(api: str) -> None:
    injection = injected(api, b'{"messages":[],"input":"x"}')
    injection.answer(Turn((CALL,), content=b"[]"), [(CALL, text_result("\ud83d", structuredContent={"n": 2**70}))])
    assert orjson.loads(injection.request)


@pytest.mark.parametrize(
    ("api", "choice", "later"),
    [
        ("messages", {"type": "any"}, {"type": "auto", "disable_parallel_tool_use": True}),
        ("messages", {"type": "tool", "name": TOOLS[0].id}, {"type": "auto", "disable_parallel_tool_use": True}),
        ("messages", {"type": "tool", "name": "own"}, ...),
        ("messages", {"type": "auto"}, ...),
        ("responses", "required", "auto"),
        ("responses", {"type": "function", "name": TOOLS[0].id}, "auto"),
        ("responses", {"type": "function", "name": "own"}, ...),
        ("responses", {"type": "web_search"}, ...),
        ("responses", "auto", ...),
        ("chat_completions", "required", "auto"),
        ("chat_completions", {"type": "function", "function": {"name": TOOLS[0].id}}, "auto"),
        ("chat_completions", {"type": "function", "function": {"name": "own"}}, ...),
        ("chat_completions", {"type": "function", "function": None}, ...),
    ],
)
def test_a_forced_call_is_forced_once(api: str, choice: Any, later: Any) -> None:
    injection = injected(api, orjson.dumps({"messages": [], "input": "x", "tool_choice": choice, "tools": []}))
    first = orjson.loads(injection.request)["tool_choice"]
    assert first == choice if isinstance(choice, str) else first.items() >= choice.items()
    for _ in range(2):
        injection.answer(Turn((CALL,), content=b"[]"), ANSWERED)
        assert orjson.loads(injection.request)["tool_choice"] == (first if later is ... else later)
