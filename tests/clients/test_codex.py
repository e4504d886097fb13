"""The real Codex CLI works through one turn over the bridge, shell call included, against the simulated provider."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import trio

from bridge.config.settings import RecordSettings
from bridge.simulator.scenario.file import parse_scenario
from tests.clients.installed import NotInstalled, home, program
from tests.support.record_desk import rows
from tests.support.simulated import simulation
from tests.support.world import KEYS

TURN_S = 120
SCENARIO = parse_scenario(
    """
    turns = ["look"]
    after_tools = ["done"]
    [answers.look]
    parts = [{ thought = "**Looking**" }, { call = "exec_command", arguments = { cmd = "echo it-was-$((6*7)) >seen" } }]
    [answers.done]
    parts = [{ text = "All is as it should be." }]
    """,
    "test",
)
PROVIDERS = {
    "a provider of one's own": [
        'model_provider="clearspan"',
        'model_providers.clearspan={{name="clearspan",base_url="{url}",wire_api="responses",env_key="KEY"}}',
    ],
    "a model whose tools come in the older form": [
        'model="gpt-5.5"',
        'model_provider="clearspan"',
        'model_providers.clearspan={{name="clearspan",base_url="{url}",wire_api="responses",env_key="KEY"}}',
    ],
    "the built-in provider, which tries WebSocket first": ['model_provider="openai"', 'openai_base_url="{url}"'],
}


@pytest.fixture(scope="module")
def command() -> Path:
    try:
        return program("codex")
    except NotInstalled as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_whole_turn_with_a_shell_call(command: Path, provider: str, tmp_path: Path) -> None:
    record = RecordSettings(path=tmp_path / "clearspan.db")
    work = tmp_path / "work"
    work.mkdir()
    async with simulation(SCENARIO, record=record) as simulated:
        options = [option.format(url=f"{simulated.here.url}/openai/v1") for option in PROVIDERS[provider]]
        words = [str(command), "exec", "--skip-git-repo-check", "--sandbox", "danger-full-access", "--cd", str(work)]
        words += [word for option in options for word in ("-c", option)]
        with home() as place:
            environment = {"PATH": os.environ["PATH"], "HOME": str(place), "KEY": "clearspan"}
            environment |= {"OPENAI_API_KEY": "clearspan", "CODEX_API_KEY": "clearspan"}
            with trio.fail_after(TURN_S):
                done = await trio.run_process(
                    [*words, "look around"],
                    capture_stdout=True,
                    stderr=subprocess.STDOUT,
                    check=False,
                    env=environment,
                )
        said = done.stdout.decode()
        assert done.returncode == 0, said
        assert "All is as it should be." in said
        assert (work / "seen").read_text() == "it-was-42\n"
        started = [event for event in simulated.here.events("interception.started") if event.api == "responses"]
        prompts = [event.text for event in simulated.here.events("prompt.recorded")]
        (called,) = simulated.here.events("tool.called")
    first, second = started
    assert {event.client for event in started} == {"Codex"}
    assert first.session_id == second.session_id is not None
    assert second.correlating_tool_call_id == called.tool_call_id
    assert prompts == ["look around"]
    assert "echo it-was" in str(called.arguments)  # an object's `cmd`, or what the program of Codex's newer form runs
    asked = [exchange.request for exchange in simulated.exchanges if exchange.request.path == "/v1/responses"]
    assert {request.headers["authorization"] for request in asked} == {f"Bearer {KEYS[0]}"}
    assert all(request.headers["originator"] == "codex_exec" for request in asked)
    told = rows(tmp_path / "clearspan.db", "interceptions")
    assert [row["outcome"] for row in told if row["api"] == "responses"] == ["completed"] * 2
