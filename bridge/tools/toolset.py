"""What an interception knows of the tools that its model gets: a list that does not change, and how to call one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from bridge.apis.injection import InjectedTool, ToolResult


class Toolset(Protocol):
    """The list of one session, frozen once a request got it."""

    tools: Sequence[InjectedTool]
    """Sorted by id; never empty."""

    def keep(self) -> None:
        """A request got them: they are its session's from now on."""

    async def call(self, tool: InjectedTool, arguments: dict[str, Any]) -> ToolResult:
        """Runs one call, at most 60 s long. Never raises but for being cancelled: what goes wrong is in the result."""


class Toolsets(Protocol):
    """Where an interception gets its tools from."""

    def toolset(self, session_id: str | None, client: str) -> Toolset | None:
        """The session's list, or its client's where there is no session; None where no tool is ready."""
