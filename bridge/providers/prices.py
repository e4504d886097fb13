"""What answers cost: the provider's own figure where it gives one, else by the price list (`price_list.py`).

The list is an extra (`prices`), and takes a tenth of a second to load: that is done in a thread when a bridge starts,
in which nothing waits but what is told of tokens, and that no longer than WAIT_S. A price is looked up when an answer
is over, after its last byte went to the client.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from datetime import datetime
from decimal import Decimal
from functools import partial

import trio
from attrs import evolve

from bridge.apis.usage import Usage
from bridge.events.hub import utc_now
from bridge.limits import LIMITS
from bridge.observe.logs import logger
from bridge.providers.price_list import ModelPrices, PriceList
from bridge.value_classes import frozen

log = logger("prices")

WAIT_S = 5.0
"""How long what is told of tokens waits for the list; then it is told without a price."""


@frozen
class Origin:
    """Who bills an answer, and the model that wrote it, as far as that is known."""

    kind: str
    base_url: str
    model: str | None


@frozen
class Priced:
    """US dollars, and the tokens that the model takes in at most; None where nobody knows."""

    cost_usd: float | None = None
    context_window: int | None = None
    cache_saved_usd: float | None = None
    """What the tokens that were read from a cache would have cost more as plain input."""


class Prices:
    """The price list, once it is loaded, and those who wait for it."""

    def __init__(self) -> None:
        self._list: PriceList | None = None
        self._waiting: list[Callable[[], None]] | None = None  # None while nothing is worth waiting for

    async def load(self, after_s: float = 0.0) -> None:
        """Loads the price list, if it is installed, so many seconds later; what is told is held from now on."""
        self._waiting = []
        try:
            await trio.sleep(after_s)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._end_waiting)
                self._list = await self._loaded()
                nursery.cancel_scope.cancel()
        finally:
            self._release()

    async def _loaded(self) -> PriceList | None:
        try:
            # Not abandoned when the bridge stops: an interpreter that ends in the middle of an import may crash.
            return await trio.to_thread.run_sync(PriceList.load)
        except ImportError:
            log.info("costs are unknown: genai-prices is not installed (pip install 'clearspan[prices]')")
        except Exception:  # a boundary: a list that is broken costs the prices, not the bridge
            log.exception("costs are unknown: the price list can't be loaded")
        return None

    async def _end_waiting(self) -> None:
        await trio.sleep(WAIT_S)
        log.warning("the price list takes long to load; until it is there, costs are unknown", waited_s=WAIT_S)
        self._release()

    def _release(self) -> None:
        waiting, self._waiting = self._waiting, None
        for tell in waiting or ():
            tell()

    def when_loaded(self, tell: Callable[[], None]) -> bool:
        """Has `tell` called once the list is there, or given up, in the context of now, which says how log lines are
        masked. False, and no call, where there is nothing to wait for or too many wait already."""
        if self._waiting is None or len(self._waiting) >= LIMITS.unpriced_interceptions:
            return False
        self._waiting.append(partial(copy_context().run, _told_late, tell))
        return True

    def price(self, origin: Origin, parts: Sequence[Usage], at: datetime | None = None) -> Priced:
        """What an answer cost that was over at that moment (now); each of its parts was used by one model.

        The cost is None where that of any part is not known. Never raises.
        """
        try:
            return self._price(origin, parts, at or utc_now())
        except Exception:  # a boundary: pricing must not harm the request that it is about
            log.exception("an answer could not be priced")
            return Priced()

    def _price(self, origin: Origin, parts: Sequence[Usage], at: datetime) -> Priced:
        writer = self._find(origin, origin.model)
        costs = [self._cost(origin, part, at) for part in parts]
        known = [cost for cost in costs if cost is not None]
        whole = bool(known) and len(known) == len(costs)
        saved = self._saved(origin, parts, at)
        window = writer.context_window if writer else None
        return Priced(float(sum(known)) if whole else None, window, None if saved is None else float(saved))

    def _saved(self, origin: Origin, parts: Sequence[Usage], at: datetime) -> Decimal | None:
        """By the list, whatever the provider says of the cost; None where nothing was read from a cache."""
        saved = Decimal(0)
        cached = [part for part in parts if part.cache_read_input]
        for part in cached:
            listed = self._find(origin, part.model or origin.model)
            plain = evolve(part, input=part.input + part.cache_read_input, cache_read_input=0)
            without, with_cache = (listed.cost(usage, at) if listed else None for usage in (plain, part))
            if without is None or with_cache is None:
                return None
            saved += without - with_cache
        return saved if cached else None

    def _cost(self, origin: Origin, part: Usage, at: datetime) -> Decimal | None:
        if part.cost_usd is not None:
            return Decimal(repr(part.cost_usd))
        listed = self._find(origin, part.model or origin.model)
        return listed.cost(part, at) if listed else None

    def _find(self, origin: Origin, model: str | None) -> ModelPrices | None:
        return self._list.find(origin.kind, origin.base_url, model) if self._list and model else None


def _told_late(tell: Callable[[], None]) -> None:
    try:
        tell()
    except Exception:  # a boundary: each is of another request
        log.exception("what was used could not be told")
