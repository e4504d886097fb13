"""Tool calls among the output items of OpenAI Responses, the client's tools and the built-in ones."""

from __future__ import annotations

from typing import Any

from bridge.apis.tool_calls import parsed_arguments

# The built-in calls of the API reference, each with what its item says of the request (and not of the result).
_BUILT_IN = {
    "apply_patch_call": ("operation",),
    "code_interpreter_call": ("code", "container_id"),
    "computer_call": ("action", "actions"),
    "file_search_call": ("queries",),
    "image_generation_call": ("revised_prompt", "action", "size", "quality", "background", "output_format"),
    "local_shell_call": ("action",),
    "mcp_call": ("server_label", "name", "arguments"),
    "shell_call": ("action",),
    "web_search_call": ("action",),
}


def call_in(item: dict[str, Any]) -> tuple[object, str, object, str | None] | None:
    """The call in an output item: its id, the tool's name, the arguments, an error if it failed; None if it is none."""
    item_type = item.get("type")
    call_id = item.get("call_id") or item.get("id")
    name = item.get("name")
    match item_type:
        case "function_call":
            return call_id, _text(name) or "function_call", parsed_arguments(item.get("arguments")), None
        case "custom_tool_call":
            return call_id, _text(name) or "custom_tool_call", item.get("input"), None
        case str() if item_type in _BUILT_IN:
            arguments = {part: item[part] for part in _BUILT_IN[item_type] if item.get(part) is not None}
            if "arguments" in arguments:
                arguments["arguments"] = parsed_arguments(arguments["arguments"])
            return call_id, item_type, arguments, _error(item.get("error"))
        case _:
            return None


def is_search(item: object) -> bool:
    """Whether an output item is a web search: opening a page that was found is the same kind of item, and costs nothing
    (OpenAI's guide "Web search")."""
    if not isinstance(item, dict) or item.get("type") != "web_search_call":
        return False
    action = item.get("action")
    return not isinstance(action, dict) or action.get("type", "search") == "search"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _error(error: object) -> str | None:
    """The text of a built-in call's error, which is a text or an object with one."""
    if isinstance(error, dict):
        error = error.get("message") or error.get("content") or error.get("type")
        return error if isinstance(error, str) else str(error)
    return error if isinstance(error, str) and error else None
