"""Reading the record: what filters find, one interception in full, sums, and that no text does harm."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import click.testing
import orjson
import pytest
import trio
from attrs import evolve

from bridge.events.values import FailureReason, Outcome, ThoughtSource, WithheldReason
from bridge.events.vocabulary import (
    AttemptFailed,
    AttemptStarted,
    InterceptionEnded,
    PromptRecorded,
    ResponseStarted,
    ThoughtRecorded,
    ThoughtWithheld,
    TokensUsed,
    ToolCalled,
    ToolResultBrought,
)
from bridge.record import history, text_search
from bridge.record.database import RecordError, open_for_reading
from bridge.record.history import Filter, interceptions, since_when, story
from bridge.record.sums import totals
from tests.record.commands import printed, run
from tests.support.generated_record import (
    CLIENTS,
    MODELS,
    OUTCOMES,
    SESSIONS_OF,
    identity,
    make_record,
    words,
)
from tests.support.generated_record import started as began
from tests.support.record_desk import desk, ended, started

SIZE = 100_000


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("large") / "clearspan.db"
    make_record(path, SIZE)
    database = open_for_reading(path)
    yield database
    database.close()
    path.unlink()


def numbers(rows: list[history.Fields]) -> list[int]:
    return [int(row["id"][-12:], 16) for row in rows]


def newest(condition: history.Fields, limit: int = 50) -> list[int]:
    """The numbers of the newest interceptions that are so, by the rules of `generated`."""
    facts: dict[str, Callable[[int], str]] = {
        "model": lambda n: MODELS[n % len(MODELS)],
        "client": lambda n: CLIENTS[n % len(CLIENTS)],
        "provider": lambda n: ("openai", "anthropic")[n % 2],
        "outcome": lambda n: OUTCOMES[n % len(OUTCOMES)],
        "session": lambda n: f"session-{n // SESSIONS_OF}",
    }
    found = (n for n in range(SIZE - 1, -1, -1) if all(facts[name](n) == wanted for name, wanted in condition.items()))
    return [n for n, _ in zip(found, range(limit), strict=False)]


@pytest.mark.parametrize(
    "condition",
    [
        {},
        {"model": "claude-opus-4-5"},
        {"client": "Codex"},
        {"provider": "anthropic"},
        {"outcome": "rejected"},
        {"session": "session-3"},
        {"session": "session-3", "outcome": "failed"},
        {"model": "gpt-5.2", "client": "Aider", "provider": "openai", "outcome": "completed"},
        {"model": "gpt-5.2", "provider": "anthropic"},
        {"model": "no such model"},
    ],
)
def test_filters_find_the_newest_that_fit(large: sqlite3.Connection, condition: history.Fields) -> None:
    assert numbers(interceptions(large, Filter(**condition))) == newest(condition)


def test_since(large: sqlite3.Connection) -> None:
    since = began(SIZE - 20, SIZE)
    assert numbers(interceptions(large, Filter(since=since))) == newest({}, 20)
    assert numbers(interceptions(large, Filter(since=since, outcome="failed"))) == [SIZE - 3]
    assert interceptions(large, Filter(since=began(SIZE, SIZE))) == []


def test_a_text_that_is_rare(large: sqlite3.Connection) -> None:
    for n in (0, 77_777, 77_778):  # a prompt, a tool's arguments, a thought
        assert numbers(interceptions(large, Filter(text=f"NUMBER {n:06d}:"))) == [n]
    assert interceptions(large, Filter(text="nowhere in it")) == []
    assert interceptions(large, Filter(text="number 077778", outcome="failed")) == []


def test_a_text_that_is_everywhere(large: sqlite3.Connection) -> None:
    having = [n for n in range(SIZE - 1, -1, -1) if n % 2 == 0 or "parse_header" in words(n, 20)]
    assert numbers(interceptions(large, Filter(text="parse_header"))) == having[:50]
    found = numbers(interceptions(large, Filter(text="EXEC_command", session="session-0")))
    assert found == [n for n in range(SESSIONS_OF - 1, -1, -1) if n % 4]


@pytest.mark.parametrize("group", ["day", "model", "client", "session", "key"])
def test_sums(large: sqlite3.Connection, group: str) -> None:
    rows = totals(large, group, None)
    assert sum(row["interceptions"] for row in rows) == SIZE
    assert sum(row["failed"] for row in rows) == SIZE // len(OUTCOMES)
    assert sum(row["input"] for row in rows) == 1000 * SIZE
    assert sum(row["output"] for row in rows) == sum(n % 100 for n in range(SIZE))
    names = [row["name"] for row in rows]
    expected = {"model": set(MODELS), "client": set(CLIENTS)}.get(group)
    assert len(names) == len(set(names))
    assert expected is None or set(names) == expected
    if group == "day":
        assert names == sorted(names, reverse=True)
        assert names[0] == "2026-11-24"
    since = totals(large, group, began(SIZE - 7, SIZE))
    assert sum(row["interceptions"] for row in since) == 7


def test_by_the_beginning_of_an_id(large: sqlite3.Connection) -> None:
    assert story(large, identity(5))["id"] == identity(5)
    assert story(large, identity(5)[:8].upper())["id"] == identity(5)
    with pytest.raises(RecordError, match="several") as refused:
        story(large, short := identity(5)[:1])
    such = re.findall(rf"\b{short}[0-9a-f]{{7,}}", str(refused.value))
    assert len({story(large, name)["id"] for name in such}) == 2  # each of which would do
    for name in ("zzz", "%", "_", identity(5) + "0"):
        with pytest.raises(RecordError, match="no interception"):
            story(large, name)


HOSTILE = 'a\x1b]0;owned\x07b\x1b[2J\r\x9b31m\u202ecod\u2066 [bold]x[/] 100% under_score back\\slash "quoted"\x00'
TEXTS = {"percent": "100% sure", "under": "under_score", "back": "back\\slash", "plain": "1000 undersscore backslash"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A record of a few interceptions, one of them from hostile hands."""
    trio.run(_fill, tmp_path / "clearspan.db")
    return tmp_path


