"""What tokens cost by the list of `genai-prices`: which of its prices are a model's, and the sum.

The list has prices per million tokens and per thousand searches, some of which rise with the length of the prompt,
begin on a day or hold for some hours of it, and variants of them for tiers. Nothing is guessed: what the list has no
price for makes the whole sum unknown. Where it has none for tokens read from a cache or written to it, the provider
bills them as input; that is what the list itself means by it.

The library is an extra and its parts are `Any` here. Its own sum is not used: it takes a tenth of a millisecond, and
counts what has no price as free.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from bridge.apis.usage import Usage
from bridge.limits import LIMITS
from bridge.value_classes import frozen

STANDARD_TIERS = frozenset({"default", "standard", "on_demand"})
"""What the providers call the tier that costs the plain price: OpenAI, Anthropic and Groq."""

STANDARD_SPEED = "standard"

UNCOUNTED = ("output_reasoning_mtok", "output_citation_mtok")
"""Prices of tokens that are part of the output and that nobody here counts apart."""

PER_MTOK = 1_000_000
PER_KCOUNT = 1_000


@frozen(eq=False)
class ModelPrices:
    """What the list has for one model of one provider."""

    _model: Any
    _own: bool
    """Whether the model is the provider's own: of another's that it offers, the list knows only the plain price."""

    @property
    def context_window(self) -> int | None:
        """How many tokens the model takes in at most, where the list says so."""
        window = self._model.context_window
        return window if isinstance(window, int) else None

    def cost(self, usage: Usage, at: datetime) -> Decimal | None:
        """US dollars for what was used at that moment (aware); None where a part of it has no price."""
        tier = _tier(usage)
        if tier and not self._lists(tier, at):
            return None
        return _sum(self._model.get_prices(at, tier or None), usage)

    def _lists(self, tier: dict[str, str], at: datetime) -> bool:
        return self._own and any(
            variant.when == tier and (variant.constraint is None or variant.constraint.active(at))
            for variant in self._model.price_variants or ()
        )


class PriceList:
    """The list, with the models that were asked for last."""

    def __init__(self, providers: Sequence[Any]) -> None:
        self._providers = providers
        # Not the library's own look-up: that keeps every name that it was ever asked for, and clients choose the names.
        self._found = lru_cache(LIMITS.priced_models)(self._find)

    @classmethod
    def load(cls) -> PriceList:
        """Loads the list that is installed, which takes a tenth of a second. Raises ImportError where none is."""
        return cls(importlib.import_module("genai_prices.data_snapshot").get_snapshot().providers)

    def find(self, kind: str, base_url: str, model: str) -> ModelPrices | None:
        """The prices of the provider at that URL, else those of the maker of that kind; None for an unknown model."""
        return None if len(model) > LIMITS.label_characters else self._found(kind, base_url.lower(), model)

    def _find(self, kind: str, base_url: str, model: str) -> ModelPrices | None:
        hosts = (provider for provider in self._providers if re.match(provider.api_pattern, base_url))
        makers = (provider for provider in self._providers if provider.id == kind)
        provider = next(hosts, None) or next(makers, None)
        found = provider.find_model(model, all_providers=self._providers) if provider else None
        return ModelPrices(found, any(found is own for own in provider.models)) if provider and found else None


def _tier(usage: Usage) -> dict[str, str]:
    """The tier as the list names it; empty where the plain price holds."""
    tier: dict[str, str] = {}
    if usage.service_tier == "batch":
        tier["processing"] = "batch"
    elif usage.service_tier is not None and usage.service_tier not in STANDARD_TIERS:
        tier["service_tier"] = usage.service_tier
    if usage.speed is not None and usage.speed != STANDARD_SPEED:
        tier["speed"] = usage.speed
    return tier


def _sum(prices: Any, usage: Usage) -> Decimal | None:
    if usage.audio or any(getattr(prices, name, None) is not None for name in UNCOUNTED):
        return None  # sound has prices of its own, by kinds that are not told apart here
    plain, write, hour = prices.input_mtok, prices.cache_write_mtok, prices.cache_write_1h_mtok
    read = prices.cache_read_mtok
    for_an_hour = min(usage.cache_write_1h_input, usage.cache_write_input)
    amounts = (
        (usage.input, PER_MTOK, plain),
        (usage.cache_read_input, PER_MTOK, plain if read is None else read),
        (usage.cache_write_input - for_an_hour, PER_MTOK, plain if write is None else write),
        (for_an_hour, PER_MTOK, plain if write is None and hour is None else hour),
        (usage.output, PER_MTOK, prices.output_mtok),
        (usage.web_searches, PER_KCOUNT, prices.web_searches_kcount),
        (0 if prices.requests_kcount is None else 1, PER_KCOUNT, prices.requests_kcount),
    )
    prompt = usage.input + usage.cache_read_input + usage.cache_write_input
    total = Decimal(0)
    for count, per, price in amounts:
        if count:
            if price is None:
                return None
            total += count * _at_length(price, prompt) / per
    return total


def _at_length(price: Any, prompt: int) -> Decimal:
    """The price for a prompt of that many tokens; beyond a threshold it holds for all of them."""
    if isinstance(price, Decimal):
        return price
    reached = [tier.price for tier in price.tiers if prompt > tier.start]  # in ascending order
    return reached[-1] if reached else price.base  # type: ignore[no-any-return]
