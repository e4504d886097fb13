"""The Codex CLI for tests: installed once from npm, outside the repository, always in the same version."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VERSION = "0.169.0"
INSTALL_S = 300
PLACE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clearspan-tests"


class NotInstallable(Exception):
    """It cannot be had here; the text says why."""


def codex() -> Path:
    """The command, installed if it is not yet. Raises NotInstallable."""
    folder = PLACE / f"codex-{VERSION}"
    command = folder / "node_modules" / ".bin" / "codex"
    if not command.exists():
        npm, node = shutil.which("npm"), shutil.which("node")
        if npm is None or node is None:
            raise NotInstallable("node and npm are not installed")
        _install(npm, folder)
    return command


def _install(npm: str, folder: Path) -> None:
    PLACE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PLACE, prefix="installing-") as place:
        words = [npm, "install", "--prefix", place, "--no-audit", "--no-fund", f"@openai/codex@{VERSION}"]
        try:
            done = subprocess.run(words, capture_output=True, timeout=INSTALL_S, check=False)  # noqa: S603
        except subprocess.TimeoutExpired:
            raise NotInstallable(f"npm did not install it within {INSTALL_S} s") from None
        if done.returncode:
            raise NotInstallable(f"npm cannot install it: {done.stderr.decode(errors='replace')[-300:]}")
        shutil.rmtree(folder, ignore_errors=True)
        Path(place).rename(folder)  # whole, or not at all
        Path(place).mkdir()


@contextmanager
def home() -> Iterator[Path]:
    """A fresh home for one run; not under the temporary directory, of which Codex warns."""
    PLACE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PLACE, prefix="home-", ignore_cleanup_errors=True) as place:
        yield Path(place)
