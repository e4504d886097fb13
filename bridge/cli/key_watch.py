"""`clearspan keys --watch`: the table of keys, again whenever one of them changes, and each second while one cools."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
from attrs import evolve

from bridge.cli.key_tables import watched_lines
from bridge.cli.paper import Paper, plain
from bridge.events.client import watch
from bridge.events.key_health import ready_at
from bridge.events.picture import Picture
from bridge.events.wire import Envelope, Snapshot

TYPES = ("key.changed", "key.moved", "pool.changed", "circuit.changed")

SECOND = 1.0

CLEAR, HOME, END_OF_LINE, END_OF_SCREEN = "\x1b[2J", "\x1b[H", "\x1b[K", "\x1b[J"


def watch_keys(socket: Path, on: Paper) -> None:
    """Shows it until the bridge stops, or until interrupted. Raises NoBridge where there is none."""
    picture: Picture | None = None
    if on.moves:
        click.echo(CLEAR, nl=False, color=True)
    for message in watch(socket, TYPES, SECOND):
        if isinstance(message, Snapshot):
            picture = message.picture()
        elif isinstance(message, Envelope) and picture is not None:
            picture.apply(message.event, message.at)
        elif message is not None or not on.is_terminal:
            continue
        if picture is None or (message is None and not _is_cooling(picture)):
            continue
        _show(picture, on)


def _is_cooling(picture: Picture) -> bool:
    now = datetime.now(UTC)
    return any(ready_at(key, now) is not None for key in picture.keys.values())


def _show(picture: Picture, on: Paper) -> None:
    """Over what was shown before on a terminal that knows how, else below it."""
    now = datetime.now(UTC)
    lines = watched_lines(Snapshot.of(picture, 0, now), on if on.moves else evolve(on, height=None), now)
    if not on.moves:
        on.put([*lines, ""])
        return
    if on.ascii_only:
        lines = [plain(line) for line in lines]
    click.echo(HOME + "".join(f"{line}{END_OF_LINE}\n" for line in lines) + END_OF_SCREEN, nl=False, color=True)
