"""The monitor's command line, and what `clearspan monitor` calls: which source, which theme, which window."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from attrs import frozen

from bridge.events.place import default_socket
from bridge.process.environment import without_secrets
from bridge.process.parent import tied
from monitor import ending
from monitor.options import PATH, has_terminal, monitor_options
from monitor.styles import themes

if TYPE_CHECKING:
    from monitor.app import MonitorApp


class MonitorError(Exception):
    """The monitor can't show what it was asked to; its text says why in one line."""


@frozen
class MonitorOptions:
    """What to show. `socket` is the bridge's; `replay` a log to play in its place; `step` opens the walkthrough."""

    socket: Path
    replay: Path | None = None
    speed: float = 1.0
    theme: str | None = None
    step: bool = False
    config: Path | None = None
    data_dir: Path | None = None
    """Where `clearspan show` finds the record, if not in its usual place."""

    @property
    def record_options(self) -> list[str]:
        """The same, as options."""
        places = (("--config", self.config), ("--data-dir", self.data_dir))
        return [word for option, path in places if path is not None for word in (option, str(path))]


def show(options: MonitorOptions) -> int:
    """Shows the dashboard in this terminal until a person quits; the exit code. Raises MonitorError."""
    from monitor.app import MonitorApp
    from monitor.sources.bridge_socket import BridgeSource

    try:
        theme = themes.chosen(options.theme, os.environ)
    except themes.UnknownTheme as error:
        raise MonitorError(str(error)) from None
    app: MonitorApp
    if options.replay is not None:
        app = _replaying(options.replay, options.speed, theme)
    else:
        app = MonitorApp(BridgeSource(options.socket), str(options.socket), theme=theme, step=options.step)
        app.terminal.record_options = options.record_options
    with ending.watched(app.end):
        app.run()
    return app.return_code or 0


def _replaying(path: Path, speed: float, theme: str) -> MonitorApp:
    from monitor.replay_app import ReplayApp
    from monitor.sources.event_log import BadLog, read_log
    from monitor.sources.replay import Replay

    try:
        return ReplayApp(Replay(read_log(path), speed=speed), str(path), theme=theme)
    except BadLog as error:
        raise MonitorError(str(error)) from None


def command_line(options: MonitorOptions) -> list[str]:
    """The command that shows it in a process of its own. -P: the folder it starts in may hold another `monitor`."""
    command = [sys.executable, "-P", "-m", "monitor", "--socket", str(options.socket)]
    if options.replay is not None:
        command += ["--replay", str(options.replay), "--speed", str(options.speed)]
    if options.theme is not None:
        command += ["--theme", options.theme]
    if options.step:
        command.append("--step")
    return command + options.record_options


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """That of a monitor in a process of its own: no keys, and an end with the process that started it."""
    return tied(without_secrets(ours, (themes.VARIABLE,)))


def socket_path() -> Path:
    """The event socket that the environment names, else where a bridge puts its own."""
    named = os.environ.get("CLEARSPAN_SOCKET")
    return Path(named) if named else default_socket()


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--socket", type=PATH, help="The bridge's event socket.")
@monitor_options("a log of `clearspan tail --json`")
@click.option("--step", is_flag=True, help="Go through each request step by step.")
@click.option("--config", type=PATH, hidden=True, help="As `clearspan show` has it.")
@click.option("--data-dir", type=PATH, hidden=True, help="As `clearspan show` has it.")
def monitor(socket: Path | None, **options: Any) -> int:
    """The terminal dashboard."""
    if not has_terminal():
        raise click.UsageError("the monitor needs a terminal; `clearspan tail` prints events as lines")
    return show(MonitorOptions(socket or socket_path(), **options))


def main(argv: list[str] | None = None) -> NoReturn:
    """The command line of `python -m monitor`."""
    try:
        sys.exit(monitor.main(argv, prog_name="clearspan monitor", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(128 + signal.SIGINT)
    except MonitorError as error:
        click.echo(f"clearspan monitor: {error}", err=True)
        sys.exit(2)
