"""The `/metrics` page: what the events add up to, in Prometheus' words."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from attrs import evolve, frozen
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from bridge.config.settings import RecordSettings
from bridge.events.hub import Hub
from bridge.events.picture import REMOVED
from bridge.events.values import CircuitState, Credential, FailureReason, KeyState, Outcome
from bridge.events.vocabulary import (
    AttemptFailed,
    AttemptStarted,
    CircuitChanged,
    Event,
    InterceptionEnded,
    InterceptionStarted,
    KeyChanged,
    PromptRecorded,
    ResponseStarted,
    TokensUsed,
    ToolCalled,
)
from bridge.limits import LIMITS
from bridge.observe import metrics as metrics_module
from bridge.observe.metrics import Metrics
from tests.support.record_desk import rows
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

    def ended(
        self, outcome: str = "completed", model: str = "m", client: str = "Unknown", api: str = "responses"
    ) -> float:
        """How many interceptions ended so."""
        return self("interceptions_total", provider="openai", model=model, outcome=outcome, client=client, api=api)

    def tokens(self, kind: str) -> float:
        """How many tokens of that type the one model used."""
        return self.of("tokens_total", type=kind, client="Unknown")


async def body_after(*events: Event) -> bytes:
    """The page when these events have happened."""
    hub = Hub()
    metrics = Metrics(hub, {"http://docs": "docs"}.get)  # type: ignore[arg-type]  # None is no key of it, either
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
    assert told.ended() == 1
    assert told.ended("failed") == 1
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
        TokensUsed("a", "r", 10, 5, 3, 1, {"output_reasoning": 4, "thinking": 0}),
        TokensUsed("a", "r", 1, 1, extra={"output_reasoning": 2}),
        ToolCalled("a", "r", "c", "look"),
        ToolCalled("a", "r", "c", "find", injected=True, server_url="http://docs"),
        ToolCalled("a", "r", "c", "find", injected=True, server_url="http://gone?token=x"),
    )
    assert told.of("key_failovers_total") == 2
    assert told.of("prompts_total") == 1
    assert told.tokens("input") == 11
    assert told.tokens("output") == 6
    assert told.tokens("cache_read_input") == 3
    assert told.tokens("cache_write_input") == 1
    assert told.of("non_injected_tool_selections_total", tool="look") == 1
    assert told.tokens("output_reasoning") == 6
    assert told.of("injected_tool_invocations_total", server="docs", tool="find") == 1
    assert told.of("injected_tool_invocations_total", server="", tool="find") == 1


async def test_callers_are_told_apart_by_client_and_api() -> None:
    codex = evolve(started("a"), client="Codex")
    told = await page(codex, started("b", api="chat_completions"), ended("a"), ended("b"))
    assert told.ended(client="Codex") == told.ended(api="chat_completions") == 1


@pytest.mark.parametrize(("state", "level"), [("closed", 0), ("half_open", 0.5), ("open", 1)])
async def test_a_circuit_has_a_level(state: CircuitState, level: float) -> None:
    told = await page(CircuitChanged("openai", "/responses", "m", state))
    assert told.of("circuit_breaker_state", endpoint="/responses") == level


def failed(attempt: int, reason: FailureReason, status: int = 429) -> AttemptFailed:
    return AttemptFailed("a", attempt, "k", status, reason)


LIMITED, REFUSED = FailureReason.RATE_LIMITED, FailureReason.UNAUTHORIZED
WALKS: list[tuple[str, list[Event], list[int], dict[str, int]]] = [
    ("the first key serves", [AttemptStarted("a", 1, "k"), ResponseStarted("a", 1, 200)], [1], {}),
    (
        "the third key serves",
        [
            *(AttemptStarted("a", 1, "k"), failed(1, LIMITED), AttemptStarted("a", 2, "k"), failed(2, REFUSED)),
            *(AttemptStarted("a", 3, "k"), ResponseStarted("a", 3, 200)),
        ],
        [3],
        {},
    ),
    (
        "two rounds, each with a walk of its own",
        [
            *(
                AttemptStarted("a", 1, "k"),
                failed(1, LIMITED),
                AttemptStarted("a", 2, "k"),
                ResponseStarted("a", 2, 200),
            ),
            *(AttemptStarted("a", 3, "k"), ResponseStarted("a", 3, 200)),
        ],
        [2, 1],
        {},
    ),
    (
        "the client gets the last key's failure",
        [AttemptStarted("a", 1, "k"), failed(1, LIMITED), ResponseStarted("a", 1, 429)],
        [1],
        {"rate_limited": 1},
    ),
    (
        "a stream opened with the failure",
        [AttemptStarted("a", 1, "k"), failed(1, FailureReason.QUOTA_EXHAUSTED, 200), ResponseStarted("a", 1, 200)],
        [1],
        {"rate_limited": 1},
    ),
    (
        "a server error is no key's",
        [AttemptStarted("a", 1, "k"), failed(1, FailureReason.SERVER_ERROR, 500), ResponseStarted("a", 1, 500)],
        [1],
        {},
    ),
    (
        "the bridge says that all are dead",
        [AttemptStarted("a", 1, "k"), failed(1, REFUSED, 401), InterceptionEnded("a", Outcome.REJECTED, 502, "", 1, 1)],
        [1],
        {"auth_failed": 1},
    ),
    ("none was valid", [InterceptionEnded("a", Outcome.REJECTED, 429, "", 0, 1)], [], {"rate_limited": 1}),
]


@pytest.mark.parametrize(
    ("events", "attempts", "exhausted"), [walk[1:] for walk in WALKS], ids=[walk[0] for walk in WALKS]
)
async def test_walks_through_the_keys_are_counted(
    events: list[Event], attempts: list[int], exhausted: dict[str, int]
) -> None:
    told = await page(started("a"), *events)
    found = {
        outcome: told.found.get(
            ("clearspan_key_pool_exhaustions_total", frozenset({("provider", "openai"), ("outcome", outcome)}))
        )
        for outcome in ("rate_limited", "auth_failed")
    }
    assert {outcome: count for outcome, count in found.items() if count} == exhausted
    if attempts:
        assert told("key_pool_failover_attempts_count", provider="openai") == len(attempts)
        assert told("key_pool_failover_attempts_sum", provider="openai") == sum(attempts)
        assert told("key_pool_failover_attempts_bucket", provider="openai", le="25.0") == len(attempts)


async def test_callers_own_keys_walk_nowhere() -> None:
    own = evolve(started("a"), credential=Credential("byok", "k"))
    told = await page(own, AttemptStarted("a", 1, "k"), ResponseStarted("a", 1, 429), ended("a"))
    assert not [name for name, _ in told.found if "key_pool" in name]


async def test_what_clients_and_models_name_together_is_bounded() -> None:
    clients = [f"client {number}" for number in range(50)]
    names = [(client, f"m{number}") for number in range(100) for client in clients]
    body = await body_after(
        *(
            event
            for client, model in names
            for event in (evolve(started("a", model), client=client), TokensUsed("a", "r", 1, 1), ended("a"))
        )
    )
    told = Page.read(body)
    assert told.ended(model="m0", client="client 0") == 1
    assert told.ended(model="other", client="client 0") == 100 - LIMITS.label_pairs / 50
    assert sum(value for (name, _), value in told.found.items() if name == "clearspan_interceptions_total") == 5000


async def test_a_configuration_that_is_read_again_is_told() -> None:
    metrics = Metrics(Hub())
    began = time.time()
    for success in (False, True):
        metrics.note_reload(success=success)
        told = Page.read((await metrics.page())[1])
        assert told("config_last_reload_success") == success
        assert began <= told("config_last_reload_timestamp_seconds") <= time.time()


async def test_a_key_is_in_one_state() -> None:
    told = await page(
        KeyChanged("openai", "sk-c...1", KeyState.VALID), KeyChanged("openai", "sk-c...1", KeyState.TEMPORARY)
    )
    states = {state: told("key_state", provider="openai", key="sk-c...1", state=state.value) for state in KeyState}
    assert states == {"valid": 0, "temporary": 1, "permanent": 0, "disabled": 0}


async def test_a_key_that_is_no_more_is_in_none() -> None:
    told = await page(
        KeyChanged("openai", "sk-c...1", KeyState.VALID),
        KeyChanged("openai", "sk-c...2", KeyState.VALID),
        KeyChanged("openai", "sk-c...1", KeyState.DISABLED, reason=REMOVED),
        KeyChanged("openai", "sk-c...3", KeyState.DISABLED, reason=REMOVED),  # one that was never told of
    )
    keys = {dict(labels)["key"] for name, labels in told.found if name == "clearspan_key_state"}
    assert keys == {"sk-c...2"}


async def test_a_key_that_comes_back_is_in_a_state_again() -> None:
    told = await page(
        KeyChanged("openai", "sk-c...1", KeyState.VALID),
        KeyChanged("openai", "sk-c...1", KeyState.DISABLED, reason=REMOVED),
        KeyChanged("openai", "sk-c...1", KeyState.TEMPORARY),
    )
    states = {state: told("key_state", provider="openai", key="sk-c...1", state=state.value) for state in KeyState}
    assert states == {"valid": 0, "temporary": 1, "permanent": 0, "disabled": 0}


@pytest.mark.parametrize("model", ['a"b\\c\nd', "\u202e\x1b", None, ""])
async def test_a_models_name_breaks_no_line(model: str | None) -> None:
    told = await page(started("a", model), ended("a"))
    assert told.ended(model=model or "") == 1


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
    assert told.ended() == 1
    assert told.of("interceptions_inflight") == 0
    assert told.tokens("output") == 3
    assert told("key_state", provider="openai", key="sk-c...0001", state="valid") == 1
    assert told("event_subscribers") == 1
    assert told("events_dropped_total") == 0
    assert told("provider_info", provider="openai", type="openai") == 1
    assert told("config_last_reload_success") == 1
    assert (await lint(answer.body)) == []


async def test_what_the_journal_takes_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    async with provider(say_hello) as url, world(url, record=RecordSettings(path=path)) as here:
        await ask(here.port)
        await here.event("interception.ended")
        await until(lambda: rows(path, "token_usages"))
        taken = path.with_name("r.db-wal").stat().st_size
        page = Page.read((await ask(here.port, b"", path="/metrics", method="GET")).body)
    assert 0 < taken <= page("record_journal_bytes")


async def lint(body: bytes) -> list[str]:
    """What `promtool check metrics` says of a page; where there is none, what its rules say."""
    if tool := shutil.which("promtool"):
        done = await trio.run_process(
            [tool, "check", "metrics"], stdin=body, capture_stdout=True, capture_stderr=True, check=False
        )
        return (done.stdout + done.stderr).decode().splitlines()
    families = list(text_string_to_metric_families(body.decode()))
    typed = re.findall(r"^# TYPE (\S+) (\S+)$", body.decode(), re.MULTILINE)
    of_names = (fault for name, kind in typed for fault in name_faults(name, kind))
    return [*of_names, *(fault for family in families for fault in family_faults(family))]


OTHER_UNITS = {
    "milliseconds",
    "ms",
    "us",
    "ns",
    "minutes",
    "hours",
    "days",
    "kilobytes",
    "megabytes",
    "mib",
    "kb",
    "percent",
}
TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}


def name_faults(name: str, kind: str) -> list[str]:
    """What promtool's linter would say of a name, from its documented rules."""
    words = name.split("_")
    rules = [
        (kind == "counter" and not name.endswith("_total"), "a counter should end in _total"),
        (kind != "counter" and name.endswith("_total"), "only counters end in _total"),
        (kind != "histogram" and words[-1] in {"count", "sum", "bucket"}, "ends as a histogram's samples do"),
        (bool(TYPES & set(words)), "has its type in its name"),
        (bool(OTHER_UNITS & set(words)), "is in no base unit"),
        (name != name.lower(), "is written in camelCase"),
    ]
    return [f"{name}: {text}" for broken, text in rules if broken]


