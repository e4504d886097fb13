"""Which dumps go: those that are too old, and the oldest while all together take too much.

What lies there is looked through at the start and every few seconds, since others may write there too, or take away;
what this bridge writes in between is counted as it is written. Nothing is touched but files that are named as dumps
are, two folders deep, and folders that are empty then.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from attrs import field

from bridge.limits import LIMITS
from bridge.observe.dumps.names import DUMP
from bridge.value_classes import frozen

LOOK_S = 5.0
"""Between two looks; more where a look takes long."""
SHARE = 20
"""A look is taken after at least so many times as long as the last one took."""


@frozen(order=True)
class Lying:
    """A dump that is there. `since` is the earlier of what its name and its time say, in seconds of the wall clock."""

    since: float
    path: Path
    size: int = field(order=False)


class DumpPruning:
    """The dumps of one folder, the oldest first. `keep` is in seconds, `most` in bytes."""

    def __init__(self, root: Path, keep: float, most: int) -> None:
        self._root = root
        self._keep = keep
        self._most = most
        self._lying: list[Lying] = []  # the oldest last, where they are taken away
        self._written: list[Lying] = []
        self._size = 0
        self._next_look = 0.0

    def wrote(self, path: Path, size: int, wall: float) -> None:
        """A dump was written."""
        self._written.append(Lying(_since(path.name, wall), path, size))
        self._size += size

    def is_due(self, now: float) -> bool:
        """Whether there is something to do."""
        return self._is_over or now >= self._next_look

    def step(self, now: float, wall: float) -> None:
        """Removes what has to go. `now` is the time of a clock that never jumps, `wall` that of people.

        Raises OSError where a folder can't be read, or a file can't be removed.
        """
        if now >= self._next_look:
            self._next_look = now + LOOK_S  # also where it fails
            self._look()
        elif self._is_over:
            self._sort()
        while self._lying and (self._is_over or wall - self._lying[-1].since > self._keep):
            self._remove(self._lying.pop())

    def took(self, began: float, ended: float) -> float:
        """A step took that long. Returns when it is time for the next look."""
        self._next_look = max(self._next_look, ended + SHARE * (ended - began))
        return self._next_look

    @property
    def _is_over(self) -> bool:
        return (self._size > self._most and self._size > 0) or self._count > LIMITS.dump_files

    @property
    def _count(self) -> int:
        return len(self._lying) + len(self._written)

    def _look(self) -> None:
        self._lying = list(_dumps(self._root))
        self._written = []
        self._lying.sort(reverse=True)
        self._size = sum(dump.size for dump in self._lying)

    def _sort(self) -> None:
        self._lying = sorted([*self._lying, *self._written], reverse=True)
        self._written = []

    def _remove(self, dump: Lying) -> None:
        self._size -= dump.size
        with contextlib.suppress(FileNotFoundError):  # somebody else has done so
            dump.path.unlink()
        with contextlib.suppress(OSError):  # others are in there
            dump.path.parent.rmdir()


def _dumps(root: Path) -> Iterator[Lying]:
    for provider in _folders(root):
        for model in _folders(Path(provider.path)):
            with contextlib.suppress(FileNotFoundError), os.scandir(model.path) as entries:
                for entry in entries:
                    if DUMP.fullmatch(entry.name) is None or not entry.is_file(follow_symlinks=False):
                        continue
                    status = entry.stat(follow_symlinks=False)
                    yield Lying(_since(entry.name, status.st_mtime), Path(entry.path), status.st_size)


def _folders(folder: Path) -> Iterator[os.DirEntry[str]]:
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        yield from (entry for entry in entries if entry.is_dir(follow_symlinks=False))


def _since(name: str, changed: float) -> float:
    found = DUMP.fullmatch(name)
    return changed if found is None else min(changed, int(found[1]) / 1000)
