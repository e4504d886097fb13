"""`clearspan demo`: bridge, simulated provider, scripted agents and a view of them, in one process."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import trio
from attrs import evolve

from bridge.cli.lessons import teach
from bridge.cli.paper import paper
from bridge.cli.serve import (
    Beside,
    announce,
    end_on_hangup,
    keep_quiet,
    log_to_file,
    print_events,
    run_beside,
    show_monitor,
    until_it_ends,
)
from bridge.cli.simulate import simulated_provider
from bridge.cli.summary import summary
from bridge.config.settings import ProviderSettings, Settings
from bridge.events.place import record_in
from bridge.keys.secret import Secret
from bridge.observe import logs
from bridge.providers.openai import OPENAI
from bridge.server import Bridge
from bridge.simulator.agents import run_agents
from bridge.simulator.demo import DEMO_SCENARIO, demo_keys
from bridge.simulator.provider import SimulatedProvider
from monitor.options import has_terminal

ONCE_SPEED = 6.0
"""How fast the simulation runs where every scenario is to be seen once: nobody reads along."""


def demo(  # noqa: PLR0913  # what the command's options say
    settings: Settings,
    *,
    headless: bool = False,
    once: bool = False,
    seed: int = 1,
    speed: float = 1.0,
    keep: bool = False,
    step: bool = False,
    explicit: Mapping[str, Any] = MappingProxyType({}),
    config: Path | None = None,
) -> int:
    """Bridge, simulated provider, scripted agents and a view of them, beside the user's own bridge if there is one.

    Its record goes with it, so that no made-up request is ever counted with real ones; `keep` writes it all the same.
    `step` plays the walkthrough's chapters in the place of agents. `explicit` says where it is to listen: else on a
    free port, with a socket of its own. `config` is the file that the settings are from, if there is one.
    """
    headless = headless or not has_terminal()
    if headless:
        logs.configure("warning", settings.log.format)
    else:
        log_to_file(settings)
    if step:
        return until_it_ends(partial(teach, settings, explicit, keep=keep, config=config))
    pace = speed * ONCE_SPEED if once else speed
    rounds = 1 if once else None
    view = print_events if headless else partial(show_monitor, config=config)
    return until_it_ends(
        partial(_demo, settings, view, rounds=rounds, seed=seed, speed=pace, keep=keep, explicit=explicit)
    )


async def _demo(  # what the command's options say
    settings: Settings,
    view: Beside,
    *,
    rounds: int | None,
    seed: int,
    speed: float,
    keep: bool,
    explicit: Mapping[str, Any],
) -> int:
    simulated = SimulatedProvider(DEMO_SCENARIO, seed=seed, speed=speed)
    with tempfile.TemporaryDirectory(prefix="clearspan-demo-") as place:
        async with simulated_provider(simulated, "127.0.0.1", 0) as url:
            keys = tuple(Secret(key) for key in demo_keys())
            provider = ProviderSettings(type=OPENAI.name, base_url=f"{url}{OPENAI.base_path}", keys=keys)
            own: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "socket": Path(place) / "events.sock"}
            server = evolve(settings.server, **(own | dict(explicit)))
            record = settings.record if keep else evolve(settings.record, path=record_in(Path(place)))
            ours = evolve(settings, server=server, record=record, providers={OPENAI.name: provider})
            show = view
            if isinstance(view, partial) and record.path is not None:
                show = partial(view, data_dir=record.path.parent)
            done = ""

            async def play(bridge: Bridge) -> None:
                nonlocal done
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(end_on_hangup, nursery)
                    nursery.start_soon(_show_then_stop, show, bridge, nursery)
                    await run_agents(
                        f"{bridge.url}/{OPENAI.name}{OPENAI.base_path}", rounds=rounds, speed=speed, seed=seed
                    )
                    await bridge.hub.flushed()
                    done = summary(bridge.hub.picture)
                    nursery.cancel_scope.cancel()

            code = await run_beside(ours, play, announce if view is print_events else keep_quiet)
    if done and view is print_events:
        paper().put([done])
    return code


async def _show_then_stop(show: Beside, bridge: Bridge, nursery: trio.Nursery) -> None:
    await show(bridge)
    nursery.cancel_scope.cancel()
