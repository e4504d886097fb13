"""Where the dumps of an interception lie below `record.dump_dir`, and what in there is a dump.

Models and paths are named by clients: in a file's name they hold neither slash nor `..`, and nothing that can't be
printed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from bridge.interception.routing import split
from bridge.value_classes import frozen

REQUEST, ANSWER, NO_ANSWER = "req", "resp", "req_error"
"""The kinds of file. `NO_ANSWER` stands in the place of an answer that did not come, and says why."""

PASSTHROUGH = "passthrough"
LONGEST_NAME = 120
"""Bytes of a model or a path in a name; file systems take 255 for all of it."""
UNFINISHED = ".part"
DUMP = re.compile(r"(\d{10,16})-.+\.(?:req|resp|req_error)\.txt(?:\.part)?")
NUMBERED = re.compile(r"(?:\.(\d+))?\.(req|resp|req_error)\.txt")


@frozen
class DumpName:
    """What the files of one interception are called."""

    folder: Path
    stem: str

    def path(self, number: int, kind: str) -> Path:
        """The file of an attempt, counted from 1."""
        return self.folder / f"{self.stem}{'' if number == 1 else f'.{number}'}.{kind}.txt"

    def existing(self) -> Iterator[Path]:
        """The files that are there, attempt by attempt, the request first."""
        found = []
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            rest = NUMBERED.fullmatch(path.name.removeprefix(self.stem)) if path.name.startswith(self.stem) else None
            if rest is not None:
                found.append((int(rest[1] or 1), rest[2] != REQUEST, path))
        yield from (path for *_, path in sorted(found))


def dump_name(root: Path, *, id: str, provider: str, api: str, model: str | None, path: str, at: datetime) -> DumpName:  # noqa: A002  # its name everywhere
    """What the dumps of an interception that began `at` are called.

    Of one that was passed through the name says the path, and four random characters: those that its id begins with.
    """
    began = round(at.timestamp() * 1000)
    if api != PASSTHROUGH:
        return DumpName(root / provider / (_harmless(model or "") or "unknown"), f"{began}-{id}")
    below = split(path)[1].strip("/")
    below = "-".join(part for part in below.removeprefix("v1/").split("/") if part)
    return DumpName(root / provider / PASSTHROUGH, f"{began}-{_harmless(below)}-{id[:4]}")


def _harmless(name: str) -> str:
    """The name with nothing in it that leads elsewhere, or that a terminal would act on."""
    plain = "".join(character if character.isprintable() and character != "/" else "_" for character in name)
    plain = plain.replace("..", "__")
    cut = plain.encode("utf-8", "replace")[:LONGEST_NAME].decode("utf-8", "ignore")
    return "_" if cut == "." else cut
