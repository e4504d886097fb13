"""What tokens cost, worked out by hand from the prices that `genai-prices` has from the providers' pages.

Prices are dollars for a million tokens, or for a thousand searches; each case writes out tokens times price.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bridge.apis.usage import Usage
from bridge.limits import LIMITS
from bridge.providers.price_list import PriceList

genai_prices = pytest.importorskip("genai_prices")

M = 1_000_000
NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)
EARLY = datetime(2026, 11, 16, 2, tzinfo=UTC)
LAST_YEAR = datetime(2025, 11, 16, 12, tzinfo=UTC)

OPENAI = "https://api.openai.com/v1"
ANTHROPIC = "https://api.anthropic.com"
LOCAL = "http://127.0.0.1:9000/v1"
"""Nobody's that the list knows, so the kind's own maker counts."""

LONG = Usage(input=250_000, output=1_000, cache_read_input=40_000)
"""A prompt of 290,000 tokens, beyond every threshold."""


@pytest.fixture(scope="module")
def prices() -> PriceList:
    """The list that is installed."""
    return PriceList.load()


def cost(prices: PriceList, host: tuple[str, str], model: str, usage: Usage, at: datetime = NOON) -> float | None:
    found = prices.find(*host, model)
    dollars = found.cost(usage, at) if found else None
    return None if dollars is None else float(dollars)


def anthropic(url: str = ANTHROPIC) -> tuple[str, str]:
    return "anthropic", url


def openai(url: str = OPENAI) -> tuple[str, str]:
    return "openai", url


OPUS = Usage(input=2_000, output=500, cache_read_input=90_000, cache_write_input=10_000)
SOL = Usage(input=1_000, output=300, cache_read_input=20_000, cache_write_input=4_000)

CASES: dict[str, tuple[tuple[str, str], str, Usage, float]] = {
    "Claude Opus 4.8, no cache": (
        anthropic(),
        "claude-opus-4-8",
        Usage(input=1_200, output=800),
        (1_200 * 5 + 800 * 25) / M,
    ),
    "cached tokens read and written": (
        anthropic(),
        "claude-opus-4-8",
        OPUS,
        (2_000 * 5 + 500 * 25 + 90_000 * 0.5 + 10_000 * 6.25) / M,
    ),
    "cached tokens alone": (anthropic(), "claude-opus-4-8", Usage(cache_read_input=90_000), 90_000 * 0.5 / M),
    "10,000 tokens written for an hour": (
        anthropic(),
        "claude-opus-4-8",
        Usage(cache_write_input=10_000, cache_write_1h_input=10_000),
        10_000 * 10 / M,
    ),
    "written for an hour and for five minutes": (
        anthropic(),
        "claude-opus-4-8",
        Usage(output=100, cache_write_input=10_000, cache_write_1h_input=4_000),
        (4_000 * 10 + 6_000 * 6.25 + 100 * 25) / M,
    ),
    "written for an hour, beyond a threshold": (
        anthropic(),
        "claude-sonnet-4-5-20250929",
        Usage(input=195_000, output=100, cache_write_input=10_000, cache_write_1h_input=10_000),
        (195_000 * 6 + 100 * 22.5 + 10_000 * 12) / M,
    ),
    "just below that threshold": (
        anthropic(),
        "claude-sonnet-4-5-20250929",
        Usage(input=190_000, output=100, cache_write_input=10_000, cache_write_1h_input=10_000),
        (190_000 * 3 + 100 * 15 + 10_000 * 6) / M,
    ),
    "three web searches": (
        anthropic(),
        "claude-opus-4-8",
        Usage(input=1_000, output=200, web_searches=3),
        (1_000 * 5 + 200 * 25) / M + 3 * 10 / 1_000,
    ),
    "Claude in a batch": (
        anthropic(),
        "claude-opus-4-8",
        evolve(OPUS, service_tier="batch"),
        (2_000 * 2.5 + 500 * 12.5 + 90_000 * 0.25 + 10_000 * 3.125) / M,
    ),
    "a batch with searches, which are not cheaper in it": (
        anthropic(),
        "claude-opus-4-8",
        Usage(input=1_000, web_searches=2, service_tier="batch"),
        1_000 * 2.5 / M + 2 * 10 / 1_000,
    ),
    "Claude's standard tier at standard speed": (
        anthropic(),
        "claude-opus-4-8",
        Usage(input=1_000, output=10, service_tier="standard", speed="standard"),
        (1_000 * 5 + 10 * 25) / M,
    ),
    "Claude fast, with the cache": (
        anthropic(),
        "claude-opus-4-8",
        evolve(OPUS, service_tier="standard", speed="fast"),
        (2_000 * 10 + 500 * 50 + 90_000 * 1 + 10_000 * 12.5) / M,
    ),
    "a model whose cache is cheaper than a tenth": (
        anthropic(),
        "claude-opus-5-5",
        Usage(input=10, cache_read_input=100_000),
        (10 * 4 + 100_000 * 0.2) / M,
    ),
    "Claude Haiku 5.5, whose price rises at 100,000": (
        anthropic(),
        "claude-haiku-5-5",
        Usage(input=20_000, output=1_000, cache_read_input=90_000),
        (20_000 * 0.5 + 1_000 * 2.5 + 90_000 * 0.05) / M,
    ),
    "GPT-5.6 with tokens written to the cache": (
        openai(),
        "gpt-5.6-sol",
        SOL,
        (1_000 * 4 + 300 * 20 + 20_000 * 0.4 + 4_000 * 5) / M,
    ),
    "GPT-5.6, flex": (
        openai(),
        "gpt-5.6-sol",
        evolve(SOL, service_tier="flex"),
        (1_000 * 2 + 300 * 10 + 20_000 * 0.2 + 4_000 * 2.5) / M,
    ),
    "GPT-5.6, priority": (
        openai(),
        "gpt-5.6-sol",
        evolve(SOL, service_tier="priority"),
        (1_000 * 8 + 300 * 40 + 20_000 * 0.8 + 4_000 * 10) / M,
    ),
    "GPT-5.6, fast": (
        openai(),
        "gpt-5.6-sol",
        evolve(SOL, service_tier="fast"),
        (1_000 * 8 + 300 * 40 + 20_000 * 0.8 + 4_000 * 10) / M,
    ),
    "GPT-5.6 in a batch": (
        openai(),
        "gpt-5.6-sol",
        evolve(SOL, service_tier="batch"),
        (1_000 * 2 + 300 * 10 + 20_000 * 0.2 + 4_000 * 2.5) / M,
    ),
    "GPT-5.6 on a long prompt": (openai(), "gpt-5.6-sol", LONG, (250_000 * 8 + 1_000 * 30 + 40_000 * 0.8) / M),
    "GPT-5.6 on a long prompt, priority": (
        openai(),
        "gpt-5.6-sol",
        evolve(LONG, service_tier="priority"),
        (250_000 * 16 + 1_000 * 60 + 40_000 * 1.6) / M,
    ),
    "GPT-5 in the default tier, with searches": (
        openai(),
        "gpt-5-codex",
        Usage(input=3_000, output=700, cache_read_input=9_000, web_searches=1, service_tier="default"),
        (3_000 * 1.25 + 700 * 10 + 9_000 * 0.125) / M + 10 / 1_000,
    ),
    "tokens written by a model that bills no writes": (
        openai(),
        "gpt-5",
        Usage(input=1_000, cache_write_input=500),
        (1_000 * 1.25 + 500 * 1.25) / M,
    ),
    "a snapshot of GPT-4o without a price for the cache": (
        openai(),
        "gpt-4o-2024-05-13",
        Usage(input=100, cache_read_input=900),
        (100 * 5 + 900 * 5) / M,
    ),
    "a provider of the list, by its host": (
        openai("https://api.groq.com/openai/v1"),
        "openai/gpt-oss-120b",
        Usage(input=1_000, output=100, cache_read_input=1_000, service_tier="on_demand"),
        (1_000 * 0.15 + 100 * 0.6 + 1_000 * 0.075) / M,
    ),
    "another provider's model, under the name of a host of the list": (
        openai("https://openrouter.ai/api/v1"),
        "anthropic/claude-sonnet-4.5",
        Usage(input=1_000, output=100, cache_read_input=5_000),
        (1_000 * 3 + 100 * 15 + 5_000 * 0.3) / M,
    ),
    "OpenAI's model on Azure": (
        openai("https://Example.openai.azure.com/openai/v1"),
        "gpt-5",
        Usage(input=1_000, output=100),
        (1_000 * 1.25 + 100 * 10) / M,
    ),
    "a host that nobody knows has the maker's prices": (
        openai(LOCAL),
        "gpt-4o",
        Usage(input=200, output=50, cache_read_input=800),
        (200 * 2.5 + 50 * 10 + 800 * 1.25) / M,
    ),
    "a price for each request": (
        openai("https://api.perplexity.ai"),
        "sonar-pro",
        Usage(input=1_000, output=10),
        (1_000 * 3 + 10 * 15) / M + 14 / 1_000,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_price_worked_out_by_hand(prices: PriceList, case: str) -> None:
    host, model, usage, dollars = CASES[case]
    assert cost(prices, host, model, usage) == pytest.approx(dollars, rel=1e-12)


@pytest.mark.parametrize(
    ("at", "dollars"),
    [
        (NOON, (1_000 * 0.15 + 100 * 0.6 + 10_000 * 0.003) / M),
        (EARLY, (1_000 * 0.3 + 100 * 1.2 + 10_000 * 0.006) / M),
    ],
)
def test_a_price_holds_for_hours_of_the_day(prices: PriceList, at: datetime, dollars: float) -> None:
    host = openai("https://api.deepseek.com/v1")
    usage = Usage(input=1_000, output=100, cache_read_input=10_000)
    assert cost(prices, host, "deepseek-flash", usage, at) == pytest.approx(dollars, rel=1e-12)


def test_a_price_begins_on_a_day(prices: PriceList) -> None:
    usage = Usage(input=1_000, output=100)
    assert cost(prices, openai(), "gpt-5.6-sol", usage, NOON) == pytest.approx((1_000 * 4 + 100 * 20) / M)
    assert cost(prices, openai(), "gpt-5.6-sol", usage, LAST_YEAR) == pytest.approx((1_000 * 5 + 100 * 30) / M)


USED = Usage(input=1_000, output=10)


@pytest.mark.parametrize(
    ("host", "model", "usage"),
    [
        pytest.param(openai(), "a-model-that-nobody-has", USED, id="an unknown model"),
        pytest.param(("nobody", LOCAL), "gpt-4o", USED, id="an unknown kind at an unknown host"),
        pytest.param(openai("https://api.groq.com/openai/v1"), "gpt-4o", USED, id="not a model of the host's"),
        pytest.param(openai(), "gpt-4o" * 100, USED, id="a name too long to be one"),
        pytest.param(openai(), "gpt-4o", evolve(USED, service_tier="scale"), id="a tier that is on no list"),
        pytest.param(openai(), "gpt-4o", evolve(USED, service_tier="flex"), id="a tier that this model has not"),
        pytest.param(openai(), "gpt-4o", evolve(USED, service_tier="auto"), id="a tier that is not said"),
        pytest.param(anthropic(), "claude-opus-4-8", evolve(USED, service_tier="priority"), id="capacity bought ahead"),
        pytest.param(anthropic(), "claude-haiku-4-5", evolve(USED, speed="fast"), id="a speed without a price"),
        pytest.param(
            anthropic(), "claude-opus-4-8", evolve(USED, service_tier="batch", speed="fast"), id="two tiers at once"
        ),
        pytest.param(
            openai("https://me.openai.azure.com"), "gpt-5", evolve(USED, service_tier="priority"), id="not its own tier"
        ),
        pytest.param(openai(), "gpt-5.3-codex", evolve(USED, web_searches=1), id="searches without a price"),
        pytest.param(
            openai("https://openrouter.ai/api/v1"),
            "anthropic/claude-sonnet-4.6",
            evolve(USED, cache_write_input=10, cache_write_1h_input=10),
            id="writes for an hour without a price",
        ),
        pytest.param(
            openai("https://api.perplexity.ai"),
            "sonar-deep-research",
            USED,
            id="output with a price of its own",
        ),
        pytest.param(openai(), "text-embedding-3-small", USED, id="no price for output"),
        pytest.param(openai(), "gpt-4o-audio-preview", evolve(USED, audio=5), id="sound"),
    ],
)
def test_what_has_no_price_is_unknown(prices: PriceList, host: tuple[str, str], model: str, usage: Usage) -> None:
    assert cost(prices, host, model, usage) is None


def test_a_tier_has_no_price_before_the_list_knew_it(prices: PriceList) -> None:
    usage = Usage(input=1_000, service_tier="flex")
    assert cost(prices, openai(), "gpt-5", usage, NOON) == pytest.approx(1_000 * 0.625 / M)
    assert cost(prices, openai(), "gpt-5", usage, LAST_YEAR) is None


@pytest.mark.parametrize(
    ("host", "model", "window"),
    [
        (openai(), "gpt-5", 400_000),
        (anthropic(), "claude-sonnet-4-5-20250929", 200_000),
        (anthropic(), "claude-opus-4-8", 1_000_000),
        (openai(), "gpt-5.5-cyber", None),
    ],
)
def test_how_much_a_model_takes_in(prices: PriceList, host: tuple[str, str], model: str, window: int | None) -> None:
    found = prices.find(*host, model)
    assert found is not None
    assert found.context_window == window


counts = st.integers(min_value=0, max_value=400_000)


@given(
    used=st.builds(Usage, input=counts, output=counts, cache_read_input=counts, cache_write_input=counts),
    hour=st.integers(min_value=0, max_value=100),
    data=st.data(),
)
def test_the_library_itself_sums_to_the_same(prices: PriceList, used: Usage, hour: int, data: st.DataObject) -> None:
    """Every model of the two makers, as far as both have a price: the list has no kind of token that is left out."""
    kind = data.draw(st.sampled_from(["anthropic", "openai"]))
    providers: list[Any] = genai_prices.data_snapshot.get_snapshot().providers
    maker = next(provider for provider in providers if provider.id == kind)
    model = data.draw(st.sampled_from(maker.models))
    usage = evolve(used, cache_write_1h_input=used.cache_write_input * hour // 100)
    found = prices.find(kind, LOCAL, model.id)
    ours = found.cost(usage, NOON) if found else None
    if ours is None:
        return
    counted = genai_prices.Usage(
        input_tokens=usage.input + usage.cache_read_input + usage.cache_write_input,
        output_tokens=usage.output,
        cache_read_tokens=usage.cache_read_input,
        cache_write_tokens=usage.cache_write_input,
        cache_write_1h_tokens=usage.cache_write_1h_input,
    )
    theirs = genai_prices.calc_price(counted, model.id, provider_id=kind, genai_request_timestamp=NOON)
    assert ours == theirs.total_price


def test_a_model_is_looked_up_once() -> None:
    looked_up: list[str] = []

    class Maker:
        """A provider of the list that counts what it is asked."""

        id, api_pattern, models = "openai", "https://nowhere", ()

        def find_model(self, model: str, **_: object) -> None:
            """Has none."""
            looked_up.append(model)

    prices = PriceList([Maker()])
    for _ in range(3):
        assert prices.find("openai", OPENAI, "mine") is None
    assert looked_up == ["mine"]
    for number in range(2 * LIMITS.priced_models):
        prices.find("openai", OPENAI, f"mine-{number}")
    assert prices._found.cache_info().currsize == LIMITS.priced_models


def test_money_is_summed_exactly(prices: PriceList) -> None:
    found = prices.find(*openai(), "gpt-5.6-luna")
    assert found is not None
    assert found.cost(Usage(input=1, cache_read_input=1), NOON) == Decimal("0.00000022")
