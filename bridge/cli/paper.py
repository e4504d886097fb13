"""What the short commands print on, and tables that fit it.

On a terminal a table is as wide as that: columns go, the least important first, and one text gives way, with an
ellipsis where it ends. What is piped to a program or a file is whole, and has no colours.
"""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import click

from bridge.cli.pager import page
from bridge.value_classes import frozen

Colour = Literal["green", "yellow", "red", "bright_black"]


@frozen
class PrintedName:
    """A text of which the `end` stays where there is no room for all: `Claud… 12`."""

    start: str
    end: str


PrintedCell = str | tuple[str, Colour] | PrintedName
"""A cell's text, with its colour where it has one."""

GAP = 2

ASCII = {"…": "...", "·": "-", "≥": ">=", "–": "-", "→": "->", "✓": "ok", "✗": "x", "¶": "|"}  # noqa: RUF001  what is meant
"""Words of ours for terminals that know no more than ASCII."""


@frozen
class Paper:
    """`width` and `height` in cells, None where nobody sees an end."""

    width: int | None = None
    height: int | None = None
    colours: bool = False
    ascii_only: bool = False
    moves: bool = False
    """Whether it can be written over."""

    @property
    def is_terminal(self) -> bool:
        """Whether a person looks on."""
        return self.width is not None

    def put(self, lines: Iterable[str]) -> None:
        """Prints lines as they come."""
        for line in lines:
            click.echo(plain(line) if self.ascii_only else line, color=self.colours)

    def put_folded(self, lines: Iterable[str], indent: int) -> None:
        """Prints lines as they come, on as many as each takes, all but the first of them indented."""
        for line in lines:
            self.put(self.folded(line, indent))

    def folded(self, line: str, indent: int) -> Iterator[str]:
        """A line on as many as it takes, all but the first of them indented."""
        return folded(plain(line) if self.ascii_only else line, self.width, indent)

    def put_whole(self, lines: Iterable[str]) -> None:
        """Prints all there is; what is longer than a screen goes through the pager."""
        shown = list(lines)
        if self.height is None or len(shown) < self.height:
            self.put(shown)
            return
        text = "\n".join(shown) + "\n"
        page(plain(text) if self.ascii_only else text, colours=self.colours)


def paper() -> Paper:
    """What standard output is."""
    ascii_only = not (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf8")
    if not sys.stdout.isatty():
        return Paper(ascii_only=ascii_only)
    size = shutil.get_terminal_size()
    is_dumb = os.environ.get("TERM") == "dumb"
    colours = not (is_dumb or os.environ.get("NO_COLOR"))
    return Paper(max(20, size.columns), size.lines, colours, ascii_only or is_dumb, moves=not is_dumb)


def plain(text: str) -> str:
    """The text in ASCII: our own signs as words, a question mark for each other character."""
    if text.isascii():
        return text
    for sign, word in ASCII.items():
        text = text.replace(sign, word)
    return text.encode("ascii", "replace").decode()


@frozen
class PrintedColumn:
    """A column: its title; whether it holds numbers; when it goes, where there is no room; how narrow it may become."""

    title: str
    right: bool = False
    goes: int = 0
    """The columns with the highest number go first; those with 0 stay."""

    least: int = 0
    """Cells to which its texts may be cut; 0 where they may not."""


def table(columns: Sequence[PrintedColumn], rows: Iterable[Sequence[PrintedCell]], on: Paper) -> Iterator[str]:
    """The titles, and the rows under them."""
    whole = [list(row) for row in rows]
    widths = [
        max([cells(column.title), *(cells(_text_of(row[index])) for row in whole)])
        for index, column in enumerate(columns)
    ]
    kept = _fit(columns, widths, on.width)
    yield _line([(columns[index], columns[index].title, widths[index]) for index in kept], on)
    for row in whole:
        yield _line([(columns[index], row[index], widths[index]) for index in kept], on)


def _text_of(cell: PrintedCell) -> str:
    match cell:
        case PrintedName():
            return cell.start + cell.end
        case (text, _):
            return text
    return cell


def _fit(columns: Sequence[PrintedColumn], widths: list[int], room: int | None) -> list[int]:
    """Which columns stay; takes cells from those that may be cut."""
    kept = list(range(len(columns)))
    if room is None:
        return kept

    def over() -> int:
        return sum(widths[index] for index in kept) + GAP * (len(kept) - 1) - room

    def spare() -> int:
        return sum(max(0, widths[index] - columns[index].least) for index in kept if columns[index].least)

    while over() > spare() and (going := [index for index in kept if columns[index].goes]):
        kept.remove(max(going, key=lambda index: columns[index].goes))
    for index in sorted(kept, key=lambda index: -widths[index]):
        if columns[index].least:
            widths[index] -= min(max(0, over()), max(0, widths[index] - columns[index].least))
    return kept


def _line(row: list[tuple[PrintedColumn, PrintedCell, int]], on: Paper) -> str:
    parts = []
    for number, (column, cell, width) in enumerate(row):
        shown = cut(_text_of(cell), width, cell.end if isinstance(cell, PrintedName) else "")
        colour = cell[1] if isinstance(cell, tuple) else None
        pad = " " * (width - cells(shown))
        coloured = click.style(shown, fg=colour) if colour and on.colours else shown
        last = number == len(row) - 1
        parts.append(pad + coloured if column.right else coloured if last else coloured + pad)
    return (" " * GAP).join(parts).rstrip()


def cut(text: str, width: int, end: str = "") -> str:
    """The text in so many cells, with an ellipsis where something is left out: before its `end`, which stays where
    that leaves room for anything else."""
    if cells(text) <= width:
        return text
    if end and cells(end) < width - 1:
        return cut(text.removesuffix(end), width - cells(end)) + end
    return text[: longest_start(text, width - 1)].rstrip() + "…"


def folded(text: str, width: int | None, indent: int, *, whole_words: bool = False) -> Iterator[str]:
    """One line as lines of so many cells, all but the first indented; between words where there are any.

    A word that is longer than a line, a path say, goes over its end where `whole_words` are wanted, so that it can be
    copied.
    """
    rest = text
    while width is not None and cells(rest) > width:
        fits = longest_start(rest, width)
        space = rest.rfind(" ", indent + 1, fits + 1)
        if space < 0 and whole_words and (space := rest.find(" ", max(fits, indent + 1))) < 0:
            break
        end = space if space > 0 else max(fits, indent + 1)
        yield rest[:end].rstrip()
        rest = " " * indent + rest[end:].lstrip()
    yield rest


SAID_INDENT = 2
"""By which a remark goes on below its beginning."""


def remark(text: str) -> str:
    """What is said beside a command's output, as lines for standard error: on a terminal it goes on at words, and paths
    stay whole."""
    return "".join(f"{line}\n" for line in folded(text, _error_width(), SAID_INDENT, whole_words=True))


def _error_width() -> int | None:
    try:
        return max(20, os.get_terminal_size(sys.stderr.fileno()).columns)
    except (OSError, ValueError, AttributeError):  # no terminal, closed, or not there at all
        return None


def longest_start(text: str, width: int) -> int:
    """How many characters of it go into so many cells."""
    used = 0
    for number, character in enumerate(text):
        used += cells(character)
        if used > width:
            return number
    return len(text)


def cells(text: str) -> int:
    """How many cells of a terminal it takes."""
    if text.isascii():
        return len(text)
    return sum(map(_cells_of, text))


def _cells_of(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
