"""The pages in docs/ say what the code says: every event and field, every setting with its default, every link."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import orjson
import pytest

from bridge.cli.check import limits_table
from bridge.config.load import Options, load
from bridge.config.settings import (
    CircuitBreakerSettings,
    LogSettings,
    McpServerSettings,
    McpSettings,
    ProviderSettings,
    RecordSettings,
    ServerSettings,
    Settings,
)
from bridge.config.units import Seconds, Size, format_duration, format_size
from bridge.events.entries import Attempt, Context, Cut, Interception, Result, Thought, Tokens, Tool, Totals
from bridge.events.hub import Hub
from bridge.events.sessions import SessionTotals
from bridge.events.vocabulary import EVENT_TYPES, Event, InterceptionStarted
from bridge.events.wire import Hello, History, Reply, Snapshot, decode
from bridge.interception.agent import SESSION_HEADERS, SIGNS
from bridge.keys.strategy import STRATEGIES
from bridge.observe.metrics import Metrics
from bridge.providers.kinds import CREDENTIAL_HEADERS

ROOT = Path(__file__).parent.parent
BEHAVIOUR = (ROOT / "docs/behaviour.md").read_text(encoding="utf-8")
EVENTS = (ROOT / "docs/events.md").read_text(encoding="utf-8")
CONFIGURATION = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")

TABLES: dict[str, type[attrs.AttrsInstance]] = {
    "[server]": ServerSettings,
    "[record]": RecordSettings,
    "[providers.NAME]": ProviderSettings,
    "[providers.NAME.circuit_breaker]": CircuitBreakerSettings,
    "[mcp]": McpSettings,
    "[mcp.servers.NAME]": McpServerSettings,
    "Log": LogSettings,
}
"""The headings of docs/configuration.md, each with the settings below it."""

OWN_TABLE = {"circuit_breaker", "servers"}
"""Settings that are a table, with a heading of their own."""

PLACES = {"socket": "events.sock", "path": "clearspan.db", "data_dir": "clearspan"}
"""Defaults that differ from machine to machine, and what the page has to name of them."""


def section(page: str, heading: str) -> str:
    """What stands below a heading, up to the next of the same level or a higher one."""
    found = re.search(rf"^(#+) {re.escape(heading)}$", page, re.MULTILINE)
    assert found, f"no heading {heading!r}"
    rest = page[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def named(text: str) -> set[str]:
    """The words in code type."""
    return set(re.findall(r"`([^`\n]+)`", text))


def fields(cls: type[attrs.AttrsInstance]) -> set[str]:
    """The names of a class's fields."""
    return {field.name.rstrip("_") for field in attrs.fields(cls) if not field.name.startswith("_")}


def rows(text: str) -> dict[str, list[str]]:
    """The rows of the tables in a text, by the name in their first column."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if line.startswith("| `"):
            found[cells[0].strip("`")] = cells
    return found


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_events_are_described_with_every_field(kind: str) -> None:
    cls: type[Event] = EVENT_TYPES[kind]

    assert fields(cls) <= named(section(EVENTS, f"`{kind}`"))


def test_no_event_is_described_that_does_not_exist() -> None:
    described = re.findall(r"^### `([a-z.]+)`$", EVENTS, re.MULTILINE)

    assert described == list(EVENT_TYPES)


PARTS = [Interception, Attempt, Result, Context, Thought, Tool, Cut, Tokens, Totals, SessionTotals]


@pytest.mark.parametrize("cls", [Hello, Snapshot, *PARTS, Reply, History])
def test_messages_and_their_parts_are_described_with_every_field(cls: type[attrs.AttrsInstance]) -> None:
    place = {Hello: "The socket", Reply: "Commands", History: "The past"}.get(cls, "Snapshots")

    told = fields(cls)
    if cls is Interception:  # whose `started` lies open on the wire
        told = (told - {"started"}) | fields(InterceptionStarted)
    assert told <= named(section(EVENTS, place))


def test_examples_of_messages_are_messages() -> None:
    blocks = re.findall(r"^ *```json\n(.*?)```", EVENTS, re.MULTILINE | re.DOTALL)
    shown = [orjson.loads(block) for block in blocks]

    for example in shown:
        assert decode(orjson.dumps(example)) is not None
    assert {example["type"] for example in shown} == {*EVENT_TYPES, "hello", "snapshot", "reply", "tools", "history"}


@pytest.mark.parametrize("heading", TABLES)
def test_settings_are_described_with_their_defaults(heading: str) -> None:
    described = rows(section(CONFIGURATION, heading))

    for setting in attrs.fields(TABLES[heading]):
        if setting.name not in OWN_TABLE:
            check_default(described[setting.name], setting)
    assert described.keys() <= {setting.name for setting in attrs.fields(TABLES[heading])}


def test_limits_are_described_with_their_values() -> None:
    described = {name: row[1] for name, row in rows(section(CONFIGURATION, "Limits")).items()}

    assert described == dict(re.split(r" {2,}", line) for line in list(limits_table())[1:])


async def test_metrics_are_described() -> None:
    metrics = Metrics(Hub())
    _, body = await metrics.page()
    found = re.findall(r"^# TYPE clearspan_(\S+) (?!.*_created)", body.decode(), re.MULTILINE)
    described = {
        name
        for cells in rows(section(BEHAVIOUR, "Metrics")).values()
        for name in named(f"`{cells[0]}`".replace("``", "`"))
    }

    assert {name for name in found if not name.endswith("_created")} == described - {
        *("dumps_total", "dumps_failed_total"),  # which a bridge has that dumps
        "provider_info",  # which a bridge has
        "record_journal_bytes",  # which a bridge has that records
    }


def test_the_data_directory_is_described() -> None:
    check_default(rows(section(CONFIGURATION, "Data directory"))["data_dir"], attrs.fields_dict(Settings)["data_dir"])


def test_base_urls_are_described(tmp_path: Path) -> None:
    empty = tmp_path / "config.toml"
    empty.touch()

    providers = load(Options(config=empty), {}).settings.providers

    assert {provider.base_url for provider in providers.values()} <= named(section(CONFIGURATION, "[providers.NAME]"))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_strategies_are_described(strategy: str) -> None:
    assert strategy in named(section(BEHAVIOUR, "Key pool"))
    assert f'"{strategy}"' in rows(section(CONFIGURATION, "[providers.NAME]"))["strategy"][1]


@pytest.mark.parametrize("heading", ["Relay", "Who is calling"])
def test_credentials_are_described(heading: str) -> None:
    described = {name.lower().encode() for name in named(section(BEHAVIOUR, heading))}

    assert described >= CREDENTIAL_HEADERS


def test_agents_are_described_with_their_signs() -> None:
    page = section(BEHAVIOUR, "Who is calling")

    for sign in SIGNS:
        [line] = [line for line in page.splitlines() if line.endswith(f" | {sign.client} |")]
        headers = {name.decode() for name, _ in sign.headers} | {name.decode() for name in sign.together}
        assert {*sign.user_agents} <= named(line)
        assert headers <= {word.partition(":")[0] for word in named(line)}
    assert {name.decode() for name in SESSION_HEADERS} <= named(page)


def test_the_example_of_a_configuration_is_one(tmp_path: Path) -> None:
    [example] = re.findall(
        r"^```toml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    file = tmp_path / "config.toml"
    file.write_text(example, encoding="utf-8")

    assert load(Options(config=file), {}, keys=False, tokens=False).file == file


def check_default(row: list[str], setting: attrs.Attribute[object]) -> None:
    """Fails where the third cell of a row is not the setting's default."""
    shown = row[2].strip("`")
    if setting.name in PLACES:
        assert PLACES[setting.name] in shown
    elif setting.default is attrs.NOTHING:
        assert shown in {"needed", "by type"}
    else:
        assert shown == written(setting)


