"""Files that appear whole or not at all, and that their owner alone can read."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import IO

from bridge.observe.dumps.names import UNFINISHED


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it that are missing, for their owner alone. Raises OSError."""
    missing = [place for place in (folder, *folder.parents) if not place.is_dir()]
    for place in reversed(missing):
        with contextlib.suppress(FileExistsError):  # another bridge was faster
            place.mkdir(mode=0o700)


def write_file(path: Path, head: bytes, body: IO[bytes]) -> int:
    """Writes a file and returns its size. Raises OSError, and leaves nothing behind then."""
    make_folder(path.parent)
    unfinished = path.with_name(path.name + UNFINISHED)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(unfinished, flags, 0o600), "wb") as file:  # noqa: PTH123  # a descriptor
        try:
            file.write(head)
            body.seek(0)
            shutil.copyfileobj(body, file)
            file.flush()
            unfinished.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                unfinished.unlink()
            raise
        return file.tell()
