"""Simulated hours of twenty agents on six keys of two organisations: what affinity, lanes and groups are worth.

Five sessions, each with a main agent, two subagents and one in the background, ask as agents do, with a rush now and
then in which there is more to do than all keys may. The provider beneath is a few lines: each organisation has so many
requests a minute, refuses what is beyond, and has a prompt cache of its own. Everything between is the real thing, on
Trio's mock clock: the provider with its pool, the walks, the lanes, the timers. The same seed gives the same figures.

The run fails (exit code 1) where affinity does not spare four of five breaks of the cache, where a background request
goes on while a main one waits, where a key is asked whose group is known to rest, or where an agent never ends.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import trio
import trio.testing
from attrs import Factory, define, field, frozen

from bridge.config.settings import ProviderSettings
from bridge.config.units import Seconds
from bridge.events.hub import Hub
from bridge.events.values import FailureReason, Lane
from bridge.keys.affinity import Asker
from bridge.keys.key import Key
from bridge.keys.secret import Secret
from bridge.keys.strategy import STRATEGIES, Strategy
from bridge.keys.verdict import Failure
from bridge.keys.walk import Walk
from bridge.providers.provider import Provider

BEGAN = datetime(2026, 3, 6, 9, 0, tzinfo=UTC)
KEYS = tuple(Secret(f"sk-lanes-{number}-canary-000{number}") for number in range(1, 7))
ORGANIZATIONS = ("org-one",) * 3 + ("org-two",) * 3
GROUPS = ((1, 2, 3), (4, 5, 6))

SESSIONS = 5
CREW: tuple[tuple[str | None, Lane], ...] = (
    (None, "main"),
    ("explorer", "subagent"),
    ("tester", "subagent"),
    ("titles", "background"),
)
"""The agents of a session."""

REQUESTS_A_MINUTE = 70
"""Of each organisation."""
THINK_S = 8.0
"""Between two requests of an agent, on average; of the time it runs tools and its user reads."""
RUSH_EVERY_S = 1800.0
RUSH_S = 60.0
RUSH = 8.0
"""In a rush everybody asks so much faster."""
HEAD_S, ANSWER_S = 1.2, 4.0
CACHE_S = 300.0
"""How long a prompt cache lasts from its last use."""
WAIT_S = 120.0
SPARED = 0.8
"""The part of the breaks that affinity has to spare."""


@define
class Organization:
    """Its limit, in windows of a minute, and its prompt cache: how much of which conversation, and until when."""

    name: str
    window_ends: float = 0.0
    used: int = 0
    cache: dict[str, tuple[int, float]] = Factory(dict)

    def take(self, now: float) -> float:
        """One request: 0 where it is served, else the seconds until there is room."""
        if now >= self.window_ends:
            self.window_ends, self.used = now + 60.0, 0
        if self.used >= REQUESTS_A_MINUTE:
            return self.window_ends - now
        self.used += 1
        return 0.0

    def read(self, conversation: str, prompt: int, now: float) -> int:
        """So many tokens of the prompt come from the cache, which holds all of it from now on."""
        held, until = self.cache.get(conversation, (0, 0.0))
        self.cache[conversation] = (prompt, now + CACHE_S)
        return held if now < until else 0


@define
class Figures:
    """What came of one run."""

    served: int = 0
    refused: int = 0
    """By the provider: each costs a request."""
    turned_away: int = 0
    breaks: int = 0
    """Prompts that would have been in the cache of another organisation."""
    lost: int = 0
    """Tokens of these."""
    burnt: int = 0
    """Refusals by keys whose group was known to rest."""
    overtaken: int = 0
    """Times that a background request was granted its turn while a main one waited."""
    waited: Counter[Lane] = Factory(Counter)
    """Requests that waited for their turn, by lane."""
    took: dict[Lane, list[float]] = field(factory=lambda: {lane: [] for _, lane in CREW})
    moves: int = 0
    ended: int = 0


@frozen
class Run:
    """One strategy, with affinity or without."""

    strategy: Strategy
    affinity: bool

    @property
    def name(self) -> str:
        """As it is printed."""
        return f"{self.strategy}{' + affinity' if self.affinity else ''}"


class World:
    """Agents, one real provider, and two organisations behind it."""

    def __init__(self, run: Run, seed: int, hours: float) -> None:
        self.figures = Figures()
        self._chance = random.Random(seed)  # noqa: S311 - a simulation
        self._end = hours * 3600.0
        self._organizations = {name: Organization(name) for name in dict.fromkeys(ORGANIZATIONS)}
        self._hub = Hub(self._wall)
        self._hub.add_sink(lambda envelope: self._count(envelope.event.type))
        settings = ProviderSettings(
            type="openai",
            base_url="http://127.0.0.1:1/v1",  # nobody is asked there
            keys=KEYS,
            strategy=run.strategy,
            affinity=run.affinity,
            groups=GROUPS,
            wait_for_key=Seconds(WAIT_S),
        )
        self._provider = Provider("openai", settings, self._hub, wall=self._wall)
        self._owners = dict(zip(self._provider.pool.keys, self._organizations_of_keys(), strict=True))

    async def live(self) -> None:
        """All of it."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._provider.run)
            async with trio.open_nursery() as agents:
                for number in range(SESSIONS):
                    for agent, lane in CREW:
                        chance = random.Random(self._chance.random())  # noqa: S311 - the same
                        agents.start_soon(self._agent, Asker("", f"session-{number}", agent, (), lane), chance)
            nursery.cancel_scope.cancel()

    def _organizations_of_keys(self) -> Iterator[Organization]:
        return (self._organizations[name] for name in ORGANIZATIONS)

    def _wall(self) -> datetime:
        return BEGAN + timedelta(seconds=trio.current_time() if _in_trio() else 0.0)

    def _count(self, kind: str) -> None:
        self.figures.moves += kind == "key.moved"

    async def _agent(self, asker: Asker, chance: random.Random) -> None:
        prompt, last = 4000, (0, "", 0.0)
        await trio.sleep(chance.expovariate(1 / THINK_S))
        while trio.current_time() < self._end:
            owner = None
            while owner is None:
                owner = await self._request(asker, prompt, last, chance)
            last = (prompt, owner.name, trio.current_time())
            prompt = prompt + chance.randint(200, 3000) if prompt < 150_000 else 20_000
            if prompt == 20_000:
                last = (0, "", 0.0)  # compacted: nothing of it is in any cache
            rush = trio.current_time() % RUSH_EVERY_S > RUSH_EVERY_S - RUSH_S
            await trio.sleep(chance.expovariate((RUSH if rush else 1.0) / THINK_S))
        self.figures.ended += 1

    async def _request(
        self, asker: Asker, prompt: int, last: tuple[int, str, float], chance: random.Random
    ) -> Organization | None:
        """One request, as a failover has it; None where it was turned away."""
        pool = self._provider.pool
        began = trio.current_time()
        walk = pool.walk(asker)
        try:
            key = None if pool.turns.crowded() else walk.next()
            while True:
                if key is None:
                    key = await self._wait(walk, began + WAIT_S)
                if key is None:
                    self.figures.turned_away += 1
                    await trio.sleep(pool.exhaustion(walk).retry_after_s or 1)
                    return None
                owner = self._owners[key]
                resting = any(other.cooling for other in pool.keys if self._owners[other] is owner)
                await trio.sleep(0.05)
                seconds = owner.take(trio.current_time())
                if not seconds:
                    break
                self.figures.refused += 1
                self.figures.burnt += resting
                failure = Failure(FailureReason.RATE_LIMITED, seconds, "header", scope="organization")
                walk.fail(key, failure)
                key = None if pool.turns.crowded() else walk.next()
            await self._answer(walk, key, prompt, last, chance)
        finally:
            walk.close()
        self.figures.served += 1
        self.figures.took[asker.lane].append(trio.current_time() - began)
        return owner

    async def _wait(self, walk: Walk, deadline: float) -> Key | None:
        def tell(_until: float, lane: Lane, _place: int) -> None:
            self.figures.waited[lane] += 1

        key = await self._provider.key_in_turn(walk, deadline, tell)
        # Those that were granted a turn in the same moment are on their way; the lanes know who still waits.
        mains = any(ticket.lane == "main" for ticket in self._provider.pool.turns.lanes)
        self.figures.overtaken += key is not None and walk.asker.lane == "background" and mains
        return key

    async def _answer(
        self, walk: Walk, key: Key, prompt: int, last: tuple[int, str, float], chance: random.Random
    ) -> None:
        owner, pool, asker = self._owners[key], self._provider.pool, walk.asker
        await trio.sleep(chance.uniform(0.3, 1.0) * HEAD_S)
        left = str(max(REQUESTS_A_MINUTE - owner.used, 0)).encode()
        reset = f"{max(owner.window_ends - trio.current_time(), 0.0):.3f}s".encode()
        limit = str(REQUESTS_A_MINUTE).encode()
        pool.succeed(
            key,
            [
                (b"openai-organization", owner.name.encode()),
                (b"x-ratelimit-limit-requests", limit),
                (b"x-ratelimit-remaining-requests", left),
                (b"x-ratelimit-reset-requests", reset),
            ],
            walk,
        )
        read = owner.read(f"{asker.session_id} {asker.agent_id}", prompt, trio.current_time())
        before, name, at = last
        if before and owner.name != name and read < before and trio.current_time() < at + CACHE_S:
            self.figures.breaks += 1
            self.figures.lost += before - read
        await trio.sleep(chance.uniform(0.5, 1.5) * ANSWER_S)
        pool.answered(walk, key, prompt + 500, (read, prompt), None)


