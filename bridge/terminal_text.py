"""Text from outside, made harmless for a terminal: nothing in it that a terminal would act on.

A terminal obeys control sequences wherever they come from, and a model's output, a header or a key's label may hold
any. What takes the place of a harmful character depends on who reads:

- `symbols`, for the dashboard: one visible symbol for each, and all else as it is. Tabs, newlines and the joiners that
  emoji and several scripts need stay, since the dashboard lays the text out itself.
- `visible`, for lines and tables on standard output, where nothing lays out: whatever cannot be printed becomes a
  blank or a mark, so that columns stay aligned.
- `escaped`, for logs: Python's escapes, which say exactly which characters came.
- `in_json`, for JSON on standard output: its own escapes, so that it is still the same JSON.
- `printable`, for a command that is pasted into a shell: such characters are left out, as any mark would change it.
"""

from __future__ import annotations

import re
import unicodedata

TEXT_WIDTH = 160
"""Characters shown of one text in a line or a cell of a table."""

_HARMFUL = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f"  # C0 without tab and newline, DEL
    "\x80-\x9f"  # C1: 0x9b alone begins a control sequence
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidi marks, embeddings, overrides, isolates
    "\u200b\ufeff"  # invisible: zero width space, byte order mark
    "\u2028\u2029"  # break lines behind the layout's back
    "\ud800-\udfff"  # a surrogate without its partner: cannot be encoded
    "]"
)


def symbols(text: str) -> str:
    """The text with a visible symbol for each harmful character. Doing it twice changes nothing."""
    return text if text.isprintable() else _HARMFUL.sub(_symbol, text)


def _symbol(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)  # the block of control pictures
    return "␡" if code == 0x7F else f"<U+{code:04X}>"


def visible(text: str, *, keep: str = "") -> str:
    """The text on one line, with a blank or a mark for whatever cannot be printed; what is in `keep` stays."""
    return "".join(character if character in keep else _mark(character) for character in text)


def visible_start(text: str) -> str:
    """The text on one line, cut to TEXT_WIDTH, with nothing in it that a terminal would act on."""
    return visible(text if len(text) <= TEXT_WIDTH else text[: TEXT_WIDTH - 1] + "…")


def _mark(character: str) -> str:
    if character.isprintable():
        return character
    if character in "\n\t\r":
        return " "
    return "�" if unicodedata.category(character) in {"Cc", "Cs"} else f"<U+{ord(character):04X}>"


def escaped(text: str) -> str:
    """The text on one line, with Python's escape for whatever cannot be printed."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def in_json(text: str) -> str:
    """JSON as it means, with JSON's own escape for whatever cannot be printed. Newlines stay: they part its lines."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else _json_escape(character) for character in text
    )


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def printable(text: str) -> str:
    """The text without what cannot be printed."""
    return "".join(character for character in text if character.isprintable())
