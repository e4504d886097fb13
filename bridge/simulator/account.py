"""An API key's account while the simulated provider runs: which fate is next, and what its rate limits have left."""

from __future__ import annotations

from attrs import evolve

from bridge.simulator.fates import Fate, KeyScript
from bridge.simulator.request import Refusal, Trouble
from bridge.value_classes import frozen

_UNLIMITED_REQUESTS = 5_000
_UNLIMITED_TOKENS = 2_000_000
_DEAD = (Trouble.UNAUTHORIZED, Trouble.FORBIDDEN)


@frozen
class Gauge:
    """What a rate limit has left, and the seconds until it is whole again."""

    limit: int
    remaining: int
    reset: float


class KeyAccount:
    """One key's account. `now` everywhere is a monotonic clock in seconds. Windows and the times in refusals are
    divided by `speed`; what a fate has to wait is left to whoever waits."""

    def __init__(self, script: KeyScript, speed: float, organization: str) -> None:
        self.organization = script.organization or organization
        self._script = script
        self._speed = speed
        self._used = 0
        self._requests = _Window(script.requests, _UNLIMITED_REQUESTS, script.per / speed)
        self._tokens = _Window(script.tokens, _UNLIMITED_TOKENS, script.per / speed)

    def take(self, now: float) -> Fate:
        """The fate of a request that comes now. Its limits go first."""
        for window, trouble in (
            (self._requests, Trouble.REQUESTS_LIMITED),
            (self._tokens, Trouble.TOKENS_LIMITED),
        ):
            if left := window.closed_for(now):
                return Fate(Refusal(trouble, retry_after=left))
        self._requests.charge(1, now)
        fate = self._next()
        self._used += 1
        if fate.refusal is not None and fate.refusal.retry_after is not None:
            return evolve(fate, refusal=evolve(fate.refusal, retry_after=fate.refusal.retry_after / self._speed))
        return fate

    def dead(self) -> Refusal | None:
        """Why the key's next request would be refused for the key's own sake, if it would; nothing is used up."""
        refusal = self._next().refusal
        return refusal if refusal is not None and refusal.trouble in _DEAD else None

    def charge(self, tokens: int, now: float) -> None:
        """Tokens that an answer used."""
        self._tokens.charge(tokens, now)

    def gauges(self, now: float) -> tuple[Gauge, Gauge]:
        """What is left of requests and of tokens."""
        return self._requests.gauge(now), self._tokens.gauge(now)

    def _next(self) -> Fate:
        fates = self._script.fates
        if self._script.cycle:
            return fates[self._used % len(fates)]
        return fates[min(self._used, len(fates) - 1)]


class _Window:
    """A fixed window: it opens with the first charge and is whole again `per` seconds later."""

    def __init__(self, limit: int | None, unlimited: int, per: float) -> None:
        self._enforced = limit is not None
        self._limit = unlimited if limit is None else limit
        self._per = per
        self._ends = float("-inf")
        self._used = 0

    def closed_for(self, now: float) -> float:
        """Seconds until there is room again; 0 where there is."""
        full = self._enforced and now < self._ends and self._used >= self._limit
        return self._ends - now if full else 0.0

    def charge(self, amount: int, now: float) -> None:
        if now >= self._ends:
            self._ends, self._used = now + self._per, 0
        self._used += amount

    def gauge(self, now: float) -> Gauge:
        used, reset = (self._used, self._ends - now) if now < self._ends else (0, 0.0)
        return Gauge(self._limit, max(self._limit - used, 0), reset)