def _in_trio() -> bool:
    return trio.lowlevel.in_trio_run()


def simulate(run: Run, seed: int, hours: float) -> Figures:
    """One run on a clock of its own, which jumps from one thing that happens to the next."""

    async def main() -> Figures:
        world = World(run, seed, hours)
        await world.live()
        return world.figures

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def broken_promises(runs: dict[Run, Figures]) -> Iterator[str]:
    """What did not hold, in words."""
    without = {run: figures for run, figures in runs.items() if not run.affinity}
    for run, figures in runs.items():
        if figures.overtaken:
            yield f"{run.name}: a background request went on {figures.overtaken} times while a main one waited"
        if figures.burnt:
            yield f"{run.name}: {figures.burnt} requests went to keys whose group rested"
        if not figures.waited["main"] or not figures.waited["background"]:
            yield f"{run.name}: nobody had to wait, so that nothing is shown of lanes"
        if figures.ended != SESSIONS * len(CREW):
            yield f"{run.name}: {SESSIONS * len(CREW) - figures.ended} agents did not end"
        if run.affinity:
            for other, theirs in without.items():
                if figures.breaks > (1 - SPARED) * theirs.breaks:
                    yield f"{run.name}: {figures.breaks} breaks of the cache, {other.name} has {theirs.breaks}"


