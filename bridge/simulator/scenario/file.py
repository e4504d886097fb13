"""Scenarios as TOML files: read strictly, with an error that says where the fault is and how to mend it.

`everyday.toml`, which serves where no file is given, shows the whole format.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import GenericAlias
from typing import Any, TypeVar, get_args, get_origin

import attrs
from cattrs import BaseValidationError, Converter, ForbiddenExtraKeysError, transform_error
from cattrs.gen import make_dict_structure_fn

from bridge.simulator.answers import Commentary, HiddenThought, Part, Place, Text, Thought, ToolCall
from bridge.simulator.fates import Fate, parse_fates
from bridge.simulator.scenario.scenario import Scenario

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
    """The scenario that serves where none is given: every kind of answer, every key good."""
    name = "everyday.toml"
    return parse_scenario(files(__package__).joinpath(name).read_text(encoding="utf-8"), name)


def parse(text: str, source: str, kind: type[T]) -> T:
    """Any of the classes of a scenario from a TOML text. Raises ScenarioError."""
    try:
        return _converter.structure(tomllib.loads(text), kind)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{source}: not valid TOML: {error}") from error
    except (BaseValidationError, ValueError) as error:
        raise ScenarioError("\n".join(_faults(error, source))) from error


def _faults(error: Exception, source: str) -> list[str]:
    """One line a fault: file, place in it, what is wrong."""
    lines = []
    for line in transform_error(error, "", _words):
        fault, _, place = line.rpartition(" @ ")
        lines.append(f"{source}: {place.lstrip('.')}: {fault}" if place else f"{source}: {fault}")
    return lines


def _words(error: BaseException, _kind: type | None) -> str:
    match error:
        case ForbiddenExtraKeysError(extra_fields=extra, cl=kind):
            known = ", ".join(one.name for one in attrs.fields(kind))
            return f"unknown setting {', '.join(sorted(map(repr, extra)))}; here may stand: {known}"
        case KeyError(args=(name,)):
            return f"'{name}' is missing"
        case _:
            return str(error)


def _exactly(kind: type[T], words: str, value: Any) -> T:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"should be {words}, not {value!r}")
    return value


def _number(value: Any, _: type) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"should be a number, not {value!r}")
    return float(value)


def _place(value: Any, _: Any) -> Place:
    if isinstance(value, bool) or not isinstance(value, int | str) or value == -1:
        raise TypeError(f"should be a number of events or an event's name, not {value!r}")
    return value


def _pattern(value: Any, _: type) -> re.Pattern[str]:
    try:
        return re.compile(_exactly(str, "a regular expression", value))
    except re.error as error:
        raise ValueError(f"{value!r} is no regular expression: {error}") from error


def _fates(value: Any, _: type) -> tuple[Fate, ...]:
    words = _exactly(list, "a list of fates", value)
    return tuple(fate for word in words for fate in parse_fates(_exactly(str, "a fate in quotes", word)))


def _part(value: Any, _: Any) -> Part:
    match _exactly(dict, "a table", value):
        case {"thought": str(text), **rest} if not rest:
            return Thought(text)
        case {"hidden": int(length), **rest} if not rest:
            return HiddenThought(length)
        case {"omitted": int(length), **rest} if not rest:
            return HiddenThought(length, omitted=True)
        case {"commentary": str(text), **rest} if not rest:
            return Commentary(text)
        case {"text": str(text), **rest} if not rest:
            return Text(text)
        case {"call": str(tool), "arguments": (dict() | str()) as arguments, **rest} if not rest:
            return ToolCall(tool, arguments)
    raise ValueError(
        "a part is one of { thought = TEXT }, { hidden = LENGTH }, { omitted = LENGTH }, { commentary = TEXT }, "
        f"{{ text = TEXT }}, {{ call = TOOL, arguments = TABLE or TEXT }}; this has {', '.join(value) or 'nothing'}"
    )


def _is_row(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _make_converter() -> Converter:
    converter = Converter(forbid_extra_keys=True)
    converter.register_structure_hook(str, lambda value, _: _exactly(str, "a text in quotes", value))
    converter.register_structure_hook(int, lambda value, _: _exactly(int, "a whole number", value))
    converter.register_structure_hook(bool, lambda value, _: _exactly(bool, "true or false", value))
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook_func(lambda kind: kind == re.Pattern[str], _pattern)
    converter.register_structure_hook_func(lambda kind: kind == Place, _place)
    converter.register_structure_hook_func(lambda kind: kind == Part, _part)

    @converter.register_structure_hook_factory(attrs.has)
    def table(kind: type[attrs.AttrsInstance]) -> Callable[[Any, Any], Any]:
        structure = make_dict_structure_fn(kind, converter, _cattrs_forbid_extra_keys=True)
        return lambda value, asked: structure(_exactly(dict, "a table", value), asked)

    @converter.register_structure_hook_factory(_is_row)
    def row(kind: Any) -> Callable[[Any, Any], Any]:
        if kind == tuple[Fate, ...]:
            return _fates
        items: Any = GenericAlias(list, get_args(kind)[:1])
        return lambda value, _: tuple(converter.structure(_exactly(list, "a list", value), items))

    return converter


_converter = _make_converter()
