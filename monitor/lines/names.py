"""A session's name as it is shown, the same everywhere: `Codex 2`, and where there is room what it was asked first."""

from __future__ import annotations

from monitor.lines import format as fmt
from monitor.state.names import Name

WORDS = 28
"""Cells for the first words."""


def short(name: Name) -> str:
    """Codex 2."""
    return f"{fmt.one_line(name.client)} {name.number}"


def about(name: Name) -> str:
    """test_due_date fails on Fri…, or the end of the id."""
    return fmt.fit(fmt.one_line(name.words), WORDS).rstrip()


def full(name: Name) -> str:
    """Codex 2 · test_due_date fails on Fri…"""
    return f"{short(name)} · {about(name)}"
