"""Says when an interception has fallen silent, and where nothing comes from (docs/behaviour.md, Silence).

One task looks at all that are under way, once a second. No request has a timer of its own, and a chunk costs no more
than a look at the clock. What the bridge itself puts into a stream is nobody's sign of life: what counts is what
upstream sends, and what the client takes.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Protocol

import trio
from attrs import field

from bridge.events.values import SilenceKind
from bridge.observe.logs import logger
from bridge.value_classes import define, frozen

log = logger("interception")

SILENT_AFTER_S = 10.0
"""After so long without a sign of life it is told."""
LOOK_EVERY_S = 1.0
"""So much later than that it may be."""


class ResponseFlow(Protocol):
    """A response on its way to the client, as far as silence is concerned."""

    @property
    def came_at(self) -> float:
        """Trio's time of upstream's last bytes, or of the response's head."""

    @property
    def life(self) -> object:
        """Something that is not the same any more once upstream has sent more than pings."""

    @property
    def sending(self) -> bool:
        """Whether the last bytes still wait for the client to take them."""

    @property
    def taken(self) -> int:
        """How many bytes the client has taken so far, counted from anywhere."""


@frozen
class Lull:
    """A silence, and since when (Trio's time) it lasts."""

    kind: SilenceKind
    since: float


def _nobody(_lull: Lull) -> None:
    """Nobody is told, and nobody gives up."""


@define(eq=False)
class Pulse:
    """The signs of life of one interception. Its own tasks say whom they wait for; the watch looks."""

    silent: Callable[[Lull], None]
    """Tells of a silence."""
    heard: Callable[[Lull], None]
    """Tells that it is over."""
    give_up: Callable[[Lull], None] = _nobody
    """Ends what upstream has left silent for `give_up_after`. Called once."""
    give_up_after: float = inf
    _asked_at: float | None = field(default=None, init=False)
    _flow: ResponseFlow | None = field(default=None, init=False)
    _life: object = field(default=None, init=False)
    _lived_at: float = field(default=0.0, init=False)
    """When the last bytes came that were more than pings, as far as was looked."""
    _sent_at: float = field(default=0.0, init=False)
    """When the bytes came that the client has to take, as of the last look."""
    _taken: int = field(default=0, init=False)
    _taken_at: float = field(default=0.0, init=False)
    _told: Lull | None = field(default=None, init=False)
    _given_up: bool = field(default=False, init=False)

    def asked(self) -> None:
        """A part of the request has gone out: it is upstream's turn."""
        self._asked_at, self._flow = trio.current_time(), None

    def at_ease(self) -> None:
        """Nobody is waited for who could be silent."""
        self._asked_at = self._flow = None

    def flows(self, flow: ResponseFlow) -> None:
        """A response is on its way to the client."""
        self._asked_at, self._flow = None, flow
        self._life, self._lived_at = flow.life, flow.came_at

    def look(self, now: float, silent_after: float) -> None:
        """Tells what is new: a silence, that it is of another kind, or its end. And gives up what is dead."""
        lull = self._lull(now, silent_after)
        if lull is None or now - lull.since < silent_after:
            self._tell_heard()
        elif self._told is None or self._told.kind is not lull.kind:
            self._told = lull
            self.silent(lull)
        if lull is not None and now - self._dead_since(lull) >= self.give_up_after and not self._given_up:
            self._given_up = True
            self.give_up(lull)

    def end(self, now: float, silent_after: float) -> None:
        """The interception is over. What came after the last look ended a silence too; the end tells all else."""
        if self._told is None:
            return  # mostly, and then the kernel need not be asked what the client took
        lull = self._lull(now, silent_after)
        if lull is None or now - lull.since < silent_after:
            self._tell_heard()

    def let_go(self) -> None:
        """Nobody looks any more: it holds nobody, so that its interception is no garbage that waits to be found."""
        self.silent = self.heard = self.give_up = _nobody
        self._flow = None

    def _tell_heard(self) -> None:
        told, self._told = self._told, None
        if told is not None:
            self.heard(told)

    def _dead_since(self, lull: Lull) -> float:
        """Since when upstream has given no sign of life; never while it is not its turn."""
        if lull.kind is SilenceKind.CLIENT_NOT_READING:
            return inf
        return lull.since if self._flow is None else self._lived_at

    def _lull(self, now: float, silent_after: float) -> Lull | None:
        """The silence that there is, however short; None where nobody is waited for."""
        flow = self._flow
        if flow is None:
            return None if self._asked_at is None else Lull(SilenceKind.NO_ANSWER, self._asked_at)
        came_at = flow.came_at
        if (life := flow.life) != self._life:
            self._life, self._lived_at = life, came_at
        if flow.sending:
            return Lull(SilenceKind.CLIENT_NOT_READING, self._last_taken(flow, now))
        if now - came_at >= silent_after or self._lived_at == came_at:
            return Lull(SilenceKind.NO_BYTES, came_at)
        return Lull(SilenceKind.PINGS_ONLY, self._lived_at)

    def _last_taken(self, flow: ResponseFlow, now: float) -> float:
        """When the client last took anything of what it has to take."""
        taken = flow.taken
        if flow.came_at != self._sent_at:
            self._sent_at = self._taken_at = flow.came_at
        elif taken != self._taken:
            self._taken_at = now
        self._taken = taken
        return self._taken_at


class SilenceWatch:
    """Looks at every pulse there is; it runs as long as its bridge.

    A fault in what is told costs its own interception the watch, and nothing else.
    """

    def __init__(self, silent_after: float = SILENT_AFTER_S, look_every: float = LOOK_EVERY_S) -> None:
        self.silent_after = silent_after
        self.look_every = look_every
        self._pulses: dict[Pulse, None] = {}
        self._begun = trio.Event()

    def begin(self, pulse: Pulse) -> None:
        """Looks at a pulse from now on."""
        self._pulses[pulse] = None
        self._begun.set()

    def end(self, pulse: Pulse) -> None:
        """Looks at it no more; what is told of it ends."""
        if self._pulses.pop(pulse, self) is None:
            pulse.end(trio.current_time(), self.silent_after)
        pulse.let_go()

    async def run(self) -> None:
        """Looks until cancelled; sleeps while nothing is under way."""
        while True:
            if not self._pulses:
                self._begun = trio.Event()
                await self._begun.wait()
            await trio.sleep(self.look_every)
            self._look()

    def _look(self) -> None:
        now = trio.current_time()
        for pulse in list(self._pulses):
            try:
                pulse.look(now, self.silent_after)
            except Exception:  # a boundary: to watch must never harm what is watched
                log.exception("an interception can't be watched any more")
                self._pulses.pop(pulse, None)
