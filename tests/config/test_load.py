"""The settings in force: where each comes from, and which source wins."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.load import Options, load
from bridge.config.settings import (
    OWN_TOOLS_URL,
    McpServerSettings,
    McpSettings,
    ProviderSettings,
    RecordSettings,
    ServerSettings,
)
from bridge.config.units import format_duration, format_size, parse_duration, parse_size
from bridge.errors import ConfigurationError
from bridge.http.fields import HOP_BY_HOP, TRANSPORT
from bridge.providers.kinds import KINDS
from tests.support.settings_file import PROVIDER, SECRET, faults, loaded


def test_a_missing_or_unreadable_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "none.toml"
    with pytest.raises(ConfigurationError, match=r"none\.toml: cannot be read: No such file or directory"):
        load(Options(config=file), {})
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"none\.toml: cannot be read: it is not UTF-8 text"):
        load(Options(config=file), {})


def test_the_example_is_understood(tmp_path: Path) -> None:
    text = Path(__file__).with_name("example.toml").read_text(encoding="utf-8")
    settings = loaded(text, tmp_path, {"OPENAI_API_KEY": SECRET}).settings
    assert settings.server == ServerSettings()
    assert settings.record == RecordSettings()
    provider = settings.providers["openai"]
    assert (provider.type, provider.base_url) == ("openai", "https://api.openai.com/v1")
    assert [key.reveal() for key in provider.keys] == [SECRET]
    assert provider == ProviderSettings(provider.type, provider.base_url, provider.keys)
    assert settings.mcp.servers["docs"].url == "http://127.0.0.1:9000/mcp"


def test_windows_editors_are_forgiven(tmp_path: Path) -> None:
    assert loaded("\ufeff[server]\r\nport = 1\r\n", tmp_path).settings.server.port == 1


def test_the_record_can_be_switched_off_and_paths_begin_at_home(tmp_path: Path) -> None:
    text = '[record]\npath = "off"\ndump_dir = "~/dumps"\n[server]\nsocket = "~/events.sock"\n'
    settings = loaded(text, tmp_path).settings
    assert settings.record.path is None
    assert settings.record.dump_dir == Path.home() / "dumps"
    assert settings.server.socket == Path.home() / "events.sock"


def test_without_providers_in_the_file_every_kind_exists_with_the_usual_variables(tmp_path: Path) -> None:
    environment = {"OPENAI_API_KEY": "sk-one", "OPENAI_API_KEYS": "sk-two, sk-one,sk-three", "ANTHROPIC_API_KEY": ""}
    found = loaded("[server]\nport = 1\n", tmp_path, environment)
    providers = found.settings.providers
    assert list(providers) == list(KINDS)
    assert [key.reveal() for key in providers["openai"].keys] == ["sk-one", "sk-two", "sk-three"]
    assert providers["anthropic"].keys == ()
    assert providers["anthropic"].base_url == "https://api.anthropic.com"
    assert found.sources["providers.openai.keys"] == "OPENAI_API_KEYS"
    assert found.settings.has_keys


def test_a_bad_key_in_a_usual_variable_is_told_without_it(tmp_path: Path) -> None:
    (fault,) = faults("", tmp_path, {"ANTHROPIC_API_KEY": f"{SECRET} {SECRET}"})
    assert fault.startswith("environment: providers.anthropic.keys: the environment variable ANTHROPIC_API_KEY:")
    assert SECRET not in fault


def test_providers_in_the_file_leave_the_usual_variables_alone(tmp_path: Path) -> None:
    found = loaded(PROVIDER, tmp_path, {"OPENAI_API_KEY": "sk-one", "ANTHROPIC_API_KEY": "sk-two"})
    assert list(found.settings.providers) == ["openai"]
    assert not found.settings.has_keys


def test_without_a_file_there_are_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.config.load.default_file", lambda: tmp_path / "config.toml")
    found = load(Options(), {})
    assert (found.file, found.settings.server.port) == (None, 8484)
    (tmp_path / "config.toml").write_text("[server]\nport = 9\n")
    found = load(Options(), {})
    assert (found.file, found.settings.server.port) == (tmp_path / "config.toml", 9)


ANTHROPIC = '[providers.a]\ntype = "anthropic"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            PROVIDER + 'keys = ["sk-ant-0123456789abcdef"]\n',
            "config.toml:3: providers.openai.keys: the key sk-a...cdef begins as Anthropic's do",
        ),
        (
            PROVIDER + 'base_url = "http://127.0.0.1:9"\n',
            "config.toml:3: providers.openai.base_url: does not end in /v1",
        ),
        (
            PROVIDER + 'base_url = "https://api.anthropic.com/v1"\n',
            "config.toml:3: providers.openai.base_url: api.anthropic.com is Anthropic's",
        ),
        (
            PROVIDER + 'base_url = "https://api.anthropic.com"\n',
            "config.toml:3: providers.openai.base_url: api.anthropic.com is Anthropic's",
        ),
        (
            ANTHROPIC + 'base_url = "https://api.openai.com"\n',
            "config.toml:3: providers.a.base_url: api.openai.com is OpenAI's",
        ),
        (
            PROVIDER + 'keys = ["clearspan", "sk-own-one", "clearspan"]\n',
            "config.toml:3: providers.openai.keys: the word 'clearspan' is ignored",
        ),
        (
            PROVIDER + 'keys = ["sk-seven", "sk-more"]\n',
            "config.toml:3: providers.openai.keys: the key s...e has fewer than 8 characters",
        ),
        (
            "[server]\nclient_tokens = { ann = 'hunter2' }\n",
            "config.toml:2: server.client_tokens.ann: the token h...2 has fewer than 8 characters",
        ),
    ],
)
def test_what_is_likely_a_mistake_is_warned_of_and_not_refused(text: str, told: str, tmp_path: Path) -> None:
    (warning,) = loaded(text, tmp_path).warnings
    assert told in warning
    assert "0123456789abcdef" not in warning


@pytest.mark.parametrize(
    "text",
    [
        PROVIDER + 'keys = ["sk-proj-one", "sk-number-two", "EMPTY"]\nbase_url = "http://127.0.0.1:9/v1/"\n',
        ANTHROPIC + 'keys = ["sk-ant-one", "sk-number-two"]\nbase_url = "http://127.0.0.1:9/anthropic"\n',
    ],
)
def test_what_is_right_is_not_warned_of(text: str, tmp_path: Path) -> None:
    assert loaded(text, tmp_path).warnings == ()


def test_the_word_for_the_pool_is_no_key_of_it(tmp_path: Path) -> None:
    found = loaded("", tmp_path, {"OPENAI_API_KEY": "clearspan", "ANTHROPIC_API_KEYS": "sk-ant-one,clearspan"})
    keys = {name: [key.reveal() for key in provider.keys] for name, provider in found.settings.providers.items()}
    assert keys == {"openai": [], "anthropic": ["sk-ant-one"]}
    assert [warning.split(":")[0] for warning in found.warnings] == ["OPENAI_API_KEY", "ANTHROPIC_API_KEYS"]


def test_groups_keep_their_keys_where_the_word_for_the_pool_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    keys = '["clearspan", "sk-first-key", "sk-second-key", "sk-third-key", "sk-fourth-key"]'
    file.write_text(f"[providers.openai]\ntype = 'openai'\nkeys = {keys}\ngroups = [[2, 4], [5, 3]]\n")

    provider = load(Options(config=file), {}).settings.providers["openai"]

    groups = [[provider.keys[place - 1].reveal() for place in group] for group in provider.groups]
    assert groups == [["sk-first-key", "sk-third-key"], ["sk-fourth-key", "sk-second-key"]]


def test_a_token_opens_other_addresses(tmp_path: Path) -> None:
    text = '[server]\nhost = "0.0.0.0"\nclient_tokens = { ann = "env:TOKEN" }\n'
    settings = loaded(text, tmp_path, {"TOKEN": "tok-1"}).settings
    assert settings.server.client_tokens["ann"].reveal() == "tok-1"
    (fault,) = faults(text, tmp_path, {"TOKEN": "a,b"})
    assert fault.endswith("server.client_tokens.ann: must be one token")


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP | TRANSPORT))
def test_the_bridges_own_headers_cannot_be_added(name: bytes, tmp_path: Path) -> None:
    header = name.decode().title()
    text = f'[providers.openai]\ntype = "openai"\nkeys = ["k"]\nextra_headers = {{ "{header}" = "x" }}\n'
    (fault,) = faults(text, tmp_path, {})
    assert fault.endswith(f"providers.openai.extra_headers.{header}: is set by the bridge itself")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("250ms", 0.25), ("10s", 10), ("1m30s", 90), ("1.5h", 5400), ("30d", 30 * 86_400)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["36501d", "99999999999999d", "9" * 6000 + "s"])
@pytest.mark.parametrize("setting", ["[record]\nkeep", "[record]\ndump_keep", "[server]\nshutdown_grace"])
def test_a_duration_that_no_clock_can_be_set_back_by(setting: str, text: str, tmp_path: Path) -> None:
    (fault,) = faults(f'{setting} = "{text}"\n', tmp_path, {})
    assert fault.endswith("is longer than 36500d, which is the longest duration")
    assert loaded(f'{setting} = "36500d"\n', tmp_path, {})


@pytest.mark.parametrize("text", ["", "s", "10", "1 s", "-1s", "1s ", "1e3s", "1.s", "1w", 10, None, True])
def test_what_is_no_duration(text: Any) -> None:
    with pytest.raises(ValueError, match="is not a duration; write it like"):
        parse_duration(text)


@given(st.integers(0, 10**6).map(lambda tenths: tenths / 10))
def test_durations_are_shown_as_they_are_written(seconds: float) -> None:
    assert math.isclose(parse_duration(format_duration(seconds)), seconds, rel_tol=1e-5)


def test_what_is_secret_of_mcp_servers_is_known(tmp_path: Path) -> None:
    found = loaded(
        '[mcp.servers.a]\nurl = "http://a/mcp?key=query-secret&x=1"\n'
        'headers = { Authorization = "Bearer header-secret" }\n'
        '[mcp.servers.b]\ncommand = ["b"]\nenv = { B_TOKEN = "env-secret-1", ROOT = "/home/me/work" }\n',
        tmp_path,
    ).settings
    assert {value for value, _ in found.secrets()} == {
        *("query-secret", "Bearer header-secret", "header-secret", "env-secret-1")
    }
    assert found.mcp.servers["a"].shown_url("a") == "http://a/mcp"
    assert found.mcp.servers["b"].shown_url("b") == "stdio:b"


@pytest.mark.parametrize(
    ("value", "size"), [("1GiB", 1024**3), ("512MiB", 512 * 1024**2), ("3KiB", 3072), ("0B", 0), (7, 7)]
)
def test_sizes(value: Any, size: int) -> None:
    assert parse_size(value) == size


@pytest.mark.parametrize("value", ["", "1", "1GB", "1.5GiB", "-1B", "1 GiB", -1, 1.0, None, True])
def test_what_is_no_size(value: Any) -> None:
    with pytest.raises(ValueError, match="is not a size; write it like"):
        parse_size(value)


@given(st.integers(0, 10**14))
def test_sizes_are_shown_as_they_are_written(size: int) -> None:
    assert parse_size(format_size(size)) == size


def test_servers_are_known_by_what_is_told_of_where_they_are() -> None:
    servers = {"docs": McpServerSettings(url="http://a/mcp?key=x"), "shell": McpServerSettings(command=("sh",))}
    settings = McpSettings(servers=servers)
    assert [settings.server_at(url) for url in ("http://a/mcp", "stdio:shell", "http://b", None, OWN_TOOLS_URL)] == [
        "docs",
        "shell",
        None,
        None,
        "clearspan",
    ]
