"""The tools that a request offers, and calls of them where a scenario's answer calls others.

A model calls what it is offered, and agents report anything else as a fault. So a call keeps its tool where that is
offered, and else becomes one of the tool here that comes nearest: a shell first, with the command that was to be run or
a harmless one; then one that only looks; then any. A call of `bmcp_*` is one of a tool that a bridge put in beside the
client's own (of a server's, where there is any), and left out where there is none. Where no tool is offered, the
answer is text alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from attrs import evolve

from bridge.simulator.answers import Part, ScriptedAnswer, Text, ToolCall
from bridge.simulator.schema import example, fits, properties
from bridge.value_classes import frozen

_SHELLS = (
    *("exec_command", "shell_command", "shell", "local_shell", "bash", "run_shell_command", "execute_command"),
    *("execute_bash", "run_command", "run_terminal_cmd", "run_terminal_command", "run_in_terminal", "terminal"),
    *("run_commands", "container.exec", "powershell", "exec"),
)
_LOOKERS = (
    *("ls", "list", "list_directory", "list_dir", "list_files", "glob", "read", "read_file", "view", "grep"),
    *("search", "search_files"),
)
_COMMAND_NAMES = ("cmd", "command", "commands", "script", "commandline", "command_line", "input", "code")
_HARMLESS = "ls"
_NO_PATCH = "*** Begin Patch\n*** End Patch\n"
_INJECTED = "bmcp_"
_OF_BRIDGE = f"{_INJECTED}clearspan_session_usage"
"""A bridge's own tool, which is there beside whatever a server has, and is not what an answer is about."""
ANY_INJECTED = f"{_INJECTED}*"
"""Whichever tool a bridge put in."""

_NO_TOOL = Text("I have no tool to look at it with, so this is all that can be said from here.")


@frozen
class OfferedTool:
    """One tool of a request. `schema` is that of its arguments; None: it takes text of its own form."""

    name: str
    schema: Any = None
    namespace: str | None = None  # the group it is in, which a call has to name
    javascript: bool = False  # its text is a program that calls other tools

    @property
    def free_form(self) -> bool:
        """Whether it takes text instead of an object."""
        return self.schema is None


def chosen(tools: Sequence[OfferedTool], choice: Any) -> tuple[OfferedTool, ...]:
    """Those that the request's `tool_choice` leaves."""
    kind = choice.get("type") if isinstance(choice, dict) else choice
    if kind == "none":
        return ()
    inner = choice.get("function", choice) if isinstance(choice, dict) else {}
    name = inner.get("name") if isinstance(inner, dict) else None
    return tuple(tool for tool in tools if name is None or tool.name == name)


def calls_injected(answer: ScriptedAnswer) -> bool:
    """Whether it calls a tool that a bridge put in, whichever that is."""
    return any(isinstance(part, ToolCall) and part.tool == ANY_INJECTED for part in answer.parts)


def with_offered(answer: ScriptedAnswer, tools: Sequence[OfferedTool]) -> ScriptedAnswer:
    """The answer with calls of these tools alone."""
    parts: list[Part] = []
    for part in answer.parts:
        if not isinstance(part, ToolCall):
            parts.append(part)
        elif tools:
            parts += _calls(part, tools)
    if not any(isinstance(part, Text | ToolCall) for part in parts):
        parts.append(_NO_TOOL)
    return evolve(answer, parts=tuple(parts))


def _calls(written: ToolCall, tools: Sequence[OfferedTool]) -> list[ToolCall]:
    """The call as one of these tools; none where it can't be."""
    if written.tool == ANY_INJECTED:
        injected = [tool for tool in tools if tool.name.startswith(_INJECTED)]
        injected.sort(key=lambda tool: tool.name.startswith(_OF_BRIDGE))
        return [_call(evolve(written, tool=injected[0].name), injected)] if injected else []
    return [_call(written, tools)]


def _call(written: ToolCall, tools: Sequence[OfferedTool]) -> ToolCall:
    same = next((tool for tool in tools if tool.name == written.tool), None)
    tool = same or min(tools, key=_rank)
    arguments = _text(tool, written) if tool.free_form else _object(tool, written)
    return ToolCall(tool.name, arguments, tool.namespace, written.broken)


def _rank(tool: OfferedTool) -> tuple[bool, int]:
    """The lower, the sooner it is called in the place of another; the client's own before a bridge's."""
    names = (*_SHELLS, *_LOOKERS)
    name = tool.name.lower()
    return tool.name.startswith(_INJECTED), names.index(name) if name in names else len(names)


def _text(tool: OfferedTool, written: ToolCall) -> str:
    if tool.name == written.tool and isinstance(written.arguments, str):
        return written.arguments
    if tool.javascript:
        return f"text(await tools.exec_command({orjson.dumps({'cmd': _command(written)}).decode()}));\n"
    return _NO_PATCH if tool.name == "apply_patch" else _command(written)


def _object(tool: OfferedTool, written: ToolCall) -> dict[str, Any]:
    given = {"input": written.arguments} if isinstance(written.arguments, str) else written.arguments
    known = properties(tool.schema)
    kept: dict[str, Any] = {}
    if tool.name == written.tool:
        if fits(given, tool.schema):
            return given
        kept = {name: value for name, value in given.items() if name in known and fits(value, known[name])}
    made = example(tool.schema)
    arguments = {**made, **kept} if isinstance(made, dict) else kept
    name = next((name for name in known if name.lower() in _COMMAND_NAMES), None)
    if tool.name.lower() in _SHELLS and name is not None and name not in kept:
        arguments[name] = _as(_command(written), known[name], name)
    return arguments


def _command(written: ToolCall) -> str:
    """The command that a call was to run; a harmless one where it was to do something else."""
    given = written.arguments
    if written.tool.lower() not in _SHELLS or isinstance(given, str):
        return _HARMLESS
    found = next((value for name, value in given.items() if name.lower() in _COMMAND_NAMES), None)
    if isinstance(found, list):  # an argument vector ends in what a shell is to run, or is short
        found = found[-1] if found else None
    return found if isinstance(found, str) else _HARMLESS


def _as(command: str, schema: Any, name: str) -> Any:
    """The command in the form in which a tool takes it."""
    forms: list[Any] = [command, ["bash", "-lc", command], [command]]
    if name.lower() == "commands":
        forms.reverse()
    return next((form for form in forms if fits(form, schema)), command)