def written(setting: attrs.Attribute[object]) -> str:
    """A default as it would be written in the file."""
    default = setting.default
    factory = getattr(default, "factory", None)
    if factory is not None:
        default = factory()
    if setting.type in (Seconds, "Seconds"):
        assert isinstance(default, int | float)
        return f'"{format_duration(default)}"'
    if setting.type in (Size, "Size"):
        assert isinstance(default, int)
        return f'"{format_size(default)}"'
    return '""' if default is None else orjson.dumps(default).decode()


def pages() -> list[Path]:
    """The Markdown files of the repository."""
    return [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


def test_links_and_pictures_exist() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages()
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
        if not target.startswith(("https://", "http://")) and not leads_somewhere(page, target)
    ]

    assert broken == []


def leads_somewhere(page: Path, target: str) -> bool:
    """Whether a relative link's file exists and has the heading that the link names."""
    path, _, anchor = target.partition("#")
    file = page.parent / path if path else page
    if not file.exists():
        return False
    return not anchor or anchor in {slug(heading) for heading in headings(file.read_text(encoding="utf-8"))}


def headings(page: str) -> list[str]:
    """The headings of a page, of all levels, without those in code."""
    outside = re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^#+ (.+)$", outside, re.MULTILINE)


def slug(heading: str) -> str:
    """A heading's anchor, as the common renderers make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


ELSEWHERE = re.compile(
    r"""
    \b(contract|reliability|monitor|clients|tools|design)\.md
    | (?<!docs/)\bbehaviour\.md
    | \(?\bbehaviour\ \d          # a section of a page by its number
    | \bcontract\ (section|\d)
    """,
    re.VERBOSE,
)
"""A page that is not in the repository, or a number of one that has headings."""

CITED = re.compile(r"docs/(\w+)\.md, (?=[A-Z\[])")


def sources() -> list[Path]:
    """What people read in the repository besides the pages in docs/."""
    folders = ("bridge", "monitor", "tests", "scripts", ".ci")
    found = [path for folder in folders for path in (ROOT / folder).rglob("*") if is_source(path)]
    return [*found, *ROOT.glob("*.md"), *ROOT.glob("*.toml")]


def is_source(path: Path) -> bool:
    """Whether it was written by hand, and is not this file, which names what it looks for."""
    return path.is_file() and path.suffix in {".py", ".sql", ".toml", ".tcss", ""} and path != Path(__file__)


def test_no_page_is_cited_that_is_not_here() -> None:
    cited = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in sources()
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if ELSEWHERE.search(line)
    ]

    assert cited == []


def test_headings_that_are_cited_exist() -> None:
    missing = []
    for file in sources():
        text = " ".join(file.read_text(encoding="utf-8").replace("\n#", "\n").split())
        for found in CITED.finditer(text):
            page = ROOT / "docs" / f"{found[1]}.md"
            known = headings(page.read_text(encoding="utf-8")) if page.exists() else []
            if not text.startswith(tuple(known), found.end()):
                missing.append(f"{file.relative_to(ROOT)}: {text[found.start() : found.end() + 40]}")

    assert missing == []
