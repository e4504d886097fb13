"""The `/metrics` page: what the events add up to, in Prometheus' words."""

from __future__ import annotations

import pytest
import trio
from attrs import frozen
from prometheus_client.parser import text_string_to_metric_families

from bridge.events.hub import Hub
from bridge.events.values import Credential, FailureReason, KeyState, Outcome
from bridge.events.vocabulary import (
    AttemptFailed,
    AttemptStarted,
    CircuitChanged,
    Event,
    InterceptionEnded,
    InterceptionStarted,
    KeyChanged,
    PromptRecorded,
    TokensUsed,
    ToolCalled,
)
from bridge.limits import LIMITS
from bridge.observe import metrics as metrics_module
from bridge.observe.metrics import Metrics
from tests.support.until import until
from tests.support.world import ask, provider, say_hello, world


@frozen
class Page:
    """The samples of a page."""

    found: dict[tuple[str, frozenset[tuple[str, str]]], float]

    @classmethod
    def read(cls, body: bytes) -> Page:
        families = text_string_to_metric_families(body.decode())
        told = (sample for family in families for sample in family.samples)
        return cls({(sample.name, frozenset(sample.labels.items())): sample.value for sample in told})

    def __call__(self, name: str, **labels: str) -> float:
        """A sample's value."""
        return self.found[f"clearspan_{name}", frozenset(labels.items())]

    def of(self, name: str, **labels: str) -> float:
        """That of the one model that the tests ask."""
        return self(name, provider="openai", model="m", **labels)


async def body_after(*events: Event) -> bytes:
    """The page when these events have happened."""
    hub = Hub()
    metrics = Metrics(hub)
    hub.add_sink(metrics.count)
    for event in events:
        hub.publish(event)
    content_type, body = await metrics.page()
    assert content_type.startswith(b"text/plain")
    return body


async def page(*events: Event) -> Page:
    """What these events add up to."""
    return Page.read(await body_after(*events))


def started(name: str, model: str | None = "m", api: str = "responses") -> InterceptionStarted:
    return InterceptionStarted(name, "openai", api, "POST", "/x", Credential("centralized"), model)


def ended(name: str, outcome: Outcome = Outcome.COMPLETED, first_byte_ms: float | None = 400) -> InterceptionEnded:
    return InterceptionEnded(name, outcome, 200, None, 1, 2000, first_byte_ms)


async def test_interceptions_are_counted_by_outcome_and_timed() -> None:
    told = await page(started("a"), started("b"), started("c"), ended("a"), ended("b", Outcome.FAILED, None))
    assert told.of("interceptions_total", outcome="completed") == 1
    assert told.of("interceptions_total", outcome="failed") == 1
    assert told.of("interceptions_inflight") == 1
    assert told.of("interceptions_duration_seconds_sum") == 4
    assert told.of("first_byte_seconds_count") == 1
    assert told.of("first_byte_seconds_sum") == 0.4


async def test_what_was_read_is_counted() -> None:
    told = await page(
        started("a"),
        AttemptStarted("a", 1, "k"),
        AttemptFailed("a", 1, "k", 429, FailureReason.RATE_LIMITED),
        AttemptStarted("a", 2, "k"),
        AttemptFailed("a", 2, "k", 429, FailureReason.RATE_LIMITED),
        AttemptStarted("a", 3, "k"),
        AttemptStarted("a", 4, "k"),  # another round of tools
        PromptRecorded("a", "r", "why?"),
        TokensUsed("a", "r", 10, 5, 3, 1),
        TokensUsed("a", "r", 1, 1),
        ToolCalled("a", "r", "c", "look"),
        ToolCalled("a", "r", "c", "bmcp_docs_find", injected=True),
    )
    assert told.of("key_failovers_total") == 2
    assert told.of("prompts_total") == 1
    assert told.of("tokens_total", type="input") == 11
    assert told.of("tokens_total", type="output") == 6
    assert told.of("tokens_total", type="cache_read_input") == 3
    assert told.of("tokens_total", type="cache_write_input") == 1
    assert told.of("non_injected_tool_selections_total", tool="look") == 1
    assert told.of("injected_tool_invocations_total", tool="bmcp_docs_find") == 1


async def test_a_key_is_in_one_state() -> None:
    told = await page(
        KeyChanged("openai", "sk-c...1", KeyState.VALID), KeyChanged("openai", "sk-c...1", KeyState.TEMPORARY)
    )
    states = {state: told("key_state", provider="openai", key="sk-c...1", state=state.value) for state in KeyState}
    assert states == {"valid": 0, "temporary": 1, "permanent": 0, "disabled": 0}


