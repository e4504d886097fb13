"""Turns the text of a configuration file into settings, or into messages that say what is wrong on which line."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs
from cattrs import BaseValidationError, Converter
from cattrs.errors import ForbiddenExtraKeysError

from bridge.config import key_sources
from bridge.config.settings import Settings
from bridge.config.tables import TABLES
from bridge.config.units import Seconds, Size, configured_duration, parse_size
from bridge.errors import ConfigurationError
from bridge.keys.secret import Secret
from bridge.providers.kinds import KINDS, KINDS_IN_WORDS
from bridge.toml import strict_toml, toml_text

PLACES_TO_BE_CHOSEN = (("server", "socket"), ("record", "path"))
"""Paths that may be written as "": then they are where they are by default."""


def parse(text: str, file: Path | None) -> dict[str, Any]:
    """The file as TOML. Raises ConfigurationError."""
    try:
        return toml_text.parse(text)
    except toml_text.NotToml as error:
        raise ConfigurationError([f"{file}: {error}"]) from None


class Places:
    """Finds the line a setting stands on, for messages. Knows tables and plain keys, which is how people write them."""

    def __init__(self, file: Path | None, text: str) -> None:
        self._file = file
        self.settings: dict[str, int] = {}
        self._tables: dict[str, int] = {}
        table = ""
        for number, line in enumerate(text.split("\n"), 1):
            if header := re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line):
                table = re.sub(r"\s*\.\s*", ".", header[1]).replace('"', "")
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


Resolve = Callable[[str], list[Secret]]
"""The keys that a source names; raises SourceError."""


class Faulty(ConfigurationError):
    """A file with faults, in the settings of these `names`. `rest` is what it says besides, which may have more."""

    def __init__(self, faults: list[str], names: frozenset[str], rest: Settings) -> None:
        super().__init__(faults)
        self.names = names
        self.rest = rest


def structure(body: dict[str, Any], places: Places, key: Resolve, token: Resolve) -> Settings:
    """The settings that a parsed file says, defaults for the rest. Raises Faulty with every fault of its values."""
    faults = [(name, _unknown(name, TABLES)) for name in sorted(body.keys() - set(TABLES))]
    known: dict[str, Any] = copy.deepcopy({name: body[name] for name in TABLES if name in body})
    faults += [
        (f"providers.{name}", f"needs a type: {KINDS_IN_WORDS}")
        for name, provider in _tables(known.get("providers"))
        if "type" not in provider
    ]
    for table, setting in PLACES_TO_BE_CHOSEN:
        part = known.get(table)
        if isinstance(part, dict) and part.get(setting) == "":
            del part[setting]
    settings, found = _structured(known, _converter(cache(key), cache(token)))
    if faults := [*faults, *found]:
        lines = [fault_line(places.where(name), name, fault) for name, fault in faults]
        raise Faulty(lines, frozenset(name for name, _ in faults), settings)
    return settings


def _structured(known: dict[str, Any], converter: Converter) -> tuple[Settings, list[tuple[str, str]]]:
    """The settings, and the faults of those that had to be left out of `known` for it."""
    faults: list[tuple[str, str]] = []
    while True:
        for _, provider in _tables(known.get("providers")):
            provider.setdefault("type", next(iter(KINDS)))
            kind = KINDS.get(str(provider["type"]))
            provider.setdefault("base_url", kind.default_url if kind else "")
        try:
            return converter.structure(known, Settings), faults
        except BaseValidationError as error:
            found = [pair for place, text in strict_toml.faults(error, _explain) for pair in _named(place, text)]
        faults += found
        left_out = [_leave_out(known, name.split(".")) for name, _ in found]
        if not any(left_out):
            known.clear()  # a name with a dot in it is found nowhere; what is left says no more of it


def _leave_out(known: dict[str, Any], name: Sequence[str]) -> bool:
    """Takes a faulty setting out, or the nearest around it that can be found by its name. False where there is none."""
    table = known
    for part, below in pairwise([*name, ""]):
        inner = table.get(part)
        if part == "type" or not isinstance(inner, dict) or below not in inner:
            if part == "type":  # whose default address would be another's
                table.pop("base_url", None)
            return table.pop(part, None) is not None
        table = inner
    return False


def fault_line(where: str, name: str, fault: str) -> str:
    """A fault on one line, whatever characters somebody put into the setting's name."""
    return f"{where}: {name}: {fault}" if name.isprintable() else f"{where}: {name!r}: {fault}"


def _tables(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        yield from ((name, table) for name, table in value.items() if isinstance(table, dict))


def _converter(resolve_key: Resolve, resolve_token: Resolve) -> Converter:
    def keys(value: Any, _: Any) -> tuple[Secret, ...]:
        if not isinstance(value, list) or not all(isinstance(source, str) for source in value):
            raise TypeError('must be a list of strings such as ["env:OPENAI_API_KEY"]')
        found: list[Secret] = []
        faults: list[str] = []
        for source in value:
            try:
                found += resolve_key(source)
            except key_sources.SourceError as error:
                faults.append(str(error))
        if faults:
            raise key_sources.SourceError("\n".join(faults))
        return tuple(found)

    def token(value: Any, _: Any) -> Secret:
        found = resolve_token(_exactly(str, value))
        if len(found) != 1:
            raise ValueError("must be one token")
        return found[0]

    converter = strict_toml.strict_converter(_exactly)
    converter.register_structure_hook_func(lambda kind: kind == tuple[Secret, ...], keys)
    converter.register_structure_hook(Secret, token)
    converter.register_structure_hook_func(lambda kind: kind == Path | None, lambda value, _: _path_or_none(value))
    converter.register_structure_hook(Path, lambda value, _: _path(value))
    converter.register_structure_hook_func(lambda kind: kind is Seconds, lambda value, _: configured_duration(value))
    converter.register_structure_hook_func(lambda kind: kind is Size, lambda value, _: parse_size(value))
    return converter


IN_WORDS: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "a table",
}


def _exactly(kind: type, value: Any) -> Any:
    """The value, if it is of that kind. What it is instead is told without it: it may be a key in the wrong place."""
    if type(value) is not kind:
        raise TypeError(f"must be {IN_WORDS[kind]}, not {IN_WORDS.get(type(value), 'a date or time')}")
    return value


def _path(value: Any) -> Path:
    text = _exactly(str, value)
    if not text or "\0" in text:
        raise ValueError("must be a path")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError("begins with the home directory of a user that does not exist") from None


def _path_or_none(value: Any) -> Path | None:
    return None if value in ("off", "") else _path(value)


def _explain(error: BaseException, kind: type | None) -> str:
    match error:
        case ForbiddenExtraKeysError():
            return "\n".join(_unknown(name, list(attrs.fields_dict(error.cl))) for name in sorted(error.extra_fields))
        case KeyError():
            return f"needs the setting {error.args[0]!r}"
        case TypeError() | ValueError():
            return str(error)
    return f"must be {kind}"


def _unknown(name: str, known: Sequence[str]) -> str:
    import difflib  # noqa: PLC0415  # takes its time to load, and is needed for mistakes only

    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"
    return f"unknown setting {name!r}; {hint}"


def _named(place: str, messages: str) -> Iterator[tuple[str, str]]:
    """The messages, one a line, about `.providers['x'].keys`, with the setting's name as `providers.x.keys`."""
    name = re.sub(r"""\[(['"]?)(.*?)\1\](?=[.\[]|$)""", r".\2", place).strip(".")
    for message in messages.split("\n"):
        extra = re.match("unknown setting '([^']*)'", message)
        yield (f"{name}.{extra[1]}" if extra else name), message
