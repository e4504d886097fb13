"""A bridge in a process of its own, started as its owner starts it, that tests may treat roughly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import trio
from attrs import define, field

from tests.support.until import until
from tests.support.world import KEYS


@define
class Served:
    """A running bridge. `events` are those it has told its subscriber."""

    process: trio.Process
    port: int
    events: list[dict[str, Any]] = field(factory=list)

    def of_type(self, *types: str) -> list[dict[str, Any]]:
        """The events of these types so far."""
        return [event for event in self.events if event["type"] in types]

    async def until(self, kind: str, count: int = 1) -> dict[str, Any]:
        """Waits for the count-th event of that type."""
        await until(lambda: len(self.of_type(kind)) >= count)
        return self.of_type(kind)[count - 1]


def configure(place: Path, root: str, more: str = "") -> list[str]:
    """Writes a configuration with both types of provider at that URL, and `more`; returns the options that name it."""
    config = place / "config.toml"
    config.write_text(
        f'[server]\nport = 0\nsocket = "{place}/events.sock"\n'
        f'[providers.openai]\ntype = "openai"\nbase_url = "{root}/v1"\nkeys = ["env:CLEARSPAN_TEST_KEY"]\n'
        f'[providers.anthropic]\ntype = "anthropic"\nbase_url = "{root}"\nkeys = ["env:CLEARSPAN_TEST_KEY"]\n'
        f"{more}"
    )
    return ["--config", str(config), "--data-dir", str(place)]


def environment(place: Path) -> dict[str, str]:
    """That of a user with a home of her own and one key."""
    return {"CLEARSPAN_TEST_KEY": KEYS[0], "PATH": os.environ["PATH"], "HOME": str(place)}


@asynccontextmanager
async def served(place: Path, root: str, more: str = "", *, log: int = subprocess.DEVNULL) -> AsyncIterator[Served]:
    """`clearspan serve` with its files in that folder, and a subscriber; killed on leaving, if nobody stopped it.

    Its providers are at the URL `root`, its record is `clearspan.db`; `more` is further configuration, `log` where its
    standard error goes.
    """
    command = [sys.executable, "-m", "bridge", "serve", *configure(place, root, more)]
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, stderr=log, env=environment(place))
    assert process.stdout is not None
    try:
        with trio.fail_after(30):
            line = await process.stdout.receive_some()
        assert line.startswith(b"listening on http://127.0.0.1:"), line
        bridge = Served(process, int(line.rpartition(b":")[2]))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_listen, place / "events.sock", bridge.events)
            await until(lambda: bridge.of_type("snapshot"))  # what happens from now on is told by itself
            yield bridge
            nursery.cancel_scope.cancel()
    finally:
        if process.returncode is None:
            process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stdout.aclose()


async def stop(bridge: Served) -> None:
    """Ends it as a terminal or a service manager does, and waits until it is gone."""
    bridge.process.send_signal(signal.SIGTERM)
    with trio.fail_after(30):
        await bridge.process.wait()
    assert bridge.process.returncode == 0


async def _listen(socket: Path, events: list[dict[str, Any]]) -> None:
    async with await trio.open_unix_socket(str(socket)) as stream:
        rest = b""
        async for chunk in stream:
            *lines, rest = (rest + chunk).split(b"\n")
            events += map(orjson.loads, lines)
