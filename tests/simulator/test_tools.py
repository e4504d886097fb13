"""The simulated model calls the tools that a request offers, shells first, in every API, and else answers in text."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from bridge.simulator.answers import ScriptedAnswer, Text, ToolCall
from bridge.simulator.scenario.file import parse_scenario
from bridge.simulator.schema import fits
from bridge.simulator.tools import OfferedTool, with_offered
from tests.simulator.serving import body_of, events_of, provider, request

SCENARIO = parse_scenario(
    """
    turns = ["look"]
    after_tools = ["done"]
    [answers.look]
    parts = [{ thought = "**Looking**" }, { call = "exec_command", arguments = { cmd = "echo hello" } }]
    [answers.done]
    parts = [{ text = "Done." }]
    """,
    "test",
)
APIS = ("/v1/responses", "/v1/chat/completions", "/v1/messages")
Fields = dict[str, Any]


def schema(*required: str, **members: Any) -> Fields:
    return {"type": "object", "properties": members, "required": list(required), "additionalProperties": False}


TEXT = {"type": "string"}
BASH = schema("command", "description", command=TEXT, description=TEXT, timeout={"type": "number"})
READ = schema("file_path", file_path=TEXT)


def offered(path: str, **tools: Fields) -> list[Fields]:
    """Tools by name with their schemas, in the shape of the path's API."""
    match path:
        case "/v1/responses":
            return [{"type": "function", "name": name, "parameters": given} for name, given in tools.items()]
        case "/v1/chat/completions":
            return [
                {"type": "function", "function": {"name": name, "parameters": given}} for name, given in tools.items()
            ]
        case _:
            return [{"name": name, "input_schema": given} for name, given in tools.items()]


def calls(path: str, body: bytes) -> list[tuple[str, Any]]:
    """The calls in a blocking answer: name, and arguments."""
    answer = orjson.loads(body)
    match path:
        case "/v1/responses":
            items = [item for item in answer["output"] if item["type"].endswith("_call")]
            return [(item["name"], orjson.loads(item["arguments"])) for item in items]
        case "/v1/chat/completions":
            found = answer["choices"][0]["message"].get("tool_calls", [])
            return [(call["function"]["name"], orjson.loads(call["function"]["arguments"])) for call in found]
        case _:
            return [(block["name"], block["input"]) for block in answer["content"] if block["type"] == "tool_use"]


def asked(path: str, **fields: Any) -> bytes:
    """The body of the answer to the first request of a provider."""
    return body_of(provider(SCENARIO).plan(request(path=path, **fields), 0))


@pytest.mark.parametrize("path", APIS)
def test_a_shell_that_is_offered_runs_the_command(path: str) -> None:
    tools = offered(path, Read=READ, Bash=BASH, anything=schema())
    given = asked(path, tools=tools)
    assert calls(path, given) == [("Bash", {"command": "echo hello", "description": "Look around"})]
    streamed = asked(path, tools=tools, stream=True).decode()
    assert "Bash" in streamed
    assert "exec_command" not in streamed


@pytest.mark.parametrize("path", APIS)
def test_without_tools_the_answer_is_text(path: str) -> None:
    several: tuple[Fields, ...] = (
        {},
        {"tools": []},
        {"tools": "none"},
        {"tools": [7, {"type": "web_search"}, {"type": "function"}]},
    )
    for fields in several:
        given = asked(path, **fields)
        assert calls(path, given) == []
        assert b"I have no tool to look at it with" in given
    none = "none" if path != "/v1/messages" else {"type": "none"}
    assert calls(path, asked(path, tools=offered(path, Bash=BASH), tool_choice=none)) == []


@pytest.mark.parametrize("path", APIS)
def test_the_tool_that_has_to_be_called_is_called(path: str) -> None:
    choice: Fields = {"type": "tool" if path == "/v1/messages" else "function", "name": "Read"}
    if path == "/v1/chat/completions":
        choice = {"type": "function", "function": {"name": "Read"}}
    given = asked(path, tools=offered(path, Bash=BASH, Read=READ), tool_choice=choice)
    assert calls(path, given) == [("Read", {"file_path": "."})]


@pytest.mark.parametrize("path", APIS)
def test_a_tool_that_is_offered_as_it_is_written_stays(path: str) -> None:
    given = asked(path, tools=offered(path, Bash=BASH, exec_command=schema("cmd", cmd=TEXT)))
    assert calls(path, given) == [("exec_command", {"cmd": "echo hello"})]


@pytest.mark.parametrize("path", APIS)
def test_an_answer_named_by_a_request_without_tools_is_given_as_it_is_written(path: str) -> None:
    given = body_of(provider(SCENARIO).plan(request("look", path=path), 0))
    assert calls(path, given) == [("exec_command", {"cmd": "echo hello"})]


