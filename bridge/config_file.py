"""Turns the text of a configuration file into settings, or into messages that say what is wrong on which line."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import fields_dict
from cattrs import BaseValidationError, Converter, transform_error
from cattrs.errors import ForbiddenExtraKeysError

from bridge import credentials
from bridge.errors import ConfigurationError
from bridge.keys.secret import Secret
from bridge.settings import RecordSettings, Seconds, ServerSettings, Settings, parse_duration

DEFAULT_URLS = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com"}
"""Where a provider of that type is, unless `base_url` says otherwise."""

TABLES = ("server", "record", "providers", "mcp")


def parse(text: str, file: Path | None) -> dict[str, Any]:
    """The file as TOML. Raises ConfigurationError."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError([f"{file}: not valid TOML: {error}"]) from None


class Places:
    """Finds the line a setting stands on, for messages. Knows tables and plain keys, which is how people write them."""

    def __init__(self, file: Path | None, text: str) -> None:
        self._file = file
        self.settings: dict[str, int] = {}
        self._tables: dict[str, int] = {}
        table = ""
        for number, line in enumerate(text.splitlines(), 1):
            if header := re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line):
                table = header[1].replace('"', "").replace(" ", "")
                self._tables.setdefault(table, number)
            elif key := re.match(r"\s*([A-Za-z0-9_.\-\"]+)\s*=", line):
                name = key[1].replace('"', "")
                self.settings.setdefault(f"{table}.{name}" if table else name, number)

    def where(self, name: str) -> str:
        """`FILE:LINE` of a setting, or of the nearest table around it."""
        lines = self._tables | self.settings
        while name and name not in lines:
            name = name.rpartition(".")[0]
        return f"{self._file}:{lines[name]}" if name else str(self._file or "configuration")


def structure(body: dict[str, Any], places: Places, environment: Mapping[str, str]) -> Settings:
    """The settings that a parsed file says, defaults for the rest. Raises ConfigurationError with every fault."""
    faults = [(name, _unknown(name, TABLES)) for name in sorted(body.keys() - set(TABLES))]
    mcp = body.get("mcp", {})
    if not isinstance(mcp, dict) or mcp.keys() - {"servers"}:
        faults.append(("mcp", "must be written as [mcp.servers.NAME] tables"))
        mcp = {}
    for name, provider in _tables(body.get("providers")):
        if "type" not in provider:
            faults.append((f"providers.{name}", 'needs a type: "openai" or "anthropic"'))
            provider["type"] = "openai"
        provider.setdefault("base_url", DEFAULT_URLS.get(str(provider["type"]), ""))
    known = {name: body[name] for name in ("server", "record", "providers") if name in body}
    try:
        settings = _converter(environment).structure({**known, "mcp_servers": mcp.get("servers", {})}, Settings)
    except BaseValidationError as error:
        for line in transform_error(error, "", format_exception=_explain):
            faults += _named(line)
    if faults:
        raise ConfigurationError([f"{places.where(name)}: {name}: {fault}" for name, fault in faults])
    return settings


def _tables(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        yield from ((name, table) for name, table in value.items() if isinstance(table, dict))


def _converter(environment: Mapping[str, str]) -> Converter:
    """Takes each type as it is written and nothing that could be made into it: "8484" is no port, true is no number."""

    def keys(value: Any, _: Any) -> tuple[Secret, ...]:
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise TypeError('must be a list of strings such as ["env:OPENAI_API_KEY"]')
        return tuple(key for source in value for key in credentials.resolve(source, environment))

    def token(value: Any, _: Any) -> Secret:
        found = keys([value], _)
        if len(found) != 1:
            raise ValueError("must be one token")
        return found[0]

    converter = Converter(forbid_extra_keys=True)
    for kind, name in ((int, "a whole number"), (str, "a string"), (bool, "true or false")):
        converter.register_structure_hook(kind, _exactly(kind, name))
    converter.register_structure_hook_func(lambda kind: kind == tuple[Secret, ...], keys)
    converter.register_structure_hook(Secret, token)
    converter.register_structure_hook_func(lambda kind: kind == Path | None, _record_path)
    converter.register_structure_hook(Path, lambda value, _: _path(value) if value else ServerSettings().socket)
    converter.register_structure_hook_func(lambda kind: kind is Seconds, lambda value, _: parse_duration(value))
    return converter


def _exactly(kind: type, name: str) -> Callable[[Any, Any], Any]:
    def check(value: Any, _: Any) -> Any:
        if type(value) is not kind:
            raise TypeError(f"must be {name}, not {value!r}")
        return value

    return check


def _path(value: Any) -> Path:
    if not isinstance(value, str):
        raise TypeError(f"must be a path in quotes, not {value!r}")
    return Path(value).expanduser()


def _record_path(value: Any, _: Any) -> Path | None:
    if value == "off":
        return None
    return _path(value) if value else RecordSettings().path


def _explain(error: BaseException, kind: type | None) -> str:
    match error:
        case ForbiddenExtraKeysError():
            return "\n".join(_unknown(name, list(fields_dict(error.cl))) for name in sorted(error.extra_fields))
        case KeyError():
            return f"needs the setting {error.args[0]!r}"
        case TypeError() | ValueError():
            return str(error)
    return f"must be {kind}"


def _unknown(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"
    return f"unknown setting {name!r}; {hint}"


def _named(line: str) -> Iterator[tuple[str, str]]:
    """`message @ .providers['x'].keys` as (`providers.x.keys`, message)."""
    messages, _, path = line.rpartition(" @ ")
    name = re.sub(r"\['?([^'\]]*)'?\]", r".\1", path).strip(".").replace("mcp_servers", "mcp.servers")
    for message in messages.split("\n"):
        extra = re.match("unknown setting '([^']*)'", message)
        yield (f"{name}.{extra[1]}" if extra else name), message
