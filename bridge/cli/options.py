"""The options that every command takes, their environment twins, and the settings they lead to."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
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
    from bridge.events.place import default_socket

    explicit = explicit_options(context)
    if explicit["config"] is None and explicit["socket"] is not None:
        return Path(explicit["socket"])
    try:
        socket = _place_in(explicit["config"], "server", "socket", {""})
    except LookupError:
        return settings_from(context).settings.server.socket
    return Path(explicit["socket"] or socket or default_socket())


def record_from(context: click.Context) -> Path | None:
    """Where the record of these options lies, read as `socket_from` reads; None where nothing is recorded."""
    from bridge.events.place import default_record, record_in

    explicit = explicit_options(context)
    folder = explicit.pop("data_dir")
    try:
        record = _place_in(explicit.pop("config"), "record", "path", {"", "off"})
    except LookupError:
        return settings_from(context).settings.record.path
    path: Path | None
    if record == "off":
        path = None
    elif folder is not None:
        path = record_in(Path(folder))
    else:
        path = Path(record) if record else default_record()
    # What is no regular file is refused there. Path's own `exists` raises where a folder may not be looked into.
    is_odd = path is not None and os.path.exists(path) and not os.path.isfile(path)  # noqa: PTH110, PTH113
    if is_odd or any(other is not None for other in explicit.values()):  # what is wrong with these is told there
        return settings_from(context).settings.record.path
    return path


def _place_in(named: Path | None, table: str, setting: str, words: Collection[str]) -> str | None:
    """What the file that is named, or else the usual one, gives a setting: a whole path or one of these words; None
    where it gives nothing. Raises LookupError where more has to be known: a name nobody knows may then be meant for it.
    """
    from bridge.config.tables import NAMES, TABLES
    from bridge.events.place import default_file
    from bridge.toml.toml_text import NotToml, parse

    file = named or default_file()
    if named is None and not file.exists():
        return None
    if not os.path.isfile(file):  # noqa: PTH113  # what comes through a pipe can be read once only
        raise LookupError
    try:
        body = parse(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, NotToml):
        raise LookupError from None
    settings = body.get(table, {})
    value: Any = settings.get(setting) if isinstance(settings, dict) else ...
    if isinstance(value, str) and (value in words or (value.startswith("/") and "\0" not in value)):
        return value
    if value is not None or body.keys() - set(TABLES) or settings.keys() - set(NAMES[table]):
        raise LookupError
    return None
