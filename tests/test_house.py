"""The house keeps its order: few rooms at the roots, no name twice, no knowledge of kinds outside their files."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.providers.kinds import CREDENTIAL_HEADERS, KINDS

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("bridge", "monitor")
FACES = {"__init__.py", "__main__.py"}


def sources(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    """Every module in these folders."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("package", "most"), [("bridge", 8), ("monitor", 6)])
def test_few_modules_lie_at_the_root(package: str, most: int) -> None:
    assert len([path for path in (ROOT / package).glob("*.py") if path.name not in FACES]) <= most


def test_no_class_name_stands_twice() -> None:
    names = Counter(
        node.name for _, tree in sources(*PACKAGES) for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
    )
    inner = {"Chosen", "Open"}  # messages of a widget, known by the widget's name before theirs
    assert [name for name, count in names.items() if count > 1 and name not in inner] == []


def test_nothing_is_called_one() -> None:
    found = [
        f"{path}:{node.lineno}"
        for path, tree in sources(*PACKAGES, "tests", "scripts")
        for node in ast.walk(tree)
        if (isinstance(node, ast.Name) and node.id == "one") or (isinstance(node, ast.arg) and node.arg == "one")
    ]
    assert found == []


def test_a_kind_of_provider_is_known_by_its_own_file_alone() -> None:
    names = {*KINDS, "passthrough"}
    found = [
        f"{path}:{node.lineno}"
        for path, tree in sources("bridge", "monitor")
        if "simulator" not in path.parts
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        and any(isinstance(side, ast.Constant) and side.value in names for side in (node.left, *node.comparators))
    ]
    assert found == ["bridge/events/vocabulary.py:" + found[0].rpartition(":")[2]]  # InterceptionStarted.passed_through


def test_a_kinds_credential_header_is_known_by_its_own_file_alone() -> None:
    headers = CREDENTIAL_HEADERS - {b"authorization"}  # whose schemes HTTP itself defines
    found = [
        f"{path}:{node.lineno}"
        for path, tree in sources("bridge", "monitor")
        if not {"simulator", "providers"} & {*path.parts}
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and lowered(node.value) in headers
    ]
    assert found == []


def lowered(value: str | bytes) -> bytes:
    """A header's name as headers are compared."""
    return (value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")).lower()
