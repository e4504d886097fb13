"""Arguments of tools that change files are shown as the change."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.lines.tool_arguments import COMPARED, arguments

BEFORE, AFTER = "one\ntwo\nthree", "one\n2\nthree"
CHANGED = " one\n-two\n+2\n three"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"file_path": "a.py", "old_string": BEFORE, "new_string": AFTER}, f"file_path: a.py\n{CHANGED}"),
        ({"command": "str_replace", "old_str": BEFORE, "new_str": AFTER}, f"command: str_replace\n{CHANGED}"),
        (
            {"edits": [{"old_string": BEFORE, "new_string": AFTER, "replace_all": True}]},
            f"@@\nreplace_all: true\n{CHANGED}",
        ),
        ({"input": "*** Begin Patch\n-a\n+b"}, "*** Begin Patch\n-a\n+b"),
        ("*** Begin Patch\n-a", "*** Begin Patch\n-a"),
        ({"old_string": "", "new_string": "all new"}, "+all new"),
        ({"old_string": "same", "new_string": "same"}, ""),
    ],
)
def test_what_goes_and_what_comes_is_shown(value: Any, text: str) -> None:
    assert arguments(value) == (text, "diff")


def test_far_changes_are_parted() -> None:
    lines = [str(number) for number in range(40)]
    text, _form = arguments({"old_str": "\n".join(lines), "new_str": "\n".join(["x", *lines[1:-1], "y"])})
    assert text.split("\n") == ["-0", "+x", " 1", " 2", " 3", "@@", " 36", " 37", " 38", "-39", "+y"]


def test_long_texts_are_not_compared() -> None:
    old = "\n".join(map(str, range(COMPARED + 1)))
    text, _form = arguments({"old_str": old, "new_str": old + "x"})
    assert text.count("\n-") == COMPARED
    assert text.count("\n+") == COMPARED + 1


def test_what_only_looks_like_a_change_is_shown_as_it_is() -> None:
    value = {"old_string": 1, "new_string": "a", "edits": [{"x": 1}, 2], "patch": "no"}
    assert arguments(value) == ('old_string: 1\nnew_string: a\nedits: [{"x": 1}, 2]\npatch: no', "plain")
