"""A public MCP server, as it comes from its registry, over standard streams."""

from __future__ import annotations

import pytest

from bridge.config.settings import McpServerSettings
from tests.clients.installed import NotInstalled, program
from tests.support.tool_servers import kept


@pytest.fixture
def words() -> tuple[str, ...]:
    """The command that starts it."""
    try:
        return (str(program("mcp-server-time")), "--local-timezone", "UTC")
    except NotInstalled as reason:
        pytest.skip(str(reason))


async def test_the_time_is_told(words: tuple[str, ...]) -> None:
    async with kept(time=McpServerSettings(command=words)) as found:
        ready = await found.until_told("time", "ready")
        assert ready.tools == 2
        assert found.ids == ["bmcp_time_convert_time", "bmcp_time_get_current_time"]
        now = found.tool("bmcp_time_get_current_time")
        assert now.input_schema["required"] == ["timezone"]
        told = await found.servers.call(now, {"timezone": "Europe/Berlin"})
        assert told.result is not None, told.error
        assert not told.is_error
        assert '"timezone": "Europe/Berlin"' in told.result["content"][0]["text"]
        wrong = await found.servers.call(now, {"timezone": "Nowhere/None"})
        assert wrong.is_error
