"""With which key each agent of a session was served, as the record keeps it over restarts: salted hashes alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from bridge.limits import LIMITS

SavedHomes = Mapping[str, Sequence[Mapping[str, Any]]]
"""Homes by provider, those that were saved longest ago first."""

SAVE = "INSERT OR REPLACE INTO homes (provider, name, fingerprint, saved_at) VALUES (?, ?, ?, ?)"

FORGET = """
    DELETE FROM homes WHERE saved_at < (SELECT saved_at FROM homes ORDER BY saved_at DESC LIMIT 1 OFFSET ?)
"""


def statements(provider: str, rows: Sequence[Mapping[str, Any]], saved_at: str) -> list[tuple[str, tuple[Any, ...]]]:
    """What writes these homes."""
    return [(SAVE, (provider, row["name"], row["fingerprint"], saved_at)) for row in rows]


def saved_homes(database: sqlite3.Connection) -> dict[str, list[dict[str, Any]]]:
    """Homes by provider, for `Residence.restore`; forgets those that are more than anybody would take up."""
    database.execute(FORGET, (LIMITS.homes,))
    found: dict[str, list[dict[str, Any]]] = {}
    rows = database.execute("SELECT provider, name, fingerprint FROM homes ORDER BY saved_at")
    for provider, name, fingerprint in rows:
        found.setdefault(provider, []).append({"name": name, "fingerprint": fingerprint})
    return found
