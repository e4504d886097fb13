"""MCP servers of a bridge in a process of its own: told, shown, reconfigured, and ended with it."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio

from bridge.tools.session_usage import SESSION_USAGE
from tests.support.command_line import Home, clearspan, home, running, serving
from tests.support.tool_servers import CLEARSPAN, ODD_SERVER, is_running
from tests.support.until import until

PYTHON = CLEARSPAN[0]


def table(name: str, *words: str, more: str = "") -> str:
    """A server in a configuration: `odd_server.py` with these words."""
    command = orjson.dumps([PYTHON, "-I", "-S", str(ODD_SERVER), *words]).decode()
    return f"[mcp.servers.{name}]\ncommand = {command}\n{more}\n"


OWN = {
    "server": "clearspan",
    "url": "bridge:clearspan",
    "state": "ready",
    "error": None,
    "tools": [
        {
            "id": "bmcp_clearspan_session_usage",
            "name": "session_usage",
            "description": SESSION_USAGE.description.partition("\n")[0],
            "allowed": True,
        }
    ],
}
"""The bridge's own tool beside a server that is ready."""


async def all_tools(here: Home) -> list[Any]:
    """What `clearspan tools --json` says."""
    said = await clearspan(here, "tools", "--json")
    assert said.code == 0, said.err
    found = orjson.loads(said.out)
    assert isinstance(found, list)
    return found


async def tools(here: Home) -> list[Any]:
    """The same of configured servers."""
    return [server for server in await all_tools(here) if server["url"] != OWN["url"]]


async def settled(here: Home, **states: str) -> list[Any]:
    """The servers, once they are so."""
    with trio.fail_after(30):
        while True:
            found = await tools(here)
            if {server["server"]: server["state"] for server in found} == states:
                return found


async def test_tools_come_from_the_running_bridge() -> None:
    with home() as here:
        marker = here.path / "started"
        here.configure(table("docs", "find=Finds pages.\\nAnd more.", "drop", f"child={marker}", more='deny = "drop"'))
        async with serving(here) as (bridge, _):
            (docs,) = await settled(here, docs="ready")
            first = marker.read_text()
            assert docs == {
                "server": "docs",
                "url": "stdio:docs",
                "state": "ready",
                "error": None,
                "tools": [
                    {"id": None, "name": "drop", "description": "Does drop.", "allowed": False},
                    {
                        "id": "bmcp_docs_find",
                        "name": "find",
                        "description": "Finds pages.\\nAnd more.",
                        "allowed": True,
                    },
                ],
            }
            assert await all_tools(here) == [docs, OWN]
            shown = " ".join((await clearspan(here, "tools")).out.split())
            assert "docs ready 1/2 stdio:docs -" in shown
            assert "clearspan ready 1/1 bridge:clearspan -" in shown
            assert "bmcp_docs_find docs find yes" in shown
            assert "bmcp_clearspan_session_usage clearspan session_usage yes" in shown
            assert marker.read_text() == first  # none was started for it
            assert b"has no effect" not in bridge.err


async def test_the_first_snapshot_has_the_servers() -> None:
    with home() as here:
        here.configure(table("docs", "deaf"))
        async with serving(here), running(here, "tail", "--json") as tail:
            await tail.says('"type":"snapshot"')
            (docs,) = orjson.loads(tail.lines[1])["servers"]
            assert docs == {"server": "docs", "state": "starting", "tools": 0, "error": None}


async def test_a_snapshot_has_the_servers_and_events_tell_of_them() -> None:
    with home() as here:
        here.configure("")
        async with serving(here) as (bridge, _), running(here, "tail", "--json") as tail:
            await tail.says('"type":"snapshot"')
            assert orjson.loads(tail.lines[1])["servers"] == []
            here.configure(table("docs", "a", "b"))
            bridge.process.send_signal(signal.SIGHUP)
            await tail.says('"state":"ready"')
            events = [orjson.loads(line) for line in tail.lines[2:]]
            told = [event for event in events if event["type"] == "server.changed"]
            assert [(event["state"], event["tools"], event["error"]) for event in told] == [
                ("starting", 0, None),
                ("ready", 2, None),
            ]
            here.configure(table("docs", "a", "b", more='allow = "a"') + table("gone"))
            bridge.process.send_signal(signal.SIGHUP)
            await tail.says('"tools":1')
            here.configure("")
            bridge.process.send_signal(signal.SIGHUP)
            await tail.says('"error":"removed"', 2)
            async with running(here, "tail", "--json") as later:
                await later.says('"type":"snapshot"')
                assert orjson.loads(later.lines[1])["servers"] == []


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_programs_and_what_they_started_end_with_the_bridge(how: signal.Signals) -> None:
    with home() as here:
        marker = here.path / "started"
        here.configure(table("docs", "a", f"child={marker}"))
        async with running(here, "serve", "--port", "0") as bridge:
            await bridge.says("listening")
            await settled(here, docs="ready")
            pids = [int(pid) for pid in marker.read_text().split()]
            assert [is_running(pid) for pid in pids] == [True, True]
            code = await bridge.ends(how)
            assert code == (0 if how is signal.SIGTERM else -signal.SIGKILL)
            await until(lambda: not any(is_running(pid) for pid in pids))


async def test_a_server_that_is_configured_no_more_ends() -> None:
    with home() as here:
        marker = here.path / "started"
        here.configure(table("docs", "a", f"child={marker}"))
        async with serving(here) as (bridge, _):
            await settled(here, docs="ready")
            pids = [int(pid) for pid in marker.read_text().split()]
            here.configure("")
            bridge.process.send_signal(signal.SIGHUP)
            await until(lambda: not any(is_running(pid) for pid in pids))
            assert await all_tools(here) == []


async def test_where_no_bridge_runs_the_servers_are_tried_for_a_moment() -> None:
    with home() as here:
        marker = here.path / "started"
        here.configure(table("docs", "a", f"child={marker}") + '[mcp.servers.gone]\ncommand = ["no-such-program"]\n')
        found = await tools(here)
        assert [(server["server"], server["state"]) for server in found] == [("docs", "ready"), ("gone", "failed")]
        assert found[0]["tools"][0]["id"] == "bmcp_docs_a"
        assert found[1]["error"] == "it can't be started: No such file or directory"
        assert not any(is_running(int(pid)) for pid in marker.read_text().split())
        assert (await all_tools(here))[-1] == OWN


async def test_without_a_server_there_is_nothing_to_show() -> None:
    with home() as here:
        said = await clearspan(here, "tools")
        assert (said.code, said.err) == (0, "")
        assert "No MCP server is configured" in said.out


async def test_a_bridge_without_the_library_says_what_to_do(tmp_path: Path) -> None:
    with home(PYTHONPATH=str(tmp_path)) as here:
        (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['mcp'] = None\n")
        file = here.configure(table("docs", "a"))
        said = await clearspan(here, "serve", "--port", "0")
        assert said.code == 2
        assert said.err == (
            f"clearspan: {file}:1: mcp.servers.docs: needs the extra tools, which is not installed; "
            "run: pip install 'clearspan[tools]'\n"
        )
        here.configure("")
        assert (await clearspan(here, "check")).code == 0


async def test_the_simulated_server_prints_its_configuration() -> None:
    with home() as here:
        async with running(here, "simulate", "--port", "0", "--mcp", "0") as simulated:
            await simulated.says("/mcp")
            here.configure("\n".join(simulated.lines[1:]))
            (found,) = await tools(here)
            assert found["server"] == "simulated"
            assert len(found["tools"]) == 8
            assert await simulated.ends(signal.SIGTERM) == 0
