"""A session's name as it is shown, the same everywhere: `Codex 2`, and where there is room what it was asked first."""

from __future__ import annotations

from monitor.lines import format as fmt
from monitor.state.names import Name, Roster

WORDS = 28
"""Cells for the first words."""

ROOMY = 24
"""Cells from which on a name says more than its number."""


def short(name: Name) -> str:
    """Codex 2."""
    return f"{fmt.one_line(name.client)} {name.number}"


def about(name: Name) -> str:
    """test_due_date fails on Fri…, or the end of the id."""
    return fmt.fit(fmt.one_line(name.words), WORDS).rstrip()


def full(name: Name) -> str:
    """Codex 2 · test_due_date fails on Fri…"""
    return f"{short(name)} · {about(name)}"


def called(roster: Roster, client: str, session_id: str, room: int) -> str:
    """The name of the session of that client and id, as much of it as there is room for.

    Of one that nothing else is known of, its client and the end of its id.
    """
    name = roster.called(client, session_id)
    if name is None:
        return f"{fmt.one_line(client)} · {fmt.one_line(session_id)[-4:]}"
    return full(name) if room >= ROOMY else short(name)
