"""A run: inputs batch by batch, what must hold after each, and the few bytes that break it where it does not."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

import trio
from attrs import Factory, define, evolve, field

from tests.faults.fuzz.arena import OWN_KEY, POOL_KEY, Arena, Target
from tests.faults.fuzz.inputs import Input, chance_of
from tests.faults.fuzz.recording import recording
from tests.faults.fuzz.subject import Holding, bridge, settled
from tests.support.command_line import home

BATCH = 500
SETTLE_S = 20.0
"""How long what is on its way out may take: longer than a lingering close and an idle thread's wait."""
ROOM_DESCRIPTORS = 8
ROOM_THREADS = 8
ROOM_MIB = 128.0
"""Above the base, which is taken after a first batch: what the picture and the allocator keep."""

CONFIGURATION = """
[server]
allowed_hosts = ["fuzz.example"]
max_request_bytes = 8388608
[providers.openai]
type = "openai"
base_url = "{root}/v1"
keys = ["{key}"]
idle_timeout = "{idle}"
request_timeout = "{idle}"
[providers.openai.circuit_breaker]
enabled = false
[providers.anthropic]
type = "anthropic"
base_url = "{root}"
keys = ["{key}"]
idle_timeout = "{idle}"
request_timeout = "{idle}"
[providers.anthropic.circuit_breaker]
enabled = false
"""

Say = Callable[[str], None]


@define
class Findings:
    """What a run found. `inputs` are those of the batch that broke something."""

    thrown: Counter[str] = Factory(Counter)
    statuses: Counter[str] = Factory(Counter)
    interceptions: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(factory=list)
    inputs: list[Input] = field(factory=list)


async def run_campaign(  # what a person says on the command line
    targets: Sequence[Target], inputs: int, seed: int, seconds: float, say: Say = lambda _: None, batch: int = BATCH
) -> Findings:
    """Throws so many inputs in all, shared out among the targets; stops at the first batch that breaks something."""
    findings = Findings()
    begun = time.monotonic()
    shares = sum(target.share for target in targets)
    for target in targets:
        count = max(1, inputs * target.share // shares)
        async with arena(target) as here:
            base: Holding | None = None
            for first in range(0, count, batch):
                if time.monotonic() - begun > seconds:
                    say(f"the time is over; {target.name} had {first} of {count} inputs")
                    break
                numbers = range(first, min(first + batch, count))
                thrown = [target.make(chance_of(seed, target.name, number)) for number in numbers]
                batch_begun = time.monotonic()
                held = await throw_batch(here, target, thrown, base)
                base = base or held
                findings.thrown[target.name] += len(thrown)
                rate = len(thrown) / (time.monotonic() - batch_begun)
                findings.statuses.update(here.statuses)
                say(
                    f"{target.name} {numbers.stop}/{count}: {rate:.0f}/s, {held.rss_mib:.0f} MiB, "
                    f"{held.descriptors} descriptors, {held.threads} threads, {counts(here.statuses)}"
                )
                here.statuses.clear()
                if here.wrong:
                    findings.wrong, findings.inputs = here.wrong, thrown
                    break
            findings.interceptions += here.bridge.interceptions
        if findings.wrong:
            break
    findings.seconds = time.monotonic() - begun
    return findings


async def replay(target: Target, inputs: Sequence[Input], times: int = 20) -> Findings:
    """Throws these inputs at a fresh bridge, several times, until they break something."""
    findings = Findings(inputs=list(inputs))
    begun = time.monotonic()
    async with arena(target) as here:
        base = await throw_batch(here, target, [], None)
        while not here.wrong and findings.thrown[target.name] < times * len(inputs):
            await throw_batch(here, target, inputs, base)
            findings.thrown[target.name] += len(inputs)
        findings.statuses, findings.wrong = here.statuses, here.wrong
        findings.interceptions = here.bridge.interceptions
    findings.seconds = time.monotonic() - begun
    return findings


@asynccontextmanager
async def arena(target: Target) -> AsyncIterator[Arena]:
    """A fresh bridge before a fresh provider."""
    with home() as here:
        async with recording() as (provider, root):
            text = CONFIGURATION.format(root=root, key=POOL_KEY, idle=target.patience)
            async with bridge(here, text) as serving:
                if target.page is None:
                    yield Arena(serving, provider)
                    return
                async with target.page(here) as page:
                    yield Arena(serving, provider, page)


async def throw_batch(here: Arena, target: Target, thrown: Iterable[Input], base: Holding | None) -> Holding:
    """Throws inputs, some at a time, and then checks all that must hold. Returns what the bridge holds."""
    here.allowed.clear()
    here.provider.got.clear()
    room = trio.Semaphore(target.at_once)

    async def throw(number: int, what: Input) -> None:
        async with room:
            try:
                await target.throw(here, number, what)
            except OSError as error:
                here.wrong.append(f"the bridge takes no connection: {error}")

    async with trio.open_nursery() as nursery:
        for number, what in enumerate(thrown):
            nursery.start_soon(throw, number, what)
    await here.good()
    if target.check is not None:
        await target.check(here)
    return await _check(here, base)


async def _check(here: Arena, base: Holding | None) -> Holding:
    """Looks for everything that must not be. Returns what the program that is thrown at holds."""
    for subject in (here.bridge.subject, here.page):
        if subject is not None and not subject.alive:
            here.wrong.append(f"it has ended with {subject.process.returncode}: {subject.trouble()}")
            return Holding(0, 0, 0.0)
    if not await settled(lambda: not here.bridge.running, SETTLE_S):
        here.wrong.append(f"{len(here.bridge.running)} interceptions have not ended")
    if not await settled(lambda: _is_back(here, base), SETTLE_S):
        here.wrong.append(f"it keeps what it took: {_own(here)} after {base}")
    _check_logs(here)
    _check_provider(here)
    here.wrong += here.bridge.wrong
    return _own(here)


def _check_logs(here: Arena) -> None:
    for subject in (here.bridge.subject, here.page):
        if subject is not None:
            here.wrong += (f"logged: {told}" for told in subject.trouble())
            if subject.told(OWN_KEY) or subject.told(POOL_KEY.encode()):
                here.wrong.append("the log holds a key")


def _check_provider(here: Arena) -> None:
    here.wrong += (f"no request reached the provider, but {odd}" for odd in here.provider.odd)
    here.wrong += (
        f"the provider got {count - here.allowed[got]} times what nobody asked for: "
        f"{got[0]!r} {got[1]!r} {got[2][:300]!r}"
        for got, count in here.provider.got.items()
        if count > here.allowed[got]
    )


def _own(here: Arena) -> Holding:
    """What it holds without its connections to the provider: how many it keeps for later is up to chance."""
    if here.page is not None:
        return here.page.holding()
    held = here.bridge.subject.holding()
    return evolve(held, descriptors=held.descriptors - here.provider.connections)


def _is_back(here: Arena, base: Holding | None) -> bool:
    now = _own(here)
    return now.children == 0 and (
        base is None
        or (
            now.descriptors <= base.descriptors + ROOM_DESCRIPTORS
            and now.threads <= base.threads + ROOM_THREADS
            and now.rss_mib <= base.rss_mib + ROOM_MIB
        )
    )


def counts(counter: Counter[str]) -> str:
    """For people."""
    return ", ".join(f"{count} {name}" for name, count in counter.most_common())
