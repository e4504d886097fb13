"""An API key that can't be shown by accident: who prints, formats or pickles it gets the masked hint or nothing.

The value leaves through `reveal()` alone, so that a search for that word finds every place where a key is in the
open.
"""

from __future__ import annotations

import hmac
from typing import NoReturn, final

BLANKS = " \t\r\n\v\f"


def hint(value: str) -> str:
    """The masked form of a key: 4+4 characters from 20 on, 2+2 from 10, 1+1 from 5, else none."""
    shown = 4 if len(value) >= 20 else 2 if len(value) >= 10 else 1 if len(value) >= 5 else 0
    return f"{value[:shown]}...{value[-shown:]}" if shown else "..."


@final
class Secret:
    """One API key, immutable.

    Not an attrs class: `attrs.asdict` and cattrs would lay the value open. Equality takes the same time wherever
    two keys differ. Raises ValueError, whose text never holds the value, unless that is all `[\\x21-\\x7e]`.
    """

    __slots__ = ("__value", "hint")

    hint: str  # what people may see of it
    __value: str

    def __init__(self, value: str) -> None:
        fault = _fault(value)
        if fault is not None:
            raise ValueError(fault)
        object.__setattr__(self, "_Secret__value", value)
        object.__setattr__(self, "hint", hint(value))

    def reveal(self) -> str:
        """The key itself, for the one header it belongs in."""
        return self.__value

    def __repr__(self) -> str:
        return f"Secret({self.hint})"

    def __str__(self) -> str:
        return self.hint

    def __format__(self, spec: str) -> str:
        return format(self.hint, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.reveal().encode(), other.reveal().encode())

    def __hash__(self) -> int:
        return hash((Secret, self.reveal()))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Secret can't be changed ({name})")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Secret can't be changed ({name})")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a Secret can't be pickled ({self.hint})")


def _fault(value: str) -> str | None:
    if not value:
        return "the key is empty"
    for position, character in enumerate(value, start=1):
        if character in BLANKS:
            return f"the key has whitespace at position {position} of {len(value)}"
        if character < "\x20" or character == "\x7f":
            return f"the key has a control character at position {position} of {len(value)}"
        if character > "\x7e":
            return f"the key has a non-ASCII character at position {position} of {len(value)}"
    return None
