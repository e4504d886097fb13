"""What becomes of API keys: their fates in order, their rate limits, and how each is told."""

from __future__ import annotations

import orjson
import pytest

from bridge.simulator.provider import SimulatedProvider
from bridge.simulator.routes import IncomingRequest
from bridge.simulator.scenario.file import parse_scenario
from bridge.simulator.scenario.scenario import Scenario
from tests.simulator.serving import body_of, header_of, provider, request


def scenario(text: str) -> Scenario:
    return parse_scenario(f'turns = ["short"]\n{text}\n[answers.short]\nparts = [{{ text = "Hi." }}]', "test")


def statuses(app: SimulatedProvider, count: int, key: str = "sk-1", now: float = 0.0) -> list[int]:
    return [app.plan(request(key=key), now).status for _ in range(count)]


def test_a_keys_fates_come_in_order_and_the_last_stays() -> None:
    app = provider(
        scenario(
            '[[keys]]\nkey = "sk-1"\nfates = ["ok*2", "429:7", "401", "403", "insufficient_quota", "500", "503:2"]'
        )
    )
    assert statuses(app, 9) == [200, 200, 429, 401, 403, 429, 500, 503, 503]
    assert statuses(app, 2, key="sk-other") == [200, 200]


def test_fates_can_begin_again() -> None:
    app = provider(scenario('[[keys]]\nkey = "sk-1"\nfates = ["ok", "500"]\ncycle = true'))
    assert statuses(app, 5) == [200, 500, 200, 500, 200]


def test_keys_that_are_not_listed_fare_as_said() -> None:
    assert statuses(provider(scenario('other_keys = ["401"]')), 1) == [401]


def test_a_fate_can_name_the_answer() -> None:
    text = '[[keys]]\nkey = "sk-1"\nfates = ["answer:odd"]\n[answers.odd]\nparts = [{ text = "Odd." }]'
    assert provider(scenario(text)).plan(request(key="sk-1"), 0.0).answer == "odd"


def test_a_fate_can_hold_the_head_back() -> None:
    app = provider(scenario('[[keys]]\nkey = "sk-1"\nfates = ["wait:30"]'), speed=2.0)
    assert app.plan(request(key="sk-1", stream=True), 0.0).chunks[0].pause == 15


@pytest.mark.parametrize(
    ("fate", "speed", "headers"),
    [
        ("429:7", 1.0, {"retry-after": "7", "retry-after-ms": None}),
        ("429:7", 4.0, {"retry-after": "2", "retry-after-ms": "1750"}),
        ("429:1.5:ms", 1.0, {"retry-after": None, "retry-after-ms": "1500"}),
        ("429:7:date", 1.0, {"retry-after": "Mon, 21 Sep 2026 14:13:27 GMT"}),
        ("429", 1.0, {"retry-after": None, "retry-after-ms": None}),
        ("503:2", 1.0, {"retry-after": "2"}),
    ],
)
def test_the_ways_to_say_when_to_come_again(fate: str, speed: float, headers: dict[str, str | None]) -> None:
    app = provider(scenario(f'[[keys]]\nkey = "sk-1"\nfates = ["{fate}"]'), speed=speed)
    reply = app.plan(request(key="sk-1"), 0.0)
    assert {name: header_of(reply, name) for name in headers} == headers


def test_a_rate_limit_refuses_until_its_window_is_over() -> None:
    app = provider(scenario('[[keys]]\nkey = "sk-1"\nrequests = 2\nper = 10\nfates = ["ok", "500", "ok"]'), speed=1.0)
    assert statuses(app, 1, now=100.0) == [200]
    assert statuses(app, 1, now=103.0) == [500]
    refused = app.plan(request(key="sk-1"), 104.0)
    assert refused.status == 429
    assert header_of(refused, "retry-after") == "6"
    assert header_of(refused, "x-ratelimit-remaining-requests") == "0"
    assert header_of(refused, "x-ratelimit-reset-requests") == "6s"
    assert orjson.loads(body_of(refused))["error"]["code"] == "rate_limit_exceeded"
    assert statuses(app, 1, now=110.0) == [200]


def test_a_token_limit_refuses_too() -> None:
    app = provider(scenario('[[keys]]\nkey = "sk-1"\ntokens = 3\nper = 10'), speed=1.0)
    assert statuses(app, 1, now=0.0) == [200]
    refused = app.plan(request(key="sk-1"), 1.0)
    assert refused.status == 429
    assert orjson.loads(body_of(refused))["error"]["type"] == "tokens"


def models(app: SimulatedProvider, key: str = "sk-1") -> int:
    return app.plan(IncomingRequest("GET", "/v1/models", {"authorization": f"Bearer {key}"}, b""), 0.0).status


def test_the_list_of_models_tells_whether_the_key_is_dead_and_uses_nothing_up() -> None:
    app = provider(scenario('[[keys]]\nkey = "sk-1"\nfates = ["ok", "401", "401", "403", "403:model", "429:7", "ok"]'))
    seen = [(models(app), *statuses(app, 1)) for _ in range(7)]
    assert seen == [(200, 200), (401, 401), (401, 401), (403, 403), (200, 403), (200, 429), (200, 200)]


def organization(app: SimulatedProvider, key: str) -> str | None:
    return header_of(app.plan(request(key=key), 0.0), "openai-organization")


def test_each_key_is_of_an_organization_of_its_own_unless_somebody_says_otherwise() -> None:
    named = scenario('[[keys]]\nkey = "sk-1"\norganization = "org-7"\n[[keys]]\nkey = "sk-2"\norganization = "org-7"')

    apart, together = provider(scenario("")), provider(scenario(""), one_organization=True)

    assert len({organization(apart, key) for key in ("sk-1", "sk-2", "sk-3")}) == 3
    assert {organization(together, key) for key in ("sk-1", "sk-2")} == {"org-simulated"}
    assert {organization(provider(named), key) for key in ("sk-1", "sk-2")} == {"org-7"}