@pytest.mark.parametrize(
    ("name", "given", "arguments"),
    [
        ("shell", schema("command", command={"type": "array", "items": TEXT}), {"command": ["bash", "-lc", "echo hi"]}),
        ("run_commands", schema("commands", commands={"type": "array", "items": TEXT}), {"commands": ["echo hi"]}),
        (
            "run_shell_command",
            schema("command", "is_background", command=TEXT, is_background={"type": "boolean"}),
            {"command": "echo hi", "is_background": False},
        ),
        (
            "execute_command",
            schema("command", "timeout", command=TEXT, timeout={"type": "integer", "maximum": 600}),
            {"command": "echo hi", "timeout": 600},
        ),
        ("exec_command", schema("command", command=TEXT), {"command": "echo hi"}),
        ("get_weather", schema("city", "days", city=TEXT, days={"type": "integer"}), {"city": "example", "days": 1}),
        ("anything", {}, {}),
        ("anything", {"type": "string"}, {}),
    ],
)
def test_the_arguments_fit_the_tool(name: str, given: Fields, arguments: Fields) -> None:
    written = ScriptedAnswer((ToolCall("exec_command", {"cmd": "echo hi"}),))
    (call,) = with_offered(written, [OfferedTool(name, given)]).parts
    assert call == ToolCall(name, arguments)
    assert given.get("type") == "string" or fits(arguments, given)


def test_what_looks_is_called_before_what_may_do_anything() -> None:
    written = ScriptedAnswer((ToolCall("apply_patch", "*** Begin Patch"), Text("Done.")))
    tools = [OfferedTool("delete_all", schema()), OfferedTool("Grep", schema("pattern", pattern=TEXT))]
    assert with_offered(written, tools).parts == (ToolCall("Grep", {"pattern": "*"}), Text("Done."))
    tools.append(OfferedTool("Bash", BASH))
    assert with_offered(written, tools).parts[0] == ToolCall("Bash", {"command": "ls", "description": "Look around"})
    assert with_offered(written, []).parts == (Text("Done."),)


PATCH: Fields = {"type": "custom", "name": "apply_patch", "format": {"type": "grammar"}}
EXEC: Fields = {"type": "custom", "name": "exec", "description": "Run JavaScript code to orchestrate tool calls"}
PROGRAM = 'text(await tools.exec_command({"cmd":"echo hello"}));\n'


@pytest.mark.parametrize(
    ("tool", "name", "text", "namespace"),
    [
        ({"type": "custom", "name": "bash"}, "bash", "echo hello", None),
        (PATCH, "apply_patch", "*** Begin Patch\n*** End Patch\n", None),
        (EXEC, "exec", PROGRAM, None),
        ({"type": "namespace", "name": "functions", "tools": [PATCH, EXEC]}, "exec", PROGRAM, "functions"),
    ],
)
@pytest.mark.parametrize("further", [False, True])
def test_codexs_forms_of_tools_are_called(
    tool: Fields, name: str, text: str, namespace: str | None, further: bool
) -> None:
    items: list[Fields] = [{"type": "message", "role": "user", "content": "Hello"}]
    if further:
        items.insert(0, {"type": "additional_tools", "role": "developer", "tools": [tool]})
    fields: Fields = {} if further else {"tools": [tool]}
    events = events_of(asked("/v1/responses", input=items, **fields, stream=True))
    call = events[-1][1]["response"]["output"][-1]
    assert (call["type"], call["name"], call["input"]) == ("custom_tool_call", name, text)
    assert call.get("namespace") == namespace
    items += [call, {"type": "custom_tool_call_output", "call_id": call["call_id"], "output": "hello"}]
    output = orjson.loads(asked("/v1/responses", input=items, **fields))["output"]
    assert [item["type"] for item in output] == ["message"]


def test_a_function_in_a_group_is_called_with_its_group() -> None:
    inner = {"type": "function", "name": "bash", "parameters": schema("command", command=TEXT)}
    group = {
        "type": "namespace",
        "name": "repository",
        "tools": [{**inner, "defer_loading": True, "name": "sh"}, inner],
    }
    output = orjson.loads(asked("/v1/responses", tools=[group]))["output"]
    call = output[-1]
    assert (call["type"], call["name"], call["namespace"]) == ("function_call", "bash", "repository")


def test_anthropics_own_shell_is_called() -> None:
    tools = [{"type": "web_search_20250305", "name": "web_search"}, {"type": "bash_20250124", "name": "bash"}]
    assert calls("/v1/messages", asked("/v1/messages", tools=tools)) == [("bash", {"command": "echo hello"})]
