"""What one interception tells, in order. What it used is told with its price, and waits for the price list to be there.

Only what is told waits: the relay goes on, the client has its answer, and the interception's own tasks end. What comes
after the tokens, the end included, waits behind them. The wait is over when the list is loaded or can't be, when it has
lasted too long (`bridge.providers.prices`), or when too much waits here.

What is told while bytes are on their way through waits for a moment, too: until the interception has to wait itself,
for upstream or for the client. To tell takes a tenth of the time that a request needs to go upstream.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from attrs import evolve

from bridge.apis.usage import Usage
from bridge.events.hub import utc_now
from bridge.events.vocabulary import Event, TokensUsed
from bridge.limits import LIMITS
from bridge.observe.logs import Redactor
from bridge.providers.prices import Origin, Prices
from bridge.value_classes import define


class Publish(Protocol):
    """Makes an event known; see `Hub.publish`."""

    def __call__(self, event: Event, at: datetime | None = None, secrets: Redactor | None = None, /) -> None: ...


@define
class Pricing:
    """How the answers of one interception are priced. `asked` is who was asked, and for which model once that is known;
    an answer may be of another."""

    prices: Prices
    asked: Origin

    def origin(self, model: str | None) -> Origin:
        """Who bills an answer that says it is of this model."""
        return evolve(self.asked, model=model) if model else self.asked


class Telling:
    """The way of one interception's events to the hub. They are masked by `secrets`, however late they are told: a
    caller's own key is known for as long as anything waits here."""

    def __init__(self, publish: Publish, pricing: Pricing, secrets: Redactor) -> None:
        self._publish = publish
        self._secrets = secrets
        self._pricing = pricing
        self._waiting: list[tuple[Event, Sequence[Usage], datetime | None]] = []
        self._held = False
        self._unpriced = False  # what waits has a price that is not known yet

    def hold(self) -> None:
        """From now on events wait, until `release`."""
        self._held = True

    def release(self) -> None:
        """Publishes what was held."""
        self._held = False
        if self._waiting and not self._unpriced:
            self._tell_waiting()

    def tell(self, event: Event, parts: Sequence[Usage] = ()) -> None:
        """Publishes an event, now or behind those that wait. For tokens, `parts` says which model used them."""
        if isinstance(event, TokensUsed) and not self._unpriced:
            self._unpriced = self._pricing.prices.when_loaded(self._tell_waiting)
        if self._held or self._unpriced:
            self._waiting.append((event, parts, utc_now() if self._held else None))
        else:
            self._publish(self._priced(event, parts), None, self._secrets)
        if len(self._waiting) > LIMITS.unpriced_events:
            self._tell_waiting()

    def _tell_waiting(self) -> None:
        waiting, self._waiting, self._unpriced = self._waiting, [], False
        for event, parts, at in waiting:
            self._publish(self._priced(event, parts), at, self._secrets)

    def _priced(self, event: Event, parts: Sequence[Usage]) -> Event:
        if not isinstance(event, TokensUsed):
            return event
        priced = self._pricing.prices.price(self._pricing.origin(event.model), parts)
        return evolve(
            event,
            cost_usd=priced.cost_usd,
            cache_saved_usd=priced.cache_saved_usd,
            context_window=priced.context_window,
        )
