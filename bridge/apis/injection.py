"""A tool of the bridge's own: how it is offered to a model, called by it, and answered.

A tool comes from an MCP server, one from the bridge itself (`bridge.tools`); an API says how it is written into a
request, how a call of it is found in an answer, and how its result is given back. Values and decisions alone: nothing
here knows where a server is or how it is reached, and what becomes of a request round after round is in `rounds`
(docs/behaviour.md, Injected tools).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from bridge.apis.json_text import loads_object
from bridge.value_classes import frozen


@frozen
class InjectedTool:
    """A tool as a request gets it. `id` is what the model calls it, `name` what its server does."""

    id: str
    name: str
    server: str
    server_url: str
    """Where its server is: `stdio:NAME` for one that is a command, `bridge:clearspan` for the bridge's own tool."""
    description: str
    input_schema: dict[str, Any]
    """The server's whole schema, with `type: object` and `properties` made sure of."""


@frozen
class InjectedCall:
    """A call of such a tool that stands in an answer. `arguments` is the text as the model wrote it, JSON or not."""

    call_id: str
    tool: InjectedTool
    arguments: str


@frozen
class ToolResult:
    """What a call came to: the server's result by its names on the wire (`content`, `isError`, `structuredContent`), or
    the reason why there is none."""

    result: dict[str, Any] | None = None
    error: str | None = None

    @property
    def is_error(self) -> bool:
        """Whether the model is told of a failure."""
        return self.result is None or bool(self.result.get("isError"))


MOST_ROUNDS = 25
"""Requests upstream for one of the client's; the calls of the last answer are not run."""

BESIDE_OWN = "not run: the same answer calls a tool of the client"
LAST_ROUND = f"not run: it is the last of {MOST_ROUNDS} rounds"
CUT_SHORT = "not run: the answer was cut short"
TOO_LARGE = "not run: the answer is too large to be held back"
ENDS_ALL_THE_SAME = frozenset({LAST_ROUND, TOO_LARGE})
"""With these an answer asked for a call that nobody makes, and its reason to stop has to become another."""
NO_OBJECT = "the arguments are no JSON object"

Answered = Sequence[tuple[InjectedCall, ToolResult]]
"""The calls of a round, in the answer's order, each with its result."""


@frozen
class Turn:
    """What an answer asks of the bridge, and what later rounds need of it."""

    calls: tuple[InjectedCall, ...] = ()
    """To be run before the next round, in the answer's order. None: this answer is the last."""

    not_run: str = ""
    """Why injected calls that stand in the answer beside these are not run."""

    content: bytes = b""
    """The part of the answer that goes into the next request, as JSON."""

    shown_later: tuple[bytes, ...] = ()
    """Of an answer in one body, what the client gets with the last one: text, as JSON."""

    usage: Any = None
    response_id: str | None = None


NOTHING = Turn()


@frozen
class Decision:
    """What becomes of the injected calls in an answer."""

    run: bool
    not_run: str = ""


UNDECIDED = Decision(run=False)
"""As long as an answer has not come to its end, and of one that calls nothing of ours."""


def decide(*, asked: bool, own: bool, last: bool, held: bool = True) -> Decision:
    """What becomes of them. `asked`: the answer came to its end by asking for tools; `own`: it also calls one of the
    client's; `held`: a further round can still follow it."""
    if own:
        return Decision(run=False, not_run=BESIDE_OWN)
    if not asked:
        return Decision(run=False, not_run=CUT_SHORT)
    if not held:
        return Decision(run=False, not_run=TOO_LARGE)
    return Decision(run=False, not_run=LAST_ROUND) if last else Decision(run=True)


def arguments_of(call: InjectedCall) -> dict[str, Any] | None:
    """The arguments as an object; None where they are none. A model that has none to give may write nothing."""
    return loads_object(call.arguments.encode("utf-8", "surrogatepass")) if call.arguments.strip() else {}


def invocation_error(error: str) -> str:
    """How the model is told that a call came to nothing."""
    return f"invocation error: {orjson.dumps(error).decode()}"


def json_text(value: Any) -> str:
    """A value of a server's as JSON, whatever numbers and halves of characters are in it."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value)


def forces_ours(choice: object, tools: Mapping[str, InjectedTool]) -> bool:
    """Whether a `tool_choice` makes the model call a tool, and these are among those that it may be.

    It holds for one call. Repeated in the rounds after that, the model could never end (docs/behaviour.md, Injected
    tools).
    """
    if not isinstance(choice, dict):
        return choice == "required"
    named = choice.get("function", choice)
    name = named.get("name") if isinstance(named, dict) else None
    return choice.get("type") == "any" or (isinstance(name, str) and name in tools)


def without_namesakes(tools: Sequence[InjectedTool], own: Sequence[Any]) -> dict[str, InjectedTool]:
    """The tools by their ids, less those whose id names a tool of the client's `own`: that one is then meant."""
    taken: set[str] = set()
    for tool in own:
        named = tool.get("function", tool) if isinstance(tool, dict) else None
        if isinstance(named, dict) and isinstance(named.get("name"), str):
            taken.add(named["name"])
    return {tool.id: tool for tool in tools if tool.id not in taken}
