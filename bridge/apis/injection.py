"""A tool of the bridge's own: how it is offered to a model, called by it, and answered.

A tool comes from an MCP server (`bridge.tools`); an API says how it is written into a request, how a call of it is
found in an answer, and how its result is given back. Values alone: nothing here knows where a server is, or how it is
reached.
"""

from __future__ import annotations

from typing import Any

from attrs import frozen


@frozen
class InjectedTool:
    """A tool as a request gets it. `id` is what the model calls it, `name` what its server does."""

    id: str
    name: str
    server: str
    server_url: str
    """Where its server is: `stdio:NAME` for one that is a command."""
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
