"""`clearspan demo --step`: bridge and simulated provider, and the walkthrough's chapters, played when they are opened.

The monitor is a process of its own. It writes what the person wants into a pipe that it was started with, a line each:
`play CHAPTER SESSION` sends that chapter's requests, in a session of that name, and `step` lets go on whoever waits.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trio
from attrs import evolve

from bridge.cli.serve import end_on_hangup, keep_quiet, run_beside
from bridge.cli.simulate import simulated_provider
from bridge.config.settings import McpServerSettings, McpSettings, ProviderSettings, Settings
from bridge.config.units import Seconds
from bridge.events.place import record_in
from bridge.keys.secret import Secret
from bridge.observe.logs import logger
from bridge.providers.openai import OPENAI
from bridge.server import Bridge
from bridge.simulator.lessons import KEYS, LESSONS, LONG_S, WAIT_FOR_KEY_S, SteppedProvider, perform
from bridge.simulator.mcp.over_http import PATH, McpOverHttp
from monitor.command import MonitorOptions, command_line, environment

log = logger("demo")

LINE = 200
"""Bytes that a command has at most."""


async def teach(settings: Settings, explicit: Mapping[str, Any], *, keep: bool, config: Path | None = None) -> int:
    """The chapters, until their view is closed; the exit code. The options are those of `demo`."""
    provider = SteppedProvider()
    with tempfile.TemporaryDirectory(prefix="clearspan-demo-") as place:
        async with (
            simulated_provider(provider, "127.0.0.1", 0) as url,
            simulated_provider(McpOverHttp(), "127.0.0.1", 0) as tools,
        ):
            own: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "socket": Path(place) / "events.sock"}
            record = settings.record if keep else evolve(settings.record, path=record_in(Path(place)))
            ours = evolve(
                settings,
                server=evolve(settings.server, **(own | dict(explicit))),
                record=record,
                providers={OPENAI.name: provider_settings(url)},
                mcp=tool_servers(tools),
            )

            async def show(bridge: Bridge) -> None:
                data_dir = None if record.path is None else record.path.parent
                options = MonitorOptions(bridge.socket, config=config, data_dir=data_dir)
                await show_chapters(bridge, provider, options)

            return await run_beside(ours, show, keep_quiet)


def provider_settings(url: str) -> ProviderSettings:
    """The provider of the chapters, which is to be found at that URL. Nothing times out while a person looks."""
    return ProviderSettings(
        type=OPENAI.name,
        base_url=f"{url}{OPENAI.base_path}",
        keys=tuple(map(Secret, KEYS)),
        wait_for_key=Seconds(WAIT_FOR_KEY_S),
        request_timeout=Seconds(LONG_S),
        idle_timeout=Seconds(LONG_S),
    )


def tool_servers(url: str) -> McpSettings:
    """The chapters' MCP server, which is to be found at that URL, with the one tool that they need."""
    servers = {"simulated": McpServerSettings(url=f"{url}{PATH}", allow="^add$")}
    return McpSettings(session_usage=False, servers=servers)


async def show_chapters(bridge: Bridge, provider: SteppedProvider, options: MonitorOptions) -> None:
    """The walkthrough in this terminal; returns when it is closed."""
    commands, its_end = os.pipe()
    try:
        options = evolve(options, lessons=its_end)
        async with trio.lowlevel.FdStream(commands) as stream, trio.open_nursery() as nursery:
            nursery.start_soon(end_on_hangup, nursery)
            nursery.start_soon(play_chapters, stream, bridge, provider)
            await trio.run_process(
                command_line(options), stdin=None, check=False, env=environment(os.environ), pass_fds=(its_end,)
            )
            nursery.cancel_scope.cancel()
    finally:
        os.close(its_end)


async def play_chapters(commands: trio.abc.ReceiveStream, bridge: Bridge, provider: SteppedProvider) -> None:
    """Does what the lines of `commands` say, until there are no more. The next chapter ends one that is under way."""
    pending = b""
    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()
        async for data in commands:
            *lines, pending = (pending + data).split(b"\n")
            pending = pending[:LINE]
            for line in lines:
                match line.decode("ascii", "replace").split():
                    case ["step"]:
                        provider.gate.step()
                    case ["play", chapter, session] if chapter.isdecimal() and 1 <= int(chapter) <= len(LESSONS):
                        scope.cancel()
                        scope = trio.CancelScope()
                        nursery.start_soon(_play, int(chapter), session, bridge, provider, scope)
                    case _:
                        log.warning("the walkthrough asked for what there is not")


async def _play(chapter: int, session: str, bridge: Bridge, provider: SteppedProvider, scope: trio.CancelScope) -> None:
    pool = bridge.providers[OPENAI.name].pool
    with scope:
        for act in LESSONS[chapter - 1]:
            for key in pool.keys:
                pool.reset(key.hint)
            provider.begin(act)
            await perform(act, f"{bridge.url}/{OPENAI.name}{OPENAI.base_path}", session, provider.gate)
