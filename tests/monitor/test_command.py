"""The monitor's command line: what is refused, and in which words."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bridge.cli.main import cli
from bridge.cli.monitor import watch
from bridge.errors import ConfigurationError
from monitor import command, options
from monitor.command import MonitorError, MonitorOptions, main, show
from monitor.styles import colours, themes
from tests.support.generated_record import make_record


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert ended.value.code == 2
    return capsys.readouterr().err


@pytest.fixture
def at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "has_terminal", lambda: True)


def test_the_command_and_the_monitor_know_the_same_themes() -> None:
    (theme,) = (option for option in cli.commands["monitor"].params if option.name == "theme")
    assert isinstance(theme.type, click.Choice)
    assert list(theme.type.choices) == list(themes.NAMES) == list(colours.THEMES)


@pytest.mark.usefixtures("at_a_terminal")
def test_a_bad_log_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("\nnonsense\n")
    assert refused(capsys, "--replay", str(log)).startswith(f"clearspan monitor: {log}:2: not JSON")
    assert "no such file" in refused(capsys, "--replay", str(tmp_path / "none"))


@pytest.mark.usefixtures("at_a_terminal")
@pytest.mark.parametrize("speed", ["0", "-1", "inf", "nan", "fast"])
def test_a_speed_is_a_number_above_0(speed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Invalid value for '--speed'" in refused(capsys, "--replay", "x", f"--speed={speed}")


def test_a_theme_of_the_environment_may_be_wrong_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARSPAN_THEME", "pink")
    with pytest.raises(MonitorError, match="there is no theme 'pink'"):
        show(MonitorOptions(Path("e.sock")))


def test_the_socket_of_the_environment_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("CLEARSPAN_SOCKET", "/run/mine.sock")
    assert command.socket_path() == Path("/run/mine.sock")
    monkeypatch.delenv("CLEARSPAN_SOCKET")
    assert command.socket_path().name == "events.sock"


def test_a_web_page_stands_for_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXTUAL_DRIVER", "textual.drivers.web_driver:WebDriver")
    assert options.has_terminal()


def test_a_record_is_made_a_log_that_is_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bridge.config.load import Loaded  # noqa: PLC0415  only here
    from bridge.config.settings import Settings  # noqa: PLC0415

    path = tmp_path / "clearspan.db"
    make_record(path, 20)
    shown: list[Path] = []

    def look(options: MonitorOptions) -> int:
        assert options.replay is not None
        assert options.replay.read_bytes().count(b'"interception.started"') == 20
        shown.append(options.replay)
        return 0

    monkeypatch.setattr(options, "has_terminal", lambda: True)
    monkeypatch.setattr(command, "show", look)
    assert watch(Loaded(Settings(data_dir=tmp_path), None, {}), replay=path, speed=1.0, theme=None, web_port=None) == 0
    assert not shown[0].exists()


def test_what_the_monitor_refuses_ends_the_command_with_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    from bridge.config.load import Loaded  # noqa: PLC0415  only here
    from bridge.config.settings import Settings  # noqa: PLC0415

    monkeypatch.setattr(options, "has_terminal", lambda: True)
    with pytest.raises(ConfigurationError) as refusal:
        watch(Loaded(Settings(data_dir=Path()), None, {}), replay=Path("no.such"), speed=1.0, theme=None, web_port=None)
    assert refusal.value.faults == ["no.such: no such file or directory"]


def test_steps_need_a_terminal() -> None:
    result = CliRunner().invoke(cli, ["demo", "--step"])
    assert result.exit_code == 2
    assert "--step shows the monitor, which needs a terminal" in result.output
