"""What a session is told of itself: the same as `stats`, across a restart, and through Claude Code's status line."""

from __future__ import annotations

import shlex
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio
from attrs import evolve

from bridge.cli.env import UnknownAgent, status_pointer
from bridge.config.settings import ProviderSettings, RecordSettings, ServerSettings, Settings
from bridge.events import sessions
from bridge.keys.secret import Secret
from bridge.limits import LIMITS
from bridge.record.database import open_for_reading
from bridge.record.sums import totals
from tests.support.dialects import DIALECTS
from tests.support.record_desk import rows
from tests.support.simulated import Simulation, simulation
from tests.support.until import until
from tests.support.world import KEYS, ask, say_hello, world
from tests.support.world import provider as raw_provider

Fields = dict[str, Any]
SELF = "/clearspan/self"


async def spend(simulated: Simulation, session: str, *, agent: str = "", count: int = 1) -> None:
    """Requests of a session's agent, each to its end."""
    for _ in range(count):
        before = len(simulated.here.events("interception.ended"))
        body = {"model": "gpt-5", "stream": True, **DIALECTS["responses"].asking}
        headers = [("session-id", session), ("x-claude-code-agent-id", agent)]
        await ask(simulated.here.port, body, headers=headers)
        await simulated.here.event("interception.ended", before + 1)


async def usage(port: int, session: str, **headers: str) -> Fields:
    """The page for a session, named as a request names its own."""
    sent = [("session-id", session), *headers.items()]
    answered = await ask(port, b"", path=SELF, method="GET", headers=sent)
    assert answered.status == 200
    assert answered.header("content-type") == "application/json"
    told: Fields = answered.json
    return told


def stats(record: Path) -> dict[str, Fields]:
    """What `stats --by session` says."""
    with closing(open_for_reading(record)) as database:
        return {row["name"]: row for row in totals(database, "session", None)}


def check_equal(told: Fields, row: Fields) -> None:
    """Fails where the page and the row of `stats` differ."""
    assert told["requests"] == row["interceptions"]
    assert told["tokens"] == {name: row[name] for name in ("input", "output", "cache_read_input", "cache_write_input")}
    assert told["cost_usd"] == (None if row["cost_usd"] is None else pytest.approx(row["cost_usd"]))
    assert (told["unpriced"], told["partial"]) == (row["unpriced"], row["partial"])


async def test_a_session_is_told_what_stats_says_across_restarts(tmp_path: Path) -> None:
    record = RecordSettings(path=tmp_path / "record.db")
    assert record.path is not None
    for _ in range(2):
        async with simulation(record=record) as simulated:
            await spend(simulated, "s-1", count=2)
            await spend(simulated, "s-1", agent="a-1")
            await spend(simulated, "s-2")
            told = await usage(simulated.here.port, "s-1")
            other = await usage(simulated.here.port, "s-2")
        sums = stats(record.path)
        check_equal(told, sums["s-1"])
        check_equal(other, sums["s-2"])
    assert (told["requests"], other["requests"]) == (6, 2)
    read = sum(told["tokens"].values()) - told["tokens"]["output"]
    assert told["cache_share"] == told["tokens"]["cache_read_input"] / read
    assert told["context"]["used"] == simulated.here.events("tokens.used")[1].input  # the main agent's last
    assert (told["key"]["hint"], told["key"]["state"]) == ("sk-c...0001", "valid")
    assert set(told["key"]["limits"]) == {"requests", "tokens", "5h", "7d", "status"}


async def test_a_session_that_is_named_like_a_key_is_found_and_its_name_masked() -> None:
    async with simulation() as simulated:
        await spend(simulated, "of sk-canary-first-0001")
        told = await usage(simulated.here.port, "of sk-canary-first-0001")
    assert (told["session_id"], told["found"]) == ("of sk-c...0001", True)


async def test_a_title_asked_for_beside_is_not_the_context_that_is_used(tmp_path: Path) -> None:
    record = RecordSettings(path=tmp_path / "record.db")
    async with simulation(record=record) as simulated:
        await spend(simulated, "s-1")
        of_agent = (await usage(simulated.here.port, "s-1"))["context"]
        headers = [("session-id", "s-1"), ("x-claude-code-request-class", "titles")]
        await ask(simulated.here.port, {"model": "gpt-5.4-mini", "input": "Its title? " * 99}, headers=headers)
        await simulated.here.event("interception.ended", 2)
        told = await usage(simulated.here.port, "s-1")
        assert (told["requests"], told["context"]) == (2, of_agent)
        assert simulated.here.events("tokens.used")[1].input != of_agent["used"]
    async with simulation(record=record) as simulated:
        assert (await usage(simulated.here.port, "s-1"))["context"] == of_agent


async def test_after_a_restart_the_record_alone_tells_all(tmp_path: Path) -> None:
    record = RecordSettings(path=tmp_path / "record.db")
    async with simulation(record=record) as simulated:
        await spend(simulated, "s-1")
        before = await usage(simulated.here.port, "s-1")
    async with simulation(record=record) as simulated:
        after = await usage(simulated.here.port, "s-1")
        assert after["found"]
        assert {**after, "key": None} == {**before, "key": None}
        assert after["key"]["hint"] == before["key"]["hint"]
        query = await ask(simulated.here.port, b"", path=f"{SELF}?session=s-1", method="GET")
        assert query.json == after


