"""What an answer cost, by the price list of `genai-prices`, offline. A model that is not on it has no price.

The library takes a tenth of a second to load and is an extra (`prices`): it is loaded in a thread when a bridge starts,
and until it is there, or where it is not installed, answers have no price. A price is looked up when an answer is over,
after its last byte went to the client.
"""

from __future__ import annotations

import importlib
from typing import Any

import trio

from bridge.events.entries import Tokens
from bridge.events.vocabulary import TokensUsed
from bridge.observe.logs import logger

log = logger("prices")


class Prices:
    """The price list, once it is loaded."""

    def __init__(self) -> None:
        self._library: Any = None

    async def load(self) -> None:
        """Loads the price list, if it is installed."""
        try:
            self._library = await trio.to_thread.run_sync(importlib.import_module, "genai_prices")
        except ImportError:
            log.info("costs are unknown: genai-prices is not installed (pip install 'clearspan[prices]')")

    def cost(self, provider_type: str, model: str | None, used: TokensUsed) -> float | None:
        """US dollars for these tokens, or None where the model has no known price."""
        if self._library is None or model is None:
            return None
        usage = self._library.Usage(
            # The library counts cached tokens as input too, we do not.
            input_tokens=Tokens.of(used).total_input,
            cache_read_tokens=used.cache_read_input,
            cache_write_tokens=used.cache_write_input,
            output_tokens=used.output,
        )
        try:
            price = self._library.calc_price(usage, model_ref=model, provider_id=provider_type)
        except (LookupError, ValueError):  # not on the list, or counted in a way that it has no price for
            return None
        return float(price.total_price)
