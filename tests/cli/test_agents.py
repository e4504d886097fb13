"""An agent is known by what is started, however that is written, and gets what it needs to find the bridge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from bridge.cli.agents import AGENTS
from bridge.cli.pointing import Target, prepared, recognise

TARGET = Target({"openai": "http://here/openai/v1", "anthropic": "http://here/anthropic"}, "clearspan")


@pytest.mark.parametrize(
    ("command", "agent", "before"),
    [
        ("codex exec hi", "codex", 1),
        ("/usr/local/bin/codex", "codex", 1),
        ("./node_modules/.bin/claude -p hi", "claude", 1),
        ("npx codex exec hi", "codex", 2),
        ("npx -y @openai/codex@0.171.0 exec hi", "codex", 3),
        ("npx -p @openai/codex codex exec hi", "codex", 4),
        ("npm exec --yes -- @openai/codex exec", "codex", 5),
        ("pnpm dlx opencode-ai@latest run hi", "opencode", 3),
        ("bunx cline@3 hi", "cline", 2),
        ("node /opt/x/node_modules/@qwen-code/qwen-code/qwen.js -p hi", "qwen", 2),
        ("uvx aider-chat --model x", "aider", 2),
        ("uvx --from aider-chat aider --model x", "aider", 4),
        ("uvx --python 3.12 openhands -t hi", "openhands", 4),
        ("uv tool run llm hi", "llm", 4),
        ("uv run aider", "aider", 3),
        ("pipx run aider-chat==0.86.2", "aider", 3),
        ("python3.12 -m aider --model x", "aider", 3),
        ("env A=1 B=2 claude -p hi", "claude", 4),
        ("env A=1 npx -y @github/copilot@1 -p hi", "copilot", 5),
        ("cn -p hi", "continue", 1),
        ("cursor .", "cursor", 1),
        ("python codex.py", None, 1),
        ("python", None, 1),
        ("npx", None, 1),
        ("git commit -m codex", None, 1),
        ("npx prettier codex", None, 1),
        ("codexify", None, 1),
    ],
)
def test_an_agent_is_known_by_what_is_started(command: str, agent: str | None, before: int) -> None:
    found, count = recognise(command.split())
    assert (found.name if found else None, count) == (agent, before)


def test_every_command_is_one_agents() -> None:
    commands = [command for agent in AGENTS.values() for command in agent.commands]
    assert len(commands) == len({*commands})


def started(command: str, environment: Mapping[str, str] | None = None) -> tuple[list[str], dict[str, str]]:
    """The words and variables with which a command is started."""
    with prepared(command.split(), environment or {}, TARGET) as ready:
        return [*ready.words], dict(ready.environment)


def test_codex_gets_its_arguments_before_its_own() -> None:
    words, variables = started("npx -y @openai/codex exec hi")
    assert words[:3] == ["npx", "-y", "@openai/codex"]
    assert words[-2:] == ["exec", "hi"]
    ours = words[3:-2]
    assert ours[::2] == ["-c"] * 6
    assert "openai_base_url=http://here/openai/v1" in ours
    assert "model_providers.clearspan.env_key=CLEARSPAN_KEY" in ours
    assert variables["CLEARSPAN_KEY"] == variables["CODEX_API_KEY"] == "clearspan"


AROUND = {
    "ANTHROPIC_API_KEY": "sk-ant-own",
    "CLAUDE_CODE_USE_BEDROCK": "1",
    "CLAUDE_CODE_USE_VERTEX": "1",
    "COPILOT_PROVIDER_BEARER_TOKEN": "own",
}


def test_claude_code_gets_nothing_that_leads_around_the_bridge() -> None:
    _, variables = started("claude -p hi", AROUND)
    assert variables["ANTHROPIC_BASE_URL"] == "http://here/anthropic"
    assert variables["ANTHROPIC_AUTH_TOKEN"] == "clearspan"
    assert variables.keys() & AROUND.keys() == {"COPILOT_PROVIDER_BEARER_TOKEN"}  # which it does not read


def test_a_command_that_may_start_any_gets_what_all_of_them_read() -> None:
    words, variables = started("sh -c claude", AROUND)
    assert words == ["sh", "-c", "claude"]
    assert variables.keys() & AROUND.keys() == {"ANTHROPIC_API_KEY"}
    assert variables["ANTHROPIC_API_KEY"] == "clearspan"
    assert "ANTHROPIC_AUTH_TOKEN" not in variables  # the SDK complains of two
    assert variables["OPENAI_BASE_URL"] == variables["OPENAI_API_BASE"] == "http://here/openai/v1"
    for name in ("OPENCODE_CONFIG_CONTENT", "KILO_CONFIG_CONTENT"):
        assert json.loads(variables[name])["provider"]["openai"]["options"]["baseURL"] == "http://here/openai/v1"


@pytest.mark.parametrize("proxies", [{}, {"NO_PROXY": "intern"}, {"no_proxy": "intern"}])
def test_no_proxy_stands_between(proxies: dict[str, str]) -> None:
    _, variables = started("claude", proxies)
    assert variables["NO_PROXY"] == variables["no_proxy"]
    assert {"127.0.0.1", "localhost", *proxies.values()} <= {*variables["NO_PROXY"].split(",")}


def test_an_option_that_the_command_gives_itself_is_left_to_it() -> None:
    assert started("qwen -p hi")[0] == ["qwen", "--auth-type", "openai", "-p", "hi"]
    for own in ("qwen --auth-type anthropic -p hi", "qwen --auth-type=anthropic -p hi"):
        assert started(own)[0] == own.split()
    assert started("openhands -t hi")[0] == ["openhands", "--override-with-envs", "-t", "hi"]


def test_pi_finds_a_configuration_of_its_own_beside_what_else_its_user_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    users = tmp_path / ".pi" / "agent"
    users.mkdir(parents=True)
    for name in ("models.json", "auth.json", "settings.json"):
        (users / name).write_text("{}")
    with prepared(["pi", "-p", "hi"], {}, TARGET) as ready:
        assert ready.words == ("pi", "-p", "hi")
        folder = Path(ready.environment["PI_CODING_AGENT_DIR"])
        written = json.loads((folder / "models.json").read_text())
        assert written["providers"]["anthropic"] == {"baseUrl": "http://here/anthropic", "apiKey": "clearspan"}
        assert (folder / "settings.json").resolve() == users / "settings.json"
        assert not (folder / "auth.json").exists()
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()
    assert {path.name: path.read_text() for path in users.iterdir()} == dict.fromkeys(
        ("models.json", "auth.json", "settings.json"), "{}"
    )


@pytest.mark.parametrize(
    ("command", "option", "file"),
    [("cline hi", "--data-dir", "settings/providers.json"), ("cn -p hi", "--config", "")],
)
def test_cline_and_continue_are_told_of_a_file_of_their_own(command: str, option: str, file: str) -> None:
    with prepared(command.split(), {}, TARGET) as ready:
        assert ready.words[1] == option
        text = (Path(ready.words[2]) / file).read_text()
        assert "http://here/openai/v1" in text
        assert "clearspan" in text
    assert not Path(ready.words[2]).exists()


def test_a_token_is_written_so_that_it_is_read_again() -> None:
    token = 'a"b\\c#d'
    with prepared(["opencode"], {}, Target(TARGET.urls, token)) as ready:
        options = json.loads(ready.environment["OPENCODE_CONFIG_CONTENT"])["provider"]["openai"]["options"]
    assert options["apiKey"] == token
