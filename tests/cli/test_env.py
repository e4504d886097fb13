"""What points an agent at the bridge: read here the way a shell or the agent itself reads it."""

from __future__ import annotations

import json
import shlex
import subprocess
import tomllib
from collections.abc import Mapping
from typing import Any

import pytest
from attrs import evolve

from bridge.cli.agents import AGENTS
from bridge.cli.env import CannotPoint, Pointer, UnknownAgent, base_url, pointer
from bridge.config.settings import ProviderSettings, ServerSettings, Settings
from bridge.keys.secret import Secret
from bridge.providers.kinds import KINDS

SETTINGS = Settings(
    providers={
        "work": ProviderSettings("openai", "https://api.openai.com/v1"),
        "play": ProviderSettings("openai", "https://elsewhere/v1"),
        "claude-work": ProviderSettings("anthropic", "https://api.anthropic.com"),
    },
)
WITH_TOKEN = evolve(SETTINGS, server=ServerSettings(client_tokens={"ann": Secret("token-of-ann")}))

OPENAI = "http://127.0.0.1:8484/work/v1"
ANTHROPIC = "http://127.0.0.1:8484/claude-work"

POINTABLE = [name for name, agent in AGENTS.items() if not agent.cannot]
BY_SHELL = [name for name in POINTABLE if AGENTS[name].variables]

EVALS = {"quoted": 'eval "$LINES_"', "without quotes": "eval $LINES_"}


def point(
    agent: str | None,
    settings: Settings = SETTINGS,
    *,
    flags: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Pointer:
    """As `clearspan env` does in an environment that says nothing, or this one."""
    return pointer(settings, agent, flags=flags, environment=environment or {})


def config(agent: str, settings: Settings = SETTINGS) -> str:
    """What goes into the agent's file."""
    return "\n".join(point(agent, settings).lines)


def evaluated(found: Pointer, how: str, **before: str) -> dict[str, str]:
    """What a shell has in its environment after it has evaluated the lines."""
    script = f"{how}; unset LINES_; env -0"
    start = {"PATH": "/usr/bin:/bin", "LINES_": "\n".join(found.lines), **before}
    done = subprocess.run(["sh", "-c", script], env=start, capture_output=True, check=True)  # noqa: S603, S607
    assert done.stderr == b""
    pairs = (line.partition("=") for line in done.stdout.decode().split("\0") if line)
    return {name: value for name, _, value in pairs if name not in {"PATH", "PWD", "_", "SHLVL", "OLDPWD"}}


@pytest.mark.parametrize("how", EVALS)
@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        ("openai", {"OPENAI_BASE_URL": OPENAI, "OPENAI_API_KEY": "clearspan"}),
        ("anthropic", {"ANTHROPIC_BASE_URL": ANTHROPIC, "ANTHROPIC_API_KEY": "clearspan"}),
        ("claude", {"ANTHROPIC_BASE_URL": ANTHROPIC, "ANTHROPIC_AUTH_TOKEN": "clearspan"}),
        ("llm", {"OPENAI_BASE_URL": OPENAI, "OPENAI_API_KEY": "clearspan"}),
        ("qwen", {"OPENAI_BASE_URL": OPENAI, "OPENAI_API_KEY": "clearspan", "OPENAI_MODEL": "gpt-5.4"}),
        ("openhands", {"LLM_BASE_URL": OPENAI, "LLM_API_KEY": "clearspan", "LLM_MODEL": "openai/gpt-5.4"}),
        (
            "aisdk",
            {
                "OPENAI_BASE_URL": OPENAI,
                "OPENAI_API_KEY": "clearspan",
                "ANTHROPIC_BASE_URL": f"{ANTHROPIC}/v1",
                "ANTHROPIC_API_KEY": "clearspan",
            },
        ),
        (
            "aider",
            {
                "OPENAI_API_BASE": OPENAI,
                "OPENAI_API_KEY": "clearspan",
                "ANTHROPIC_API_BASE": ANTHROPIC,
                "ANTHROPIC_BASE_URL": ANTHROPIC,
                "ANTHROPIC_API_KEY": "clearspan",
            },
        ),
        (
            "crush",
            {
                "OPENAI_API_ENDPOINT": OPENAI,
                "OPENAI_API_KEY": "clearspan",
                "ANTHROPIC_API_ENDPOINT": ANTHROPIC,
                "ANTHROPIC_API_KEY": "clearspan",
            },
        ),
        (
            "copilot",
            {
                "COPILOT_OFFLINE": "true",
                "COPILOT_PROVIDER_TYPE": "openai",
                "COPILOT_PROVIDER_BASE_URL": OPENAI,
                "COPILOT_PROVIDER_API_KEY": "clearspan",
                "COPILOT_PROVIDER_WIRE_API": "responses",
                "COPILOT_MODEL": "gpt-5.4",
            },
        ),
    ],
)
def test_a_shell_has_the_variables_of_an_agent(agent: str, expected: dict[str, str], how: str) -> None:
    assert evaluated(point(agent), EVALS[how]) == expected


@pytest.mark.parametrize("how", EVALS)
def test_what_goes_around_the_bridge_is_unset(how: str) -> None:
    before = {"CLAUDE_CODE_USE_BEDROCK": "1", "ANTHROPIC_API_KEY": "sk-ant-own", "OTHER": "stays"}
    found = point("claude", environment=before)
    assert evaluated(found, EVALS[how], **before) == {
        "ANTHROPIC_BASE_URL": ANTHROPIC,
        "ANTHROPIC_AUTH_TOKEN": "clearspan",
        "OTHER": "stays",
    }


