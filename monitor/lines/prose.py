"""What a line of a model's text is, and so how it is read: a heading, a point, a quotation, code, a change.

It is the part of Markdown that models write, read line by line, since a text grows while one looks at it. Signs that
say something stay where a terminal without colours would not show it otherwise: those of code, of quotations, of
changes.
"""

from __future__ import annotations

import re
from typing import Literal

from attrs import frozen

from monitor.lines.span import Line, Span, Tone

Form = Literal["plain", "prose", "diff"]
"""A text as it was written, as Markdown, or as changes to a file."""

WRAPPED: Span = ("↪ ", "faint")
"""Before what did not fit into the line above; code is not broken between words, so nothing else would tell."""

_FENCE = re.compile(r"\s*(`{3,}|~{3,})\s*([\w+#-]*)[^`]*")
_HEADING = re.compile(r" {0,3}#{1,6} +")
_POINT = re.compile(r"(\s*)(?:[-*+]|(\d{1,3}[.)])) +(?=\S)")
_QUOTATION = re.compile(r" {0,3}> ?")
_RULE = re.compile(r" {0,3}([-*_])(?: ?\1){2,} *")
_INDENT = re.compile(r" *")
_MARKS = re.compile(
    r"(`+)(?!`).+?(?<!`)\1(?!`)"
    r"|\*\*(?=\S)(.+?)(?<=\S)\*\*"
    r"|(?<![\w*\\])\*(?=[^\s*])([^*]*[^\s*])\*(?![\w*])"
    r"|^\*\*(?=[^\s*])([^*]+)\*?$"  # a line that is strong as a whole, and still grows
)

DIFFS = ("diff", "patch")
"""Languages of fences that hold changes."""


@frozen
class Head:
    """How a line begins on the screen: what stands before its first row and its other ones, and how it goes on."""

    first: Line = ()
    others: Line = ()
    length: int = 0
    """Characters of the text that `first` stands for."""

    tone: Tone = "plain"
    marked: bool = False
    """Whether marks within it mean something."""

    code: bool = False
    """Broken where a row is full, not between words."""

    def spans(self, text: str) -> Line:
        """A part of the line, its marks as tones."""
        if not self.marked:
            return ((text, self.tone),)
        spans: list[Span] = []
        at = 0
        for match in _MARKS.finditer(text):
            spans.append((text[at : match.start()], self.tone))
            strong = match[2] or match[3] or match[4]
            spans.append((match[0], "code") if strong is None else (strong, "strong"))
            at = match.end()
        spans.append((text[at:], self.tone))
        return tuple(span for span in spans if span[0])


PLAIN = Head()


@frozen
class TextPlace:
    """Where in a text a line begins: in no fence, or in one that ends with `fence`."""

    fence: str = ""
    is_diff: bool = False

    def head(self, form: Form, line: str) -> Head:
        """What the line is, as far as its beginning tells."""
        if form == "plain":
            return PLAIN
        if form == "diff" or self.is_diff:
            return Head(others=(WRAPPED,), tone=_change(line), code=True)
        if self.fence or _FENCE.fullmatch(line):
            tone: Tone = "code" if self.fence and not self._is_end(line) else "faint"
            return Head(others=(WRAPPED,), tone=tone, code=True)
        return _text(line)

    def after(self, form: Form, line: str) -> TextPlace:
        """Where the next line begins."""
        if form != "prose":
            return self
        if self.fence:
            return TextPlace() if self._is_end(line) else self
        opened = _FENCE.fullmatch(line)
        return TextPlace(opened[1], opened[2].lower() in DIFFS) if opened else self

    def _is_end(self, line: str) -> bool:
        bare = line.strip()
        return bare.startswith(self.fence) and not bare.strip(self.fence[0])


def _text(line: str) -> Head:
    """A line outside of fences."""
    if _RULE.fullmatch(line):
        return Head(tone="faint")
    if heading := _HEADING.match(line):
        return Head(length=heading.end(), tone="strong", marked=True)
    if point := _POINT.match(line):
        sign = point[1].expandtabs(4) + (f"{point[2]} " if point[2] else "• ")
        return Head(((sign, "muted"),), ((" " * len(sign), "plain"),), point.end(), marked=True)
    if quotation := _QUOTATION.match(line):
        edge: Line = (("│ ", "faint"),)
        return Head(edge, edge, quotation.end(), "muted", marked=True)
    indent = _INDENT.match(line)
    length = indent.end() if indent else 0
    before: Line = ((" " * length, "plain"),) if length else ()
    return Head(before, before, length, marked=True)


def bare(text: str) -> str:
    """A text in one line without the signs of headings and of what is strong, for where it is told in a few words."""
    words = " ".join(_HEADING.sub("", line) for line in text.splitlines()).split()
    return "".join(part for part, _tone in Head(marked=True).spans(" ".join(words)))


def _change(line: str) -> Tone:
    """The tone of a line of changes: of unified ones, and of those that `apply_patch` takes."""
    if line.startswith(("@@", "*** ", "diff ", "index ", "+++ ", "--- ")):
        return "muted"
    return "good" if line.startswith("+") else "bad" if line.startswith("-") else "plain"
