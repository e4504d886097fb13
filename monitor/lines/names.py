"""A session's name as it is shown, the same everywhere: `Codex 2`, and where there is room what it was asked first."""

from __future__ import annotations

from rich.cells import cell_len

from monitor.lines import format as fmt
from monitor.state.names import Name, Roster

WORDS = 28
"""Cells for the first words."""

ROOMY = 24
"""Cells from which on a name says more than its number."""


def short(name: Name) -> str:
    """Codex 2."""
    return f"{fmt.one_line(name.client)} {name.number}"


def within(name: Name, width: int) -> str:
    """Codex 2 in so many cells; where it has to be cut, the number stays: Claud… 12."""
    return client(name.client, f" {name.number}", width)


def client(name: str, tail: str, width: int) -> str:
    """A client and what stands behind it, which is never cut."""
    whole = fmt.one_line(name)
    room = max(2, width - len(tail))
    return (whole if cell_len(whole) <= room else fmt.fit(whole, room)) + tail


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
