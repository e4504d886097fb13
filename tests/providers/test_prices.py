"""What an answer cost: whose figure counts, and how long it is waited for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.util import find_spec

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from bridge.apis.usage import Usage
from bridge.limits import LIMITS
from bridge.providers.price_list import PriceList
from bridge.providers.prices import WAIT_S, Origin, Priced, Prices
from tests.support.slow_list import SlowList

M = 1_000_000
NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)
LOCAL = "http://127.0.0.1:9000"
CLAUDE = Origin("anthropic", LOCAL, "claude-opus-4-8")
"""5 dollars for a million tokens of input, 25 for output; it takes in a million."""

USED = Usage(input=1_000, output=100)
DOLLARS = (1_000 * 5 + 100 * 25) / M

listed = pytest.mark.skipif(
    find_spec("genai_prices") is None, reason="genai-prices is an extra, and not installed here"
)


def empty() -> PriceList:
    return PriceList([])


def missing() -> PriceList:
    raise ImportError("no module of that name")


def broken() -> PriceList:
    raise RuntimeError("prices are not what they were")


async def loaded() -> Prices:
    prices = Prices()
    await prices.load()
    return prices


@listed
async def test_an_answer_has_a_price_and_a_window() -> None:
    priced = (await loaded()).price(CLAUDE, [USED], NOON)
    assert priced.cost_usd == pytest.approx(DOLLARS)
    assert priced.context_window == 1_000_000


@listed
async def test_what_a_cache_saved_is_the_difference_to_plain_input() -> None:
    prices = await loaded()
    cached = Usage(input=1_000, output=100, cache_read_input=10_000)
    priced = prices.price(CLAUDE, [USED, cached], NOON)
    assert priced.cache_saved_usd == pytest.approx(10_000 * (5 - 0.5) / M)
    assert prices.price(CLAUDE, [USED], NOON).cache_saved_usd is None
    told = prices.price(CLAUDE, [evolve(cached, cost_usd=7.0)], NOON)
    assert told.cost_usd == 7.0
    assert told.cache_saved_usd == priced.cache_saved_usd
    assert prices.price(evolve(CLAUDE, model="unheard-of"), [cached], NOON).cache_saved_usd is None


@listed
async def test_each_part_costs_what_its_own_model_costs() -> None:
    parts = [
        evolve(USED, model="claude-haiku-4-5"),
        Usage("claude-opus-4-8", input=500, output=200),
        Usage(None, input=10),  # the writer's
    ]
    dollars = ((1_000 * 1 + 100 * 5) + (500 * 5 + 200 * 25) + 10 * 5) / M
    assert (await loaded()).price(CLAUDE, parts, NOON).cost_usd == pytest.approx(dollars, rel=1e-12)


@listed
async def test_each_part_is_as_long_as_its_own_prompt() -> None:
    """Two rounds of 150,000 tokens are not one of 300,000, which would be beyond the threshold."""
    origin = evolve(CLAUDE, model="claude-sonnet-4-5")
    rounds = [Usage(input=150_000), Usage(input=150_000)]
    assert (await loaded()).price(origin, rounds, NOON).cost_usd == pytest.approx(2 * 150_000 * 3 / M)


@listed
async def test_a_part_that_is_unknown_makes_the_whole_unknown() -> None:
    prices = await loaded()
    assert prices.price(CLAUDE, [USED, evolve(USED, model="nobody's")], NOON).cost_usd is None
    assert prices.price(CLAUDE, [USED, evolve(USED, service_tier="gold")], NOON).cost_usd is None
    assert prices.price(CLAUDE, [], NOON) == Priced(None, 1_000_000)


@listed
async def test_the_providers_own_figure_comes_first() -> None:
    prices = await loaded()
    assert prices.price(CLAUDE, [evolve(USED, cost_usd=0.25)], NOON).cost_usd == 0.25
    assert prices.price(CLAUDE, [evolve(USED, cost_usd=0.0)], NOON).cost_usd == 0.0
    unknown = evolve(CLAUDE, model="nobody's")
    assert prices.price(unknown, [evolve(USED, cost_usd=0.25)], NOON) == Priced(0.25, None)
    both = [evolve(USED, cost_usd=0.25), USED]
    assert prices.price(CLAUDE, both, NOON).cost_usd == pytest.approx(0.25 + DOLLARS)


async def test_without_a_list_only_the_providers_own_figure_is_known() -> None:
    prices = Prices()
    assert prices.price(CLAUDE, [USED], NOON) == Priced()
    assert prices.price(CLAUDE, [evolve(USED, cost_usd=0.25)], NOON) == Priced(0.25)
    assert not prices.when_loaded(lambda: None)


async def test_a_list_that_breaks_harms_nobody() -> None:
    class Breaking:
        """A provider of a list that is not what it was."""

        id, api_pattern = "anthropic", "("

    prices = Prices()
    prices._list = PriceList([Breaking()])
    assert prices.price(CLAUDE, [USED], NOON) == Priced()


async def test_who_asks_early_is_told_when_the_list_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = SlowList(monkeypatch, empty)
    prices = Prices()
    told: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(prices.load)
        await wait_all_tasks_blocked()
        assert prices.when_loaded(lambda: told.append(1))
        assert prices.when_loaded(lambda: told.append(1 // 0))  # fails, and harms nobody else
        assert prices.when_loaded(lambda: told.append(2))
        assert not told
        slow.may_end.set()
    assert told == [1, 2]
    assert not prices.when_loaded(lambda: told.append(3))


@pytest.mark.parametrize("end", [missing, broken])
async def test_nobody_waits_for_a_list_that_does_not_come(
    monkeypatch: pytest.MonkeyPatch, end: Callable[[], PriceList]
) -> None:
    slow = SlowList(monkeypatch, end)
    prices = Prices()
    told: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(prices.load)
        await wait_all_tasks_blocked()
        assert prices.when_loaded(lambda: told.append(1))
        slow.may_end.set()
    assert told == [1]
    assert not prices.when_loaded(lambda: None)
    assert prices.price(CLAUDE, [USED], NOON) == Priced()


async def test_the_wait_has_an_end(monkeypatch: pytest.MonkeyPatch, clock: MockClock) -> None:
    slow = SlowList(monkeypatch, empty)
    prices = Prices()
    told: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(prices.load)
        await wait_all_tasks_blocked()
        assert prices.when_loaded(lambda: told.append(1))
        clock.jump(WAIT_S)
        await wait_all_tasks_blocked()
        assert told == [1]
        assert not prices.when_loaded(lambda: None)
        slow.may_end.set()
    assert prices._list is not None, "what comes late counts from then on"


async def test_only_so_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = SlowList(monkeypatch, empty)
    prices = Prices()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(prices.load)
        await wait_all_tasks_blocked()
        taken = [prices.when_loaded(lambda: None) for _ in range(LIMITS.unpriced_interceptions + 1)]
        assert taken == [True] * LIMITS.unpriced_interceptions + [False]
        slow.may_end.set()


async def test_a_bridge_that_stops_lets_nobody_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = SlowList(monkeypatch, empty)
    prices = Prices()
    told: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(prices.load)
        await wait_all_tasks_blocked()
        assert prices.when_loaded(lambda: told.append(1))
        nursery.cancel_scope.cancel()
        slow.may_end.set()
    assert told == [1]
