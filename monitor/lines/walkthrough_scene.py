"""What stands in the walkthrough's picture at a step: how far the request has come, the pool's keys as they were, each
attempt that has failed, and what the client has seen. Pure: a request, a step and keys become a scene."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from attrs import frozen

from bridge.events.entries import Interception
from bridge.events.key_health import Health, health
from bridge.events.values import KeyState
from bridge.events.vocabulary import InterceptionWaiting, KeyChanged, ToolCalled
from monitor.lines import format as fmt
from monitor.lines.key_looks import LOOK
from monitor.lines.span import Tone
from monitor.lines.walkthrough_step import Place, WalkthroughStep
from monitor.state.trace import Trace, TraceEntry

MOST_KEYS = 5
"""Keys that are shown of a pool, those that were tried before all others."""

MOST_RETURNS = 4
"""Failed attempts and rounds that are shown: the last ones."""


@frozen
class PoolKey:
    """One key of the pool, and in `note` how long it cools, or in a word how it is."""

    hint: str
    glyph: str
    tone: Tone
    note: str
    tried: bool


@frozen
class Return:
    """What came back to the pool and stays in the picture: an attempt that failed, or a round that called a tool of the
    bridge's own. `words` are for less and less room."""

    words: tuple[str, ...]
    tone: Tone
    attempt: int = 0


@frozen
class Scene:
    """A step's picture. `places` is where the request has been, in order, the step's own last."""

    step: WalkthroughStep
    places: tuple[Place, ...]
    pool: tuple[PoolKey, ...]
    more_keys: int
    ready: str
    returns: tuple[Return, ...]
    returned: tuple[int, ...]
    """How many of the returns there were, for each of the places."""
    attempt: int
    hint: str
    seen: str
    seen_tone: Tone
    rows: tuple[int, int]
    """Keys and returns that all of the request's steps need room for, so that the picture does not move."""

    @property
    def strikes(self) -> bool:
        """Whether the attempt under way is the one that has failed last."""
        return any(each.attempt == self.attempt for each in self.returns[-1:] if each.attempt)


def scene(
    request: Interception, steps: Sequence[WalkthroughStep], current: int, keys: Sequence[KeyChanged], moment: datetime
) -> Scene:
    """The scene at `steps[current]`, of one request; `keys` are its provider's as they were at that moment."""
    gone = steps[: current + 1]
    tried = {attempt.key for attempt in request.attempts}
    shown = sorted(sorted(range(len(keys)), key=lambda n: keys[n].key not in tried)[:MOST_KEYS])
    own = request.started.credential.kind == "byok"
    returns = [_return(request, step) for step in gone if _returns(step)]
    left_out = max(0, len(returns) - MOST_RETURNS)
    under_way = next((step for step in reversed(gone) if step.attempt), None)
    seen, seen_tone = _seen(request, gone)
    ready = sum(key.state is KeyState.VALID for key in keys)
    pool = () if own else tuple(_pool_key(keys[n], moment, tried=keys[n].key in tried) for n in shown)
    return Scene(
        step=steps[current],
        places=tuple(step.place for step in gone),
        pool=pool,
        more_keys=0 if own else len(keys) - len(pool),
        ready="left out" if own else f"{ready} of {len(keys)} ready" if keys else "",
        returns=tuple(returns[left_out:]),
        returned=tuple(max(0, sum(map(_returns, gone[: n + 1])) - left_out) for n in range(len(gone))),
        attempt=under_way.attempt if under_way else 0,
        hint=under_way.hint if under_way else "",
        seen=seen,
        seen_tone=seen_tone,
        rows=(len(pool) + (len(pool) < len(keys) and not own), min(sum(map(_returns, steps)), MOST_RETURNS)),
    )


def _pool_key(key: KeyChanged, moment: datetime, *, tried: bool) -> PoolKey:
    state = health(key, moment)
    glyph, tone = LOOK[state]
    note = "ready" if state is Health.READY else str(state)
    if key.state is KeyState.TEMPORARY and key.retry_at is not None:
        note = fmt.clock(math.ceil(fmt.seconds_between(moment, key.retry_at)))
    return PoolKey(fmt.one_line(key.key), glyph, tone, note, tried)


def _returns(step: WalkthroughStep) -> bool:
    return step.failed or step.place is Place.TOOLS


def _return(request: Interception, step: WalkthroughStep) -> Return:
    if not step.failed:
        return Return((f"✦ calls {step.hint}", f"✦ {step.hint}"), "tool")
    attempt = next(attempt for attempt in request.attempts if attempt.attempt == step.attempt)
    why = fmt.words(attempt.reason or "")
    status = why if attempt.status is None else str(attempt.status)
    full = f"{status} {why}" if status != why else why
    words = (
        f"✗ attempt {step.attempt} {step.hint} {full}",
        f"✗ attempt {step.attempt} {step.hint} {status}",
        f"✗ {step.attempt} {step.hint} {status}",
        f"✗ {step.attempt} …{step.hint[-4:]} {status}",
    )
    return Return(words, "bad", step.attempt)


def _seen(request: Interception, gone: Sequence[WalkthroughStep]) -> tuple[str, Tone]:
    """What the client has seen at that step. How much is counted by the bridge, at the end."""
    ended = any(step.key == "ended" for step in gone)
    if ended and request.status is not None and request.status >= 400:
        return f"is told {request.status}", "warn"
    if ended and request.bytes_out:
        return f"has seen {fmt.size(request.bytes_out)}", "good"
    if any(step.place in {Place.RELAY, Place.TOOLS} for step in gone):
        return "sees it arrive", "live"
    return "has seen 0 bytes", "strong"


def moment(steps: Sequence[WalkthroughStep], current: int, trace: Trace, begin: datetime) -> datetime:
    """When a step was, as far as it was heard: a key is handed out just before its attempt begins, what else no event
    tells of comes after the event before it."""
    step = steps[current]
    after = step.place is Place.POOL and not step.event
    near = steps[current:] if after else steps[current::-1]
    entries = (entry_of(each, trace) for each in near if each.event)
    return next((entry.at for entry in entries if entry is not None), begin)


def entry_of(step: WalkthroughStep, trace: Trace) -> TraceEntry | None:
    """What the monitor heard of that step, where it did."""
    entries = [entry for entry in trace.entries if entry.kind == step.event]
    if step.event in {ToolCalled.type, InterceptionWaiting.type}:
        return entries[step.number] if step.number is not None and step.number < len(entries) else None
    if step.number is not None:
        entries = [entry for entry in entries if entry.number == step.number]
    return entries[0] if entries else None
