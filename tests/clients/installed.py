"""Real agents for tests, and a browser: each installed once, in always the same version, outside the repository.

`scripts/agents` installs them, and `.ci/run` calls that first. Tests take what is there: an installation takes from
seconds to minutes, which no test should, and needs package registries. The folder is `clearspan-tests` in the user's
cache, or the one that CLEARSPAN_TEST_AGENTS names.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

PLACE = Path(
    os.environ.get("CLEARSPAN_TEST_AGENTS")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clearspan-tests"
)
INSTALL_S = 180
ALL_S = 240
"""How long one agent, and all, may take to be installed, in seconds. Most take less than 20; continuous integration has
to end."""


class NotInstalled(Exception):
    """It is not there, or can't be; the text says why."""


@frozen
class Package:
    """An agent as its registry has it."""

    name: str
    version: str
    command: str
    npm: bool = True
    packed: bool = False
    """It is no program of its registry's, but has one in `bin`, packed with Brotli."""

    @property
    def folder(self) -> Path:
        """Where it is installed."""
        return PLACE / f"{self.command}-{self.version}"

    @property
    def program(self) -> Path:
        """What is run."""
        if self.packed:
            return self.folder / "unpacked" / self.command
        return self.folder / ("node_modules/.bin" if self.npm else "venv/bin") / self.command

    @property
    def whole(self) -> Path:
        """A file that is there when all of it is."""
        return self.folder / "whole"

    @property
    def why_not(self) -> Path:
        """A file that says why it could not be installed the last time."""
        return PLACE / f"{self.folder.name}.why-not"


PACKAGES = {
    package.command: package
    for package in (
        Package("@openai/codex", "0.169.0", "codex"),
        Package("@anthropic-ai/claude-code", "2.1.197", "claude"),
        Package("opencode-ai", "1.18.33", "opencode"),
        Package("@earendil-works/pi-coding-agent", "0.74.2", "pi"),
        Package("@qwen-code/qwen-code", "0.15.10", "qwen"),
        Package("@github/copilot", "1.0.102", "copilot"),
        Package("aider-chat", "0.86.2", "aider", npm=False),
        Package("llm", "0.36", "llm", npm=False),
        Package("mcp-server-time", "2026.10.19", "mcp-server-time", npm=False),
        Package("@modelcontextprotocol/server-everything", "2026.8.31", "mcp-server-everything"),
        Package("@sparticuz/chromium", "153.0.0", "chromium", packed=True),
    )
}


def program(command: str) -> Path:
    """The agent's program. Raises NotInstalled."""
    package = PACKAGES[command]
    if not package.whole.exists():
        why = package.why_not.read_text() if package.why_not.exists() else "scripts/agents installs it"
        raise NotInstalled(f"{package.name} {package.version} is not installed: {why}")
    if package.npm and shutil.which("node") is None:
        raise NotInstalled("node is not installed")
    return package.program


def install(package: Package, seconds: float = INSTALL_S) -> None:
    """Installs an agent within so many seconds, whole or not at all, unless it is there. Raises NotInstalled."""
    if package.whole.exists():
        return
    PLACE.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(package.folder, ignore_errors=True)
    try:
        _check_machine(package)
        if package.npm:
            _install_from_npm(package, seconds)
            if package.packed:
                _unpack(package, seconds)
        else:
            _install_from_pypi(package, seconds)
        package.whole.touch()
        package.why_not.unlink(missing_ok=True)
    except NotInstalled as reason:
        shutil.rmtree(package.folder, ignore_errors=True)
        package.why_not.write_text(str(reason))
        raise


def _check_machine(package: Package) -> None:
    if package.packed and (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise NotInstalled("it is for Linux on x86-64 alone")


def _install_from_npm(package: Package, seconds: float) -> None:
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise NotInstalled("node and npm are not installed")
    with tempfile.TemporaryDirectory(dir=PLACE, prefix="installing-") as place:
        wanted = f"{package.name}@{package.version}"
        _run([npm, "install", "--prefix", place, "--no-audit", "--no-fund", "--no-save", wanted], seconds)
        Path(place).rename(package.folder)
        Path(place).mkdir()


UNPACK = """
const [from, to, ...names] = process.argv.slice(1);
const { createReadStream, createWriteStream } = require("node:fs"), { createBrotliDecompress } = require("node:zlib");
const { pipeline } = require("node:stream/promises");
for (const name of names) {
  pipeline(createReadStream(`${from}/${name}.br`), createBrotliDecompress(), createWriteStream(`${to}/${name}`));
}
"""
"""Python has no Brotli of its own, and node is there where npm is."""

LIBRARIES = ("al2023.tar", "swiftshader.tar")
"""What it needs of a system that a bare one has not, and what draws in the place of a graphics card."""


def _unpack(package: Package, seconds: float) -> None:
    """Lays a browser and its libraries out, and sees whether it runs. Raises NotInstalled."""
    packed, place = package.folder / "node_modules" / package.name / "bin", package.program.parent
    place.mkdir()
    names = (package.command, *LIBRARIES)
    _run(["node", "-e", UNPACK, str(packed), str(place), *names], seconds)
    for name in LIBRARIES:
        with tarfile.open(place / name) as archive:
            archive.extractall(place, filter="data")
        (place / name).unlink()
    shutil.rmtree(packed)
    package.program.chmod(0o755)
    _run([str(package.program), "--version"], seconds, libraries(package.program))


def libraries(program: Path) -> dict[str, str]:
    """The variable by which a program that was unpacked finds the libraries that it brought."""
    return {"LD_LIBRARY_PATH": str(program.parent / "lib")}


def _install_from_pypi(package: Package, seconds: float) -> None:
    venv = package.folder / "venv"  # where it stays: its programs name their interpreter by its whole path
    _run([sys.executable, "-m", "venv", str(venv)], seconds)
    install = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*install, "--no-compile", f"{package.name}=={package.version}"], seconds)


def _run(words: Sequence[str], seconds: float, variables: Mapping[str, str] | None = None) -> None:
    env = {**os.environ, **(variables or {})}
    try:
        done = subprocess.run(words, capture_output=True, timeout=seconds, check=False, env=env)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"it was not installed within {seconds:.0f} s") from None
    if done.returncode:
        raise NotInstalled(f"it can't be installed: …{' '.join(done.stderr.decode(errors='replace').split())[-300:]}")


@contextmanager
def home() -> Iterator[Path]:
    """A fresh home for one run; not under the temporary directory, of which Codex warns."""
    PLACE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PLACE, prefix="home-", ignore_cleanup_errors=True) as place:
        yield Path(place)


def main(names: Sequence[str]) -> int:
    """Installs the agents of these names, or all. Returns 1 where one can't be."""
    code = 0
    ends = time.monotonic() + ALL_S
    for name in names or PACKAGES:
        if name not in PACKAGES:
            sys.stderr.write(f"no agent is called {name}; there are {', '.join(PACKAGES)}\n")
            return 2
        package = PACKAGES[name]
        try:
            install(package, min(INSTALL_S, max(ends - time.monotonic(), 1)))
        except NotInstalled as reason:
            sys.stderr.write(f"{package.name} {package.version}: {reason}\n")
            code = 1
        else:
            sys.stdout.write(f"{package.program}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
