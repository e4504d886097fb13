"""What answers cost, worked out by hand from the price list of `genai-prices` itself."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from bridge.events.vocabulary import TokensUsed
from bridge.providers.prices import Prices

pytest.importorskip("genai_prices")

MILLION = 1_000_000

GPT_4O = ("openai", "gpt-4o")
"""2.5 dollars for a million tokens of input, 1.25 from the cache, 10 for output."""
CLAUDE = ("anthropic", "claude-3-5-haiku-latest")
"""0.8 for input, 0.08 from the cache, 1 into it, 4 for output."""


@pytest.mark.parametrize(
    ("model", "used", "dollars"),
    [
        (GPT_4O, TokensUsed("a", "r", input=1000, output=100), 0.0025 + 0.001),
        (GPT_4O, TokensUsed("a", "r", input=0, output=0, cache_read_input=1000), 0.00125),
        (GPT_4O, TokensUsed("a", "r", input=200, output=50, cache_read_input=800), 0.0005 + 0.0005 + 0.001),
        (CLAUDE, TokensUsed("a", "r", input=1000, output=100), 0.0008 + 0.0004),
        (
            CLAUDE,
            TokensUsed("a", "r", input=100, output=10, cache_read_input=10_000, cache_write_input=2000),
            0.00008 + 0.00004 + 0.0008 + 0.002,
        ),
    ],
)
async def test_a_price(model: tuple[str, str], used: TokensUsed, dollars: float) -> None:
    prices = Prices()
    await prices.load()
    assert prices.cost(*model, used) == pytest.approx(dollars)


async def test_each_kind_of_token_has_its_own_price() -> None:
    """Held to the list as it is today, whatever it says."""
    from genai_prices import Usage, calc_price  # noqa: PLC0415  # an extra

    price = calc_price(Usage(input_tokens=1), model_ref="claude-sonnet-4-5", provider_id="anthropic").model_price
    prices = Prices()
    await prices.load()

    def cost(**tokens: Any) -> float | None:
        used = evolve(TokensUsed("a", "r", input=0, output=0), **tokens)
        return prices.cost("anthropic", "claude-sonnet-4-5", used)

    def listed(kind: str) -> float:
        found = getattr(price, kind)
        return float(getattr(found, "base", found)) * 1000 / MILLION

    assert cost(input=1000) == pytest.approx(listed("input_mtok"))
    assert cost(output=1000) == pytest.approx(listed("output_mtok"))
    assert cost(cache_read_input=1000) == pytest.approx(listed("cache_read_mtok"))
    assert cost(cache_write_input=1000) == pytest.approx(listed("cache_write_mtok"))


async def test_what_has_no_price() -> None:
    prices = Prices()
    used = TokensUsed("a", "r", input=1, output=1)
    assert prices.cost(*GPT_4O, used) is None  # the list is not loaded yet
    await prices.load()
    assert prices.cost("openai", "a-model-that-nobody-has", used) is None
    assert prices.cost("openai", None, used) is None
