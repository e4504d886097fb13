"""Tool calls in answers of OpenAI Responses: the client's, those of MCP servers, built-in ones."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from bridge.apis.protocol import Api
from bridge.apis.responses.api import Responses
from bridge.events.vocabulary import ToolCalled
from tests.apis.responses_streams import RESPONSE_ID, Stream
from tests.apis.wire import ID, of, read

API: Api = Responses()

BUILT_IN: list[tuple[dict[str, Any], dict[str, Any], str | None]] = [
    (
        {"type": "web_search_call", "id": "ws_1", "action": {"type": "search", "query": "trio"}},
        {"action": {"type": "search", "query": "trio"}},
        None,
    ),
    (
        {"type": "file_search_call", "id": "fs_1", "queries": ["a", "b"], "results": [{"text": "long"}]},
        {"queries": ["a", "b"]},
        None,
    ),
    (
        {"type": "computer_call", "id": "cu_1", "call_id": "call_7", "action": {"type": "click", "x": 1, "y": 2}},
        {"action": {"type": "click", "x": 1, "y": 2}},
        None,
    ),
    (
        {"type": "code_interpreter_call", "id": "ci_1", "code": "1+1", "container_id": "cntr_1", "outputs": []},
        {"code": "1+1", "container_id": "cntr_1"},
        None,
    ),
    (
        {
            "type": "image_generation_call",
            "id": "ig_1",
            "result": "aGk=" * 1000,
            "revised_prompt": "a cat",
            "size": None,
        },
        {"revised_prompt": "a cat"},
        None,
    ),
    (
        {
            "type": "mcp_call",
            "id": "mcp_1",
            "name": "roll",
            "server_label": "dice",
            "arguments": '{"sides": 6}',
            "error": {"type": "mcp_protocol_error", "code": 1, "message": "no dice"},
        },
        {"sides": 6},
        "no dice",
    ),
    (
        {"type": "local_shell_call", "id": "lsh_1", "call_id": "call_8", "action": {"type": "exec", "command": ["ls"]}},
        {"action": {"type": "exec", "command": ["ls"]}},
        None,
    ),
    (
        {"type": "shell_call", "id": "sh_1", "call_id": "call_9", "action": {"commands": ["ls"]}},
        {"action": {"commands": ["ls"]}},
        None,
    ),
    (
        {
            "type": "apply_patch_call",
            "id": "apc_1",
            "call_id": "call_10",
            "operation": {"type": "delete_file", "path": "a"},
        },
        {"operation": {"type": "delete_file", "path": "a"}},
        None,
    ),
]


@pytest.mark.parametrize(("item", "arguments", "error"), BUILT_IN, ids=[case[0]["type"] for case in BUILT_IN])
def test_built_in_calls_are_named_by_their_type_and_those_of_servers_by_their_tool(
    item: dict[str, Any], arguments: dict[str, Any], error: str | None
) -> None:
    stream = Stream()
    stream.item(**item)
    stream.end()
    events, _ = read(API, stream.events)
    call_id = item.get("call_id", item["id"])
    assert of(events, ToolCalled) == [
        ToolCalled(ID, RESPONSE_ID, call_id, item.get("name", item["type"]), arguments, error=error),
    ]


def test_custom_tool_calls_keep_their_input_as_text() -> None:
    stream = Stream()
    stream.item(type="custom_tool_call", id="ctc_1", call_id="call_3", name="apply_patch", input='{"not": "parsed"}')
    stream.end()
    events, _ = read(API, stream.events)
    assert of(events, ToolCalled) == [ToolCalled(ID, RESPONSE_ID, "call_3", "apply_patch", '{"not": "parsed"}')]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("{}", {}),
        ("", ""),
        ("7", 7),
        ("{broken", "{broken"),
        ("[" * 100 + "]" * 100, "[" * 100 + "]" * 100),
        ("[" * 5000 + "]" * 5000, "[" * 5000 + "]" * 5000),
        ('{"a": "\\ud83d"}', {"a": "\ufffd"}),
        ('{"n": 123456789012345678901234567890}', {"n": 123456789012345678901234567890.0}),
        (None, None),
        ({"already": "parsed"}, {"already": "parsed"}),
    ],
)
def test_arguments(arguments: Any, told: Any) -> None:
    stream = Stream()
    stream.item(type="function_call", id="fc_1", call_id="call_1", name="f", arguments=arguments)
    events, _ = read(API, stream.events)
    [call] = of(events, ToolCalled)
    assert call.arguments == told
    orjson.dumps(call.arguments)


def test_arguments_nested_too_deeply_to_be_passed_on_are_left_out() -> None:
    deep: Any = "x"
    for _ in range(200):
        deep = [deep]
    stream = Stream()
    stream.item(type="shell_call", id="sh_1", call_id="call_1", action=deep)
    assert of(read(API, stream.events)[0], ToolCalled) == [ToolCalled(ID, RESPONSE_ID, "call_1", "shell_call", None)]
