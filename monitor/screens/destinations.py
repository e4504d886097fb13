"""What commands may be about: sessions, models, clients, keys, themes, and the logs that lie at hand."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from monitor.lines import format as fmt
from monitor.lines import names
from monitor.state.state import MonitorState
from monitor.state.typed_command import Destination, Destinations
from monitor.styles import themes

LOOKED_AT, LOGS = 1_000, 20
"""How many files of a folder are looked at, and how many logs are offered."""


def destinations(state: MonitorState, places: Iterable[Path]) -> Destinations:
    """All of them, what came last first."""
    requests = list(reversed(state.picture.interceptions.values()))
    models = dict.fromkeys(request.started.model for request in requests if request.started.model)
    clients = dict.fromkeys(request.started.client for request in requests)
    return Destinations(
        {
            "sessions": [*reversed(list(_sessions(state))), *_gone(state)],
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
    for session in state.roster.sessions:
        name = state.roster.names[session.id]
        parts = [names.full(name), (session.session_id or "")[:8]]
        title = " · ".join(fmt.one_line(part) for part in parts if part)
        yield Destination(title, session.last.id, names.short(name))


def _gone(state: MonitorState) -> Iterator[Destination]:
    """Sessions that were named, and of which no request is known any more."""
    here = {session.id for session in state.roster.sessions}
    for id_, name in state.roster.names.items():
        if id_ not in here:
            yield Destination(names.full(name), "", names.short(name), is_gone=True)


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
