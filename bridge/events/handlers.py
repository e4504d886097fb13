"""Methods that each take one type of event.

`functools.singledispatchmethod` does this for subclasses too, and makes a new function for each call: 3 µs, where a
look into a dictionary takes 0.1. Events have no subclasses, and a request is told in a dozen of them, several times
over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from bridge.events.vocabulary import Event

Method = TypeVar("Method", bound=Callable[..., Any])


class Handlers(dict[type[Event], Callable[..., None]]):
    """By the type of event, what takes it in; made in the body of a class, whose methods it holds unbound."""

    def of(self, kind: type[Event]) -> Callable[[Method], Method]:
        """Marks the method for events of that type."""

        def mark(method: Method) -> Method:
            self[kind] = method
            return method

        return mark
