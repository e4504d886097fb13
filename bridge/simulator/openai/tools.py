"""The tools that a request to one of OpenAI's APIs offers to the model.

Those that OpenAI runs itself, such as its web search, are no tools here: nobody would run them. Shapes: API reference
(developers.openai.com, "Responses" and "Chat Completions"), and the requests of Codex, whose newest form has its tools
in groups, in an `additional_tools` item of the input.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bridge.simulator.request import JsonObject
from bridge.simulator.tools import OfferedTool, chosen

_FURTHER = ("additional_tools", "tool_search_output")
"""Items of the input that bring tools along."""


def of_responses(fields: JsonObject) -> tuple[OfferedTool, ...]:
    """The tools of a Responses request."""
    given = fields.get("input")
    items = _objects(given) if isinstance(given, list) else []
    lists = [fields.get("tools"), *(item.get("tools") for item in items if item.get("type") in _FURTHER)]
    tools = [tool for found in lists for tool in _of_list(found, None)]
    return chosen(tools, fields.get("tool_choice"))


def of_chat_completions(fields: JsonObject) -> tuple[OfferedTool, ...]:
    """The tools of a Chat Completions request: functions; free-form ones can't be told in its streams."""
    functions = (tool.get("function") for tool in _objects(fields.get("tools")) if tool.get("type") == "function")
    tools = [tool for function in functions for tool in _function(function, None)]
    return chosen(tools, fields.get("tool_choice"))


def _of_list(given: Any, namespace: str | None) -> Iterator[OfferedTool]:
    for tool in _objects(given):
        if tool.get("defer_loading") is True:
            continue
        match tool:
            case {"type": "function"}:
                yield from _function(tool, namespace)
            case {"type": "custom", "name": str(name)}:
                yield OfferedTool(name, None, namespace, "JavaScript" in str(tool.get("description")))
            case {"type": "namespace", "name": str(name)} if namespace is None:
                yield from _of_list(tool.get("tools"), name)


def _function(given: Any, namespace: str | None) -> Iterator[OfferedTool]:
    match given:
        case {"name": str(name)}:
            schema = given.get("parameters")
            yield OfferedTool(name, schema if isinstance(schema, dict) else {}, namespace)


def _objects(given: Any) -> list[JsonObject]:
    return [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []
