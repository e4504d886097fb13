"""`clearspan simulate`: the simulated provider alone, or with an MCP server, and the configuration that fits them."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import trio

from bridge.app import protocol_error
from bridge.cli.ending import say
from bridge.cli.serve import print_lines, until_it_ends
from bridge.config.settings import Settings
from bridge.errors import ConfigurationError
from bridge.events.place import DEFAULT_PORT
from bridge.http.engine import App
from bridge.http.listener import Listener, open_listeners
from bridge.observe import logs
from bridge.process.line_writer import is_file
from bridge.process.receiver import receiver
from bridge.process.signals import HANDLED
from bridge.providers.kinds import KINDS
from bridge.simulator.mcp.over_http import PATH, McpOverHttp
from bridge.simulator.mcp.over_stdio import serve_stdio
from bridge.simulator.provider import SimulatedProvider
from bridge.simulator.scenario.file import ScenarioError, load_scenario
from bridge.simulator.scenario.scenario import Scenario

ANY_KEYS = ("sk-simulated-first", "sk-simulated-second")
"""Keys for a scenario that names none: it takes every key."""

ROOTS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # read, not bound
"""Where one calls who listens everywhere."""


def simulate(  # what the command's options say
    settings: Settings,
    scenario: Path | None,
    *,
    seed: int,
    speed: float,
    mcp: int | None = None,
    one_organization: bool = False,
) -> int:
    """The simulated provider, until it is interrupted; beside it the simulated MCP server on the port `mcp`."""
    logs.configure(settings.log.level, settings.log.format)
    try:
        played = load_scenario(scenario) if scenario else None
    except ScenarioError as error:
        raise ConfigurationError(str(error).splitlines()) from None

    async def run() -> int:
        provider = SimulatedProvider(played, seed=seed, speed=speed, one_organization=one_organization)
        with receiver(*HANDLED) as signals:
            async with AsyncExitStack() as stack:
                host, port = settings.server.host, settings.server.port
                comment = "# " if is_file(sys.stdout) else ""  # a file of these lines is to be one of TOML
                url = await stack.enter_async_context(simulated_provider(provider, host, port))
                lines = [f"{comment}listening on {url}", *configuration_lines(url, played)]
                if mcp is not None:
                    tools = await stack.enter_async_context(simulated_provider(McpOverHttp(mortal=True), host, mcp))
                    lines += ["", "[mcp.servers.simulated]", f'url = "{tools}{PATH}"']
                # At once: whoever waits for the first line may read no further.
                print_lines("\n".join([*lines, ""]))
                say(REMARK)  # for a person, beside the lines that a file takes
                await anext(signals)
        return 0

    return until_it_ends(run)


def simulate_tools() -> int:
    """The simulated MCP server on standard input and output, until that ends."""

    async def run() -> int:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_end_when_told, nursery.cancel_scope)
            await serve_stdio()
            nursery.cancel_scope.cancel()
        return 0

    return until_it_ends(run)


async def _end_when_told(scope: trio.CancelScope) -> None:
    with receiver(*HANDLED) as signals:
        await anext(signals)
        scope.cancel()


REMARK = "these lines, in a file FILE, make a bridge for it: clearspan serve --config FILE"


def configuration_lines(url: str, scenario: Scenario | None) -> Iterator[str]:
    """The configuration of a bridge whose providers are the simulated one at that URL, with keys of the scenario's.

    It names a port where the simulated provider has the one on which a bridge listens by default.
    """
    if url.endswith(f":{DEFAULT_PORT}"):
        yield from ("[server]", f"port = {DEFAULT_PORT + 1}", "")
    named: Sequence[str] = [script.key for script in scenario.keys] if scenario else ()
    keys = json.dumps(list(named or ANY_KEYS), ensure_ascii=False)  # which is TOML, too
    for number, (name, kind) in enumerate(KINDS.items()):
        yield from ("",) * bool(number)
        yield from (f"[providers.{name}]", f'type = "{name}"', f'base_url = "{url}{kind.base_path}"', f"keys = {keys}")


@asynccontextmanager
async def simulated_provider(provider: App, host: str, port: int) -> AsyncIterator[str]:
    """Serves a simulated provider, or the like, while the block runs; gives its URL."""
    sockets = await open_listeners(host, port)
    listener = Listener(provider, sockets, protocol_error)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listener.run)
        address, port = sockets[0].socket.getsockname()[:2]
        host = ROOTS.get(address, address)
        yield f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        nursery.cancel_scope.cancel()
