"""What an interception tells stays in order, and waits for the price list only from its tokens on."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from bridge.apis.usage import Usage
from bridge.events.hub import Hub, utc_now
from bridge.events.vocabulary import AnswerDelta, Event, TokensUsed
from bridge.events.wire import Envelope
from bridge.interception.telling import Pricing, Telling
from bridge.limits import LIMITS
from bridge.observe.logs import redactor
from bridge.providers.prices import Origin, Prices
from tests.support.slow_list import SlowList

pytest.importorskip("genai_prices")

USED = TokensUsed("a", "r", input=1_000, output=100)
PARTS = (Usage(input=1_000, output=100),)
DOLLARS = (1_000 * 1.25 + 100 * 10) / 1_000_000
"""What that costs of GPT-5."""


def delta(number: int) -> AnswerDelta:
    return AnswerDelta("a", str(number))


def telling(prices: Prices, told: list[Event]) -> Telling:
    pricing = Pricing(prices, Origin("openai", "http://127.0.0.1", "gpt-5"))
    return Telling(lambda event, _at=None, _secrets=None: told.append(event), pricing, redactor)


async def test_what_comes_before_the_tokens_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = SlowList(monkeypatch)
    prices, told, others = Prices(), [], []  # type: Prices, list[Event], list[Event]
    here, there = telling(prices, told), telling(prices, others)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(prices.load)
        await wait_all_tasks_blocked()
        here.tell(delta(1))
        here.tell(USED, PARTS)
        here.tell(delta(2))
        there.tell(delta(3))
        assert told == [delta(1)]
        assert others == [delta(3)], "another one waits for nothing"
        slow.may_end.set()
    first, used, last = told
    assert (first, last) == (delta(1), delta(2))
    assert isinstance(used, TokensUsed)
    assert used.cost_usd == pytest.approx(DOLLARS)
    assert used.context_window == 400_000
    here.tell(USED, PARTS)
    assert told[-1] == used, "now it is told at once"


async def test_only_so_much_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = SlowList(monkeypatch)
    prices, told = Prices(), []  # type: Prices, list[Event]
    here = telling(prices, told)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(prices.load)
        await wait_all_tasks_blocked()
        here.tell(USED, PARTS)
        for number in range(LIMITS.unpriced_events):
            here.tell(delta(number))
        assert told == [USED, *map(delta, range(LIMITS.unpriced_events))]
        slow.may_end.set()
    assert len(told) == 1 + LIMITS.unpriced_events


async def test_what_is_held_is_told_with_the_time_at_which_it_happened() -> None:
    hub = Hub()
    told: list[Envelope] = []
    hub.add_sink(told.append)
    here = Telling(hub.publish, Pricing(Prices(), Origin("openai", "http://127.0.0.1", "gpt-5")), redactor)
    here.hold()
    before = utc_now()
    here.tell(delta(1))
    after = utc_now()
    await trio.sleep(0.005)
    here.release()
    here.tell(delta(2))
    held, at_once = told
    assert before <= held.at <= after < at_once.at


async def test_what_is_held_is_told_in_order_and_tokens_wait_on(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = SlowList(monkeypatch)
    prices, told = Prices(), []  # type: Prices, list[Event]
    here = telling(prices, told)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(prices.load)
        await wait_all_tasks_blocked()
        here.hold()
        here.tell(delta(1))
        here.tell(delta(2))
        assert told == []
        here.release()
        assert told == [delta(1), delta(2)]
        here.tell(USED, PARTS)
        here.hold()
        here.tell(delta(3))
        here.release()
        assert told == [delta(1), delta(2)], "what comes after tokens waits for their price all the same"
        slow.may_end.set()
    assert told[3:] == [delta(3)]
    here.hold()
    here.tell(USED, PARTS)
    here.tell(delta(4))
    here.release()
    assert told[5:] == [delta(4)]
    assert isinstance(told[4], TokensUsed)


def test_only_so_much_is_held() -> None:
    told: list[Event] = []
    here = telling(Prices(), told)
    here.hold()
    for number in range(LIMITS.unpriced_events + 1):
        here.tell(delta(number))
    assert told == [delta(number) for number in range(LIMITS.unpriced_events + 1)]
