"""The `/metrics` page: what the events add up to, in Prometheus' words."""

from __future__ import annotations

import pytest
from attrs import frozen
from prometheus_client.parser import text_string_to_metric_families

from bridge.events.hub import Hub
from bridge.events.vocabulary import (
    AttemptStarted,
    Credential,
    Event,
    InterceptionEnded,
    InterceptionStarted,
    KeyChanged,
    KeyState,
    Outcome,
    PromptRecorded,
    TokensUsed,
    ToolCalled,
)
from bridge.observe.metrics import Metrics
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


def page(*events: Event) -> Page:
    """What these events add up to."""
    hub = Hub()
    metrics = Metrics(hub)
    hub.add_sink(metrics.count)
    for event in events:
        hub.publish(event)
    content_type, body = metrics.page()
    assert content_type.startswith(b"text/plain")
    return Page.read(body)


def started(name: str, model: str | None = "m", api: str = "responses") -> InterceptionStarted:
    return InterceptionStarted(name, "openai", api, "POST", "/x", Credential("centralized"), model)


def ended(name: str, outcome: Outcome = Outcome.COMPLETED, first_byte_ms: float | None = 400) -> InterceptionEnded:
    return InterceptionEnded(name, outcome, 200, None, 1, 2000, first_byte_ms)


def test_interceptions_are_counted_by_outcome_and_timed() -> None:
    told = page(started("a"), started("b"), started("c"), ended("a"), ended("b", Outcome.FAILED, None))
    assert told.of("interceptions_total", outcome="completed") == 1
    assert told.of("interceptions_total", outcome="failed") == 1
    assert told.of("interceptions_inflight") == 1
    assert told.of("interceptions_duration_seconds_sum") == 4
    assert told.of("first_byte_seconds_count") == 1
    assert told.of("first_byte_seconds_sum") == 0.4


def test_what_was_read_is_counted() -> None:
    told = page(
        started("a"),
        AttemptStarted("a", 1, "k"),
        AttemptStarted("a", 2, "k"),
        AttemptStarted("a", 3, "k"),
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


def test_a_key_is_in_one_state() -> None:
    told = page(KeyChanged("openai", "sk-c...1", KeyState.VALID), KeyChanged("openai", "sk-c...1", KeyState.TEMPORARY))
    states = {state: told("key_state", provider="openai", key="sk-c...1", state=state.value) for state in KeyState}
    assert states == {"valid": 0, "temporary": 1, "permanent": 0, "disabled": 0}


@pytest.mark.parametrize("model", ['a"b\\c\nd', "\u202e\x1b", None, ""])
def test_a_models_name_breaks_no_line(model: str | None) -> None:
    told = page(started("a", model), ended("a"))
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
