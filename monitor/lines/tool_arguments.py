"""A tool's arguments to read: `name: value` lines, texts as they are, all else as JSON; changes to files as changes."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from monitor.lines.prose import Form
from monitor.state.trace import as_json

REPLACED = (("old_string", "new_string"), ("old_str", "new_str"))
"""What agents' tools call the text that is to go, and the one that takes its place."""

PATCH = "*** Begin Patch"
"""How the input of `apply_patch` begins."""

AROUND = 3
"""Unchanged lines shown around changed ones."""

COMPARED = 400
"""Lines of either text up to which they are compared: it takes the square of them."""


def arguments(value: Any) -> tuple[str, Form]:
    """The text, and how it is to be read."""
    if value is None:
        return "", "plain"
    if isinstance(value, str):
        return value, "diff" if value.lstrip().startswith(PATCH) else "plain"
    if not isinstance(value, dict):
        return as_json(value), "plain"
    lines, changed = _lines(value)
    return "\n".join(lines), "diff" if changed else "plain"


def _lines(value: dict[str, Any]) -> tuple[list[str], bool]:
    """Arguments by name, then the changes to a file among them; whether there are any."""
    rest = dict(value)
    changes: list[str] = []
    for old, new in REPLACED:
        before, after = value.get(old), value.get(new)
        if isinstance(before, str) and isinstance(after, str):
            changes += difference(before, after)
            del rest[old], rest[new]
    edits = value.get("edits")
    if isinstance(edits, list) and edits and all(isinstance(edit, dict) for edit in edits):
        parts = [_lines(edit) for edit in edits]
        if all(changed for _, changed in parts):
            changes += [line for lines, _ in parts for line in ("@@", *lines)]
            del rest["edits"]
    for name in ("input", "patch"):
        patch = value.get(name)
        if isinstance(patch, str) and patch.lstrip().startswith(PATCH):
            changes += patch.splitlines()
            del rest[name]
    return [*_named(rest), *changes], rest.keys() != value.keys()


@lru_cache(64)
def difference(before: str, after: str) -> tuple[str, ...]:
    """What goes and what comes, with a little of what stays around it."""
    old, new = before.splitlines(), after.splitlines()
    if max(len(old), len(new)) > COMPARED:
        return (*(f"-{line}" for line in old), *(f"+{line}" for line in new))
    _from, _to, _at, *changed = list(difflib.unified_diff(old, new, n=AROUND, lineterm="")) or [""] * 3
    return tuple("@@" if line.startswith("@@") else line for line in changed)


def _named(value: dict[str, Any]) -> Iterator[str]:
    for name, argument in value.items():
        if isinstance(argument, str) and "\n" in argument.strip():
            yield f"{name}:"
            yield from (f"  {line}" for line in argument.splitlines())
        elif isinstance(argument, list) and argument and all(isinstance(word, str) for word in argument):
            yield f"{name}: {' '.join(argument)}"
        else:
            yield f"{name}: {argument if isinstance(argument, str) else as_json(argument)}"
