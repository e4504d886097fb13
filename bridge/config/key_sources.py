"""Where keys come from: `env:NAME`, `file:PATH`, `cmd:COMMAND`, or the value itself.

Everything wrong with a source is said without its value. A key that is refused here can never reach a header, and with
it an exception's text.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Collection, Mapping
from pathlib import Path

from bridge.keys.secret import Secret
from bridge.process.commands import CommandFailed, output_of
from bridge.process.environment import KEY_STORES, without_secrets

COMMAND_S = 30.0

REASONS: dict[type, str] = {
    UnicodeDecodeError: "its output is not text",
    IndexError: "there is none",
}


class SourceError(ValueError):
    """A source that gives no usable key; its text says why and how to mend it."""


def resolve(source: str, environment: Mapping[str, str], named: Collection[str] = ()) -> list[Secret]:
    """The keys that a source names, at least one. Raises SourceError.

    Variables that are `named` as sources hold keys: a command does not get them.
    """
    kind, colon, rest = source.partition(":")
    match kind if colon else "":
        case "env":
            return _from_environment(rest, environment)
        case "file":
            return _from_file(rest)
        case "cmd":
            shared = {name: value for name, value in environment.items() if name not in named}
            return _from_command(rest, without_secrets(shared, KEY_STORES))
        case _:
            return [_secret(source, "the value in the configuration")]


def variables(text: str) -> frozenset[str]:
    """The variables that a configuration names as sources."""
    return frozenset(re.findall(r"\benv:([A-Za-z_][A-Za-z0-9_]*)", text))


def from_list(text: str, where: str) -> list[Secret]:
    """Keys separated by commas. Raises SourceError."""
    return [_secret(part.strip(), where) for part in text.split(",")]


def _from_environment(name: str, environment: Mapping[str, str]) -> list[Secret]:
    if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
        raise SourceError("what follows 'env:' is no name of an environment variable")  # but maybe a key: not shown
    if name not in environment:
        raise SourceError(f"the environment variable {name} is not set")
    return from_list(environment[name], f"the environment variable {name}")


def _from_file(name: str) -> list[Secret]:
    try:
        path = Path(name).expanduser()
        status = path.stat()
        text = path.read_text(encoding="utf-8-sig") if stat.S_ISREG(status.st_mode) else ""  # a pipe would not end
    except OSError as error:
        raise SourceError(f"cannot read {name}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SourceError(f"cannot read {name}: it is not UTF-8 text") from None
    except (RuntimeError, ValueError):  # no such user's home, a NUL in the name
        raise SourceError("what follows 'file:' is no path") from None
    if not stat.S_ISREG(status.st_mode):
        raise SourceError(f"{path} is no regular file")
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise SourceError(f"{path} is open to other users (mode {mode:o}); run 'chmod 600 {path}'")
    if status.st_uid not in {os.getuid(), 0}:
        raise SourceError(f"{path} belongs to another user")
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line and not line.startswith("#")]
    if not lines:
        raise SourceError(f"{path} holds no key")
    return [_secret(line, f"{path} line {number}") for number, line in lines]


def _from_command(command: str, environment: Mapping[str, str]) -> list[Secret]:
    shown = "'cmd:'"
    try:
        words = shlex.split(command)
        shown = f"the command {words[0]!r}"  # its arguments are not shown: they may open the store that holds the key
        done = output_of(words, environment, COMMAND_S)
        text = done.text.decode()
    except (OSError, ValueError, IndexError, CommandFailed) as error:
        reason = error.strerror if isinstance(error, OSError) else REASONS.get(type(error), "it is not well-formed")
        raise SourceError(f"cannot run {shown}: {error if isinstance(error, CommandFailed) else reason}") from None
    if done.code:
        raise SourceError(f"{shown} failed with exit code {done.code}")
    return [_secret(text.removesuffix("\n").removesuffix("\r"), f"the output of {shown}")]


def _secret(value: str, where: str) -> Secret:
    try:
        return Secret(value)
    except ValueError as error:
        raise SourceError(f"{where}: {error}") from None
