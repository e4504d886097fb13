"""Commands that mind their manners: nothing asked for that is not needed, nothing deleted, a word for every mistake."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner

from bridge.cli.main import cli
from bridge.errors import ConfigurationError, StartError
from bridge.events.hub import Hub
from bridge.events.socket import event_socket
from bridge.events.wire import Command, Hello
from tests.support.command_line import clearspan, home


def config(place: Path, source: str) -> Path:
    """A configuration whose key comes from that source."""
    file = place / "config.toml"
    file.write_text(f'[providers.openai]\ntype = "openai"\nkeys = ["{source}"]\n')
    return file


@pytest.mark.parametrize("words", [["env", "openai"], ["history"], ["stats"], ["tail"], ["keys"]])
def test_who_needs_no_key_asks_for_none(words: list[str], tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    file = config(tmp_path, f"cmd:touch {asked}")
    options = ["--config", str(file), "--data-dir", str(tmp_path), "--socket", str(tmp_path / "no.sock")]
    result = CliRunner().invoke(cli, [*words, *options])
    assert not isinstance(result.exception, ConfigurationError)
    assert not asked.exists()


def test_check_does_ask(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    CliRunner().invoke(cli, ["check", "--config", str(config(tmp_path, f"cmd:touch {asked}"))])
    assert asked.exists()


async def claim(path: Path) -> None:
    """Tries to have the event socket there."""

    def hello() -> Hello:
        raise AssertionError

    def perform(_: Command) -> None:
        raise AssertionError

    async with event_socket(path, Hub(), hello, perform):
        pass


def the_fault(error: BaseException) -> BaseException:
    """What is in the groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def test_a_file_in_the_place_of_the_socket_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "important.db"
    file.write_text("keep")
    with pytest.raises(StartError, match="exists and is no socket"):
        await claim(file)
    assert file.read_text() == "keep"


async def test_a_directory_that_cannot_be_made_is_told() -> None:
    with pytest.raises(StartError, match="cannot make /proc/nowhere for the event socket"):
        await claim(Path("/proc/nowhere/events.sock"))


@pytest.mark.parametrize("speed", ["0", "-1", "nan", "inf", "fast"])
@pytest.mark.parametrize("command", ["simulate", "demo", "monitor"])
def test_a_speed_that_is_none_is_refused(command: str, speed: str) -> None:
    result = CliRunner().invoke(cli, [command, "--speed", speed])
    assert result.exit_code == 2
    assert "--speed" in result.output


@pytest.mark.parametrize("since", ["99999999999d", "9999999d"])
@pytest.mark.parametrize("command", ["history", "stats"])
def test_a_time_before_all_history_is_refused(command: str, since: str) -> None:
    result = CliRunner().invoke(cli, [command, "--since", since])
    assert result.exit_code == 2
    assert "before all history" in result.output


async def test_a_key_file_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    with home() as here, trio.fail_after(20):
        said = await clearspan(here, "check", "--config", str(config(tmp_path, f"file:{pipe}")))
    assert said.code == 2
    assert "is no regular file" in said.err


async def test_a_demo_listens_where_it_is_told_to() -> None:
    with home() as here:
        socket = here.path / "demo.sock"
        said = await clearspan(
            here, "demo", "--headless", "--once", "--speed", "50", "--host", "127.0.0.2", "--socket", str(socket)
        )
    assert said.code == 0
    assert said.out.startswith("listening on http://127.0.0.2:")
