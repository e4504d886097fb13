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


def class_names() -> Iterator[str]:
    """The name of every class, those inside others too."""
    for _, tree in sources(*PACKAGES):
        yield from (node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def alias_names() -> Iterator[str]:
    """The name of every type alias at the top of a module: `Line = tuple[Span, ...]`, `Incoming = Message | Lost`."""
    for _, tree in sources(*PACKAGES):
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript | ast.BinOp):
                names = [target.id for target in node.targets if isinstance(target, ast.Name)]
                yield from (name for name in names if name[0].isupper() and not name.isupper())


def test_no_class_name_stands_twice() -> None:
    inner = {"Chosen", "Open"}  # messages of a widget, known by the widget's name before theirs
    assert [name for name, count in Counter(class_names()).items() if count > 1 and name not in inner] == []


def test_no_type_alias_stands_twice() -> None:
    known = {
        "Fields",  # rows of the record: its history, and its export
        "Message",  # an ASGI message in the HTTP engine, a line of the event socket on the wire
    }
    aliases = Counter(alias_names())
    assert {name for name, count in aliases.items() if count > 1} <= known
    also_classes = {"App"}  # any ASGI application, and the bridge's own
    assert aliases.keys() & set(class_names()) <= also_classes


def test_nothing_is_called_one() -> None:
    found = [
        f"{path}:{node.lineno}"
        for path, tree in sources(*PACKAGES, "tests", "scripts")
        for node in ast.walk(tree)
        if (isinstance(node, ast.Name) and node.id == "one") or (isinstance(node, ast.arg) and node.arg == "one")
    ]
    assert found == []


def told_apart(node: ast.AST) -> Iterator[ast.expr]:
    """The values that this piece of code tells apart: in a comparison, a `match`, a table."""
    match node:
        case ast.Compare():
            for side in (node.left, *node.comparators):
                yield from side.elts if isinstance(side, ast.Tuple | ast.List | ast.Set) else [side]
        case ast.MatchValue():
            yield node.value
        case ast.Dict():
            yield from (key for key in node.keys if key is not None)


def test_a_kind_of_provider_is_known_by_its_own_file_alone() -> None:
    names = {*KINDS, "passthrough"}
    found = [
        str(path)
        for path, tree in sources("bridge", "monitor")
        if "simulator" not in path.parts
        for node in ast.walk(tree)
        if any(isinstance(value, ast.Constant) and value.value in names for value in told_apart(node))
    ]
    assert found == ["bridge/events/vocabulary.py"]  # InterceptionStarted.passed_through


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
