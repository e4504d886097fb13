"""How `clearspan show --raw` prints what went over the wire: the dumps of one interception, attempt by attempt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bridge.cli.tables import RecordRow
from bridge.config.settings import RecordSettings
from bridge.errors import ClearspanError
from bridge.events.times import parse_time
from bridge.observe.dumps.names import dump_name

PIECE = 256 * 1024


class NoDump(ClearspanError):
    """There is no dump to show."""


def raw_dump(settings: RecordSettings, story: RecordRow) -> Iterator[bytes]:
    """The files of an interception of the record, each under its name. Raises NoDump where there are none."""
    if settings.dump_dir is None:
        raise NoDump("there are no dumps; with record.dump_dir set, requests and answers are kept as they were sent")
    began = parse_time(story["started_at"])
    if began is None:
        raise NoDump(f"no dump of {story['id']} can be found: the record does not say when it began")
    names = {name: story[name] for name in ("id", "provider", "api", "model", "path")}
    name = dump_name(settings.dump_dir, **names, at=began)
    found = list(name.existing())
    if not found:
        raise NoDump(f"no dump of {story['id']} lies in {name.folder}; it was made before dumps were, or is pruned")
    for number, path in enumerate(found):
        yield b"%s==> %s <==\n" % (b"\n" if number else b"", bytes(path))
        yield from _pieces(path)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece
