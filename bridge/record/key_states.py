"""The health of keys as the record keeps it over restarts: read back, by a salt of this installation's own."""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from bridge.value_classes import frozen

SavedKeys = Mapping[str, Sequence[Mapping[str, Any]]]
"""States of keys by provider."""


@frozen
class KeyStates:
    """The states of a provider's keys that are not simply well, in the place of those saved before."""

    provider: str
    rows: Sequence[Mapping[str, Any]]


def salt(database: sqlite3.Connection) -> bytes:
    """This installation's own salt for fingerprints of keys, made on first use."""
    row = database.execute("SELECT salt FROM salts").fetchone()
    if row is not None:
        return bytes(row[0])
    made = secrets.token_bytes(32)
    database.execute("INSERT INTO salts (salt) VALUES (?)", (made,))
    return made


def saved_keys(database: sqlite3.Connection) -> dict[str, list[dict[str, Any]]]:
    """The states of keys by provider, for `KeyPool.restore_state`."""
    found: dict[str, list[dict[str, Any]]] = {}
    for provider, state in database.execute("SELECT provider, state FROM key_states"):
        with contextlib.suppress(orjson.JSONDecodeError):  # somebody wrote there; a key can be found out about again
            row = orjson.loads(state)
            if isinstance(row, dict):
                found.setdefault(provider, []).append(row)
    return found
