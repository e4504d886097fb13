"""The options that every command takes, their environment twins, and the settings they lead to."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from bridge.config.load import Loaded

PATH = click.Path(path_type=Path)


class PortOrStdio(click.ParamType["int | str"]):
    """A port, or the word `stdio`."""

    name = "port|stdio"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Reads the option's text."""
        return value if value == "stdio" else click.IntRange(0, 65535).convert(value, param, ctx)


SETTING_OPTIONS = {
    "host": "server.host",
    "port": "server.port",
    "socket": "server.socket",
    "data_dir": "data_dir",
    "log_level": "log.level",
    "log_format": "log.format",
}


def common_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that every command takes, with their environment twins."""
    options = [
        click.option("--config", type=PATH, envvar="CLEARSPAN_CONFIG", help="Configuration file (TOML)."),
        click.option("--host", envvar="CLEARSPAN_HOST", help="Address to listen on."),
        click.option("--port", type=int, envvar="CLEARSPAN_PORT", help="Port to listen on; 0 takes any free one."),
        click.option("--socket", type=PATH, envvar="CLEARSPAN_SOCKET", help="Path of the event socket."),
        click.option("--data-dir", type=PATH, envvar="CLEARSPAN_DATA_DIR", help="Where the record and the log go."),
        click.option(
            "--log-level",
            type=click.Choice(["debug", "info", "warning", "error"]),
            envvar="CLEARSPAN_LOG_LEVEL",
            help="How much is logged.",
        ),
        click.option(
            "--log-format", type=click.Choice(["text", "json"]), envvar="CLEARSPAN_LOG_FORMAT", help="Form of the log."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def settings_from(context: click.Context, *, keys: bool = False, tokens: bool = False) -> Loaded:
    """The settings in force for a command with the common options; keys and client tokens only where they are needed.

    Ends the program with code 2 where they are bad.
    """
    from bridge.config.load import Options, load

    sources = {}
    for name, setting in SETTING_OPTIONS.items():
        source = context.get_parameter_source(name)
        if source is ParameterSource.COMMANDLINE:
            sources[setting] = "--" + name.replace("_", "-")
        elif source is ParameterSource.ENVIRONMENT:
            sources[setting] = "CLEARSPAN_" + name.upper()
    return load(Options(**explicit_options(context), sources=sources), os.environ, keys=keys, tokens=tokens)


def explicit_options(context: click.Context) -> dict[str, Any]:
    """The common options of a command by name; None where nobody set it."""
    return {name: context.params[name] for name in ("config", *SETTING_OPTIONS)}


def socket_from(context: click.Context) -> Path:
    """Where the bridge of these options tells its events.

    Of a file only that one setting is read: loading all of them takes longer than the command, and what is wrong with
    others is no reason to say nothing of a bridge that runs. Where the file can't be read so, all are loaded, which
    ends the program as `settings_from` does.
    """
    from bridge.events.place import default_file, default_socket

    explicit = explicit_options(context)
    file: Path | None = explicit["config"]
    if file is None and explicit["socket"] is not None:
        return Path(explicit["socket"])
    if file is None and not default_file().exists():
        return default_socket()
    socket = _socket_in(file or default_file())
    if socket is None:
        return settings_from(context).settings.server.socket
    return Path(explicit["socket"] or socket)


def _socket_in(file: Path) -> Path | None:
    """The event socket that a file names as a whole path, or the default; None where more has to be known."""
    from bridge.events.place import default_socket
    from bridge.strict_toml import NotToml, parse

    try:
        server = parse(file.read_text(encoding="utf-8-sig")).get("server", {})
    except (OSError, UnicodeDecodeError, NotToml):
        return None
    if not isinstance(server, dict):
        return None
    if "socket" not in server:
        return default_socket()
    socket = server["socket"]
    return Path(socket) if isinstance(socket, str) and socket.startswith("/") and "\0" not in socket else None