def table(runs: dict[Run, Figures]) -> Iterator[str]:
    """The figures, one run a line."""
    yield (
        f"{'':<26}{'served':>8}{'429s':>7}{'burnt':>7}{'turned':>8}{'breaks':>8}{'tokens lost':>13}{'moves':>7}"
        f"{'overtaken':>11}   waited, and mean seconds in all, of main / subagent / background"
    )
    for run, figures in runs.items():
        means = " / ".join(
            f"{figures.waited[lane]} {sum(took) / max(len(took), 1):.1f}" for lane, took in figures.took.items()
        )
        yield (
            f"{run.name:<26}{figures.served:>8}{figures.refused:>7}{figures.burnt:>7}{figures.turned_away:>8}"
            f"{figures.breaks:>8}{figures.lost:>13,}{figures.moves:>7}{figures.overtaken:>11}   {means}"
        )


def main() -> int:
    """Exit code 0 when every promise held, 1 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="decides what each agent does")
    parser.add_argument("--hours", type=float, default=2.0, help="how long the agents work, in simulated hours")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    chosen = [Run(strategy, affinity) for affinity in (False, True) for strategy in STRATEGIES]
    runs = {run: simulate(run, options.seed, options.hours) for run in chosen}
    for line in table(runs):
        print(line)
    broken = list(broken_promises(runs))
    for line in broken:
        print(line)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
