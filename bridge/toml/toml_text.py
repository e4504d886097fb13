"""TOML texts, for those who need a value or two of one; `bridge.toml.strict_toml` makes classes of them."""

from __future__ import annotations

import tomllib
from typing import Any


class NotToml(ValueError):
    """A text that is no TOML; its own text says why."""


def parse(text: str) -> dict[str, Any]:
    """The tables and values of a TOML text. Raises NotToml."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise NotToml("not valid TOML: nested too deep") from None
    except ValueError as error:  # TOMLDecodeError is one, a number of 5,000 digits another
        raise NotToml(f"not valid TOML: {error}") from None