async def test_a_session_that_was_forgotten_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "LIMITS", evolve(LIMITS, sessions=1))
    record = RecordSettings(path=tmp_path / "record.db")
    assert record.path is not None
    async with simulation(record=record) as simulated:
        for session in ("s-1", "s-2", "s-1"):
            await spend(simulated, session)
        path = record.path
        await until(lambda: len(rows(path, "token_usages")) == 3)  # the record is a quarter of a second behind
        told = await usage(simulated.here.port, "s-1")
        assert told["requests"] == 2
        known = simulated.here.bridge.hub.picture.sessions.known
        assert [(name, each.interceptions) for name, each in known.items()] == [("s-1", 1)]
    check_equal(told, stats(record.path)["s-1"])


async def test_an_unknown_session_is_not_found(tmp_path: Path) -> None:
    async with simulation(record=RecordSettings(path=tmp_path / "record.db")) as simulated:
        for told in (await usage(simulated.here.port, "nobody"), await usage(simulated.here.port, "")):
            assert told == {
                "session_id": told["session_id"],
                "found": False,
                "requests": 0,
                "tokens": {"input": 0, "output": 0, "cache_read_input": 0, "cache_write_input": 0},
                "cost_usd": None,
                "unpriced": 0,
                "partial": False,
                "cache_share": 0.0,
                "context": {"used": None, "window": None},
                "key": {"hint": None, "state": None, "limits": None},
            }
            assert told["session_id"] in {"nobody", None}


@pytest.mark.parametrize("broken", [None, "gone", "nonsense"])
async def test_without_a_record_the_bridge_tells_what_it_saw(broken: str | None, tmp_path: Path) -> None:
    path = None if broken is None else tmp_path / "record.db"
    async with simulation(record=RecordSettings(path=path)) as simulated:
        await spend(simulated, "s-1")
        if path is not None:
            path.unlink()
        if path is not None and broken == "nonsense":
            path.write_bytes(b"no database at all" * 100)
        told = await usage(simulated.here.port, "s-1")
    assert (told["requests"], told["found"]) == (1, True)


async def test_it_is_guarded_as_any_request() -> None:
    tokens = {"client_tokens": {"ann": Secret("token-of-ann")}}
    async with raw_provider(say_hello) as url, world(url, server=tokens) as here:
        for headers in ([], [("authorization", "Bearer sk-own-key-0000001")]):
            refused = await ask(here.port, b"", path=SELF, method="GET", headers=headers)
            assert (refused.status, refused.json["error"]["code"]) == (401, "invalid_api_key")
        assert not (await usage(here.port, "s", authorization="Bearer token-of-ann"))["found"]
        foreign = await ask(here.port, b"", path=SELF, method="GET", headers=[("host", "evil.example")])
        assert foreign.status == 403
        page = await ask(here.port, b"", path=SELF, method="GET", headers=[("origin", "http://evil.example")])
        assert page.status == 403
        posted = await ask(here.port, b"", path=SELF, headers=[("authorization", "Bearer token-of-ann")])
        assert (posted.status, posted.header("allow")) == (405, "GET, HEAD")


def shown(command: str, given: bytes, **environment: str) -> str:
    """What a shell prints for Claude Code."""
    done = subprocess.run(  # noqa: S603  # our own command
        ["/bin/sh", "-c", command], input=given, capture_output=True, check=True, env={"PATH": "/bin", **environment}
    )
    assert done.stderr == b""
    return done.stdout.decode()


async def test_the_status_line_shows_it(tmp_path: Path) -> None:
    given = orjson.dumps({"session_id": "s-1", "model": {"id": "x"}})
    async with simulation(
        record=RecordSettings(path=tmp_path / "record.db"), server={"client_tokens": {"ann": Secret("token-of-ann")}}
    ) as simulated:
        port = simulated.here.port
        settings = Settings(server=ServerSettings(port=port), providers={})
        [command] = status_pointer(settings, "claude").lines
        token = {"ANTHROPIC_AUTH_TOKEN": "token-of-ann"}

        async def line(given: bytes, **environment: str) -> str:
            return await trio.to_thread.run_sync(lambda: shown(command, given, **environment))

        assert await line(given, **token) == "clearspan: nothing used yet\n"
        body = {"model": "gpt-5", "stream": True, **DIALECTS["responses"].asking}
        headers = [("session-id", "s-1"), ("authorization", "Bearer token-of-ann")]
        await ask(port, body, headers=headers)
        used = await simulated.here.event("tokens.used")
        told = await line(given, **token)
        assert told.startswith(f"${used.cost_usd:.2f} · ctx ") if used.cost_usd is not None else told.startswith("ctx ")
        assert told.endswith("key sk-c...0001 valid\n")
        assert await line(given) == "clearspan: no answer\n"  # without its token
        assert await line(b"nonsense", **token) == "clearspan: no session in what Claude Code said\n"
    assert await line(given, **token) == "clearspan: no answer\n"


def test_the_setting_for_the_status_line_is_told_beside_the_command() -> None:
    providers = {"anthropic": ProviderSettings("anthropic", "https://api.anthropic.com", keys=(Secret(KEYS[0]),))}
    found = status_pointer(Settings(providers=providers), "claude")
    [command], [remark] = found.lines, found.remarks
    assert shlex.split(command)[-2:] == ["status-line", "http://127.0.0.1:8484"]
    setting = orjson.loads(remark.partition(": ")[2])
    assert setting == {"statusLine": {"type": "command", "command": command}}
    for other in (None, "codex"):
        with pytest.raises(UnknownAgent, match="claude"):
            status_pointer(Settings(providers=providers), other)
