"""`clearspan monitor`: the dashboard on a bridge, on a recorded log or on the record, in this terminal or as a page."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from attrs import evolve

from bridge.cli.paper import Paper, paper
from bridge.config.load import Loaded
from bridge.errors import ConfigurationError
from bridge.events.client import subscription
from bridge.events.describe import CONTINUED
from bridge.events.lines import EventLines
from bridge.events.wire import decode

NEWEST = 2_000
"""How many interceptions of a record are played."""


def watch(
    loaded: Loaded,
    *,
    replay: Path | None,
    speed: float,
    theme: str | None,
    web_port: int | None,
    plain: bool = False,
) -> int:
    """Shows it until a person quits; the exit code. Raises ConfigurationError for what can't be shown.

    A terminal that can't be drawn on gets lines, as `plain` asks for everywhere.
    """
    from monitor.command import MonitorError, MonitorOptions, show
    from monitor.options import has_terminal
    from monitor.web.server import serve

    settings = loaded.settings
    with _log(replay) as log:
        options = MonitorOptions(
            settings.server.socket, log, speed, theme, config=loaded.file, data_dir=loaded.explicit_data_dir
        )
        try:
            if web_port is not None:
                return serve(options, web_port)
            on = paper()
            if plain or (on.is_terminal and (on.ascii_only or not on.moves)):
                return _print_lines(settings.server.socket, log, evolve(on, ascii_only=True, colours=False))
            if not has_terminal():
                raise ConfigurationError(["the monitor needs a terminal; `clearspan tail` prints events as lines"])
            return show(options)
        except MonitorError as error:
            raise ConfigurationError([str(error)]) from None


def _print_lines(socket: Path, log: Path | None, on: Paper) -> int:
    """What happens, or what a log tells, a line each."""
    shown = EventLines()
    with log.open("rb") if log is not None else subscription(socket) as lines:
        for line in lines:
            on.put_folded(shown.of(decode(line)), CONTINUED)
    return 0


@contextmanager
def _log(path: Path | None) -> Iterator[Path | None]:
    """The log to play: the file itself, or a record's events in a file that is gone afterwards."""
    if path is None or not _is_record(path):
        yield path
        return
    from bridge.record.database import open_for_reading
    from bridge.record.event_log import event_lines

    with tempfile.TemporaryDirectory(prefix="clearspan-replay-") as place:
        log = Path(place) / path.with_suffix(".jsonl").name
        with closing(open_for_reading(path)) as database:
            log.write_bytes(b"".join(event_lines(database, NEWEST)))
        yield log


def _is_record(path: Path) -> bool:
    from monitor.sources.event_log import RECORD_BEGINS

    try:
        with path.open("rb") as file:
            return file.read(len(RECORD_BEGINS)) == RECORD_BEGINS
    except OSError:
        return False  # the monitor says what is wrong with it
