"""`define` and `frozen` of attrs, with one comparison, one hash and one text for all classes.

attrs writes these methods for each class and compiles them, which was a seventh of a start: the bridge has more than
160 classes. Here they go by the class's fields instead. What a class brings itself stays, and one that asks for more
than the usual (an order, say, or no text) is left to attrs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

import attrs

__all__ = ["define", "frozen", "reading"]


def _equal(self: Any, other: Any) -> Any:
    """Whether both are of one class and their fields are equal."""
    kind: Any = self.__class__
    if other.__class__ is not kind:
        return NotImplemented
    compared = _compared(kind)
    return bool(compared(self) == compared(other))


def _hash(self: Any) -> int:
    kind: Any = self.__class__
    return hash((kind, _hashed(kind)(self)))


@recursive_repr()
def _text(self: Any) -> str:
    shown = ", ".join(
        f"{field.name}={(repr if field.repr is True else field.repr)(getattr(self, field.name, attrs.NOTHING))}"
        for field in attrs.fields(self.__class__)
        if field.repr
    )
    return f"{self.__class__.__qualname__.rpartition('>.')[2]}({shown})"


@cache
def _compared(kind: Any) -> Callable[[Any], Any]:
    """Reads what is compared of an instance."""
    fields = [field for field in attrs.fields(kind) if field.eq]
    if any(field.eq_key for field in fields):
        return lambda it: [(field.eq_key or _itself)(getattr(it, field.name)) for field in fields]
    return reading([field.name for field in fields])


@cache
def _hashed(kind: Any) -> Callable[[Any], Any]:
    """Reads what an instance's hash is made of."""
    return reading([field.name for field in attrs.fields(kind) if (field.eq if field.hash is None else field.hash)])


def reading(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Reads these values of an instance at one go: a tuple, however few they are."""
    return attrgetter(*names) if len(names) > 1 else lambda it: tuple([getattr(it, name) for name in names])


def _itself(value: Any) -> Any:
    return value


if TYPE_CHECKING:
    from attrs import define, frozen
else:

    def define(cls: type | None = None, **options: Any) -> Any:
        """attrs.define."""
        return _made(attrs.define, cls, options, None)

    def frozen(cls: type | None = None, **options: Any) -> Any:
        """attrs.frozen."""
        return _made(attrs.frozen, cls, options, _hash)


def _made(make: Callable[..., Any], cls: Any, options: dict[str, Any], hashing: Callable[[Any], int] | None) -> Any:
    if cls is None:
        return lambda cls: _made(make, cls, options, hashing)
    if options.keys() - {"eq"} or issubclass(cls, BaseException):
        return make(cls, **options)
    own = cls.__dict__
    if options.get("eq", True) and "__eq__" not in own:
        cls.__eq__ = _equal
        if "__hash__" not in own:
            cls.__hash__ = hashing
    if "__repr__" not in own:
        cls.__repr__ = _text
    return make(cls, eq=False, repr=False)