@pytest.mark.parametrize("model", ['a"b\\c\nd', "\u202e\x1b", None, ""])
async def test_a_models_name_breaks_no_line(model: str | None) -> None:
    told = await page(started("a", model), ended("a"))
    assert told("interceptions_total", provider="openai", model=model or "", outcome="completed") == 1


async def test_the_page_of_a_running_bridge() -> None:
    async with provider(say_hello) as url, world(url) as here:
        await ask(here.port)
        await here.event("interception.ended")
        subscriber = here.bridge.hub.subscribe()
        answer = await ask(here.port, b"", path="/metrics", method="GET")
        here.bridge.hub.unsubscribe(subscriber)
    assert answer.status == 200
    assert (answer.header("content-type") or "").startswith("text/plain; version=0.0.4")
    told = Page.read(answer.body)
    assert told.of("interceptions_total", outcome="completed") == 1
    assert told.of("interceptions_inflight") == 0
    assert told.of("tokens_total", type="output") == 3
    assert told("key_state", provider="openai", key="sk-c...0001", state="valid") == 1
    assert told("event_subscribers") == 1
    assert told("events_dropped_total") == 0


def asked_for(number: int, model: str) -> list[Event]:
    """One whole request for that model."""
    name = f"i{number}"
    return [
        started(name, model),
        AttemptStarted(name, 1, "k"),
        AttemptStarted(name, 2, "k"),
        PromptRecorded(name, "r", "why?"),
        TokensUsed(name, "r", 10, 5, 3, 1),
        *(ToolCalled(name, "r", "c", f"tool {tool} {number}") for tool in range(3)),
        ended(name),
    ]


async def test_names_that_clients_choose_do_not_make_the_page_grow() -> None:
    names = [*(f"model-{number}" for number in range(10_000)), "x" * 5_000_000]
    body = await body_after(*(event for number, name in enumerate(names) for event in asked_for(number, name)))
    told = Page.read(body)
    assert len(body) < 1_000_000
    assert told("interceptions_total", provider="openai", model="model-0", outcome="completed") == 1
    assert told("interceptions_total", provider="openai", model="other", outcome="completed") > 9000
    assert told("interceptions_inflight", provider="openai", model="other") == 0
    assert told("non_injected_tool_selections_total", provider="openai", model="other", tool="other") > 25_000


@pytest.mark.parametrize("character", ["x", "\\", "思", "😀"])
async def test_long_names_do_not_either(character: str) -> None:
    names = [f"{number:05}" + character * 1000 for number in range(1000)]
    body = await body_after(*(event for number, name in enumerate(names) for event in asked_for(number, name)))
    assert len(body) < 1_000_000
    whole = names[0][: LIMITS.label_characters]
    assert Page.read(body)("interceptions_total", provider="openai", model=whole, outcome="completed") == 1


async def test_circuits_of_many_models_do_not_either() -> None:
    opened = [CircuitChanged("openai", "/responses", f"{number}", "open") for number in range(1000)]
    told = await page(*opened)
    assert told("circuit_breaker_trips_total", provider="openai", endpoint="/responses", model="0") == 1
    rest = told("circuit_breaker_trips_total", provider="openai", endpoint="/responses", model="other")
    assert rest == 1000 - LIMITS.label_values


async def test_the_page_is_made_in_a_thread_and_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery
) -> None:
    made: list[int] = []
    go_on = trio.Event()

    def generate(_: object) -> bytes:
        made.append(len(made))
        trio.from_thread.run(go_on.wait)  # which fails on the loop itself
        return b""

    monkeypatch.setattr(metrics_module, "generate_latest", generate)
    metrics = Metrics(Hub())
    for _ in range(5):
        nursery.start_soon(metrics.page)
    await until(lambda: bool(made))
    assert made == [0]
    go_on.set()


async def test_what_is_in_use_of_the_shared_budgets_is_shown() -> None:
    hub = Hub()
    hub.subscribe()
    hub.publish(started("a"))
    _, body = await Metrics(hub).page()
    told = Page.read(body)
    assert told("budget_used_bytes", budget="picture") == hub.picture.size > 0
    assert told("budget_used_bytes", budget="queues") == hub.queues.size > 0
    assert told("budget_bytes", budget="queues") == LIMITS.queues_bytes
    for budget in ("reading", "held_events", "snapshots"):
        assert told("budget_used_bytes", budget=budget) == 0