def family_faults(family: Metric) -> Iterator[str]:
    """The same of help texts and labels."""
    if not family.documentation:
        yield f"{family.name}: no help text"
    reserved = {"quantile"} | (set() if family.type == "histogram" else {"le"})
    for sample in family.samples:
        if reserved & sample.labels.keys() or any(not name.islower() for name in sample.labels):
            yield f"{family.name}: a label is reserved or in camelCase: {sorted(sample.labels)}"


async def test_the_page_has_no_fault_that_promtool_knows() -> None:
    events = [
        *asked_for(1, "m"),
        CircuitChanged("openai", "/x", "m", "open"),
        KeyChanged("openai", "k", KeyState.VALID),
    ]
    assert await lint(await body_after(*events)) == []


@pytest.mark.parametrize(
    "text",
    [
        "# HELP a_things x\n# TYPE a_things counter\na_things 1\n",
        "# TYPE a_x gauge\na_x 1\n",
        "# HELP a_x_ms x\n# TYPE a_x_ms gauge\na_x_ms 1\n",
        '# HELP a_x x\n# TYPE a_x gauge\na_x{le="1"} 1\n',
        "# HELP a_x_total x\n# TYPE a_x_total gauge\na_x_total 1\n",
    ],
)
async def test_faults_of_a_page_are_found(text: str) -> None:
    assert await lint(text.encode()) != []


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
    assert told.ended(model="model-0") == 1
    assert told.ended(model="other") > 9000
    assert told("interceptions_inflight", provider="openai", model="other") == 0
    assert told("non_injected_tool_selections_total", provider="openai", model="other", tool="other") > 25_000


@pytest.mark.parametrize("character", ["x", "\\", "思", "😀"])
async def test_long_names_do_not_either(character: str) -> None:
    names = [f"{number:05}" + character * 1000 for number in range(1000)]
    body = await body_after(*(event for number, name in enumerate(names) for event in asked_for(number, name)))
    assert len(body) < 1_000_000
    whole = names[0][: LIMITS.label_characters]
    assert Page.read(body).ended(model=whole) == 1


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

    def page(_: object) -> tuple[bytes, bytes]:
        made.append(len(made))
        trio.from_thread.run(go_on.wait)  # which fails on the loop itself
        return b"", b""

    monkeypatch.setattr(metrics_module, "page", page)
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
