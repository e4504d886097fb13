"""Tool calls among the output items of OpenAI Responses: the client's tools, those of MCP servers, built-in ones."""

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
    "shell_call": ("action",),
    "web_search_call": ("action",),
}

_FOR_THE_CLIENT = frozenset(
    {
        *("function_call", "custom_tool_call", "computer_call", "local_shell_call", "shell_call", "apply_patch_call"),
        "mcp_approval_request",
    }
)

# Of a call of a kind that is not known yet: what does not belong to the request.
_RESULTS = frozenset(
    {"type", "id", "call_id", "status", "output", "outputs", "result", "results", "error", "encrypted_content"}
)


def call_in(item: dict[str, Any]) -> tuple[object, str, object, str | None] | None:
    """The call in an output item: its id, the tool's name, the arguments, an error if it failed; None if it is none.

    The client's tools and those of MCP servers are named by their name, all others by the type of their item.
    """
    item_type = item.get("type")
    call_id = item.get("call_id") or item.get("id")
    name = item.get("name")
    match item_type:
        case "function_call":
            return call_id, _text(name) or "function_call", parsed_arguments(item.get("arguments")), None
        case "custom_tool_call":
            return call_id, _text(name) or "custom_tool_call", item.get("input"), None
        case "mcp_call":
            return (
                call_id,
                _text(name) or "mcp_call",
                parsed_arguments(item.get("arguments")),
                _error(item.get("error")),
            )
        case str() if item_type.endswith("_call"):
            members = _BUILT_IN.get(item_type) or [part for part in item if part not in _RESULTS]
            given = {part: item[part] for part in members if item.get(part) is not None}
            if "arguments" in given:
                given["arguments"] = parsed_arguments(given["arguments"])
            return call_id, item_type, given, _error(item.get("error"))
        case _:
            return None


def is_for_the_client(item: object) -> bool:
    """Whether an output item waits for the client: to run a tool, or to let one be run."""
    return isinstance(item, dict) and item.get("type") in _FOR_THE_CLIENT


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
