"""What commands may be about: sessions, models, clients, keys, themes, and the logs that lie at hand."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from monitor.lines import format as fmt
from monitor.state import sessions
from monitor.state.state import MonitorState
from monitor.state.typed_command import Destination, Destinations
from monitor.styles import themes

PROMPT = 28
"""Cells of a session's first prompt."""

LOOKED_AT, LOGS = 1_000, 20
"""How many files of a folder are looked at, and how many logs are offered."""


def destinations(state: MonitorState, places: Iterable[Path]) -> Destinations:
    """All of them, what came last first."""
    requests = list(reversed(state.picture.interceptions.values()))
    models = dict.fromkeys(request.started.model for request in requests if request.started.model)
    clients = dict.fromkeys(request.started.client for request in requests)
    return Destinations(
        {
            "sessions": list(reversed(list(_sessions(state)))),
            "models": [Destination(fmt.one_line(model), model) for model in models],
            "clients": [Destination(fmt.one_line(client), client) for client in clients],
            "keys": [
                Destination(f"{fmt.one_line(provider)} {fmt.one_line(key)}", f"{provider} {key}")
                for provider, key in state.picture.keys
            ],
            "themes": [Destination(name, name) for name in themes.NAMES],
            "replays": list(_logs(places)),
        }
    )


def _sessions(state: MonitorState) -> Iterator[Destination]:
    """Each by its client, its number among that one's, and its first words; found again by its last request."""
    count: Counter[str] = Counter()
    for session in sessions.sessions(state.picture):
        count[session.client] += 1
        prompt = next((request.prompt for request in session.requests if request.prompt), None)
        words = fmt.crop(" ".join(fmt.one_line(prompt, default="").split()), PROMPT)
        parts = [f"{fmt.one_line(session.client)} {count[session.client]}", words, (session.session_id or "")[:8]]
        yield Destination(" · ".join(fmt.one_line(part) for part in parts if part), session.last.id)


def _logs(places: Iterable[Path]) -> Iterator[Destination]:
    """Files that are logs by their names, the latest first."""
    found: dict[str, float] = {}
    for place in places:
        with suppress(OSError), os.scandir(place) as entries:
            for entry in islice(entries, LOOKED_AT):
                if entry.name.endswith(".jsonl") and entry.is_file():
                    found[entry.path] = entry.stat().st_mtime
    latest = sorted(found, key=lambda path: -found[path])[:LOGS]
    yield from (Destination(fmt.one_line(Path(path).name), path) for path in latest)
