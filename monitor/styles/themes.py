"""The themes by name, and which one is chosen. `colours.py` beside this holds their colours.

Apart from Textual, which takes a while to load: the command line names the themes before anything is shown.
"""

from __future__ import annotations

from collections.abc import Mapping

NAMES = DARK, LIGHT, CONTRAST, MONO = ("dark", "light", "contrast", "mono")
"""In the order in which a key goes through them."""

VARIABLE = "CLEARSPAN_THEME"
NO_COLOR = "NO_COLOR"


class UnknownTheme(ValueError):
    """There is no theme of that name; its text says which there are."""


def chosen(option: str | None, environment: Mapping[str, str]) -> str:
    """The theme to begin with: the option's, CLEARSPAN_THEME's, none with NO_COLOR, else dark. Raises UnknownTheme."""
    name = option or environment.get(VARIABLE) or (MONO if environment.get(NO_COLOR) else DARK)
    if name not in NAMES:
        raise UnknownTheme(f"there is no theme {name!r}; there are {', '.join(NAMES)}")
    return name


def following(name: str) -> str:
    """The theme after that one."""
    return NAMES[(NAMES.index(name) + 1) % len(NAMES)] if name in NAMES else NAMES[0]
