"""Keeps libraries from loading what we have no use for, since every start would wait for it.

What is left out is named beside the import that it is left out of. Whoever asks later for what was left out gets the
real thing, or is told that it is missing. Only what was imported inside an `unused` block keeps its stand-ins.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NoReturn, cast


@contextmanager
def without(*packages: str) -> Iterator[None]:
    """While the block runs these look as if they were not installed, to a library that can do without them.

    One that is loaded already stays: it costs nothing more.
    """
    hidden = [name for name in packages if name not in sys.modules]
    modules = cast("dict[str, ModuleType | None]", sys.modules)
    modules.update(dict.fromkeys(hidden))  # None: the import system's own word for "not to be imported"
    try:
        yield
    finally:
        for name in hidden:
            del modules[name]


@contextmanager
def without_init(*packages: str) -> Iterator[None]:
    """While the block runs modules of these packages can be imported, but the packages' own `__init__` does not run.

    Packages that are loaded already stay as they are. Raises ImportError where one is not installed.
    """
    bare = [name for name in packages if name not in sys.modules]
    try:
        for name in bare:
            spec = importlib.util.find_spec(name)
            if spec is None:
                raise ImportError(f"{name} is not installed; reinstall clearspan", name=name)
            sys.modules[name] = importlib.util.module_from_spec(spec)
        yield
    finally:
        for name in bare:
            sys.modules.pop(name, None)


@contextmanager
def unused(*modules: str) -> Iterator[None]:
    """While the block runs each of these modules is a stand-in whose every name is a class that nothing is an instance
    of. For libraries that import at the top what they use for things that this process never asks of them.

    Modules that are loaded already stay as they are. Calling such a class raises RuntimeError.
    """
    left_out = [name for name in modules if name not in sys.modules]
    sys.modules.update({name: _LeftOut(name) for name in left_out})
    try:
        yield
    finally:
        for name in left_out:
            del sys.modules[name]


class _LeftOut(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what the import system asks of a module
            raise AttributeError(name)

        def refuse(*_: Any, **__: Any) -> NoReturn:
            raise RuntimeError(f"{self.__name__}.{name} was left out; see where {unused.__module__} is used")

        stand_in = type(name, (), {"__new__": refuse})
        setattr(self, name, stand_in)  # the same one the next time
        return stand_in
