"""Where the short commands find the record and the event socket, of which they read no other settings."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from bridge.cli.main import cli
from bridge.cli.options import record_from, settings_from, socket_from
from bridge.errors import ConfigurationError

FILES = {
    "nothing": "",
    "another table": "[server]\nport = 8000\n",
    "whole paths": '[record]\npath = "/r/e.db"\n[server]\nsocket = "/r/s.sock"\n',
    "the usual places": '[record]\npath = ""\n[server]\nsocket = ""\n',
    "nothing recorded": '[record]\npath = "off"\n',
    "of the home": '[record]\npath = "~/e.db"\n[server]\nsocket = "~/s.sock"\n',
    "in this folder": '[record]\npath = "e.db"\n[server]\nsocket = "s.sock"\n',
}
WORDS = {
    "plain": (),
    "a folder": ("--data-dir", "/f"),
    "a socket": ("--socket", "/o/s.sock"),
    "both": ("--data-dir", "/f", "--socket", "/o/s.sock"),
}


def context(*words: str) -> click.Context:
    """That of a command with these words."""
    return cli.commands["history"].make_context("history", [*words])


def outcome(of: object, *arguments: click.Context) -> object:
    """What a function returns, or what is wrong with the configuration."""
    assert callable(of)
    try:
        return of(*arguments)
    except ConfigurationError as error:
        return str(error)


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_they_are_where_all_settings_say_that_they_are(text: str, words: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    asked = context("--config", str(file), *words)
    assert outcome(record_from, asked) == outcome(lambda asked: settings_from(asked).settings.record.path, asked)
    assert outcome(socket_from, asked) == outcome(lambda asked: settings_from(asked).settings.server.socket, asked)


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_they_are_where_they_are_without_a_file(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    asked = context(*words)
    assert record_from(asked) == settings_from(asked).settings.record.path
    assert socket_from(asked) == settings_from(asked).settings.server.socket


def test_what_is_wrong_elsewhere_is_no_reason_to_say_nothing(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[providers.no]\ntype = "unheard-of"\n[record]\npath = "/r/e.db"\n')
    asked = context("--config", str(file))
    assert record_from(asked) == Path("/r/e.db")
    with pytest.raises(ConfigurationError):
        settings_from(asked)


@pytest.mark.parametrize(
    "text", ["[record", "[record]\npath = 1\n", '[record]\npath = "/a\\u0000b"\n', 'record = "/e.db"\n']
)
def test_what_is_wrong_with_it_is_told(text: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError):
        record_from(context("--config", str(file)))
