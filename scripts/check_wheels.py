"""Which Pythons the lock files can be installed on without a compiler (`scripts/lock --check`).

`scripts/lock` writes beside them, in `requirements-wheels.txt`, which wheels each pinned package has. The check needs
no network: it reads that page, sees that it speaks of the very files whose hashes are locked, and that each package has
a wheel for every Python and platform below, or one that fits any.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.markers import Marker
from packaging.tags import Tag
from packaging.utils import parse_wheel_filename

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-test.lock")
WHEELS = "requirements-wheels.txt"

PYTHONS = (11, 12, 13, 14, 15)
"""Minor versions of Python 3 for which there has to be a wheel."""

PLATFORMS = {
    "Linux on x86-64": r"manylinux.*x86_64",
    "Linux on ARM": r"manylinux.*aarch64",
    "macOS on ARM": r"macosx.*(arm64|universal2)",
    "macOS on x86-64": r"macosx.*(x86_64|universal2)",
}

MARKED = re.compile(r"([\w.\-]+==[^\s;\\]+)(?:\s*;\s*([^\\]+?))?\s*\\?$")
"""A pin in a lock file, and for which Pythons and platforms it is."""

EXCEPTIONS = {
    ("cryptography", "macOS on x86-64"): "makes wheels for Macs with ARM only; comes with trustme, for tests alone",
}
"""Packages without a wheel, by name and platform, and why that is borne. One that has them again must go from here."""


def main() -> int:
    """Checks the page; with `--write FILES`, locks in the format of PEP 751, writes it first. Returns 1 for a fault."""
    if sys.argv[1:2] == ["--write"]:
        wheels: dict[str, dict[str, str]] = {}
        for file in sys.argv[2:]:
            for pin, names in _locked(Path(file)).items():
                wheels.setdefault(pin, {}).update(names)
        (ROOT / WHEELS).write_text("\n".join(_page(wheels)) + "\n", encoding="utf-8")
    found = list(faults(ROOT))
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


def _locked(file: Path) -> dict[str, dict[str, str]]:
    """The wheels of each pin, with their hashes, as far as they fit a Python and a platform of ours."""
    return {
        f"{package['name']}=={package['version']}": {
            name: wheel["hashes"]["sha256"]
            for wheel in package.get("wheels", ())
            if _is_ours(name := wheel.get("name") or wheel["url"].rpartition("/")[2])
        }
        for package in tomllib.loads(file.read_text(encoding="utf-8"))["packages"]
    }


def _is_ours(wheel: str) -> bool:
    return any(fits(wheel, minor, platform) for minor in PYTHONS for platform in PLATFORMS.values())


def _page(wheels: dict[str, dict[str, str]]) -> Iterator[str]:
    yield "# Written by scripts/lock: the wheels of each pinned package that a supported Python and platform can use."
    for pin, names in sorted(wheels.items()):
        yield pin
        yield from (f"    {name} {digest}" for name, digest in sorted(names.items()))


def faults(root: Path) -> Iterator[str]:
    """What is wrong, a line each."""
    wheels = _read((root / WHEELS).read_text(encoding="utf-8"))
    pinned: dict[str, set[str]] = {}
    markers: dict[str, set[str]] = {}
    for file in LOCKS:
        for pin, (marker, hashes) in _pins((root / file).read_text(encoding="utf-8")).items():
            pinned.setdefault(pin, set()).update(hashes)
            markers.setdefault(pin, set()).add(marker)
    yield from (f"{WHEELS}: {pin} is missing; run scripts/lock" for pin in sorted(pinned.keys() - wheels.keys()))
    yield from (f"{WHEELS}: {pin} is not locked; run scripts/lock" for pin in sorted(wheels.keys() - pinned.keys()))
    borne = set()
    for pin in sorted(pinned.keys() & wheels.keys()):
        if unknown := sorted({*wheels[pin].values()} - pinned[pin]):
            yield f"{WHEELS}: {pin} has wheels that are not locked, such as {unknown[0]}; run scripts/lock"
        for platform, pattern in PLATFORMS.items():
            wanted = [minor for minor in PYTHONS if any(_is_for(marker, minor, platform) for marker in markers[pin])]
            lacking = [minor for minor in wanted if not any(fits(name, minor, pattern) for name in wheels[pin])]
            exception = (pin.partition("==")[0], platform)
            if lacking and exception in EXCEPTIONS:
                borne.add(exception)
            elif lacking:
                versions = ", ".join(f"3.{minor}" for minor in lacking)
                yield f"{pin}: no wheel for Python {versions} on {platform}"
    for name, platform in sorted(EXCEPTIONS.keys() - borne):
        yield f"scripts/check_wheels.py: {name} needs no exception for {platform} any more; take it off EXCEPTIONS"


def _is_for(marker: str, minor: int, platform: str) -> bool:
    """Whether what is so marked is installed at all, on CPython 3.`minor` on a platform."""
    system = "linux" if platform.startswith("Linux") else "darwin"
    version = {"python_version": f"3.{minor}", "python_full_version": f"3.{minor}.0"}
    return not marker or Marker(marker).evaluate({**version, "sys_platform": system})


def fits(wheel: str, minor: int, platform: str) -> bool:
    """Whether a wheel, by its file's name, can be installed on CPython 3.`minor` on a platform."""
    return any(_fits(tag, minor, platform) for tag in parse_wheel_filename(wheel)[3])


def _fits(tag: Tag, minor: int, platform: str) -> bool:
    if tag.platform != "any" and not re.fullmatch(platform, tag.platform):
        return False
    if tag.interpreter.startswith("py"):
        return tag.interpreter == "py3" and tag.abi == "none"
    if tag.abi == "abi3":
        return int(tag.interpreter.removeprefix("cp3")) <= minor
    return tag.interpreter == f"cp3{minor}" and tag.abi in {f"cp3{minor}", "none"}


def _pins(lock: str) -> dict[str, tuple[str, set[str]]]:
    """The marker and the hashes that a lock file has for each pin."""
    found: dict[str, tuple[str, set[str]]] = {}
    pin = ""
    for line in lock.splitlines():
        if name := MARKED.match(line):
            pin = name[1]
            found[pin] = (name[2] or "", set())
        elif hashed := re.match(r"\s+--hash=sha256:(\w+)", line):
            found[pin][1].add(hashed[1])
    return found


def _read(page: str) -> dict[str, dict[str, str]]:
    """The wheels of each pin, with their hashes."""
    found: dict[str, dict[str, str]] = {}
    pin = ""
    for line in page.splitlines():
        if line.startswith("    "):
            name, digest = line.split()
            found[pin][name] = digest
        elif not line.startswith("#"):
            pin = line
            found[pin] = {}
    return found


if __name__ == "__main__":
    sys.exit(main())
