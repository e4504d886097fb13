"""The lock files can be installed without a compiler on every Python that is supported, and on the next ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scripts.check_wheels import EXCEPTIONS, LOCKS, ROOT, WHEELS, faults, fits

LINUX = r"manylinux.*x86_64"


def test_every_pinned_package_has_wheels() -> None:
    assert list(faults(ROOT)) == []


@pytest.mark.parametrize(
    ("wheel", "minors"),
    [
        ("a-1-py3-none-any.whl", [11, 13, 14, 15]),
        ("a-1-py2.py3-none-any.whl", [11, 13, 14, 15]),
        ("a-1-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", [11, 13, 14, 15]),
        ("a-1-cp311-abi3-manylinux_2_28_x86_64.whl", [11, 13, 14, 15]),
        ("a-1-cp314-abi3-manylinux_2_28_x86_64.whl", [14, 15]),
        ("a-1-cp314-cp314-manylinux_2_28_x86_64.whl", [14]),
        ("a-1-cp314-cp314t-manylinux_2_28_x86_64.whl", []),
        ("a-1-cp314-cp314-manylinux_2_28_aarch64.whl", []),
        ("a-1-cp314-cp314-musllinux_1_2_x86_64.whl", []),
        ("a-1-py2-none-any.whl", []),
    ],
)
def test_which_python_a_wheel_fits(wheel: str, minors: list[int]) -> None:
    assert [minor for minor in (11, 13, 14, 15) if fits(wheel, minor, LINUX)] == minors


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in (*LOCKS, WHEELS):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def change(file: Path, old: str, new: str) -> None:
    """Replaces what stands in a file."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_a_package_without_a_wheel_for_a_python_to_come_is_told(copy: Path) -> None:
    lines = (copy / WHEELS).read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not (line.startswith("    orjson-") and ("-cp314-" in line or "-cp315-" in line))]
    assert len(kept) < len(lines)
    (copy / WHEELS).write_text("\n".join(kept), encoding="utf-8")
    found = list(faults(copy))
    assert any("orjson==" in fault and "no wheel for Python 3.14, 3.15 on Linux on x86-64" in fault for fault in found)


def test_a_package_needs_wheels_only_for_the_pythons_it_is_for(copy: Path) -> None:
    for lock in LOCKS:
        text = (copy / lock).read_text(encoding="utf-8")
        (pin,) = [line for line in text.splitlines() if line.startswith("backports-zstd==")]
        assert "python_full_version < '3.14'" in pin
        change(copy / lock, pin, pin.replace("3.14", "3.15"))
    found = list(faults(copy))
    assert len(found) == 4
    assert all("backports-zstd==" in fault and "no wheel for Python 3.14 on" in fault for fault in found)


def test_a_page_that_speaks_of_other_files_is_told(copy: Path) -> None:
    pin = next(line for line in (copy / WHEELS).read_text(encoding="utf-8").splitlines() if line.startswith("attrs=="))
    change(copy / WHEELS, pin, "attrs==1.0")
    assert [fault.partition(";")[0] for fault in faults(copy)] == [
        f"{WHEELS}: {pin} is missing",
        f"{WHEELS}: attrs==1.0 is not locked",
    ]


def test_a_wheel_that_is_not_locked_is_told(copy: Path) -> None:
    text = (copy / WHEELS).read_text(encoding="utf-8")
    _, wheel, *_ = text.partition("    ")[2].split(maxsplit=2)
    change(copy / WHEELS, wheel, "0" * 64)
    (fault,) = faults(copy)
    assert "has wheels that are not locked" in fault


def test_an_exception_that_is_mended_must_go(copy: Path) -> None:
    (name, platform), *_ = EXCEPTIONS
    lines = []
    for line in (copy / WHEELS).read_text(encoding="utf-8").splitlines():
        lines.append(line)
        if line.startswith(f"    {name}-"):
            wheel, digest = line.split()
            lines.append(f"    {wheel.replace('macosx_11_0_arm64', 'macosx_11_0_universal2')} {digest}")
    (copy / WHEELS).write_text("\n".join(lines), encoding="utf-8")
    (fault,) = faults(copy)
    assert fault.startswith(f"scripts/check_wheels.py: {name} needs no exception for {platform} any more")
