"""Real agents by `clearspan run -- AGENT`: a whole turn each, shell call included, that loses its first key on the way.

No agent notices: the turn ends as it would have without. The record knows whose requests they were, and which belong
together where an agent says so.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve, frozen

from bridge.simulator.fates import KeyScript, parse_fates
from bridge.simulator.provider import SimulatedExchange, SimulatedProvider
from bridge.simulator.scenario.file import parse_scenario
from tests.clients.installed import NotInstalled, home, program
from tests.support.record_desk import rows
from tests.support.simulated import SPEED, serving
from tests.support.world import KEYS

TURN_S = 150
PROMPT = "look around"
ANSWER = "All is as it should be."
WITHOUT_TOOLS = "I have no tool to look at it with"
SCENARIO = evolve(
    parse_scenario(
        f"""
        turns = ["look"]
        after_tools = ["done"]
        [answers.look]
        parts = [{{ call = "exec_command", arguments = {{ cmd = "echo it-was-$((6*7)) >seen" }} }}]
        [answers.done]
        parts = [{{ text = "{ANSWER}" }}]
        """,
        "test",
    ),
    keys=(KeyScript(KEYS[0], parse_fates("429:6000000")), KeyScript(KEYS[1])),
)


@frozen
class RealAgent:
    """One agent: how it is given a prompt, and what is to be seen of it."""

    command: str
    client: str
    """What it is called in the record: the SDK where it has no name of its own on the wire."""

    arguments: Sequence[str]
    api: str
    session: bool = False
    """Whether it names its session."""

    tools: bool = True
    quiet: Mapping[str, str] = {}
    """What turns off its telemetry and its looks for a newer version."""


AGENTS = (
    RealAgent(
        "codex",
        "Codex",
        ("exec", "--skip-git-repo-check", "--sandbox", "danger-full-access", PROMPT),
        "responses",
        session=True,
    ),
    RealAgent(
        "claude",
        "Claude Code",
        ("--print", PROMPT, "--allowedTools", "Bash"),
        "messages",
        session=True,
        quiet={
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            "DISABLE_TELEMETRY": "1",
            "DISABLE_ERROR_REPORTING": "1",
        },
    ),
    *(
        RealAgent(
            "opencode",
            "opencode",
            ("run", "--model", model, PROMPT),
            api,
            session=True,
            quiet={
                "OPENCODE_DISABLE_AUTOUPDATE": "1",
                "OPENCODE_DISABLE_MODELS_FETCH": "1",
                "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
                "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
            },
        )
        for model, api in (("openai/gpt-5.4", "responses"), ("anthropic/claude-sonnet-4-5", "messages"))
    ),
    RealAgent(
        "pi",
        "OpenAI SDK",
        ("--print", "--provider", "openai", "--model", "gpt-5.4", PROMPT),
        "responses",
        session=True,
        quiet={"PI_OFFLINE": "1", "PI_TELEMETRY": "0"},
    ),
    RealAgent(
        "qwen",
        "Qwen Code",
        ("--prompt", PROMPT, "--approval-mode", "yolo"),
        "chat_completions",
    ),
    RealAgent(
        "copilot",
        "Copilot CLI",
        ("--prompt", PROMPT, "--allow-all-tools", "--no-auto-update"),
        "responses",
        session=True,
    ),
    RealAgent(
        "aider",
        "OpenAI SDK",
        (
            *("--model", "openai/gpt-5.4", "--message", PROMPT, "--no-git", "--yes-always", "--no-check-update"),
            *("--analytics-disable", "--no-show-model-warnings", "--no-show-release-notes", "--no-pretty"),
        ),
        "chat_completions",
        tools=False,
        quiet={"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    ),
    RealAgent("llm", "OpenAI SDK", ("--model", "gpt-4o-mini", PROMPT), "chat_completions", tools=False),
)


def named(agent: RealAgent) -> str:
    """What the tests of an agent are called."""
    return f"{agent.command} ({agent.api})"


def installed(agent: RealAgent) -> RealAgent:
    """The agent; its test is skipped, for a reason that says what is missing, where it is not installed."""
    try:
        program(agent.command)
    except NotInstalled as reason:
        pytest.skip(str(reason))
    return agent


@pytest.fixture(params=AGENTS, ids=named)
def agent(request: pytest.FixtureRequest) -> RealAgent:
    return installed(request.param)


async def test_a_whole_turn_that_loses_a_key(agent: RealAgent, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    exchanges: list[SimulatedExchange] = []
    async with serving(SimulatedProvider(SCENARIO, speed=SPEED, on_exchange=exchanges.append)) as root:
        done = await run(agent, work, configuration(tmp_path, root))
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, said
    assert (ANSWER if agent.tools else WITHOUT_TOOLS) in said
    if agent.tools:
        assert (work / "seen").read_text() == "it-was-42\n"

    record = tmp_path / "clearspan.db"
    told = [row for row in rows(record, "interceptions") if row["api"] == agent.api]
    assert len(told) >= (2 if agent.tools else 1)
    assert {row["outcome"] for row in told} == {"completed"}, told
    assert {row["client"] for row in told} == {agent.client}, {row["user_agent"] for row in told}
    assert len({row["session_id"] for row in told}) == 1 or not agent.session
    assert agent.session == (told[0]["session_id"] is not None)
    failed = [row for row in rows(record, "attempts") if row["reason"] is not None]
    assert {row["reason"] for row in failed} == {"rate_limited"}
    answered = {status(exchange) for exchange in exchanges if exchange.request.method == "POST"}
    assert answered == {(KEYS[0], 429), (KEYS[1], 200)}


def status(exchange: SimulatedExchange) -> tuple[str, int]:
    """Which key a request came with, and the status that it got."""
    headers = exchange.request.headers
    key = headers.get("x-api-key") or headers["authorization"].removeprefix("Bearer ")
    return key, exchange.reply.status


def configuration(place: Path, root: str) -> list[str]:
    """The options for a bridge with both providers at that URL, and two keys."""
    file = place / "config.toml"
    keys = list(KEYS[:2])
    file.write_text(
        f'[server]\nport = 0\nsocket = "{place}/events.sock"\n'
        f'[providers.openai]\ntype = "openai"\nbase_url = "{root}/v1"\nkeys = {keys}\n'
        f'[providers.anthropic]\ntype = "anthropic"\nbase_url = "{root}"\nkeys = {keys}\n'
    )
    return ["--config", str(file), "--data-dir", str(place)]


async def run(agent: RealAgent, work: Path, options: Sequence[str]) -> subprocess.CompletedProcess[Any]:
    """`clearspan run -- AGENT …`, in a home of its own."""
    words = [sys.executable, "-m", "bridge", "run", *options, "--", str(program(agent.command)), *agent.arguments]
    with home() as place:
        environment = {"PATH": os.environ["PATH"], "HOME": str(place), "LANG": "C.UTF-8", "TERM": "dumb", **agent.quiet}
        with trio.fail_after(TURN_S):
            return await trio.run_process(
                words,
                capture_stdout=True,
                stderr=subprocess.STDOUT,
                check=False,
                cwd=work,
                env=environment,
                stdin=b"",
            )
