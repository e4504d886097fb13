"""TOML read strictly into frozen attrs classes: for configuration files, and for the simulator's scenarios.

Each value is taken as it is written, and nothing that could be made into it: "8484" is no port, true is no number. What
is not known is a fault. Who reads a format brings the words in which faults are told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, get_origin

import attrs
from cattrs import Converter, transform_error
from cattrs.cols import homogenous_tuple_structure_factory, mapping_structure_factory
from cattrs.gen import make_dict_structure_fn

Exactly = Callable[[type, Any], Any]
"""Gives back a value of that kind; raises TypeError, with words for it, for one of any other."""

Explain = Callable[[BaseException, type | None], str]
"""The words for what went wrong with a value of that kind."""


def strict_converter(exactly: Exactly) -> Converter:
    """Structures attrs classes, `dict[str, ...]` and `tuple[..., ...]` of strings, whole numbers and booleans.

    Hooks for further kinds of values are registered on it afterwards, and go before its own.
    """
    converter = Converter()
    for kind in (int, str, bool):
        converter.register_structure_hook(kind, lambda value, kind: exactly(kind, value))

    @converter.register_structure_hook_factory(attrs.has)
    def table(kind: type[attrs.AttrsInstance]) -> Callable[[Any, Any], Any]:
        structure = make_dict_structure_fn(kind, converter, _cattrs_forbid_extra_keys=True)
        return lambda value, kind: structure(exactly(dict, value), kind)

    @converter.register_structure_hook_factory(_is_mapping)
    def mapping(kind: Any) -> Callable[[Any, Any], Any]:
        structure = mapping_structure_factory(kind, converter)
        return lambda value, kind: structure(exactly(dict, value), kind)

    @converter.register_structure_hook_factory(_is_array)
    def array(kind: Any) -> Callable[[Any, Any], Any]:
        structure = homogenous_tuple_structure_factory(kind, converter)
        return lambda value, kind: structure(exactly(list, value), kind)

    return converter


def faults(error: Exception, explain: Explain) -> Iterator[tuple[str, str]]:
    """Each fault in what a converter raised: its place, such as `.providers['x'].keys`, and what is wrong there."""
    for line in transform_error(error, "", format_exception=explain):
        fault, _, place = line.rpartition(" @ ")
        yield place, fault


def _is_mapping(kind: Any) -> bool:
    return get_origin(kind) is dict


def _is_array(kind: Any) -> bool:
    return get_origin(kind) is tuple
