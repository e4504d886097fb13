"""The monitor's command line, and what `clearspan monitor` calls: which source, which theme, which window."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from attrs import frozen

from bridge.events.place import default_socket
from bridge.process.environment import without_secrets
from bridge.process.parent import tied
from monitor import ending, themes

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
    return command


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """That of a monitor in a process of its own: no keys, and an end with the process that started it."""
    return tied(without_secrets(ours, (themes.VARIABLE,)))


def has_terminal() -> bool:
    """Whether a person sits here: at a terminal, or at a web page that stands for one."""
    return (sys.stdin.isatty() and sys.stdout.isatty()) or "TEXTUAL_DRIVER" in os.environ


def socket_path() -> Path:
    """The event socket that the environment names, else where a bridge puts its own."""
    named = os.environ.get("CLEARSPAN_SOCKET")
    return Path(named) if named else default_socket()


def main(argv: list[str] | None = None) -> NoReturn:
    """The command line of `python -m monitor`."""
    parser = argparse.ArgumentParser(prog="clearspan monitor", description="The terminal dashboard.")
    parser.add_argument("--socket", type=Path, metavar="PATH", help="the bridge's event socket")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="play a log of `clearspan tail --json`")
    parser.add_argument("--speed", type=positive, default=1.0, metavar="X", help="how fast a log is played")
    parser.add_argument("--theme", choices=themes.NAMES, help=f"colours; also {themes.VARIABLE}")
    parser.add_argument("--step", action="store_true", help="go through each request step by step")
    arguments = parser.parse_args(argv)
    if not has_terminal():
        parser.error("the monitor needs a terminal; `clearspan tail` prints events as lines")
    options = MonitorOptions(
        socket=arguments.socket or socket_path(),
        replay=arguments.replay,
        speed=arguments.speed,
        theme=arguments.theme,
        step=arguments.step,
    )
    try:
        sys.exit(show(options))
    except MonitorError as error:
        parser.exit(2, f"clearspan monitor: {error}\n")


def positive(text: str) -> float:
    """A number above 0."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError(text)
    return number
