"""The lines that point an agent at the bridge: read here the way a shell or the agent itself reads them."""

from __future__ import annotations

import json
import shlex
import tomllib
from typing import Any

import pytest
from attrs import evolve

from bridge.cli.env import AGENTS, UnknownAgent, base_url, environment_lines
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


def variables(agent: str, settings: Settings = SETTINGS) -> dict[str, str]:
    """What the shell lines set."""
    set_: dict[str, str] = {}
    for line in environment_lines(settings, agent):
        words = shlex.split(line, comments=True)
        if words[:1] == ["export"]:
            (pair,) = words[1:]
            name, _, value = pair.partition("=")
            set_[name] = value
        else:
            assert not words or agent in {"codex", "opencode"}
    return set_


def config(agent: str, settings: Settings = SETTINGS) -> str:
    """What goes into a file: all but shell lines and comments."""
    lines = environment_lines(settings, agent)
    return "\n".join(line for line in lines if not line.startswith(("#", "export ")))


def test_openai_sdks() -> None:
    assert variables("openai") == {
        "OPENAI_BASE_URL": "http://127.0.0.1:8484/work/v1",
        "OPENAI_API_KEY": "clearspan",
    }


def test_anthropic_sdks_and_claude_code_add_v1_themselves() -> None:
    assert variables("anthropic") == {
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:8484/claude-work",
        "ANTHROPIC_API_KEY": "clearspan",
    }
    assert variables("claude") == {
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:8484/claude-work",
        "ANTHROPIC_AUTH_TOKEN": "clearspan",
    }


def test_aider() -> None:
    found = variables("aider")
    assert found["OPENAI_API_BASE"] == "http://127.0.0.1:8484/work/v1"
    assert found["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:8484/claude-work"


def test_codex_is_configured_by_toml() -> None:
    written: dict[str, Any] = tomllib.loads(config("codex"))
    provider = written["model_providers"][written["model_provider"]]
    assert provider == {
        "name": "Clearspan",
        "base_url": "http://127.0.0.1:8484/work/v1",
        "wire_api": "responses",
    }
    assert variables("codex") == {}


def test_codex_brings_a_client_token_where_one_is_asked_for() -> None:
    written: dict[str, Any] = tomllib.loads(config("codex", WITH_TOKEN))
    assert written["model_providers"]["clearspan"]["env_key"] == "CLEARSPAN_KEY"
    assert variables("codex", WITH_TOKEN) == {"CLEARSPAN_KEY": "YOUR_CLIENT_TOKEN"}


def test_opencode_is_configured_by_json_and_wants_v1_for_both() -> None:
    written: dict[str, Any] = json.loads(config("opencode"))
    providers = written["provider"]
    assert providers["openai"]["options"] == {"baseURL": "http://127.0.0.1:8484/work/v1", "apiKey": "clearspan"}
    assert providers["anthropic"]["options"]["baseURL"] == "http://127.0.0.1:8484/claude-work/v1"


def test_all_agents_at_once() -> None:
    lines = list(environment_lines(SETTINGS, None))
    assert lines == [line for agent in AGENTS for line in environment_lines(SETTINGS, agent)]
    assert set(AGENTS) >= KINDS.keys()


def test_no_token_is_printed_but_where_it_goes() -> None:
    for agent in AGENTS:
        first, *_ = lines = list(environment_lines(WITH_TOKEN, agent))
        assert "put one of server.client_tokens in the place of YOUR_CLIENT_TOKEN" in first
        assert "YOUR_CLIENT_TOKEN" in "".join(lines[1:])
        assert "token-of-ann" not in "".join(lines)


def test_an_unknown_agent() -> None:
    with pytest.raises(UnknownAgent, match="unknown agent 'emacs'; known: codex, claude, opencode"):
        list(environment_lines(SETTINGS, "emacs"))


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
