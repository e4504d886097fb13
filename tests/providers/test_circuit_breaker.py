"""The circuit breaker against a clock of the test's own (docs/behaviour.md, Circuit breaker)."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import define

from bridge.config.settings import CircuitBreakerSettings
from bridge.config.units import Seconds
from bridge.events.vocabulary import CircuitChanged, Event
from bridge.providers.anthropic import ANTHROPIC
from bridge.providers.circuit_breaker import CircuitOpen, Circuits, Permit
from bridge.providers.kind import ProviderKind
from bridge.providers.openai import OPENAI
from tests.support.world import Asked, Reply, ask, provider, world


@define
class ManualClock:
    """Time that stands still until it is moved."""

    now: float = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock() -> ManualClock:
    """A clock."""
    return ManualClock()


@pytest.fixture
def told() -> list[Event]:
    """What was published."""
    return []


def make(clock: ManualClock, told: list[Event], kind: ProviderKind = OPENAI) -> Circuits:
    """Circuits that open after three failures."""
    breaker = CircuitBreakerSettings(failure_threshold=3, interval=Seconds(10), timeout=Seconds(30), max_requests=2)
    return Circuits("one", kind.circuit_failures, breaker, publish=told.append, clock=clock)


def attempt(circuits: Circuits, *statuses: int | None, model: str = "m") -> None:
    """One request per status."""
    for status in statuses:
        with circuits.admit("/v1/responses", model) as permit:
            permit.note(status)


def states(told: list[Event]) -> list[str]:
    """The states that were told, in order."""
    return [event.state for event in told if isinstance(event, CircuitChanged)]


@pytest.mark.parametrize("status", [500, 502, 503, 504, None])
def test_consecutive_failures_open_it(clock: ManualClock, told: list[Event], status: int | None) -> None:
    circuits = make(clock, told)
    attempt(circuits, status, status, 200, status, status)
    assert not told
    attempt(circuits, status)
    assert told == [CircuitChanged("one", "/v1/responses", "m", "open")]
    clock.now += 12.5
    with pytest.raises(CircuitOpen, match="circuit breaker is open") as refused:
        circuits.admit("/v1/responses", "m")
    assert refused.value.retry_after == 18


@pytest.mark.parametrize("status", [401, 403, 429, 400, 404, 200])
def test_what_is_said_of_keys_and_requests_does_not(clock: ManualClock, told: list[Event], status: int) -> None:
    circuits = make(clock, told)
    attempt(circuits, *[status] * 10)
    assert not told


def test_key_failures_do_not_end_a_row_of_failures(clock: ManualClock, told: list[Event]) -> None:
    circuits = make(clock, told)
    attempt(circuits, 500, 429, 500, 401, 500)
    assert states(told) == ["open"]


def test_only_anthropic_says_529(clock: ManualClock, told: list[Event]) -> None:
    attempt(make(clock, told), 529, 529, 529)
    assert not told
    attempt(make(clock, told, ANTHROPIC), 529, 529, 529)
    assert states(told) == ["open"]


def test_an_interval_without_failure_clears_the_count(clock: ManualClock, told: list[Event]) -> None:
    circuits = make(clock, told)
    attempt(circuits, 500, 500)
    clock.now += 10.1
    attempt(circuits, 500, 500)
    assert not told


def test_other_models_go_on(clock: ManualClock, told: list[Event]) -> None:
    circuits = make(clock, told)
    attempt(circuits, 500, 500, 500)
    attempt(circuits, 200, model="other")
    with pytest.raises(CircuitOpen):
        circuits.admit("/v1/responses", "m")


def half_open(clock: ManualClock, told: list[Event]) -> Circuits:
    """Circuits whose time-out has passed."""
    circuits = make(clock, told)
    attempt(circuits, 500, 500, 500)
    clock.now += 30
    return circuits


def test_half_open_lets_so_many_through_and_closes_when_all_are_good(clock: ManualClock, told: list[Event]) -> None:
    circuits = half_open(clock, told)
    with circuits.admit("/v1/responses", "m") as first, circuits.admit("/v1/responses", "m") as second:
        with pytest.raises(CircuitOpen):
            circuits.admit("/v1/responses", "m")
        first.note(200)
        assert states(told) == ["open", "half_open"]
        second.note(404)  # the endpoint answers
    assert states(told) == ["open", "half_open", "closed"]
    attempt(circuits, 500, 500)
    assert len(told) == 3


def test_half_open_opens_again_with_one_failure(clock: ManualClock, told: list[Event]) -> None:
    circuits = half_open(clock, told)
    attempt(circuits, 200, None)
    assert states(told) == ["open", "half_open", "open"]
    with pytest.raises(CircuitOpen):
        circuits.admit("/v1/responses", "m")


def test_a_probe_that_came_to_nothing_gives_its_place_back(clock: ManualClock, told: list[Event]) -> None:
    circuits = half_open(clock, told)
    for _ in range(10):
        with circuits.admit("/v1/responses", "m") as permit:
            permit.note(429)
    attempt(circuits, 200, 200)
    assert states(told) == ["open", "half_open", "closed"]


def test_a_late_failure_of_a_request_from_before_does_not_open_it_again(clock: ManualClock, told: list[Event]) -> None:
    circuits = make(clock, told)
    late = circuits.admit("/v1/responses", "m")
    attempt(circuits, 500, 500, 500)
    clock.now += 30
    with circuits.admit("/v1/responses", "m") as probe:
        late.note(500)
        assert states(told) == ["open", "half_open"]
        probe.note(200)


def test_a_permit_of_nobody_notes_nothing() -> None:
    with Permit() as permit:
        permit.note(500)
    assert (permit.name, permit.probe) == (("", None), None)


async def test_an_open_circuit_is_answered_503_and_told() -> None:
    calls = 0

    async def handle(_: Asked, reply: Reply) -> None:
        nonlocal calls
        calls += 1
        await reply.whole(500, b'{"error":{"message":"no"}}')

    breaker = CircuitBreakerSettings(failure_threshold=2)
    async with provider(handle) as url, world(url, circuit_breaker=breaker) as here:
        answers = [await ask(here.port) for _ in range(3)]
        await here.event("interception.ended", 3)
        metrics = (await ask(here.port, b"", path="/metrics", method="GET")).body
    assert [answer.status for answer in answers] == [500, 500, 503]
    assert calls == 2
    assert answers[2].json["error"]["message"] == "circuit breaker is open"
    assert 0 < int(answers[2].header("retry-after") or 0) <= 30
    assert [event.state for event in here.events("circuit.changed")] == ["open"]
    assert [(event.outcome, event.error) for event in here.events("interception.ended")][2] == (
        "rejected",
        "circuit breaker is open",
    )
    assert b'clearspan_circuit_breaker_rejects_total{model="m",provider="openai"} 1.0' in metrics
    assert b'clearspan_circuit_breaker_state{endpoint="/v1/responses",model="m",provider="openai"} 1.0' in metrics


@pytest.mark.parametrize("stream", [True, False])
async def test_time_outs_count_as_failures(*, stream: bool) -> None:
    async def handle(_: Asked, reply: Reply) -> None:
        await reply.until_closed()

    breaker = CircuitBreakerSettings(failure_threshold=2)
    limits: dict[str, Any] = {"idle_timeout": 0.05} if stream else {"request_timeout": 0.05}
    async with provider(handle) as url, world(url, circuit_breaker=breaker, **limits) as here:
        answers = [await ask(here.port, {"model": "m", "input": "x", "stream": stream}) for _ in range(3)]
        assert [answer.status for answer in answers] == [504, 504, 503]
        assert states(here.events("circuit.changed")) == ["open"]
