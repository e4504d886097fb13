"""Where the short commands find the record and the event socket, of which they read no other settings."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import click
import pytest
from attrs import fields

from bridge.cli.main import cli
from bridge.cli.options import record_from, settings_from, socket_from
from bridge.config.settings import RecordSettings, ServerSettings
from bridge.config.tables import NAMES
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


@pytest.mark.parametrize("text", ['[recrod]\npath = "/r/e.db"\n', '[record]\npaht = "/r/e.db"\n'])
def test_what_may_be_meant_for_it_is_told(text: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match="did you mean"):
        record_from(context("--config", str(file)))


@pytest.mark.parametrize("name", ["e.db", "x" * 300, "closed/e.db"])
def test_what_nobody_can_look_at_is_left_to_who_opens_it(name: str, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    file = tmp_path / "config.toml"
    file.write_text(f'[record]\npath = "{tmp_path / name}"\n')
    assert record_from(context("--config", str(file))) == tmp_path / name
    closed.chmod(0o700)


def test_a_record_that_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "clearspan.db")
    with pytest.raises(ConfigurationError, match="no regular file"):
        record_from(context("--data-dir", str(tmp_path)))


def test_a_configuration_from_a_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "config.toml"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=('[record]\npath = "~/e.db"\n',))
    writer.start()
    assert record_from(context("--config", str(pipe))) == Path("~/e.db").expanduser()
    writer.join()


def test_the_names_are_those_of_the_settings() -> None:
    for table, kind in (("server", ServerSettings), ("record", RecordSettings)):
        assert NAMES[table] == tuple(field.name for field in fields(kind))


@pytest.mark.parametrize(
    "text", ["[record", "[record]\npath = 1\n", '[record]\npath = "/a\\u0000b"\n', 'record = "/e.db"\n']
)
def test_what_is_wrong_with_it_is_told(text: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError):
        record_from(context("--config", str(file)))
