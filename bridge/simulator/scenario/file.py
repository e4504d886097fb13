"""Scenarios as TOML files: read strictly, with an error that says where the fault is and how to mend it.

`everyday.toml`, which serves where no file is given, shows the whole format.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import attrs
from cattrs import BaseValidationError, Converter, ForbiddenExtraKeysError

from bridge.simulator.answers import Commentary, HiddenThought, Part, ScriptedThought, StreamPlace, Text, ToolCall
from bridge.simulator.fates import Fate, parse_fates
from bridge.simulator.scenario.scenario import Scenario
from bridge.toml import strict_toml, toml_text

T = TypeVar("T")


class ScenarioError(ValueError):
    """A scenario that can't be played. Its text names the file, the place in it and the remedy."""


def load_scenario(path: Path) -> Scenario:
    """The scenario in a file. Raises ScenarioError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: can't be read: {getattr(error, 'strerror', None) or error}") from error
    return parse_scenario(text, str(path))


def parse_scenario(text: str, source: str) -> Scenario:
    """The scenario in a TOML text; `source` is what errors call it."""
    return parse(text, source, Scenario)


@cache
def everyday() -> Scenario:
    """Every kind of answer to what clients ask, every key good."""
    return _packaged("everyday.toml")


@cache
def usual() -> Scenario:
    """The scenario that serves where none is given: the everyday one, in which answers that call a bridge's own tools
    can be named."""
    return attrs.evolve(everyday(), answers={**_packaged("injected.toml").answers, **everyday().answers})


def _packaged(name: str) -> Scenario:
    return parse_scenario(files(__package__).joinpath(name).read_text(encoding="utf-8"), name)


def parse(text: str, source: str, kind: type[T]) -> T:
    """Any of the classes of a scenario from a TOML text. Raises ScenarioError."""
    try:
        return _converter.structure(toml_text.parse(text), kind)
    except toml_text.NotToml as error:
        raise ScenarioError(f"{source}: {error}") from error
    except (BaseValidationError, ValueError) as error:
        raise ScenarioError("\n".join(_faults(error, source))) from error


def _faults(error: Exception, source: str) -> list[str]:
    """One line a fault: file, place in it, what is wrong."""
    return [
        f"{source}: {place.lstrip('.')}: {fault}" if place else f"{source}: {fault}"
        for place, fault in strict_toml.faults(error, _words)
    ]


def _words(error: BaseException, _kind: type | None) -> str:
    match error:
        case ForbiddenExtraKeysError(extra_fields=extra, cl=kind):
            known = ", ".join(field.name for field in attrs.fields(kind))
            return f"unknown setting {', '.join(sorted(map(repr, extra)))}; here may stand: {known}"
        case KeyError(args=(name,)):
            return f"'{name}' is missing"
        case _:
            return str(error)


_KINDS: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    str: "a text in quotes",
    list: "a list",
    dict: "a table",
}


def _exactly(kind: type[T], value: Any, words: str | None = None) -> T:
    if type(value) is not kind:
        raise TypeError(f"should be {words or _KINDS[kind]}, not {value!r}")
    return value


def _number(value: Any, _: type) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"should be a number, not {value!r}")
    return float(value)


def _place(value: Any, _: Any) -> StreamPlace:
    if isinstance(value, bool) or not isinstance(value, int | str) or value == -1:
        raise TypeError(f"should be a number of events or an event's name, not {value!r}")
    return value


def _pattern(value: Any, _: type) -> re.Pattern[str]:
    try:
        return re.compile(_exactly(str, value, "a regular expression"))
    except re.error as error:
        raise ValueError(f"{value!r} is no regular expression: {error}") from error


def _fates(value: Any, _: type) -> tuple[Fate, ...]:
    words = _exactly(list, value, "a list of fates")
    return tuple(fate for word in words for fate in parse_fates(_exactly(str, word, "a fate in quotes")))


def _part(value: Any, _: Any) -> Part:
    match _exactly(dict, value):
        case {"thought": str(text), **rest} if not rest:
            return ScriptedThought(text)
        case {"hidden": int(length), **rest} if not rest:
            return HiddenThought(length)
        case {"omitted": int(length), **rest} if not rest:
            return HiddenThought(length, omitted=True)
        case {"commentary": str(text), **rest} if not rest:
            return Commentary(text)
        case {"text": str(text), **rest} if not rest:
            return Text(text)
        case {"call": str(tool), **rest} if (call := _call(tool, rest)) is not None:
            return call
    raise ValueError(
        "a part is one of { thought = TEXT }, { hidden = LENGTH }, { omitted = LENGTH }, { commentary = TEXT }, "
        "{ text = TEXT }, { call = TOOL, arguments = TABLE or TEXT }, { call = TOOL, broken = TEXT }; "
        f"this has {', '.join(value) or 'nothing'}"
    )


def _call(tool: str, rest: dict[str, Any]) -> ToolCall | None:
    match rest:
        case {"arguments": (dict() | str()) as arguments, **more} if not more:
            return ToolCall(tool, arguments)
        case {"broken": str(text), **more} if not more:
            return ToolCall(tool, {}, broken=text)
    return None


def _make_converter() -> Converter:
    converter = strict_toml.strict_converter(_exactly)
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook_func(lambda kind: kind == re.Pattern[str], _pattern)
    converter.register_structure_hook_func(lambda kind: kind == StreamPlace, _place)
    converter.register_structure_hook_func(lambda kind: kind == Part, _part)
    converter.register_structure_hook_func(lambda kind: kind == tuple[Fate, ...], _fates)
    return converter


_converter = _make_converter()