def test_a_model_that_was_chosen_stays_chosen() -> None:
    before = {"COPILOT_MODEL": "mine"}
    assert evaluated(point("copilot", environment=before), EVALS["quoted"], **before)["COPILOT_MODEL"] == "mine"


@pytest.mark.parametrize("how", EVALS)
def test_without_an_agent_there_are_the_shell_lines_of_all(how: str) -> None:
    together = evaluated(point(None), EVALS[how])
    assert BY_SHELL[0] == "claude"  # which has its way where two differ
    for agent in BY_SHELL:
        alone = evaluated(point(agent), EVALS[how])
        assert together.keys() >= alone.keys()
    assert together["ANTHROPIC_BASE_URL"] == ANTHROPIC
    assert together["ANTHROPIC_API_KEY"] == together["ANTHROPIC_AUTH_TOKEN"] == "clearspan"
    assert {*BY_SHELL} >= KINDS.keys()


OWN_TABLES = ["", "[model_providers.mine]\nname = 'Mine'\n", "[profiles.fast]\nmodel = 'x'\n"]


@pytest.mark.parametrize("below", OWN_TABLES)
def test_codex_is_configured_by_toml_above_the_tables_of_a_file(below: str) -> None:
    written: dict[str, Any] = tomllib.loads(f"{config('codex')}\n{below}")
    provider = written["model_providers"][written["model_provider"]]
    assert provider == {"name": "Clearspan", "base_url": OPENAI, "wire_api": "responses"}
    assert written["openai_base_url"] == OPENAI
    assert "above the first [table]" in " ".join(point("codex").remarks)


def test_codex_takes_the_same_as_words_of_a_command_line() -> None:
    (line,) = point("codex", flags=True).lines
    words = line.split()
    assert shlex.split(line) == words  # so that it can stand in $(…) without quotes
    assert words[::2] == ["-c"] * 5
    said = dict(word.split("=", 1) for word in words[1::2])
    assert said["openai_base_url"] == said["model_providers.clearspan.base_url"] == OPENAI
    assert said["model_provider"] == "clearspan"


def test_codex_brings_a_client_token_where_one_is_asked_for() -> None:
    written: dict[str, Any] = tomllib.loads(config("codex", WITH_TOKEN))
    assert written["model_providers"]["clearspan"]["env_key"] == "CLEARSPAN_KEY"
    (flags,) = point("codex", WITH_TOKEN, flags=True).lines
    assert flags.endswith("-c model_providers.clearspan.env_key=CLEARSPAN_KEY")
    for remarks in (point("codex", WITH_TOKEN).remarks, point("codex", WITH_TOKEN, flags=True).remarks):
        assert any("export CLEARSPAN_KEY=YOUR_CLIENT_TOKEN" in remark for remark in remarks)
    assert "CLEARSPAN_KEY" not in "".join(point("codex").remarks)


@pytest.mark.parametrize("agent", ["opencode", "kilo"])
def test_opencode_and_kilo_are_configured_by_json_and_want_v1_for_both(agent: str) -> None:
    providers = json.loads(config(agent))["provider"]
    assert providers["openai"]["options"] == {"baseURL": OPENAI, "apiKey": "clearspan"}
    assert providers["anthropic"]["options"] == {"baseURL": f"{ANTHROPIC}/v1", "apiKey": "clearspan"}


def test_pi_and_cline_are_configured_by_json() -> None:
    providers = json.loads(config("pi"))["providers"]
    assert providers["openai"] == {"baseUrl": OPENAI, "apiKey": "clearspan"}
    assert providers["anthropic"] == {"baseUrl": ANTHROPIC, "apiKey": "clearspan"}
    written = json.loads(config("cline"))
    chosen = written["providers"][written["lastUsedProvider"]]["settings"]
    assert (chosen["baseUrl"], chosen["apiKey"]) == (OPENAI, "clearspan")


def test_continue_is_configured_by_yaml() -> None:
    lines = [line.strip() for line in config("continue").splitlines()]
    assert f"apiBase: {OPENAI}" in lines
    assert f"apiBase: {ANTHROPIC}/v1" in lines
    assert lines.count('apiKey: "clearspan"') == 2


@pytest.mark.parametrize("agent", POINTABLE)
def test_no_token_is_printed_but_where_it_goes(agent: str) -> None:
    found = point(agent, WITH_TOKEN)
    assert found.remarks[0].endswith("put one of server.client_tokens in the place of YOUR_CLIENT_TOKEN")
    assert "YOUR_CLIENT_TOKEN" in "".join([*found.lines, *found.remarks[1:]])
    assert "token-of-ann" not in "".join([*found.lines, *found.remarks])


def test_who_cannot_be_pointed_here_is_told_why() -> None:
    with pytest.raises(CannotPoint, match="Cursor calls models from its own servers"):
        point("cursor")


def test_an_unknown_agent() -> None:
    with pytest.raises(UnknownAgent, match="unknown agent 'emacs'; known: codex, claude, opencode"):
        point("emacs")


@pytest.mark.parametrize("agent", [None, "claude"])
def test_flags_are_for_those_that_take_some(agent: str | None) -> None:
    with pytest.raises(UnknownAgent, match=r"codex$"):
        point(agent, flags=True)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8484"),
        ("localhost", "http://localhost:8484"),
        ("::1", "http://[::1]:8484"),
        ("0.0.0.0", "http://127.0.0.1:8484"),  # noqa: S104  # an address to read here
        ("::", "http://[::1]:8484"),
        ("fd00::5", "http://[fd00::5]:8484"),
    ],
)
def test_an_address_that_an_agent_can_call(host: str, url: str) -> None:
    assert base_url(evolve(SETTINGS, server=ServerSettings(host=host))) == url