async def _fill(path: Path) -> None:
    async with desk(path) as here:
        for name, text in TEXTS.items():
            here.publish(started(name), PromptRecorded(name, "r", text), ended(name))
        here.publish(
            started(
                "hostile", model=HOSTILE, client=HOSTILE, user_agent=HOSTILE, session_id=HOSTILE, path="/" + HOSTILE
            ),
            AttemptStarted("hostile", 1, "sk...1"),
            AttemptFailed("hostile", 1, "sk...1", 429, FailureReason.RATE_LIMITED, 7.0),
            AttemptStarted("hostile", 2, HOSTILE),
            ResponseStarted("hostile", 2, 200, HOSTILE),
            PromptRecorded("hostile", HOSTILE, HOSTILE),
            ThoughtRecorded("hostile", HOSTILE, 0, ThoughtSource.THINKING, HOSTILE),
            ThoughtWithheld("hostile", HOSTILE, 1, WithheldReason.REDACTED, 12),
            ToolCalled("hostile", HOSTILE, HOSTILE, HOSTILE, {HOSTILE: [HOSTILE]}, error=HOSTILE),
            ToolCalled("hostile", HOSTILE, HOSTILE, "text", HOSTILE),
            ToolResultBrought("hostile", HOSTILE, 9000, is_error=True, text=HOSTILE),
            TokensUsed("hostile", HOSTILE, 1, 2, 3, 4, {HOSTILE: 5}, 0.5),
            InterceptionEnded("hostile", Outcome.FAILED, 200, HOSTILE, 2, 10.0),
            started("running"),
        )


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("100%", {"percent", "hostile"}),
        ("r_s", {"under", "hostile"}),
        ("k\\s", {"back", "hostile"}),
        ('"q', {"hostile"}),
        ("%", None),
    ],
)
def test_signs_that_mean_something_in_a_pattern_mean_themselves(
    place: Path, text: str, names: set[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for common in (text_search.COMMON, 1):  # looked for in both ways
        monkeypatch.setattr(text_search, "COMMON", common)
        lines = printed(place, "history", "--json", "--text", text).splitlines()
        assert {orjson.loads(line)["id"] for line in lines} == (names or {"percent", "hostile"})


@pytest.mark.parametrize(
    "words",
    [("history",), ("show", "hostile"), ("stats", "--by", "model"), ("stats", "--by", "session"), ("history", "--json"),
     ("export", "hostile"), ("export", "hostile", "--format", "har"), ("show", "hostile", "--json")],
)  # fmt: skip
def test_no_text_reaches_the_terminal_as_a_command(place: Path, words: tuple[str, ...]) -> None:
    output = printed(place, *words)
    assert "owned" in output
    assert not [character for character in output if ord(character) < 32 and character != "\n"]
    if "--json" not in words and words[0] != "export":  # for people
        assert not [character for character in output if not character.isprintable() and character != "\n"]


@pytest.mark.parametrize(
    "words",
    [("history", "--json"), ("show", "hostile", "--json"), ("stats", "--by", "model", "--json"), ("export", "hostile"),
     ("export", "hostile", "--format", "har")],
)  # fmt: skip
def test_json_on_a_terminal_is_the_same_json_and_harmless(
    place: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    piped = printed(place, *words)
    monkeypatch.setattr(click.testing._NamedTextIOWrapper, "isatty", lambda _: True)
    shown = printed(place, *words)
    assert "\x9b" in piped
    assert not [character for character in shown if not character.isprintable() and character != "\n"]
    parts = [text.split("\n")[:-1] if words[-1] != "har" else [text] for text in (piped, shown)]
    assert list(map(orjson.loads, parts[0])) == list(map(orjson.loads, parts[1]))


def test_a_story_tells_everything(place: Path) -> None:
    shown = printed(place, "show", "hostile")
    parts = ["1. sk...1  429 rate_limited, cooling down for 7 s", "Prompt", "Thought (thinking)", "withheld: redacted"]
    parts += [
        f"Its result (9,000 bytes, of which {len(HOSTILE.encode())} are kept, an error)",
        "Brings the result of a",
    ]
    parts += ["Tool call", "input", "cache_read_input", "$0.5000", "failed with status 200"]
    assert [part for part in parts if part not in shown] == []
    told = orjson.loads(printed(place, "show", "hostile", "--json"))
    assert [attempt["status"] for attempt in told["attempts"]] == [429, 200]
    assert told["tools"][0]["arguments"] == {HOSTILE: [HOSTILE]}
    assert told["tools"][1]["arguments"] == HOSTILE
    assert told["tools"][0]["result"]["text"] == told["results"][0]["text"] == HOSTILE
    assert told["tokens"][0]["extra"] == {HOSTILE: 5}
    assert "running" in printed(place, "history")
    assert "not yet" in printed(place, "show", "running")


async def test_a_call_that_the_bridge_made_is_told_with_its_result_or_why_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "clearspan.db"
    call = ToolCalled("a", "msg_1", "call_1", "add", {}, injected=True, server_url="stdio:calc")
    async with desk(path) as here:
        here.publish(
            started("a"),
            ToolResultBrought("a", "call_0", 4, is_error=False, text="read"),
            call,
            ToolResultBrought("a", "call_1", 3, is_error=False, text="3.5"),
            evolve(call, tool_call_id="call_2", error="not run: the answer was cut short"),
            ended("a"),
        )
    shown = await trio.to_thread.run_sync(printed, tmp_path, "show", "a")
    assert shown.count("Brings the result of") == 1
    assert shown.count("3.5") == 1
    told = [line.strip() for line in shown.splitlines()]
    assert told[told.index("No result") + 1] == "not run: the answer was cut short"


def test_json_lines_can_be_read_one_by_one(place: Path) -> None:
    lines = printed(place, "history", "--json").splitlines()
    assert len(lines) == len(TEXTS) + 2
    fields = [orjson.loads(line) for line in lines]
    assert {"id", "credential", "prompt", "input", "cost_usd", "streaming"} <= set(fields[0])
    assert "run" not in fields[0]
    assert [row["id"] for row in fields][:2] == ["running", "hostile"]
    exported = printed(place, "export", "under", "back").splitlines()
    assert [orjson.loads(line)["prompts"][0]["text"] for line in exported] == [TEXTS["under"], TEXTS["back"]]
    assert [orjson.loads(line)["name"] for line in printed(place, "stats", "--json").splitlines()] == ["2026-11-24"]


async def _spend(path: Path) -> None:
    async with desk(path) as here:
        for name, model in (("known", "a"), ("broken", "a"), ("unknown", "b"), ("mixed", "c"), ("none", "d")):
            here.publish(started(name, model=model))
        here.publish(
            TokensUsed("known", "r", 10, 1, cost_usd=0.25),
            TokensUsed("broken", "r", 10, 1, cost_usd=0.5, partial=True),
            TokensUsed("unknown", "r", 10, 1),
            TokensUsed("mixed", "r", 10, 1),
            TokensUsed("mixed", "r", 10, 1, cost_usd=0.0),
        )


def test_a_cost_that_is_not_known_is_not_nothing(tmp_path: Path) -> None:
    trio.run(_spend, tmp_path / "clearspan.db")
    rows = map(orjson.loads, printed(tmp_path, "stats", "--by", "model", "--json").splitlines())
    names = ("cost_usd", "unpriced", "partial")
    told = {row["name"]: tuple(row[name] for name in names) for row in rows}
    assert told == {"a": (0.75, 0, True), "b": (None, 1, False), "c": (0.0, 1, False), "d": (None, 0, False)}
    shown = {line.split()[0]: line.split()[-1] for line in printed(tmp_path, "stats", "--by", "model").splitlines()}
    assert shown == {"MODEL": "COST", "a": "~$0.7500", "b": "?", "c": "≥$0.0000", "d": "-", "total": "≥$0.7500"}
    past = map(orjson.loads, printed(tmp_path, "history", "--json").splitlines())
    told = {row["id"]: tuple(row[name] for name in names) for row in past}
    assert told["broken"] == (0.5, 0, True)
    assert told["mixed"] == (0.0, 1, False)
    assert told["none"] == (None, 0, False)
    assert "~$0.5000" in printed(tmp_path, "history")
    assert "~$0.5000" in printed(tmp_path, "show", "broken")


def test_what_cannot_be_done_is_said(place: Path) -> None:
    assert isinstance(run(place, "show", "nobody").exception, RecordError)
    assert isinstance(run(place / "..", "history").exception, RecordError)
    assert run(place, "history", "--since", "soon").exit_code == 2
    assert run(place, "history", "--outcome", "odd").exit_code == 2
    assert "No interception matches" in run(place, "history", "--model", "none").stderr


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("90m", datetime(2026, 1, 31, 10, 30, tzinfo=UTC)),
        ("7d", datetime(2026, 1, 24, 12, tzinfo=UTC)),
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02", datetime(2026, 1, 2).astimezone()),  # of the owner's own day
    ],
)
def test_ways_to_write_a_time(text: str, means: datetime) -> None:
    assert since_when(text, datetime(2026, 1, 31, 12, tzinfo=UTC)) == means


def test_an_id_is_found_without_reading_all(place: Path) -> None:
    with closing(open_for_reading(place / "clearspan.db")) as database:
        values = {"name": "a", "lower": "a", "last": history.LAST_CHARACTER}
        plan = [row["detail"] for row in database.execute(f"EXPLAIN QUERY PLAN {history.BEGINNING}", values)]
        assert story(database, "PERCEN")["id"] == "percent"
    assert not any(step.startswith("SCAN") for step in plan)


def test_a_text_that_is_found_often_ends_the_search_for_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_search, "COMMON", 1)
    monkeypatch.setattr(text_search, "LOOK_EVERY", 1)
    with closing(open_for_reading(place / "clearspan.db")) as database:
        looked = [text_search.found(database, text_search.patterns(text)) for text in ("", "nowhere at all")]
    assert looked == [None, set()]
